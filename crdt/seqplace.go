package crdt

import (
	"cmp"

	"github.com/hyperhyperspace/hhs-go/object"
)

// Where an insertion goes. The document is a tree, as in Fugue (Weidner and Kleppmann, "The Art of the Fugue: Minimizing
// Interleaving in Collaborative Text Editing", 2023): every element is a left or a right child of another, or of the
// beginning; read in order, left children, the element, right children. An insertion between a and b, neighbours in the
// past of its op, is the right child of a; or, if a has a right child there already, the left child of b. Siblings on one
// side are in the order of (height, commit id). The elements of one insertion are each the right child of the one before.
// So whatever is inserted into a stretch stays within it: two stretches that were written at the same time never mix.
//
// The tree is not kept as one, but where each subtree begins and ends in the sequence (seqnest.go). a has a right child in
// the op's past iff a is the left origin of b, that is, what was before b when b was inserted: b is then what a's right
// child begins with. Elements between a and b are all concurrent with the op, and so are all new siblings: their subtrees stand
// next to each other, in the order of their heads. The place among them is found by halving.

// gap is where an insertion goes, and whose child it becomes.
type gap struct {
	at          point
	before      point // the piece that ends there, if that is in another leaf
	left, right elem  // neighbours in the op's past
	isLeft      bool  // a left child of right
	level       int64 // of the parent, where others hang from it
}

// gapAt finds where an op inserts whose raw position counts by m.
func (s *seq) gapAt(op *Op, pos uint64, m measure) (gap, error) {
	g := gap{left: noElem, right: noElem}
	var err error
	var from point
	if pos = min(pos, s.visible(m)); pos == 0 {
		if from, _, err = s.seek(0, measure{}); err != nil {
			return g, err
		}
	} else {
		a, _, err := s.seek(pos-1, m)
		if err != nil {
			return g, err
		}
		g.left, g.before = a.elem(), a
		if a.off+1 < a.piece().n {
			from = point{a.leaf, a.i, a.off + 1}
		} else if from, err = s.behind(a); err != nil {
			return g, err
		}
	}
	return s.first(op, g, from, pos, m)
}

// visible is how many elements there are to be counted.
func (s *seq) visible(m measure) uint64 {
	if m.view == nil {
		return s.total.raw
	}
	return s.total.raw - m.view.hidden[s.root]
}

// behind is what follows a piece, or the end of its leaf.
func (s *seq) behind(at point) (point, error) {
	next, ok, err := s.onward(at)
	if !ok {
		return point{at.leaf, len(at.leaf.runs), 0}, err
	}
	return next, nil
}

// first completes a gap: from is what follows the left neighbour, pos where the right one is by m. Who inserts again and
// again into one place pays once for the elements there that they have not seen: none of those is a child of the new ones.
func (s *seq) first(op *Op, g gap, from point, pos uint64, m measure) (gap, error) {
	b, window, err := from, !from.end() && m.view.hides(from.piece().num), error(nil)
	if window {
		if b, _, err = s.seek(pos, m); err != nil {
			return g, err
		}
	}
	if !b.end() {
		g.right = b.elem()
		g.isLeft = b.piece().leftOf(b.off) == g.left
	}
	switch {
	case window && g.isLeft && m.view.fresh(op, g.right.num):
		g.at = b
		return g, nil
	case !window || !g.isLeft && m.view.fresh(op, g.left.num):
		g.at = from
		return g, nil
	}
	g.at = from
	return s.among(op, g, b)
}

// among finds the place of an insertion among elements that its op has not seen: they begin at g.at, and b is behind them.
// Of a place in between it is told whether it is before the place we look for by the sibling that is there, or comes next. So
// the last sibling before the new one is found by halving, and the new one's place is where that one's subtree ends.
func (s *seq) among(op *Op, g gap, b point) (gap, error) {
	lo, hi, err := s.bounds(&g, b)
	var last point // ends before the parent's subtree, or belongs to a sibling that is before the new one
	sibling := false
	for err == nil && lo < hi {
		mid := lo + (hi-lo)/2
		var at, next point
		if at, _, err = s.seek(mid, measure{}); err != nil {
			break
		}
		if g.isLeft { // before it there may be others' subtrees
			var behind uint64
			if next, behind, err = s.find(at, g.level-1, true); err == nil && behind <= hi {
				lo, last = behind, next
				continue
			}
		}
		var behind uint64
		if err == nil {
			next, behind, err = s.find(at, g.level+1, false)
		}
		before := false
		if err == nil && behind <= hi {
			before, err = s.precedes(op, next.piece())
			before = !before
		}
		if !before {
			hi = mid
			continue
		}
		lo, last, sibling = behind, next, true
	}
	if err == nil && sibling {
		last, _, err = s.find(last, g.level, true)
	}
	if err == nil && last.leaf != nil {
		g.before = last
		g.at, err = s.behind(last)
	}
	return g, err
}

// bounds are the ranks between which the place of an insertion is; the level of its parent becomes known.
func (s *seq) bounds(g *gap, b point) (lo, hi uint64, err error) {
	t, err := s.rank(g.at)
	lo, hi = t.raw, s.total.raw
	switch {
	case err != nil:
	case g.isLeft:
		if t, err = s.rank(b); err == nil {
			g.level, err = s.level(b)
		}
		hi = t.raw
	case g.left != noElem:
		if g.level, err = s.level(g.before); err == nil {
			_, hi, err = s.find(g.before, g.level-1, true) // the end of the parent's subtree
		}
	}
	return lo, hi, err
}

// stand is where a commit stands among concurrent ones.
type stand struct {
	height uint64
	commit object.ID
}

// maxStands bounds how many are remembered: siblings in one place are looked at again and again.
const maxStands = 1 << 14

// precedes tells whether an op comes before that of a piece, by (height, commit id).
func (s *seq) precedes(op *Op, r *piece) (bool, error) {
	other, ok := s.stands[r.num]
	if !ok {
		read, err := s.field.op(r.num, r.index)
		if err != nil {
			return false, err
		}
		other = stand{read.Height, read.Ref.Commit}
		if s.stands == nil || len(s.stands) >= maxStands {
			s.stands = make(map[uint64]stand)
		}
		s.stands[r.num] = other
	}
	return cmp.Or(cmp.Compare(op.Height, other.height), op.Ref.Commit.Compare(other.commit)) < 0, nil
}
