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
// We keep no tree. a has a right child in the op's past iff a is the left origin of b, that is, what was before b when b
// was inserted: b is then what a's right child begins with. Elements between a and b are all concurrent with the op, and
// the places for a new sibling among them are found in one walk, of each looking only at its origins:
//
//   - its left origin is itself one that the op has not seen: it is deeper within what was met before;
//   - its left origin is a: it begins a sibling's subtree, or it is the sibling: a right child of a; or, when we look for
//     the left children of b, one whose right origin is b. A left child whose right origin the op has not seen belongs
//     to the subtree of a sibling that comes later;
//   - otherwise its left origin is before a: a's right children have ended.

// gap is where an insertion goes, and whose child it becomes.
type gap struct {
	at          point
	left, right elem // neighbours in the op's past
	isLeft      bool // a left child of right
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
		g.left = a.elem()
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
	return s.among(op, g, m.view)
}

// among finds the place of an insertion among elements that its op has not seen, from g.at on.
func (s *seq) among(op *Op, g gap, v *view) (gap, error) {
	var begin point // of a sibling's subtree that was not met yet
	open := false
	at, err := g.at, error(nil)
	for ; err == nil && !at.end() && v.hides(at.piece().num); at, err = s.behind(at) {
		r := at.piece()
		if r.flags&runHead == 0 || v.hides(r.left.num) {
			continue
		}
		if r.left != g.left {
			break
		}
		if !open {
			open, begin = true, at
		}
		sibling := !g.isLeft
		if r.flags&runLeft != 0 {
			if v.hides(r.right.num) {
				continue
			}
			sibling = g.isLeft && r.right == g.right
		} else if g.isLeft {
			sibling = false
		}
		if sibling {
			less, err := s.precedes(op, r)
			if err != nil {
				return g, err
			}
			if less {
				g.at = begin
				return g, nil
			}
		}
		open = false
	}
	g.at = at
	return g, err
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
