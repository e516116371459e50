//go:build !windows

package server

import (
	"errors"
	"syscall"
)

// inUse tells whether somebody else has an address.
func inUse(err error) bool { return errors.Is(err, syscall.EADDRINUSE) }
