package noise

import "filippo.io/edwards25519/field"

// ladder is X25519 of RFC 7748, section 5, in constant time. The steps are those of crypto/ecdh, from which it is; that
// package itself would bring the tables of P-256 into the engine for browsers.
func ladder(scalar, point *[KeySize]byte) [KeySize]byte {
	k := *scalar
	k[0] &= 248
	k[31] &= 127
	k[31] |= 64

	var x1, x2, z2, x3, z3, t0, t1 field.Element
	if _, err := x1.SetBytes(point[:]); err != nil { // it ignores the highest bit, as the RFC asks
		panic("noise: " + err.Error()) // only for another length
	}
	x2.One()
	x3.Set(&x1)
	z3.One()
	swap := 0
	for at := 254; at >= 0; at-- {
		bit := int(k[at/8]>>(at&7)) & 1
		swap ^= bit
		x2.Swap(&x3, swap)
		z2.Swap(&z3, swap)
		swap = bit

		t0.Subtract(&x3, &z3)
		t1.Subtract(&x2, &z2)
		x2.Add(&x2, &z2)
		z2.Add(&x3, &z3)
		z3.Multiply(&t0, &x2)
		z2.Multiply(&z2, &t1)
		t0.Square(&t1)
		t1.Square(&x2)
		x3.Add(&z3, &z2)
		z2.Subtract(&z3, &z2)
		x2.Multiply(&t1, &t0)
		t1.Subtract(&t1, &t0)
		z2.Square(&z2)

		z3.Mult32(&t1, 121666)
		x3.Square(&x3)
		t0.Add(&t0, &z3)
		z3.Multiply(&x1, &z2)
		z2.Multiply(&t1, &t0)
	}
	x2.Swap(&x3, swap)
	z2.Swap(&z3, swap)
	z2.Invert(&z2)
	x2.Multiply(&x2, &z2)
	return [KeySize]byte(x2.Bytes())
}
