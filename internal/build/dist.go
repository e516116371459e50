package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"
)

// What goes to others, from the root.
const (
	distDir = "dist"
	npmFile = "dist/hhs.tgz"
)

// dist makes what is given to others.
func dist(ctx context.Context, b *build, _ []string) error {
	if err := b.doctor(ctx, needTypes); err != nil {
		return err
	}
	if err := b.jsDependencies(ctx); err != nil { // the pages have an example that needs them
		return err
	}
	if err := b.binary(ctx); err != nil {
		return err
	}
	if err := b.npm(ctx); err != nil {
		return err
	}
	err := step("static files: dist/web", func() error {
		return b.bundle(ctx, "web", filepath.Join(distDir, "web"), "-brotli")
	})
	if err != nil {
		return err
	}
	out := filepath.Join(distDir, filepath.Base(binaryFile()))
	return step("binary: "+filepath.ToSlash(out), func() error {
		return b.quiet(ctx, command{env: pure, args: []string{"go", "build", "-trimpath", "-ldflags=-s -w", "-o", out, "./cmd/hhs"}})
	})
}

// npm makes the npm package with its types.
func (b *build) npm(ctx context.Context) error {
	if err := b.wasm(ctx); err != nil {
		return err
	}
	if err := b.jsDependencies(ctx); err != nil {
		return err
	}
	return b.fresh("npm", inputs{
		of: []string{"wasm"}, under: []string{"js/src", "js/package.json", "js/tsconfig.json", "js/tsconfig.dist.json", "js/README.md", "js/BRIDGE.md", "tools/bundle", "tools/go.mod"},
		there: []string{npmFile},
		make: func(b *build) error {
			return step("npm package: "+npmFile, func() error {
				return errors.Join(b.bundle(ctx, "package", filepath.Join(npmDir, "dist")), b.declarations(ctx), b.pack())
			})
		},
	})
}

// declarations makes the package's types.
func (b *build) declarations(ctx context.Context) error {
	return b.quiet(ctx, command{dir: b.path("js"), args: []string{"node", tsc, "-p", "tsconfig.dist.json", "--outDir", b.path(npmDir, "dist")}})
}

// pack writes the archive as npm pack would, with the same bytes for the same content.
func (b *build) pack() error {
	for _, name := range []string{"package.json", "README.md", "BRIDGE.md", "LICENSE"} {
		if err := copyFile(b.path("js", name), b.path(npmDir, name), 0o644); err != nil {
			return err
		}
	}
	var buf bytes.Buffer
	zip := gzip.NewWriter(&buf)
	out := tar.NewWriter(zip)
	top := b.path(npmDir)
	err := filepath.WalkDir(top, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasPrefix(d.Name(), ".") {
			return err
		}
		rel, err := filepath.Rel(top, name)
		if err != nil {
			return err
		}
		return addFile(out, path.Join("package", filepath.ToSlash(rel)), name)
	})
	if err := errors.Join(err, out.Close(), zip.Close()); err != nil {
		return fmt.Errorf("pack %s: %w", npmDir, err)
	}
	if err := os.MkdirAll(b.path(distDir), 0o755); err != nil {
		return err
	}
	return os.WriteFile(b.path(npmFile), buf.Bytes(), 0o644)
}

// packed is the time npm gives to all files of a package.
var packed = time.Date(1985, time.October, 26, 8, 15, 0, 0, time.UTC)

func addFile(out *tar.Writer, name, from string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	head := &tar.Header{Name: name, Mode: 0o644, Size: int64(len(data)), ModTime: packed, Typeflag: tar.TypeReg}
	if err := out.WriteHeader(head); err != nil {
		return err
	}
	_, err = out.Write(data)
	return err
}

// tsc is the TypeScript compiler, from js.
var tsc = filepath.Join("node_modules", "typescript", "bin", "tsc")

// jsDependencies installs what package-lock.json names: the TypeScript compiler, types, React for a test and CodeMirror. The
// pages need none of it, but for one example.
func (b *build) jsDependencies(ctx context.Context) error {
	return b.fresh("js-dependencies", inputs{
		under: []string{"js/package-lock.json", "js/package.json"}, there: []string{"js/node_modules/typescript/bin/tsc"},
		make: func(b *build) error {
			return step("npm ci in js", func() error {
				return b.quiet(ctx, command{dir: b.path("js"), args: []string{npm(), "ci", "--no-audit", "--no-fund", "--loglevel=error"}})
			})
		},
	})
}
