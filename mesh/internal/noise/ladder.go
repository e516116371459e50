package noise

import "filippo.io/edwards25519/field"

// a24 is (A - 2) / 4 of the curve, RFC 7748, section 5.
const a24 = 121665

// ladder is the function X25519 of RFC 7748, section 5: the Montgomery ladder
// there, with its names, over constant-time field arithmetic. crypto/ecdh would
// bring the tables of P-256 into the engine for browsers.
func ladder(scalar, point *[KeySize]byte) [KeySize]byte {
	k := *scalar // decodeScalar25519
	k[0] &= 0xf8
	k[31] = k[31]&0x7f | 0x40

	var x1, x2, z2, x3, z3 field.Element
	if _, err := x1.SetBytes(point[:]); err != nil { // it masks the highest bit, as the RFC asks
		panic("noise: " + err.Error()) // only for another length
	}
	x2.One()
	x3.Set(&x1)
	z3.One()
	swap := 0
	for t := 254; t >= 0; t-- {
		bit := int(k[t>>3]>>(t&7)) & 1
		x2.Swap(&x3, swap^bit)
		z2.Swap(&z3, swap^bit)
		swap = bit

		var a, aa, b, bb, e, c, d, da, cb field.Element
		aa.Square(a.Add(&x2, &z2))
		bb.Square(b.Subtract(&x2, &z2))
		e.Subtract(&aa, &bb)
		c.Add(&x3, &z3)
		d.Subtract(&x3, &z3)
		da.Multiply(&d, &a)
		cb.Multiply(&c, &b)
		x3.Square(x3.Add(&da, &cb))
		z3.Multiply(&x1, z3.Square(z3.Subtract(&da, &cb)))
		x2.Multiply(&aa, &bb)
		z2.Mult32(&e, a24)
		z2.Multiply(&e, z2.Add(&aa, &z2))
	}
	x2.Swap(&x3, swap)
	z2.Swap(&z3, swap)
	x2.Multiply(&x2, z2.Invert(&z2))
	return [KeySize]byte(x2.Bytes())
}
