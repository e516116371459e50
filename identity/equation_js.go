//go:build js

package identity

import "crypto/ed25519"

// sign makes the signature of RFC 8032.
func sign(key ed25519.PrivateKey, message []byte) []byte { return ed25519.Sign(key, message) }

// equation decides the cofactorless equation; the pre-check comes before it.
//
// crypto/ed25519 compares the encoding of the point it computes with the bytes
// of R, which is that equation. It also refuses S >= L and, by the comparison,
// a non-canonical R. What it does not refuse is a non-canonical or small-order
// A: that is left to the pre-check alone.
func equation(a, message, sig []byte) bool { return ed25519.Verify(a, message, sig) }
