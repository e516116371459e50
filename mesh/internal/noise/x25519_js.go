package noise

// x25519 is the shared secret of two keys; ErrWeakKey if it is zero, whatever ours is.
func x25519(scalar, point *[KeySize]byte) ([KeySize]byte, error) {
	secret := ladder(scalar, point)
	if secret == [KeySize]byte{} {
		return secret, ErrWeakKey
	}
	return secret, nil
}
