//go:build !unix && !js

package keyfile

// syncDir does nothing where directories cannot be synced (Windows).
func syncDir(string) error { return nil }
