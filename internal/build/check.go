package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	goformat "go/format"
	"os"
	"path/filepath"
	"strings"
)

// modules are the directories of the Go modules in the repository.
var modules = []string{".", "tools", "e2e"}

// platforms are those the module is compiled for, without a C compiler.
var platforms = []string{"linux/amd64", "linux/arm64", "darwin/amd64", "darwin/arm64", "windows/amd64", "windows/arm64", "js/wasm"}

// generators make the files that are generated and kept in git: vectors, from tables in the tests beside the code.
var generators = []command{
	{args: []string{"go", "test", "./object", "./schema", "-run=^TestVectorFile$", "-update"}},
	{args: []string{"go", "test", "./identity", "./history", "-run=Vector", "-update"}},
}

// generatedIn is where they are.
const generatedIn = "testdata/vectors"

// check is test and everything else that must hold before a change is merged. The race detector and Chromium, which
// both want all of a small machine, are in different parts, hence never at work together.
func check(ctx context.Context, b *build, _ []string) error {
	if err := b.doctor(ctx, needAll); err != nil {
		return err
	}
	parts := []part{
		{"gofmt", b.checkFormat},
		{"vet", b.checkVet},
		{"staticcheck", b.checkStatic},
		{"generated", b.checkGenerated},
		{"cross", b.checkCross},
		{"types", b.checkTypes},
	}
	parts = append(parts, b.testParts()...)
	return b.runParts(ctx, append(parts, part{"race", b.testRace}))
}

// goFiles calls f with every Go file and its bytes.
func (b *build) goFiles(f func(path string, source []byte) error) error {
	return b.walk(".", func(path string) error {
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		source, err := os.ReadFile(b.path(filepath.FromSlash(path)))
		if err != nil {
			return err
		}
		return f(path, source)
	})
}

func (b *build) checkFormat(context.Context) error {
	var errs []error
	err := b.goFiles(func(path string, source []byte) error {
		formatted, err := goformat.Source(source)
		if err == nil && !bytes.Equal(source, formatted) {
			err = errors.New("is not formatted; make fmt does it")
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", path, err))
		}
		return nil
	})
	return errors.Join(append(errs, err)...)
}

// format formats all Go files of all modules.
func format(_ context.Context, b *build, _ []string) error {
	return b.goFiles(func(path string, source []byte) error {
		formatted, err := goformat.Source(source)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if bytes.Equal(source, formatted) {
			return nil
		}
		fmt.Println(path)
		return os.WriteFile(b.path(filepath.FromSlash(path)), formatted, 0o644)
	})
}

func (b *build) checkVet(ctx context.Context) error {
	var errs []error
	for _, dir := range modules {
		errs = append(errs, b.loud(ctx, command{dir: b.path(dir), args: []string{"go", "vet", "./..."}}))
	}
	packages, err := b.jsPackages(ctx, "{{.ImportPath}}")
	errs = append(errs, err, b.loud(ctx, command{env: append(pure, goWASM...), args: append([]string{"go", "vet"}, packages...)}))
	return errors.Join(errs...)
}

// checks are staticcheck's own, but for SA4023 (comparisons of an interface with nil that are never true): in v0.8.2 it ends
// with an index out of range (nilness.go:77) on this module.
const checks = "-checks=inherit,-SA4023"

func (b *build) checkStatic(ctx context.Context) error {
	tool := b.path("build", "bin", "staticcheck")
	build := command{dir: b.path("tools"), env: pure, args: []string{"go", "build", "-o", tool, "honnef.co/go/tools/cmd/staticcheck"}}
	if err := b.quiet(ctx, build); err != nil {
		return err
	}
	var errs []error
	for _, dir := range modules {
		errs = append(errs, b.loud(ctx, command{dir: b.path(dir), env: pure, args: []string{tool, checks, "./..."}}))
	}
	packages, err := b.jsPackages(ctx, "{{.ImportPath}}")
	// What only native code or tests use is not unused.
	errs = append(errs, err, b.loud(ctx, command{env: append(pure, goWASM...), args: append([]string{tool, checks + ",-U1000", "-tests=false"}, packages...)}))
	return errors.Join(errs...)
}

// checkGenerated makes the generated files anew and says which were not what they should have been.
func (b *build) checkGenerated(ctx context.Context) error {
	before, err := b.sums(generatedIn)
	if err != nil {
		return err
	}
	if err := generate(ctx, b, nil); err != nil {
		return err
	}
	after, err := b.sums(generatedIn)
	if err != nil {
		return err
	}
	var errs []error
	for path, sum := range after {
		if before[path] != sum {
			errs = append(errs, fmt.Errorf("%s was not up to date; it is now: look at the change and commit it", path))
		}
	}
	return errors.Join(errs...)
}

func (b *build) sums(top string) (map[string][32]byte, error) {
	sums := map[string][32]byte{}
	err := b.walk(top, func(path string) error {
		data, err := os.ReadFile(b.path(filepath.FromSlash(path)))
		sums[path] = sha256.Sum256(data)
		return err
	})
	return sums, err
}

// generate makes the generated files anew.
func generate(ctx context.Context, b *build, _ []string) error {
	for _, g := range generators {
		if err := b.quiet(ctx, g); err != nil {
			return err
		}
	}
	return nil
}

func (b *build) checkCross(ctx context.Context) error {
	inPages, err := b.jsPackages(ctx, "{{.ImportPath}}")
	errs := []error{err}
	for _, p := range platforms {
		goos, arch, _ := strings.Cut(p, "/")
		packages := []string{"./..."}
		if goos == "js" {
			packages = inPages
		}
		errs = append(errs, step("go build for "+p, func() error {
			return b.quiet(ctx, command{env: append(pure, "GOOS="+goos, "GOARCH="+arch), args: append([]string{"go", "build"}, packages...)})
		}))
	}
	return errors.Join(errs...)
}

func (b *build) checkTypes(ctx context.Context) error {
	if err := b.jsDependencies(ctx); err != nil {
		return err
	}
	return b.loud(ctx, command{dir: b.path("js"), args: []string{"node", tsc, "-p", "tsconfig.json", "--noEmit"}})
}

// testRace runs all tests again under the race detector, without those that say they are long.
func (b *build) testRace(ctx context.Context) error {
	return b.loud(ctx, command{env: []string{"CGO_ENABLED=1"}, args: []string{"go", "test", "-race", "-short", "-timeout=" + raceTimeout, "./..."}})
}
