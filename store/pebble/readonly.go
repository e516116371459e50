//go:build !js

package pebble

import (
	"io"
	"os"
	"slices"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/hyperhyperspace/hhs-go/store"
)

// readOnlyFS lets nothing be written and takes no lock: who reads through it holds one, or knows that nobody writes. It
// shows no file whose name hide says.
type readOnlyFS struct {
	vfs.FS
	hide func(name string) bool
}

type noLock struct{}

func (noLock) Close() error { return nil }

// Lock implements vfs.FS.
func (readOnlyFS) Lock(string) (io.Closer, error) { return noLock{}, nil }

// List implements vfs.FS.
func (r readOnlyFS) List(dir string) ([]string, error) {
	names, err := r.FS.List(dir)
	if r.hide != nil {
		names = slices.DeleteFunc(names, r.hide)
	}
	return names, err
}

// Create implements vfs.FS.
func (readOnlyFS) Create(string, vfs.DiskWriteCategory) (vfs.File, error) {
	return nil, store.ErrReadOnly
}

// ReuseForWrite implements vfs.FS.
func (readOnlyFS) ReuseForWrite(string, string, vfs.DiskWriteCategory) (vfs.File, error) {
	return nil, store.ErrReadOnly
}

// OpenReadWrite implements vfs.FS.
func (readOnlyFS) OpenReadWrite(string, vfs.DiskWriteCategory, ...vfs.OpenOption) (vfs.File, error) {
	return nil, store.ErrReadOnly
}

// Link implements vfs.FS.
func (readOnlyFS) Link(string, string) error { return store.ErrReadOnly }

// Remove implements vfs.FS.
func (readOnlyFS) Remove(string) error { return store.ErrReadOnly }

// RemoveAll implements vfs.FS.
func (readOnlyFS) RemoveAll(string) error { return store.ErrReadOnly }

// Rename implements vfs.FS.
func (readOnlyFS) Rename(string, string) error { return store.ErrReadOnly }

// MkdirAll implements vfs.FS.
func (readOnlyFS) MkdirAll(string, os.FileMode) error { return store.ErrReadOnly }
