// Bundle builds the browser side of hhs: the TypeScript package, the pages and their service worker, with esbuild's Go API, so that
// no npm is needed.
//
// Usage:
//
//	go run ./bundle -wasm ../build/hhs.wasm -out ../build/web              the pages, with the engine
//	go run ./bundle -only package -wasm ../build/hhs.wasm -out ../js/dist  what the npm package holds, without types
//	go run ./bundle -only test -out ../build/js-test                       the tests, for node --test
//	go run ./bundle -only scripts -wasm ../build/scripts.wasm -out ../build/scripts  the page that runs testdata/scripts
//
// It is run from the tools directory; paths are relative to it. The Go runtime for JavaScript, wasm_exec.js, is taken from the
// distribution whose go command is in the path, which must be the one that compiled the engine.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// build is one run: where things are, and what to leave out.
type build struct {
	root     string // of the repository
	out      string
	wasm     string // the compiled engine; empty: the output gets none
	wasmExec string
	minify   bool
	bare     bool // hhs is all that it exports but open: for tests
	brotli   bool
}

func main() {
	b := &build{}
	var only string
	flag.StringVar(&b.root, "root", "..", "root of the repository")
	flag.StringVar(&b.out, "out", "", "output directory; replaced")
	flag.StringVar(&b.wasm, "wasm", "", "the compiled engine (GOOS=js GOARCH=wasm go build ./js/wasm)")
	flag.StringVar(&b.wasmExec, "wasm-exec", "", "wasm_exec.js; by default that of the Go distribution in use")
	flag.StringVar(&only, "only", "web", "what to build: web, package, test or scripts")
	flag.BoolVar(&b.minify, "minify", true, "make the output small")
	flag.BoolVar(&b.brotli, "brotli", false, "write a .br beside every file of the pages that gains from it")
	flag.Parse()
	if err := b.run(only); err != nil {
		fmt.Fprintln(os.Stderr, "bundle:", err)
		os.Exit(1)
	}
}

func (b *build) run(only string) error {
	if b.out == "" {
		return errors.New("no output directory: give -out")
	}
	if err := b.findWasmExec(); err != nil {
		return err
	}
	switch only {
	case "web":
		return b.web()
	case "package":
		return b.npm()
	case "test":
		return b.tests()
	case "scripts":
		return b.scripts()
	}
	return fmt.Errorf("cannot build %q: -only is web, package, test or scripts", only)
}

// findWasmExec fills in the path of wasm_exec.js.
func (b *build) findWasmExec() error {
	if b.wasmExec == "" {
		root, err := exec.Command("go", "env", "GOROOT").Output()
		if err != nil {
			return fmt.Errorf("find the Go distribution: %w", err)
		}
		b.wasmExec = filepath.Join(strings.TrimSpace(string(root)), "lib", "wasm", "wasm_exec.js")
	}
	abs, err := filepath.Abs(b.wasmExec)
	if err != nil {
		return err
	}
	if _, err := os.Stat(abs); err != nil {
		return fmt.Errorf("find wasm_exec.js: %w", err)
	}
	b.wasmExec = abs
	return nil
}

// path is a place in the repository.
func (b *build) path(parts ...string) string {
	p, err := filepath.Abs(filepath.Join(append([]string{b.root}, parts...)...))
	if err != nil { // only when the working directory is gone
		panic(err)
	}
	return p
}

// fresh empties the output directory. One that holds something this tool cannot have written is left alone.
func (b *build) fresh() error {
	entries, err := os.ReadDir(b.out)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if _, err := os.Stat(filepath.Join(b.out, marker)); err != nil && len(entries) > 0 {
		return fmt.Errorf("%s is not empty and was not made by bundle; remove it or give another -out", b.out)
	}
	if err := os.RemoveAll(b.out); err != nil {
		return err
	}
	if err := os.MkdirAll(b.out, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(b.out, marker), []byte("made by tools/bundle; contents are replaced by the next run\n"), 0o644)
}

// marker is the file by which a directory made by this tool is known.
const marker = ".bundle"
