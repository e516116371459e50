// Command build makes, tests and measures the project. It is what make calls, and works without make, on Linux, macOS and
// Windows alike:
//
//	go run ./internal/build TARGET [ARGUMENTS]
//
// The targets are in the targets list below; run without one prints them. Three kinds of things are made, once per change
// of what they are made from, and reused:
//
//	build/hhs.wasm   the engine for browsers and Node.js
//	build/web        the pages, also copied to web/dist, from where binaries embed them
//	build/hhs        the binary (hhs.exe on Windows)
//
// What they were made from is kept as a hash in build/stamps. Removing build is always safe. Everything needed beyond Go is
// named by the target doctor; demo needs Go alone.
//
// Environment: INSTALL=0 forbids installing missing Debian packages; ONLY chooses among figures (bars), benchmarks (bench)
// and parts (test, check), by commas; PEERS names a folder with other systems for bench to run beside ours (peers.go);
// FUZZTIME is how long soak fuzzes each target (a minute). Tests are given HHS_BIN, HHS_WEB, HHS_WASM and HHS_NPM, the
// absolute paths of what was built, and soak sets HHS_SOAK=1, for which tests run longer.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
)

// target is one thing this program does.
type target struct {
	name string
	what string
	run  func(ctx context.Context, b *build, args []string) error
}

// targets are all of them, in the order in which they are shown. The function exists because some of them list it.
func targets() []target {
	return []target{
		{"demo", "build everything and start hhs demo: a node, a signalling server and the page", demo},
		{"test", "all tests: Go, WASM under Node.js and Chromium, TypeScript, the pages, the npm package", test},
		{"check", "test, and format, vet, staticcheck, generated files, cross-builds, types, race detector", check},
		{"doctor", "name what is missing on this machine, and install it from Debian where that may be done", doctorTarget},
		{"wasm", "build the engine: build/hhs.wasm", wasmTarget},
		{"web", "build the pages: build/web and web/dist", webTarget},
		{"bin", "build the binary with the pages inside: build/hhs", binaryTarget},
		{"dist", "static files (dist/web), npm package (dist/hhs.tgz) and binary (dist/hhs)", dist},
		{"bench", "benchmarks, one JSON line each; beside other systems with PEERS; ONLY=growth for slopes", bench},
		{"bars", "figures of reliability, one JSON line each", bars},
		{"soak", "long runs: fuzzing, kills, simulations", soak},
		{"fmt", "format Go code", format},
		{"gen", "make generated files anew", generate},
		{"wasm-exec", "run a WASM test binary under Node.js, for go test -exec", wasmExec},
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:])
	stop()
	if err == nil {
		return
	}
	var exit *exitError
	if !errors.As(err, &exit) {
		fmt.Fprintln(os.Stderr, "build:", err)
		os.Exit(1)
	}
	os.Exit(exit.code)
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return usage()
	}
	for _, t := range targets() {
		if t.name != args[0] {
			continue
		}
		b, err := newBuild()
		if err != nil {
			return err
		}
		return t.run(ctx, b, args[1:])
	}
	return fmt.Errorf("there is no target %q; run it without one to see them", args[0])
}

func usage() error {
	fmt.Println("usage: go run ./internal/build TARGET, or make TARGET")
	for _, t := range targets() {
		fmt.Printf("  %-10s %s\n", t.name, t.what)
	}
	return nil
}

// exitError ends the program with a code; what is wrong has been said already.
type exitError struct{ code int }

func (e *exitError) Error() string { return fmt.Sprintf("exit code %d", e.code) }

// module is the module this program builds.
const module = "github.com/hyperhyperspace/hhs-go"

// build is one run.
type build struct {
	root string // of the repository
	only []string
	made map[string]string // artifacts known to be there, with the hash of what they were made from
}

// newBuild finds the repository: the working directory or one above it.
func newBuild() (*build, error) {
	dir, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	for at := dir; ; at = filepath.Dir(at) {
		mod, err := os.ReadFile(filepath.Join(at, "go.mod"))
		if first, _, _ := strings.Cut(string(mod), "\n"); err == nil && strings.TrimSpace(first) == "module "+module {
			b := &build{root: at, made: map[string]string{}}
			if only := os.Getenv("ONLY"); only != "" {
				b.only = strings.Split(only, ",")
			}
			return b, nil
		}
		if at == filepath.Dir(at) {
			return nil, fmt.Errorf("%s is not inside a clone of %s", dir, module)
		}
	}
}

// path is a place in the repository.
func (b *build) path(parts ...string) string {
	return filepath.Join(append([]string{b.root}, parts...)...)
}

// wants tells whether ONLY leaves name in.
func (b *build) wants(name string) bool {
	if len(b.only) == 0 {
		return true
	}
	for _, o := range b.only {
		if strings.EqualFold(strings.TrimSpace(o), name) {
			return true
		}
	}
	return false
}
