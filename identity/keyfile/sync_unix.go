//go:build unix

package keyfile

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// syncDir makes a new name in a directory survive a power cut. Some file systems
// cannot sync a directory and say so; they need nothing.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("keyfile: open the directory to sync it: %w", err)
	}
	defer d.Close()
	err = d.Sync()
	if err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, syscall.ENOTSUP) {
		return fmt.Errorf("keyfile: sync the directory: %w", err)
	}
	return nil
}
