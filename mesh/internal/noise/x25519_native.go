//go:build !js

package noise

import "crypto/ecdh"

// x25519 is the shared secret of two keys; ErrWeakKey if it is zero, whatever ours is.
func x25519(scalar, point *[KeySize]byte) (secret [KeySize]byte, err error) {
	ours, err := ecdh.X25519().NewPrivateKey(scalar[:])
	if err != nil {
		return secret, err
	}
	theirs, err := ecdh.X25519().NewPublicKey(point[:])
	if err != nil {
		return secret, err
	}
	shared, err := ours.ECDH(theirs)
	if err != nil {
		return secret, ErrWeakKey // the one reason there is
	}
	return [KeySize]byte(shared), nil
}
