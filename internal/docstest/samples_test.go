//go:build !js

package docstest

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// blocks returns the fenced blocks of a language, as they stand in the page.
func blocks(t *testing.T, page, language string) []string {
	t.Helper()
	re := regexp.MustCompile("(?ms)^```" + language + "\n(.*?)^```$")
	var list []string
	for _, m := range re.FindAllStringSubmatch(strings.ReplaceAll(read(t, page), "\r\n", "\n"), -1) {
		list = append(list, m[1])
	}
	if len(list) == 0 {
		t.Fatalf("%s has no %s sample", page, language)
	}
	return list
}

// run runs a command in a directory and returns what it prints.
func run(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
	cmd.Dir = dir
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s%s", strings.Join(args, " "), err, stdout.String(), stderr.String())
	}
	return stdout.String()
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestGoSample builds and runs the program in README.md as a user's own module beside a clone. It takes over this
// module's requirements, which go mod tidy would find again, so that it needs no network.
func TestGoSample(t *testing.T) {
	const module = "github.com/hyperhyperspace/hhs-go"
	clone, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	programs := blocks(t, "README.md", "go")
	dir := t.TempDir()
	write(t, dir, "main.go", programs[0])
	write(t, dir, "go.mod", strings.Replace(read(t, "go.mod"), "module "+module, "module example.org/shopping", 1))
	write(t, dir, "go.sum", read(t, "go.sum"))
	run(t, dir, "go", "mod", "edit", "-replace", module+"="+clone, "-require", module+"@v0.0.0")
	program := filepath.Join(t.TempDir(), "shopping.exe")
	run(t, dir, "go", "build", "-mod=mod", "-o", program, ".")
	want := regexp.MustCompile(`^bread added by \w{8}\n$`)
	for range 2 { // a second run finds the keys of the first
		if got := run(t, dir, program); !want.MatchString(got) {
			t.Errorf("the Go sample printed %q, not %s", got, want)
		}
	}
	if len(programs) != 1 {
		t.Errorf("README.md has %d Go samples, of which one is run", len(programs))
	}
}

// TestTypeScriptSample installs the npm package into an empty project and checks the types of the samples. The one of
// README.md is run too: it has no type of its own to write, so it is JavaScript as it stands.
func TestTypeScriptSample(t *testing.T) {
	archive := os.Getenv("HHS_NPM")
	if archive == "" {
		t.Skip("HHS_NPM names no npm package: make test sets it")
	}
	compiler, err := filepath.Abs(filepath.Join(root, "js", "node_modules", "typescript", "bin", "tsc"))
	if err != nil {
		t.Fatal(err)
	}
	samples := blocks(t, "README.md", "ts")
	dir := t.TempDir()
	write(t, dir, "package.json", `{"name":"empty","private":true,"type":"module"}`)
	write(t, dir, "sample.ts", samples[0])
	write(t, dir, "sample.mjs", samples[0])
	page := blocks(t, "js/README.md", "ts")
	write(t, dir, "package.ts", page[0])
	write(t, dir, "values.ts", page[1])
	write(t, dir, "values.mjs", page[1])
	write(t, dir, "kind.ts", page[2])
	run(t, dir, "npm", "install", "--no-audit", "--no-fund", "--loglevel=error", "--offline", "--omit=peer", archive)
	run(t, dir, "node", compiler, "--noEmit", "--strict", "--target", "ES2022", "--module", "ESNext", "--moduleResolution", "Bundler",
		"--lib", "ES2023,DOM,DOM.Iterable,DOM.AsyncIterable", "--types", "", "sample.ts", "package.ts", "values.ts", "kind.ts")
	got := run(t, dir, "node", "sample.mjs")
	for _, want := range []string{"lunch hhs:bafy", "[ 'hello' ]\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("the TypeScript sample printed %q, which lacks %q", got, want)
		}
	}
	got = run(t, dir, "node", "values.mjs")
	for _, want := range []string{"{ title: 'Oat milk', done: false, count: 2 }\n", "Oat milk 1\n", "[ 'yes' ]\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("the sample of js/README.md printed %q, which lacks %q", got, want)
		}
	}
	if len(samples) != 1 {
		t.Errorf("README.md has %d TypeScript samples, of which one is run", len(samples))
	}
}

// TestSharingSamples builds every program of docs/sharing.md; what they do is run as examples of package hhs.
func TestSharingSamples(t *testing.T) {
	dir, err := os.MkdirTemp(filepath.Join(root, "internal", "docstest"), "_sharing") // ./... passes over such names
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	for _, text := range blocks(t, "docs/sharing.md", "go") {
		write(t, dir, "main.go", text)
		run(t, dir, "go", "vet", ".")
	}
}
