//go:build unix

package control

import (
	"fmt"
	"os"
	"syscall"
)

// checkPrivate refuses a directory that another user made or can enter: in a
// shared temporary directory somebody may have been there before.
func checkPrivate(dir string) error {
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !info.IsDir() || info.Mode().Perm() != 0o700 || !ok || int(stat.Uid) != os.Getuid() {
		return fmt.Errorf("%s is not a private directory of this user (mode 0700); remove it", dir)
	}
	return nil
}
