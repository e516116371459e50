package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
)

// Timeouts of go test per package: several times what the slowest takes on two cores that other work shares.
const (
	goTimeout   = "5m"
	raceTimeout = "10m"
	soakTimeout = "4h"
)

// inBrowser are the packages whose js tests need what only a browser has.
var inBrowser = []string{"./store/idb", "./transport/rtc", "./internal/pace"}

// notInNode are packages that compile for js and are not tested there: they need files, processes or a browser, or take
// minutes of simulated meetings, each with real handshakes (mesh; the e2e tests run it in pages).
var notInNode = append([]string{"./internal/archtest", "./internal/build", "./internal/sim", "./internal/wasm", "./mesh"}, inBrowser...)

func test(ctx context.Context, b *build, _ []string) error {
	if err := b.doctor(ctx, needTests); err != nil {
		return err
	}
	return b.runParts(ctx, b.testParts())
}

// testParts are the parts of test. What several of them need is built by the first and reused.
func (b *build) testParts() []part {
	parts := []part{
		{"build", b.binary},
		{"go", b.testGo},
		{"wasm-node", b.testWASMNode},
		{"typescript", b.testTypeScript},
		{"npm", b.testNPM},
	}
	if runtime.GOOS == "linux" {
		parts = append(parts, part{"wasm-chromium", b.testWASMChromium}, part{"e2e", b.testE2E})
	}
	return parts
}

func (b *build) testGo(ctx context.Context) error {
	return b.loud(ctx, command{args: []string{"go", "test", "-timeout=" + goTimeout, "./..."}})
}

// testWASMNode runs the suites that need nothing of a browser. This program is what go test runs the binaries with.
func (b *build) testWASMNode(ctx context.Context) error {
	packages, err := b.nodePackages(ctx)
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	args := []string{"go", "test", "-short", "-timeout=" + goTimeout, "-exec=" + quote(self) + " wasm-exec"}
	return b.loud(ctx, command{env: append(pure, goWASM...), args: append(args, packages...)})
}

// nodePackages lists the packages that have tests for js, without those of notInNode.
func (b *build) nodePackages(ctx context.Context) ([]string, error) {
	all, err := b.jsPackages(ctx, "{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}}{{end}}")
	return slices.DeleteFunc(all, func(p string) bool {
		return slices.Contains(notInNode, "./"+strings.TrimPrefix(p, module+"/"))
	}), err
}

// nativeOnly are programs and what only they are made of: they may import what there is not in a browser.
var nativeOnly = []string{module + "/cmd/", module + "/examples/", module + "/internal/server", module + "/internal/control"}

// jsPackages lists the packages that compile for browsers, by a template of go list.
func (b *build) jsPackages(ctx context.Context, template string) ([]string, error) {
	// -e: programs that import what does not exist there are errors, passed over below.
	out, err := b.output(ctx, command{env: append(pure, goWASM...), args: []string{"go", "list", "-e", "-f", template, "./..."}})
	return slices.DeleteFunc(strings.Fields(out), func(p string) bool {
		return slices.ContainsFunc(nativeOnly, func(prefix string) bool { return strings.HasPrefix(p, prefix) })
	}), err
}

// quote keeps a path with spaces one word of go test's -exec.
func quote(path string) string {
	if strings.ContainsAny(path, " \t") {
		return `"` + path + `"`
	}
	return path
}

// wasmExec runs a WASM test binary under Node.js. Its environment is small: the Go runtime has 8 KiB for arguments and
// environment together. Variables of this project's tests pass.
func wasmExec(ctx context.Context, b *build, args []string) error {
	root, err := b.output(ctx, command{args: []string{"go", "env", "GOROOT"}})
	if err != nil {
		return err
	}
	glue := filepath.Join(root, "lib", "wasm", "wasm_exec_node.js")
	cmd := exec.CommandContext(ctx, "node", append([]string{"--stack-size=8192", glue}, args...)...)
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		if slices.Contains([]string{"PATH", "HOME", "SYSTEMROOT", "TMPDIR", "TEMP"}, strings.ToUpper(name)) || strings.HasPrefix(name, "HHS_") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr // go test gives no input
	if err := cmd.Start(); err != nil {
		return err
	}
	// go test ends a test that takes too long with SIGQUIT; Node.js must not be left behind.
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGQUIT, syscall.SIGTERM)
	go func() {
		<-signals
		_ = cmd.Process.Kill() // it may have ended
	}()
	err = cmd.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return &exitError{max(1, exit.ExitCode())}
	}
	return err
}

