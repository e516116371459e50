//go:build !js

package identity

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"testing"
)

// TestSignAgainstStandardLibrary: both implementations make the same bytes.
func TestSignAgainstStandardLibrary(t *testing.T) {
	for i := range 64 {
		seed := sha256.Sum256([]byte{byte(i)})
		key := ed25519.NewKeyFromSeed(seed[:])
		message := bytes.Repeat([]byte{byte(i)}, i*3)
		if got, want := sign(key, message), ed25519.Sign(key, message); !bytes.Equal(got, want) {
			t.Fatalf("seed %d: signatures differ:\n%x\n%x", i, got, want)
		}
	}
}
