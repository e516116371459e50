//go:build !js

package keyfile

const (
	// maxFile bounds what is read as a key file. One has about 700 bytes, a
	// protected one about 900.
	maxFile = 16 << 10

	// workFactor is scrypt's log2 N for Protect: about a second of work and
	// 256 MiB on a common machine, age's own default.
	workFactor = 18

	// maxWorkFactor is the most work a file can ask of Unlock.
	maxWorkFactor = 20
)
