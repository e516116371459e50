package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// largest is how many packages are listed.
const largest = 10

// wasmSize builds the engine as the pages have it and compresses it as well as a host can, with brotli at quality 11 and a
// window of 2^24. Packages are compared by the code they have in a build that keeps names.
func wasmSize(ctx context.Context, r *run) error {
	root, err := filepath.Abs(r.root)
	if err != nil {
		return err
	}
	small, named := filepath.Join(root, "build", "hhs.wasm"), r.path("named.wasm")
	took, err := r.measure(func() error {
		cmd := exec.CommandContext(ctx, "go", "run", "./internal/build", "wasm", named)
		cmd.Dir = r.root
		if text, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("build the engine: %w\n%s", err, text)
		}
		return nil
	})
	if err != nil {
		return err
	}
	info, err := os.Stat(small)
	if err != nil {
		return err
	}
	download, err := r.brotli(ctx, small)
	if err != nil {
		return err
	}
	packages, err := r.enginePackages(ctx)
	if err != nil {
		return err
	}
	shares, err := codeShares(named, packages)
	if err != nil {
		return err
	}
	top := make([]string, 0, largest)
	for _, s := range shares[:min(largest, len(shares))] {
		top = append(top, fmt.Sprintf("%s %d", s.name, s.bytes))
	}
	r.set("brotli_bytes", download)
	r.set("brotli_mb", float64(download/1000)/1000)
	r.set("raw_bytes", info.Size())
	r.set("largest_packages_code_bytes", top)
	r.set("build_wall_ms", ms(took.wall))
	return nil
}

// enginePackages lists everything the engine is made of.
func (r *run) enginePackages(ctx context.Context) ([]string, error) {
	cmd := exec.CommandContext(ctx, "go", "list", "-deps", "./js/wasm")
	cmd.Dir, cmd.Stderr = r.root, os.Stderr
	cmd.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm", "CGO_ENABLED=0")
	text, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("list the engine's packages: %w", err)
	}
	return append(strings.Fields(string(text)), "main"), nil
}

// brotli runs the tool for it: the library it needs is not among this module's dependencies.
func (r *run) brotli(ctx context.Context, file string) (int64, error) {
	cmd := exec.CommandContext(ctx, "go", "run", "./brotlisize", file)
	cmd.Dir = filepath.Join(r.root, "tools")
	cmd.Stderr = os.Stderr
	text, err := cmd.Output()
	if err != nil {
		return 0, fmt.Errorf("compress the engine: %w", err)
	}
	size, _, _ := strings.Cut(string(text), " ")
	return strconv.ParseInt(size, 10, 64)
}
