package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/hyperhyperspace/hhs-go/internal/wasm"
)

// Where artifacts are, from the root.
const (
	wasmFile = "build/hhs.wasm"
	webDir   = "build/web"
	embedDir = "web/dist"
	npmDir   = "build/npm"

	scriptsDir  = "build/scripts"
	scriptsWASM = "build/scripts.wasm"
)

// inlined are the packages in which, and from which, the engine's functions are inlined. Everywhere else that costs a tenth
// of the download and gains little. These are where the time goes: the runtime, cryptography, the coding and storing of
// commits, and the small packages whose functions all of those call in their loops. With them the benchmarks of object,
// history and identity take within 8 % of what they take with everything inlined; without the small ones a signature took
// 2.6 times as long, for 14 kB. Packages replica and crdt are large and call more than they loop: with them a page would
// receive 4 % more commits in the same CPU time, for 27 kB more of the download.
var inlined = []string{
	"runtime", "internal/runtime/...", "crypto/...", "golang.org/x/crypto/...", "filippo.io/edwards25519/...",
	module + "/object", module + "/history", module + "/store", "github.com/tidwall/btree",
	"bytes", "cmp", "encoding/binary", "internal/abi", "internal/bytealg", "internal/byteorder", "internal/stringslite",
	"math/bits", "sync", "sync/atomic", "unicode/utf8",
}

// wasmFlags are how the engine is compiled.
func wasmFlags() []string {
	flags := []string{"-trimpath", "-gcflags=all=-l"}
	for _, pkg := range inlined {
		flags = append(flags, "-gcflags="+pkg+"=")
	}
	return flags
}

// noSymbols leaves out what debuggers read: a third of the download. packFile then takes a fifth of the rest away.
const noSymbols = "-ldflags=-s -w"

func binaryFile() string {
	if runtime.GOOS == "windows" {
		return "build/hhs.exe"
	}
	return "build/hhs"
}

// pure keeps builds free of a C compiler.
var pure = []string{"CGO_ENABLED=0"}

// wasm makes the engine.
func (b *build) wasm(ctx context.Context) error {
	return b.fresh("wasm", inputs{
		under: []string{"."}, keep: engineSource, recipe: strings.Join(append(wasmFlags(), noSymbols), " "), there: []string{wasmFile},
		make: func(b *build) error {
			return step("engine for browsers: build/hhs.wasm", func() error {
				if err := b.compileWASM(ctx, wasmFile, noSymbols); err != nil {
					return err
				}
				return packFile(b.path(wasmFile))
			})
		},
	})
}

func (b *build) compileWASM(ctx context.Context, out string, flags ...string) error {
	args := slices.Concat([]string{"go", "build"}, wasmFlags(), flags, []string{"-o", out, "./js/wasm"})
	return b.quiet(ctx, command{env: append(pure, goWASM...), args: args})
}

func packFile(path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	packed, err := wasm.Pack(data)
	if err != nil {
		return fmt.Errorf("pack %s: %w", path, err)
	}
	return os.WriteFile(path, packed, 0o755)
}

// scripts makes the page that runs testdata/scripts, with an engine of its own (js/wasm/scripts_js.go).
func (b *build) scripts(ctx context.Context) error {
	return b.fresh("scripts", inputs{
		under: []string{"."}, recipe: strings.Join(append(wasmFlags(), noSymbols), " "), there: []string{scriptsDir + "/index.html"},
		keep: func(path string) bool {
			return engineSource(path) || slices.ContainsFunc([]string{"internal/scripts/", "js/src/", "js/test/", "tools/bundle/"},
				func(dir string) bool { return strings.HasPrefix(path, dir) })
		},
		make: func(b *build) error {
			return step("the page of scripts: "+scriptsDir, func() error {
				if err := b.compileWASM(ctx, scriptsWASM, noSymbols, "-tags=scripttest"); err != nil {
					return err
				}
				if err := packFile(b.path(scriptsWASM)); err != nil {
					return err
				}
				return b.bundle(ctx, "scripts", scriptsDir, "-wasm", b.path(scriptsWASM))
			})
		},
	})
}

// codeMirror is what the example of an editor is made with. Without it, as where there is no npm, that page is left out.
const codeMirror = "js/node_modules/@codemirror/view"

