package object

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
)

// TestSortKeys crosses the length from which another sort is used.
func TestSortKeys(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for n := range 3 * fewKeys {
		keys := make([]string, n)
		for i := range keys {
			keys[i] = strconv.Itoa(rnd.IntN(2000))
		}
		want := slices.SortedFunc(slices.Values(keys), CompareKeys)
		if sortKeys(keys, CompareKeys); !slices.Equal(keys, want) {
			t.Fatalf("%d keys: %q, want %q", n, keys, want)
		}
	}
}
