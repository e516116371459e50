package object

import (
	"math"
	"math/rand/v2"
)

func randomID(rng *rand.Rand) ID {
	var d [32]byte
	for i := range d {
		d[i] = byte(rng.Uint32())
	}
	if rng.IntN(2) == 0 {
		return IDFromDigest(Raw, d)
	}
	return IDFromDigest(DagCBOR, d)
}

func randomInt(rng *rand.Rand) int64 {
	i := int64(rng.Uint64() >> rng.IntN(64))
	if rng.IntN(2) == 0 {
		return ^i
	}
	return i
}

func randomFloat(rng *rand.Rand) float64 {
	f := math.Float64frombits(rng.Uint64())
	if math.IsNaN(f) || math.IsInf(f, 0) || rng.IntN(3) == 0 {
		return float64(rng.IntN(100))
	}
	return f
}

func randomString(rng *rand.Rand) string {
	n := rng.IntN(4)
	if rng.IntN(8) == 0 {
		n = rng.IntN(400)
	}
	r := make([]rune, n)
	for i := range r {
		r[i] = rune("aAzZ09$/\"\\\n\x00éß\u2028漢😀"[rng.IntN(18)])
		if rng.IntN(3) == 0 {
			r[i] = []rune("éß\u2028漢😀\x7f")[rng.IntN(6)]
		}
	}
	return string(r)
}

// randomValue is any value of at most depth containers inside each other.
func randomValue(rng *rand.Rand, depth int) any {
	kinds := 9
	if depth == 0 {
		kinds = 7
	}
	switch rng.IntN(kinds) {
	case 0:
		return nil
	case 1:
		return rng.IntN(2) == 0
	case 2:
		return randomInt(rng)
	case 3:
		return randomFloat(rng)
	case 4:
		return randomString(rng)
	case 5:
		return []byte(randomString(rng))
	case 6:
		return randomID(rng)
	case 7:
		l := make([]any, rng.IntN(6))
		for i := range l {
			l[i] = randomValue(rng, depth-1)
		}
		return l
	}
	n := rng.IntN(6)
	if rng.IntN(20) == 0 {
		n = 30
	}
	m := make(map[string]any, n)
	for range n {
		m[randomString(rng)] = randomValue(rng, depth-1)
	}
	return m
}

// mutate is b with one small change, biased to what matters: heads, lengths, order.
func mutate(rng *rand.Rand, b []byte) []byte {
	if len(b) == 0 {
		return b
	}
	out := append([]byte(nil), b...)
	i := rng.IntN(len(out))
	switch rng.IntN(6) {
	case 0:
		out[i] ^= 1 << rng.IntN(8)
	case 1:
		out[i] = byte(rng.Uint32())
	case 2:
		return out[:i]
	case 3:
		return append(out, byte(rng.Uint32()))
	case 4:
		j := rng.IntN(len(out))
		out[i], out[j] = out[j], out[i]
	default: // a longer form of a small argument
		if c := out[i]; c&31 < 24 {
			rest := append([]byte(nil), out[i+1:]...)
			out = append(append(out[:i], c&0xe0|24, c&31), rest...)
		}
	}
	return out
}
