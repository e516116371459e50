package idb

import (
	"github.com/tidwall/btree"

	"github.com/hyperhyperspace/hhs-go/store"
)

// tree is a sorted map; snapshots of it are copies on write. As a memory it holds values, nil for a deleted key; as
// ranges it holds disjoint [key, value) that do not touch, nil for no upper bound.
type tree = btree.Map[string, []byte]

func newTree() *tree { return btree.NewMap[string, []byte](treeDegree) }

// addRange adds [lo, hi) to ranges and joins it with those that it meets.
func addRange(t *tree, lo string, hi []byte) {
	open := hi == nil
	widen := func(end []byte) {
		if open = open || end == nil; open {
			hi = nil
		} else if string(end) > string(hi) {
			hi = end
		}
	}
	t.Descend(lo, func(start string, end []byte) bool {
		if end == nil || string(end) >= lo {
			lo = start
			widen(end)
		}
		return false
	})
	var met []string
	t.Ascend(lo, func(start string, end []byte) bool {
		if !open && start > string(hi) {
			return false
		}
		met = append(met, start)
		widen(end)
		return true
	})
	for _, start := range met {
		t.Delete(start)
	}
	t.Set(lo, hi)
}

// rangeOf returns the end of the range that key is in, if it is in one.
func rangeOf(t *tree, key []byte) (end []byte, in bool) {
	if t.Len() > 0 {
		t.Descend(string(key), func(_ string, hi []byte) bool {
			end, in = hi, hi == nil || string(key) < string(hi)
			return false
		})
	}
	return end, in
}

// covered reports whether key is in one of the ranges.
func covered(t *tree, key []byte) bool {
	_, in := rangeOf(t, key)
	return in
}

// layer is what was written since the last run: it hides older layers and runs key by key and range by range. A pair of
// the layer itself is never hidden by its ranges, since a range removes what was there and what is put later stays.
type layer struct {
	pairs, ranges *tree
	size          int    // of the operations applied, in bytes
	last          uint64 // the last journal entry applied
}

func newLayer() *layer { return &layer{pairs: newTree(), ranges: newTree()} }

// snapshot returns a copy that later changes do not reach.
func (l *layer) snapshot() *layer {
	return &layer{pairs: l.pairs.Copy(), ranges: l.ranges.Copy(), size: l.size, last: l.last}
}

// apply performs the operations of a batch.
func (l *layer) apply(b *store.Batch) {
	b.Each(func(op store.Op, k, v []byte) {
		switch op {
		case store.OpPut:
			l.pairs.Set(string(k), clone(v))
		case store.OpDelete:
			l.pairs.Set(string(k), nil)
		case store.OpDeleteRange:
			l.deleteRange(string(k), v)
		}
	})
	l.size += b.Size()
}

// deleteRange removes what is there by deleting it pair by pair, or by passing the others on to a new tree: a range over
// all of a full memory would be a tenth of a second of deletions otherwise.
func (l *layer) deleteRange(lo string, hi []byte) {
	var keys []string
	l.pairs.Ascend(lo, func(k string, _ []byte) bool {
		if hi != nil && k >= string(hi) {
			return false
		}
		keys = append(keys, k)
		return true
	})
	if len(keys)*deleteCost > l.pairs.Len()-len(keys) {
		l.pairs = outside(l.pairs, lo, hi)
		keys = nil
	}
	for _, k := range keys {
		l.pairs.Delete(k)
	}
	if hi != nil {
		hi = clone(hi)
	}
	addRange(l.ranges, lo, hi)
}

// outside returns a tree of the pairs that are not in [lo, hi).
func outside(t *tree, lo string, hi []byte) *tree {
	out := newTree()
	t.Scan(func(k string, v []byte) bool {
		if k < lo {
			out.Load(k, v)
		}
		return k < lo
	})
	if hi != nil {
		t.Ascend(string(hi), func(k string, v []byte) bool {
			out.Load(k, v)
			return true
		})
	}
	return out
}

// clone returns a copy that is not nil.
func clone(v []byte) []byte { return append(make([]byte, 0, len(v)), v...) }

// join appends. Compiled without inlining, as the engine of pages is, a call is a fourth of append's own code.
func join(to, v []byte) []byte { return append(to, v...) }
