package crdt

// Where the subtrees of the tree of seqplace.go begin and end. An insertion with all that hangs from it is a stretch of the
// sequence; these nest like brackets, and pieces keep how many open before their first element, and how many close behind
// their last one. The level of a piece is how many are open at it: one for its insertion and each that it hangs from.
// Pages keep of what is below them how the number of open subtrees changes, and how low it gets, so that the end of a
// subtree, and the next piece at a level, are found along a path of the pages, whatever is in between. Nothing of it
// depends on verdicts, and dividing or joining pieces and pages changes none of it.

// nesting is what a stretch does to the number of open subtrees, relative to what it is before.
type nesting struct {
	sum  int64 // what it is behind the stretch
	low  int64 // the least behind a piece
	flat int64 // the least level of a piece
}

// noNesting is that of nothing.
var noNesting = nesting{low: 1 << 40, flat: 1 << 40}

func (n *nesting) add(o nesting) {
	n.low, n.flat, n.sum = min(n.low, n.sum+o.low), min(n.flat, n.sum+o.flat), n.sum+o.sum
}

// least is the least number behind a piece, or the least level.
func (n *nesting) least(behind bool) int64 {
	if behind {
		return n.low
	}
	return n.flat
}

func (r *piece) nesting() nesting {
	open, closes := int64(r.open), int64(r.close)
	return nesting{open - closes, open - closes, open}
}

func (p *page) nesting() nesting {
	n := noNesting
	for i := range p.kids {
		n.add(p.kids[i].nest)
	}
	for i := range p.runs {
		n.add(p.runs[i].nesting())
	}
	return n
}

// opened is how many subtrees are open before a piece.
func (s *seq) opened(at point) (n int64, err error) {
	for i := range at.leaf.runs[:at.i] {
		n += int64(at.leaf.runs[i].open) - int64(at.leaf.runs[i].close)
	}
	return n, s.climb(at.leaf, func(up *page, i int) {
		for k := range up.kids[:i] {
			n += up.kids[k].nest.sum
		}
	})
}

// level is that of a piece.
func (s *seq) level(at point) (int64, error) {
	n, err := s.opened(at)
	return n + int64(at.piece().open), err
}

// find is the first piece at or behind a place that has at most so high a level, or behind which at most so many subtrees are
// open, and how many elements there are up to its end; without one these are more than all.
func (s *seq) find(at point, most int64, behind bool) (found point, rank uint64, err error) {
	sum, err := s.opened(at)
	p, i := at.leaf, at.i
	for err == nil {
		if i = p.first(i, &sum, most, behind); i >= 0 && p.leaf() {
			found = point{p, i, 0}
			t, err := s.rank(found)
			return found, t.raw + uint64(p.runs[i].n), err
		}
		if i >= 0 {
			p, err = s.page(p.kids[i].id)
			i = 0
			continue
		}
		if p.parent == 0 {
			return found, s.total.raw + 1, nil
		}
		var up *page
		if up, err = s.page(p.parent); err == nil {
			i, err = s.kidOf(up, p)
			p, i = up, i+1
		}
	}
	return found, 0, err
}

// first is the first kid or piece from i on below which there is such a piece, -1 if there is none; sum is what is open before it.
func (p *page) first(i int, sum *int64, most int64, behind bool) int {
	for ; i < len(p.kids)+len(p.runs); i++ {
		var n nesting
		if p.leaf() {
			n = p.runs[i].nesting()
		} else {
			n = p.kids[i].nest
		}
		if *sum+n.least(behind) <= most {
			return i
		}
		*sum += n.sum
	}
	return -1
}

// nest gives a new piece its subtree, within that of its parent. If that has ended before the place or begins behind it, it is
// the new piece now with which it ends or begins, and those further out that do so there. Next to its parent that is all of
// them, and nothing else to be told to the pages further up (more is false): so typing costs nothing.
func (s *seq) nest(g *gap, at point, r *piece) (more bool, err error) {
	r.open, r.close = 1, 1
	if g.isLeft {
		if at.end() {
			return false, misnested(r)
		}
		b := at.piece()
		if b.elem == g.right {
			r.open, b.open = 1+b.open, 0
			return false, nil
		}
		return true, s.takes(g, at, &b.open, &r.open, r)
	}
	before := g.before // what ends there
	if at.i > 0 {
		before = point{at.leaf, at.i - 1, 0}
	}
	if before.end() {
		return true, nil // it is the first
	}
	a := before.piece()
	if a.at(a.n-1) == g.left {
		r.close, a.close = 1+a.close, 0
	} else if err = s.takes(g, at, &a.close, &r.close, r); err != nil {
		return false, err
	}
	if before.leaf == at.leaf {
		return a.at(a.n-1) != g.left, nil
	}
	s.mark(before.leaf)
	return true, s.renest(before.leaf)
}

// takes moves what begins or ends at a place, and has the new piece in it, from the one next to it.
func (s *seq) takes(g *gap, at point, from, to *uint32, r *piece) error {
	open, err := s.opened(at)
	if err != nil {
		return err
	}
	n := g.level - open
	if n < 0 || n > int64(*from) {
		return misnested(r)
	}
	*from, *to = *from-uint32(n), *to+uint32(n)
	return nil
}

func misnested(r *piece) error {
	return &Corrupt{Key: elemKey(r.elem), Reason: "an insertion that is not within what it hangs from"}
}

// renest makes the ancestors of a page know how what is below them nests.
func (s *seq) renest(p *page) error {
	return s.climb(p, func(up *page, i int) {
		up.kids[i].nest = p.nesting()
		s.mark(up)
		p = up
	})
}
