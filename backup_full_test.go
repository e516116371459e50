//go:build !js

package hhs

import (
	"archive/tar"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/hyperhyperspace/hhs-go/store/pebble"
)

// readOnlyDisk is a medium on which no file can be made or opened to write.
type readOnlyDisk struct{ vfs.FS }

func (readOnlyDisk) Remove(string) error { return syscall.EROFS }

func (readOnlyDisk) Create(string, vfs.DiskWriteCategory) (vfs.File, error) {
	return nil, syscall.EROFS
}

// TestBackupReadOnly backs up a store that is open to read only, makes nothing beside it, and what is
// restored is the same person's data.
func TestBackupReadOnly(t *testing.T) {
	ctx, dir := t.Context(), filepath.Join(t.TempDir(), "data")
	n, err := Open(ctx, dir)
	if err != nil {
		t.Fatal(err)
	}
	id, err := n.Put(ctx, "kept")
	if err := errors.Join(err, n.Close()); err != nil {
		t.Fatal(err)
	}
	db, err := pebble.Open(filepath.Join(dir, storeDir), pebble.Options{FS: readOnlyDisk{vfs.Default}})
	if err != nil {
		t.Fatal(err)
	}
	if !db.Frozen() {
		t.Fatal("it can be written")
	}
	still, done, err := (&Node{dir: dir, engine: db}).stillStore()
	if err != nil || still != filepath.Join(dir, storeDir) {
		t.Fatalf("%s, %v", still, err)
	}
	b := Backup{Path: filepath.Join(t.TempDir(), "b.tar")}
	if err := errors.Join(done(), (&Node{dir: dir, engine: db}).backup(ctx, &b, false, nil), db.Close()); err != nil {
		t.Fatal(err)
	}
	if slices.ContainsFunc(b.Files, func(f backupFile) bool { return f.Name == "store/LOCK" || f.Name == "store/BALLAST" }) {
		t.Errorf("%+v", b.Files)
	}
	again := filepath.Join(t.TempDir(), "again")
	if _, err := Restore(ctx, b.Path, again, nil); err != nil {
		t.Fatal(err)
	}
	r, err := Open(ctx, again)
	if err != nil {
		t.Fatal(err)
	}
	v, err := r.Get(id)
	if err := errors.Join(err, r.Close()); err != nil || v != "kept" || r.Identity() != n.Identity() {
		t.Errorf("restored %v, %v", v, err)
	}
}

// TestBackupLeftovers finds what a backup left that was killed, and something that another node may be writing.
func TestBackupLeftovers(t *testing.T) {
	ctx, to := t.Context(), t.TempDir()
	n, err := Open(ctx, filepath.Join(t.TempDir(), "data"))
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	for _, name := range []string{backupTemp + n.Device() + "-123", backupTemp + "another-123"} {
		if err := os.WriteFile(filepath.Join(to, name), []byte("a part"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := n.Backup(ctx, filepath.Join(to, "b.tar"), false, nil); err != nil {
		t.Fatal(err)
	}
	list, err := os.ReadDir(to)
	if err != nil || len(list) != 2 || list[0].Name() != backupTemp+"another-123" || list[1].Name() != "b.tar" {
		t.Errorf("%v, %v", list, err)
	}
}

// fullAfter is a disk with room for so many bytes.
type fullAfter struct{ room int }

func (f *fullAfter) Write(p []byte) (int, error) {
	n := min(len(p), f.room)
	f.room -= n
	if n < len(p) {
		return n, syscall.ENOSPC
	}
	return n, nil
}

// A disk that fills up at any byte of a backup is told as such. (That no file is
// left then is in TestBackupGivenUp: it takes the same way out.)
func TestBackupFullDisk(t *testing.T) {
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, make([]byte, 3000), 0o600); err != nil {
		t.Fatal(err)
	}
	failed := 0
	for room := 0; ; room += 256 {
		w := &backupWriter{ctx: context.Background(), tar: tar.NewWriter(&fullAfter{room}), list: &Backup{}}
		err := w.all([]source{{"store/file", name, 3000}})
		if err == nil {
			break
		}
		failed++
		if !errors.Is(diskError(err), ErrFull) {
			t.Errorf("room for %d bytes: %v", room, err)
		}
	}
	if failed < 20 {
		t.Errorf("it failed %d times only", failed)
	}
}