func (b *build) testTypeScript(ctx context.Context) error {
	if err := b.jsDependencies(ctx); err != nil { // React, for the test of the hooks
		return err
	}
	if err := b.wasm(ctx); err != nil {
		return err
	}
	out := filepath.Join("build", "js-test")
	if err := b.bundle(ctx, "test", out); err != nil {
		return err
	}
	tests, err := filepath.Glob(b.path(out, "*.test.mjs"))
	if err != nil {
		return err
	}
	if len(tests) == 0 {
		return errors.New("no TypeScript tests were found")
	}
	return b.loud(ctx, command{env: b.built(), args: append([]string{"node", "--test", "--test-reporter=spec"}, tests...)})
}

// testWASMChromium runs the suites that need a browser in a worker of Chromium, through the harness of the e2e module.
func (b *build) testWASMChromium(ctx context.Context) error {
	harness := b.path("build", "bin", "wasmtest")
	if err := b.quiet(ctx, command{dir: b.path("e2e"), env: pure, args: []string{"go", "build", "-o", harness, "./wasmtest"}}); err != nil {
		return err
	}
	args := []string{"go", "test", "-p=1", "-timeout=" + goTimeout, "-exec=" + quote(harness)}
	return b.loud(ctx, command{env: append(pure, goWASM...), args: append(args, inBrowser...)})
}

// testE2E drives the pages in Chromium, with the binary and nodes in other processes.
func (b *build) testE2E(ctx context.Context) error {
	if err := b.jsDependencies(ctx); err != nil { // for the example with an editor
		return err
	}
	if err := b.binary(ctx); err != nil {
		return err
	}
	if err := b.npm(ctx); err != nil {
		return err
	}
	if err := b.scripts(ctx); err != nil {
		return err
	}
	return b.loud(ctx, command{dir: b.path("e2e"), env: append(b.built(), pure...), args: []string{"go", "test", "-p=1", "-timeout=" + goTimeout, "./..."}})
}

// testNPM installs the npm package into an empty project and uses it there as its users do.
func (b *build) testNPM(ctx context.Context) error {
	if err := b.npm(ctx); err != nil {
		return err
	}
	dir := b.path("build", "npm-test")
	if err := os.RemoveAll(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "package.json"), []byte(`{"name":"empty","private":true,"type":"module"}`+"\n"), 0o644); err != nil {
		return err
	}
	if err := copyFile(b.path("internal", "build", "testdata", "use.mjs"), filepath.Join(dir, "use.mjs"), 0o644); err != nil {
		return err
	}
	if err := copyFile(b.path("internal", "build", "testdata", "use.ts"), filepath.Join(dir, "use.ts"), 0o644); err != nil {
		return err
	}
	install := []string{npm(), "install", "--no-audit", "--no-fund", "--loglevel=error", "--offline", "--omit=peer", b.path(npmFile)}
	if err := b.quiet(ctx, command{dir: dir, args: install}); err != nil {
		return err
	}
	if err := b.loud(ctx, command{dir: dir, args: []string{"node", "use.mjs"}}); err != nil {
		return err
	}
	// The types must be enough for a strict project.
	compiler := b.path("js", tsc)
	err := b.loud(ctx, command{dir: dir, args: []string{"node", compiler, "--noEmit", "--strict", "--target", "ES2022", "--module", "ESNext",
		"--moduleResolution", "Bundler", "--lib", "ES2023,DOM,DOM.Iterable,DOM.AsyncIterable", "--types", "", "use.ts"}})
	if err != nil {
		return err
	}
	// So must README.md be, whose sample runs there as it stands.
	return b.loud(ctx, command{env: b.built(), args: []string{"go", "test", "-count=1", "-run=TypeScript", "./internal/docstest"}})
}
