//go:build unix

package pebble

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"syscall"

	"github.com/hyperhyperspace/hhs-go/store"
)

// holder returns the process that has the lock, 0 if that is not known. It must not be called by the process that has it:
// closing the file would give the lock back.
func holder(path string) int {
	f, err := os.Open(path)
	if err != nil {
		return 0
	}
	defer f.Close()
	l := syscall.Flock_t{Type: syscall.F_WRLCK, Whence: io.SeekStart}
	if err := syscall.FcntlFlock(f.Fd(), syscall.F_GETLK, &l); err != nil || l.Type == syscall.F_UNLCK {
		return 0
	}
	return int(l.Pid)
}

// lockShared takes the lock for reading. A medium that has no locks has no writers either.
func lockShared(path string) (io.Closer, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return noLock{}, nil // a copy: nobody ever had it open
	}
	if err != nil {
		return nil, err
	}
	l := syscall.Flock_t{Type: syscall.F_RDLCK, Whence: io.SeekStart}
	err = syscall.FcntlFlock(f.Fd(), syscall.F_SETLK, &l)
	if errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EACCES) {
		_ = syscall.FcntlFlock(f.Fd(), syscall.F_GETLK, &l)
		return nil, errors.Join(locked(int(l.Pid), store.ErrLocked), f.Close())
	}
	return f, nil
}
