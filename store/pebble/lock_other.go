//go:build !unix && !js

package pebble

import "io"

func holder(string) int { return 0 }

func lockShared(string) (io.Closer, error) { return noLock{}, nil }
