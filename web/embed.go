// Package web holds the built pages inside the binary: what tools/bundle makes of the scripts, styles and HTML beside this
// file, with the engine compiled to WebAssembly.
//
// The directory dist is filled by `make demo`, `make dist` and `go run ./internal/build web`, and is not in git. A binary
// built from a clone without that step works, without pages: Files then says so.
package web

import (
	"embed"
	"errors"
	"io/fs"
)

// all: the directory holds nothing but a .gitignore until the pages are built, and a pattern that matches nothing would
// not compile.
//
//go:embed all:dist
var dist embed.FS

// ErrNotBuilt is why Files has nothing to give, with what to do about it.
var ErrNotBuilt = errors.New("this binary was built without the pages; build it with them: make demo, or go run ./internal/build dist")

// Files are the pages, with index.html at the root, or ErrNotBuilt.
func Files() (fs.FS, error) {
	pages, err := fs.Sub(dist, "dist")
	if err != nil {
		return nil, err
	}
	if _, err := fs.Stat(pages, "index.html"); err != nil {
		return nil, ErrNotBuilt
	}
	return pages, nil
}
