package identity

import (
	"bytes"
	"errors"
)

// didPrefix starts the text form of a key; the z is multibase's base58btc.
const didPrefix = "did:key:z"

// Multicodec tag of an Ed25519 public key, as an unsigned varint.
const tag0, tag1 = 0xed, 0x01

// ErrKey reports bytes or text that are no public key of a suite known here.
var ErrKey = errors.New("identity: not a valid public key")

// KeyError says what is wrong with a public key. It matches [ErrKey].
type KeyError struct{ Reason string }

func (e *KeyError) Error() string { return "identity: not a public key: " + e.Reason }

// Is reports whether target is ErrKey.
func (e *KeyError) Is(target error) bool { return target == ErrKey }

// PublicKey is the public half of an identity or device key. It is comparable
// and can key a map; the zero value is no key (see [PublicKey.IsZero]).
type PublicKey struct{ key [32]byte }

// PublicKeyFromBytes reads the 34-byte form. It refuses other suites, encodings
// that are not canonical and keys of small order, so that no two keys are
// treated as different that verify the same signatures. Whether the bytes are a
// point on the curve is only seen when a signature is checked.
func PublicKeyFromBytes(b []byte) (PublicKey, error) {
	if len(b) < 2 || b[0] != tag0 || b[1] != tag1 {
		return PublicKey{}, &KeyError{"its suite is not Ed25519"}
	}
	if len(b) != KeySize {
		return PublicKey{}, &KeyError{"it does not have 34 bytes"}
	}
	k := PublicKey{key: [32]byte(b[2:])}
	if !canonicalPoint(&k.key) {
		return PublicKey{}, &KeyError{"its encoding is not canonical"}
	}
	if smallOrder(&k.key) {
		return PublicKey{}, &KeyError{"it is a point of small order"}
	}
	return k, nil
}

// ParsePublicKey reads the did:key text form. Each key has exactly one.
func ParsePublicKey(s string) (PublicKey, error) {
	if len(s) > MaxKeyText {
		return PublicKey{}, &KeyError{"its text is too long"}
	}
	if len(s) < len(didPrefix) || s[:len(didPrefix)] != didPrefix {
		return PublicKey{}, &KeyError{`its text does not begin with "` + didPrefix + `"`}
	}
	b, ok := base58Decode(s[len(didPrefix):])
	if !ok {
		return PublicKey{}, &KeyError{"its text has a character that base58 does not use"}
	}
	return PublicKeyFromBytes(b)
}

// Bytes returns the 34 bytes of the key: suite tag and point.
func (k PublicKey) Bytes() []byte {
	b := make([]byte, 0, KeySize)
	return append(append(b, tag0, tag1), k.key[:]...)
}

// Append appends the 34 bytes of the key to dst.
func (k PublicKey) Append(dst []byte) []byte {
	return append(append(dst, tag0, tag1), k.key[:]...)
}

// String returns the did:key text form, or "" for the zero key.
func (k PublicKey) String() string {
	if k.IsZero() {
		return ""
	}
	return didPrefix + base58Encode(k.Bytes())
}

// Short returns the last eight characters of the text form. It is for people,
// beside a name; it does not identify a key.
func (k PublicKey) Short() string {
	s := k.String()
	if len(s) < 8 {
		return s
	}
	return s[len(s)-8:]
}

// IsZero reports whether k is the zero value, which is no key.
func (k PublicKey) IsZero() bool { return k == PublicKey{} }

// Compare orders keys by their bytes.
func (k PublicKey) Compare(other PublicKey) int {
	return bytes.Compare(k.key[:], other.key[:])
}
