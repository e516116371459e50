// Package archtest has tests about the module as a whole and no code: which package may import which, what must stay out
// of the engine and of the WASM build, how long files and functions may get, and that no package but the examples and
// the pages knows what a chat is.
//
// The arrows are those of the layers list in arrows_test.go, top to bottom: a package imports only what stands above it.
// A new package gets a line there. A failure names file, line and rule.
package archtest
