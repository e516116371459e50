//go:build !js

package hhs

import (
	"archive/tar"
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

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