// web makes the pages and puts them where binaries embed them.
func (b *build) web(ctx context.Context) error {
	if err := b.wasm(ctx); err != nil {
		return err
	}
	err := b.fresh("web", inputs{
		of: []string{"wasm"}, under: []string{"js/src", "js/package-lock.json", "web", "examples", "tools/bundle", "tools/go.mod"},
		recipe: fmt.Sprint("with npm packages: ", b.allThere([]string{codeMirror})),
		keep:   func(path string) bool { return strings.HasPrefix(path, "tools/") || !strings.HasSuffix(path, ".go") },
		there:  []string{webDir + "/index.html"},
		make: func(b *build) error {
			return step("pages: build/web", func() error { return b.bundle(ctx, "web", webDir) })
		},
	})
	if err != nil {
		return err
	}
	return b.fresh("embed", inputs{
		of: []string{"web"}, there: []string{embedDir + "/index.html"},
		make: func(b *build) error { return mirror(b.path(webDir), b.path(embedDir)) },
	})
}

// bundle runs the TypeScript bundler.
func (b *build) bundle(ctx context.Context, only, out string, flags ...string) error {
	args := []string{"go", "run", "./bundle", "-root", b.root, "-only", only, "-out", b.path(out)}
	if only != "test" {
		args = append(args, "-wasm", b.path(wasmFile))
	}
	return b.quiet(ctx, command{dir: b.path("tools"), env: pure, args: append(args, flags...)})
}

// binary makes the binary with the pages inside.
func (b *build) binary(ctx context.Context) error {
	if err := b.web(ctx); err != nil {
		return err
	}
	out := binaryFile()
	return b.fresh("binary", inputs{
		of: []string{"web"}, under: []string{"."}, keep: goSource, there: []string{out},
		make: func(b *build) error {
			return step("binary: "+out, func() error {
				return b.quiet(ctx, command{env: pure, args: []string{"go", "build", "-trimpath", "-o", out, "./cmd/hhs"}})
			})
		},
	})
}

// built is the environment that tells tests where things are.
func (b *build) built() []string {
	return []string{
		"HHS_BIN=" + b.path(filepath.FromSlash(binaryFile())), "HHS_WEB=" + b.path(webDir),
		"HHS_WASM=" + b.path(wasmFile), "HHS_NPM=" + b.path(npmFile), "HHS_SCRIPTS=" + b.path(scriptsDir),
	}
}

// mirror makes one directory hold what another does. Files whose names begin with a dot belong to the directory itself:
// they are neither copied nor removed.
func mirror(from, to string) error {
	entries, err := os.ReadDir(to)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			continue
		}
		if err := os.RemoveAll(filepath.Join(to, e.Name())); err != nil {
			return err
		}
	}
	return copyTree(from, to)
}

// copyTree copies files, without those whose names begin with a dot, in the order of their names: index.html, which
// stands for all of them, comes after its assets.
func copyTree(from, to string) error {
	return filepath.WalkDir(from, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, name)
		if err != nil {
			return err
		}
		switch {
		case rel != "." && strings.HasPrefix(d.Name(), "."):
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		case d.IsDir():
			return os.MkdirAll(filepath.Join(to, rel), 0o755)
		}
		return copyFile(name, filepath.Join(to, rel), 0o644)
	})
}

func copyFile(from, to string, mode fs.FileMode) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := os.WriteFile(to, data, mode); err != nil {
		return fmt.Errorf("copy %s: %w", from, err)
	}
	return os.Chmod(to, mode)
}

// wasmTarget builds the engine; given a file it also writes one there that has the names of functions, for whoever wants to
// know what is in it.
func wasmTarget(ctx context.Context, b *build, args []string) error {
	if err := b.wasm(ctx); err != nil || len(args) == 0 {
		return err
	}
	return b.compileWASM(ctx, args[0], "-ldflags=-w")
}

func webTarget(ctx context.Context, b *build, _ []string) error { return b.web(ctx) }

func binaryTarget(ctx context.Context, b *build, _ []string) error { return b.binary(ctx) }

// demo builds and then becomes hhs demo, with the arguments given.
func demo(ctx context.Context, b *build, args []string) error {
	if err := b.doctor(ctx, needGo); err != nil {
		return err
	}
	if err := b.binary(ctx); err != nil {
		return err
	}
	return become(b.path(filepath.FromSlash(binaryFile())), append([]string{"demo"}, args...))
}
