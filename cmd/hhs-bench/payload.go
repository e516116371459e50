package main

// alphabet are the characters of keys and values.
const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// Lengths in characters.
const (
	keyLength   = 16
	valueLength = 100
)

// mulberry32 is the generator of pseudo-random numbers that benchmarks in JavaScript use because it is one line there
// (public domain, Tommy Ettinger and others). Equal seeds give equal payloads in both languages.
type mulberry32 uint32

func (m *mulberry32) next() uint32 {
	*m += 0x6D2B79F5
	a := uint32(*m)
	t := (a ^ a>>15) * (a | 1)
	t ^= t + (t^t>>7)*(t|61)
	return t ^ t>>14
}

func (m *mulberry32) text(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = alphabet[m.next()>>26] // the upper six bits: floor(x / 2^32 * 64)
	}
	return string(b)
}

// payload is one operation's key and value.
type payload struct{ key, value string }

// payloads are the first n of a seed.
func payloads(n int, seed uint32) []payload {
	m := mulberry32(seed)
	list := make([]payload, n)
	for i := range list {
		list[i].key = m.text(keyLength)
		list[i].value = m.text(valueLength)
	}
	return list
}
