package object

import "unsafe"

// alias is the string with the bytes of b, without a copy. It is used only while b is not written to and
// never leaves the package.
func alias(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
