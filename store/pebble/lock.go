//go:build !js

package pebble

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/hyperhyperspace/hhs-go/store"
)

// errUnwritable is why a directory is opened for reading only.
var errUnwritable = errors.New("its directory cannot be written")

// unwritable tells whether an error says that the medium or the rights do not let anything be written.
func unwritable(err error) bool {
	return errors.Is(err, syscall.EROFS) || errors.Is(err, fs.ErrPermission)
}

// lockDirectory takes the lock for writing. It fails with store.ErrLocked if somebody has it, and with errUnwritable if
// it cannot be taken at all.
func lockDirectory(fsys vfs.FS, dir string) (*pebble.Lock, error) {
	lock, err := pebble.LockDirectory(dir, fsys)
	if err == nil {
		return lock, nil
	}
	var path *fs.PathError // the file could not be made or opened
	if errors.As(err, &path) {
		if unwritable(err) {
			return nil, fmt.Errorf("%w: %w", errUnwritable, err)
		}
		return nil, err
	}
	var number syscall.Errno // from the system: another process has it; else this one
	pid := os.Getpid()
	if errors.As(err, &number) {
		pid = holder(fsys.PathJoin(dir, lockFile))
	}
	return nil, locked(pid, err)
}

func locked(pid int, err error) error {
	if pid == 0 {
		return fmt.Errorf("%w: %w", store.ErrLocked, err)
	}
	return fmt.Errorf("%w %d: %w", store.ErrLocked, pid, err)
}

// lockForReading takes the lock in a way that needs no right to write, and keeps writers out while it is held.
func lockForReading(fsys vfs.FS, dir string) (io.Closer, error) {
	lock, err := lockDirectory(fsys, dir)
	if err == nil {
		return lock, nil
	}
	if !errors.Is(err, errUnwritable) {
		return nil, err
	}
	return lockShared(fsys.PathJoin(dir, lockFile))
}
