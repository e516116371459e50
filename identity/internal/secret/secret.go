// Package secret is the key to the private half of an identity key. A function
// that takes an [Access] can be called only by code that can import this
// package: identity and the packages below it that store keys.
package secret

// Access is the permission to read or build a private key from its seed. Only
// [Grant] makes a valid one.
type Access struct{ granted bool }

// Grant returns the permission.
func Grant() Access { return Access{granted: true} }

// Granted reports whether a came from Grant.
func (a Access) Granted() bool { return a.granted }
