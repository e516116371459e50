package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// inputs are what an artifact is made from.
type inputs struct {
	of     []string               // other artifacts
	under  []string               // files and directories, from the root
	keep   func(path string) bool // of the files in them; path has slashes
	recipe string                 // what else decides: flags
	make   func(b *build) error   // makes it anew
	there  []string               // what must exist, from the root
}

// fresh makes an artifact unless it is there and was made from the same inputs. Within one run it looks once.
func (b *build) fresh(name string, in inputs) error {
	if _, ok := b.made[name]; ok {
		return nil
	}
	hash, err := b.hash(in)
	if err != nil {
		return err
	}
	stamp := b.path("build", "stamps", name)
	if old, err := os.ReadFile(stamp); err == nil && string(old) == hash && b.allThere(in.there) {
		b.made[name] = hash
		return nil
	}
	// Without the stamp an interrupted build is repeated.
	if err := os.Remove(stamp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := in.make(b); err != nil {
		return err
	}
	b.made[name] = hash
	if err := os.MkdirAll(filepath.Dir(stamp), 0o755); err != nil {
		return err
	}
	return os.WriteFile(stamp, []byte(hash), 0o644)
}

func (b *build) allThere(paths []string) bool {
	return !slices.ContainsFunc(paths, func(p string) bool {
		_, err := os.Stat(b.path(filepath.FromSlash(p)))
		return err != nil
	})
}

// hash covers the inputs' names and contents, the recipe, the compiler and the platform.
func (b *build) hash(in inputs) (string, error) {
	h := sha256.New()
	fmt.Fprintf(h, "%s %s/%s %s\n", runtime.Version(), runtime.GOOS, runtime.GOARCH, in.recipe)
	for _, name := range in.of {
		fmt.Fprintf(h, "%s %s\n", name, b.made[name])
	}
	for _, top := range in.under {
		err := b.walk(top, func(path string) error {
			if in.keep != nil && !in.keep(path) {
				return nil
			}
			data, err := os.ReadFile(b.path(filepath.FromSlash(path)))
			if err == nil {
				fmt.Fprintf(h, "%s %x\n", path, sha256.Sum256(data))
			}
			return err
		})
		if err != nil {
			return "", fmt.Errorf("hash %s: %w", top, err)
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// skipped are directories that hold no sources of ours.
var skipped = []string{".git", "node_modules", "build", "dist", "web/dist"}

// walk calls f with every file under a place in the repository, in order of their paths, which have slashes.
func (b *build) walk(top string, f func(path string) error) error {
	return filepath.WalkDir(b.path(filepath.FromSlash(top)), func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(b.root, name)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if d.IsDir() {
			if slices.Contains(skipped, rel) || d.Name() == "node_modules" || d.Name() == ".git" {
				return fs.SkipDir
			}
			return nil
		}
		return f(rel)
	})
}

// goSource tells whether a file is part of the main module's programs.
func goSource(path string) bool {
	if path == "go.mod" || path == "go.sum" {
		return true
	}
	for _, other := range []string{"tools/", "e2e/", "internal/build/"} {
		if strings.HasPrefix(path, other) {
			return false
		}
	}
	return strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") || embedded(path)
}

// embedded tells whether a file is one that programs may embed: they do so from beside their code.
func embedded(path string) bool {
	return (strings.HasPrefix(path, "cmd/") || strings.HasPrefix(path, "words/")) && !strings.HasSuffix(path, "_test.go")
}

// engineParts are those of internal that the engine is made of; a test holds the list to what it imports.
var engineParts = []string{"address", "fold", "log", "netlimit", "order", "pace", "plain"}

// packer is the package that packs the engine.
const packer = "wasm"

// engineSource leaves out programs that are not part of the engine, but not the package that packs it.
func engineSource(path string) bool {
	if rest, ok := strings.CutPrefix(path, "internal/"); ok {
		pkg, _, _ := strings.Cut(rest, "/")
		return (pkg == packer || slices.Contains(engineParts, pkg)) && goSource(path)
	}
	for _, program := range []string{"cmd/", "examples/", "web/"} {
		if strings.HasPrefix(path, program) {
			return false
		}
	}
	return goSource(path)
}
