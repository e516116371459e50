package crdt

import (
	"fmt"
	"slices"

	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/identity"
)

// view looks at a sequence from the past of an op that has not seen everything: it knows how many elements to leave out of
// each page. It moves from one op to the next by what their pasts differ in, so that the ops of one branch cost what they
// bring, whatever came in between; a few views are kept, one for each branch that goes on.
//
// Invariants:
//  1. what it hides is what was inserted by the commits that are taken in, less those in the past of its version;
//  2. hidden holds, for every page, how many of the elements below it are hidden; absent is none.
type view struct {
	version []uint64            // numbers of commits: the one it was used for last
	author  identity.PublicKey  // of that
	nums    map[uint64]struct{} // commits whose elements it hides
	most    uint64              // no lower than any of them
	hidden  map[uint64]uint64
}

func (v *view) hides(num uint64) bool {
	if v == nil {
		return false
	}
	_, ok := v.nums[num]
	return ok
}

func (v *view) hideNum(num uint64) {
	v.nums[num], v.most = struct{}{}, max(v.most, num)
}

// fresh tells of a commit of an op's past, or the op's own, that nothing which is hidden has seen it: numbers follow causality.
func (v *view) fresh(op *Op, num uint64) bool {
	return num != noElem.num && (num == op.Num || num > v.most)
}

// hide counts n more hidden elements in a leaf.
func (v *view) hide(s *seq, leaf *page, n uint64) error {
	v.hidden[leaf.id] += n
	return s.climb(leaf, func(up *page, _ int) { v.hidden[up.id] += n })
}

// recount counts the hidden elements of a leaf.
func (v *view) recount(s *seq, leaf *page) error {
	var n uint64
	for i := range leaf.runs {
		if r := &leaf.runs[i]; v.hides(r.num) {
			n += uint64(r.n)
		}
	}
	return v.hide(s, leaf, n-v.hidden[leaf.id])
}

// divide counts the hidden elements of two pages that were one, p.
func (v *view) divide(p, q *page) {
	var n uint64
	for i := range q.runs {
		if r := &q.runs[i]; v.hides(r.num) {
			n += uint64(r.n)
		}
	}
	for i := range q.kids {
		n += v.hidden[q.kids[i].id]
	}
	v.hidden[q.id] = n
	v.hidden[p.id] -= n
}

// move makes the view that of an op's past.
func (v *view) move(s *seq, op *Op, lacks, news []history.Span) error {
	for _, span := range lacks {
		if err := v.hideSpan(s, span, op.Num); err != nil {
			return err
		}
	}
	for _, span := range news {
		if span.Len() < uint64(len(v.nums)) {
			for n := span.Start; n < span.End; n++ {
				if err := v.show(s, n); err != nil {
					return err
				}
			}
			continue
		}
		var shown []uint64
		for n := range v.nums {
			if span.Start <= n && n < span.End {
				shown = append(shown, n)
			}
		}
		slices.Sort(shown)
		for _, n := range shown {
			if err := v.show(s, n); err != nil {
				return err
			}
		}
	}
	v.version, v.author = append(v.version[:0], op.Num), op.Author
	return nil
}

// hideSpan hides what commits of a span inserted, all but one.
func (v *view) hideSpan(s *seq, span history.Span, but uint64) error {
	lo := join(spaceElem, nil, appendOrdered(nil, span.Start))
	hi := join(spaceElem, nil, appendOrdered(nil, span.End))
	for kv, err := range s.State.Scan(lo, hi, false) {
		if err != nil {
			return fmt.Errorf("read state: %w", err)
		}
		if num, _ := readOrdered(kv.Key[1:]); num != but {
			v.hideNum(num)
		}
	}
	return s.leaves(lo, hi, func(leaf *page) error { return v.recount(s, leaf) })
}

// show shows again what a commit inserted.
func (v *view) show(s *seq, num uint64) error {
	if !v.hides(num) {
		return nil
	}
	delete(v.nums, num)
	prefix := join(spaceElem, nil, appendOrdered(nil, num))
	return s.leaves(prefix, after(prefix), func(leaf *page) error { return v.recount(s, leaf) })
}

// enters says that an op is about to insert something, seen from v: the other views have not seen it.
func (s *seq) enters(op *Op, v *view) {
	for _, w := range s.views {
		if w != v && !slices.Contains(w.version, op.Num) {
			w.hideNum(op.Num)
		}
	}
}

// linear tells whether an op has seen everything that was inserted.
func (s *seq) linear(op *Op) (bool, error) {
	if err := s.readTips(); err != nil {
		return false, err
	}
	for i := range slices.Backward(s.tips) {
		if seen, err := s.seen(&s.tips[i], op); err != nil || !seen {
			return false, err
		}
	}
	return true, nil
}

// nearView is how many commits may lie between a view and an op for it to be taken without looking for a nearer one.
const nearView = 64

// viewOf is the view from an op's past, nil when it has seen everything.
func (s *seq) viewOf(op *Op) (*view, error) {
	linear, err := s.linear(op)
	if err != nil {
		return nil, err
	}
	if linear {
		s.views = nil
		return nil, nil
	}
	order := make([]*view, 0, len(s.views)+1)
	for _, own := range []bool{true, false} {
		for _, v := range s.views {
			if (v.author == op.Author) == own {
				order = append(order, v)
			}
		}
	}
	if len(s.views) < maxViews {
		all := &view{nums: map[uint64]struct{}{}, hidden: map[uint64]uint64{}}
		for _, t := range s.tips {
			all.version = append(all.version, t.num)
		}
		order = append(order, all)
	}
	var best *view
	var lacks, news []history.Span
	var least uint64
	for _, v := range order {
		a, b, err := s.Past.Diff(v.version, []uint64{op.Num})
		if err != nil {
			return nil, fmt.Errorf("compare versions: %w", err)
		}
		cost := uint64(0)
		for _, spans := range [2][]history.Span{a, b} {
			for _, span := range spans {
				cost += span.Len()
			}
		}
		if best == nil || cost < least {
			best, lacks, news, least = v, a, b, cost
		}
		if least <= nearView {
			break
		}
	}
	s.views = slices.Insert(slices.DeleteFunc(s.views, func(v *view) bool { return v == best }), 0, best)
	return best, best.move(s, op, lacks, news)
}
