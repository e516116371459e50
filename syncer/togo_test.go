package syncer

import (
	"math"
	"testing"
)

// A peer may claim any number of commits to come; one that cannot be is shown as not known.
func TestToGoOfALiar(t *testing.T) {
	for left, want := range map[uint64]int{0: 0, 1: 1, 1e9: 1e9, 1e9 + 1: 0, math.MaxUint64: 0} {
		if got := toGo(left); got != want {
			t.Errorf("%d is shown as %d, want %d", left, got, want)
		}
	}
}
