package control

import "time"

const (
	// maxFrame bounds one frame: an object of 1 MiB can be 8 MiB of DAG-JSON.
	maxFrame = 16 << 20
	// maxCalls bounds the calls at once: commands of one person and their scripts.
	maxCalls = 128
	// greetTime bounds how long the other end may take to greet; it is on the
	// same machine, but may be loading a large store.
	greetTime = 3 * time.Second
	// grace is how long Close lets calls finish that were greeted.
	grace = 5 * time.Second
	// maxPath is how long a socket's path may be: macOS has 104 bytes with the
	// final zero, Linux 108.
	maxPath = 100
)
