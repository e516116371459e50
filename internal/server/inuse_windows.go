package server

import (
	"errors"
	"syscall"
)

// inUse tells whether somebody else has an address; 10048 is WSAEADDRINUSE.
func inUse(err error) bool { return errors.Is(err, syscall.Errno(10048)) }
