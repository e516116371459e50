package history

import (
	"bytes"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"testing"
)

// TestMutatedBatches is R4 for batches: valid messages with random damage neither panic nor change the
// meaning of a commit under its id, and take little memory.
func TestMutatedBatches(t *testing.T) {
	wire, err := EncodeBatch(mixed(t))
	if err != nil {
		t.Fatal(err)
	}
	const seed = 7
	times := 20_000
	if n, err := strconv.Atoi(os.Getenv("HHS_MUTATIONS")); err == nil {
		times = n
	}
	rnd := rand.New(rand.NewPCG(seed, seed))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	accepted, size := 0, 0
	for range times {
		m := bytes.Clone(wire)
		for range 1 + rnd.IntN(4) {
			at := rnd.IntN(len(m))
			switch rnd.IntN(4) {
			case 0:
				m[at] ^= 1 << rnd.IntN(8)
			case 1:
				m[at] = byte(rnd.Uint32())
			case 2:
				m = append(m[:at], m[min(len(m), at+rnd.IntN(8)):]...)
			case 3:
				m = append(m[:at], append(bytes.Clone(m[rnd.IntN(at+1):at]), m[at:]...)...)
			}
			if len(m) == 0 {
				m = []byte{0}
			}
		}
		size += len(m)
		got, err := DecodeBatch(m, 0)
		if err != nil {
			continue
		}
		accepted++
		for _, c := range got.Commits {
			if again, err := DecodeCommit(c.Raw, c.Parts); err != nil || again.ID != c.ID {
				t.Fatalf("seed %d: %x: %v", seed, m, err)
			}
		}
	}
	runtime.ReadMemStats(&after)
	ratio := float64(after.TotalAlloc-before.TotalAlloc) / float64(size)
	t.Logf("%d of %d accepted, %.1f bytes allocated for each of input", accepted, times, ratio)
	if ratio > 16 {
		t.Errorf("%.1f bytes allocated for each byte of input", ratio)
	}
}
