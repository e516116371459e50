//go:build js

package webkey

import "time"

const (
	// window is how many checks are with WebCrypto at once: enough to keep its
	// threads busy, few enough that a bad one stops the rest soon and that the
	// promises of one turn do not hold up the page.
	window = 64

	// maxImported is how many imported public keys are kept; each is a handle
	// in the browser of a few hundred bytes.
	maxImported = 1024

	// pause is how long the Go verifier gives way to other work in the worker:
	// the shortest timer there is.
	pause = time.Millisecond

	// databaseVersion is IndexedDB's own version of the key database. A newer
	// one is refused by the browser and left untouched.
	databaseVersion = 1

	// settleTime bounds how long one IndexedDB request may take before it is
	// reported: storage that never answers is seen where another tab blocks it.
	settleTime = 20 * time.Second
)
