package crdttest

import (
	"math/bits"
	"slices"

	"github.com/hyperhyperspace/hhs-go/history"
)

// numbers is a set of commits, by their number.
type numbers []uint64

func (s numbers) has(n int) bool { return n/64 < len(s) && s[n/64]>>(n%64)&1 == 1 }

func (s *numbers) add(n int) {
	for len(*s) <= n/64 {
		*s = append(*s, 0)
	}
	(*s)[n/64] |= 1 << (n % 64)
}

func (s *numbers) addAll(all numbers) {
	for len(*s) < len(all) {
		*s = append(*s, 0)
	}
	for i, w := range all {
		(*s)[i] |= w
	}
}

// meets tells whether one of a list is in the set.
func (s numbers) meets(list []int) bool { return slices.ContainsFunc(list, s.has) }

// without are the members that are in no other set, as spans.
func (s numbers) without(other numbers) (spans []history.Span) {
	for i, w := range s {
		if i < len(other) {
			w &^= other[i]
		}
		for ; w != 0; w &= w - 1 {
			n := uint64(i*64 + bits.TrailingZeros64(w))
			spans = append(spans, history.Span{Start: n, End: n + 1})
		}
	}
	return spans
}
