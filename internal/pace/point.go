//go:build !js

package pace

// Point does nothing: the platform has threads.
func Point() {}
