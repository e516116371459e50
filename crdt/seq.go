package crdt

import (
	"encoding/binary"
	"fmt"

	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/schema"
)

// seqType is "list" and "text": elements in an order that their writers chose; values, or the code points of a text.
//
// Ops speak of raw positions: they count all elements that were ever inserted in the op's past, deleted and void ones too.
// So a position never depends on a verdict, and a deletion moves nothing. An op that has seen everything is applied by
// position; only one that has not needs the rule of seqplace.go, and a view (seqview.go) of what it has seen.
//
// An element is shown iff the op that inserted it is effective and no effective deletion covers it. Both are marks on the
// element: a change of verdict finds the elements by their addresses and moves nothing either.
//
// What an op costs: a page and its ancestors for each edit, and the pieces that a deletion covers, at most MaxDeleted
// elements. One that has not seen everything takes, besides, what its past and that of the view nearest to it differ in,
// and finds its place by halving what is between its neighbours that it has not seen.
type seqType struct{ list bool }

func (t seqType) Name() string {
	if t.list {
		return "list"
	}
	return "text"
}

func (t seqType) Check(s *schema.Schema, op Op) error {
	_, err := checkSeq(s, &op, t.list)
	return err
}

// seqOp is what the state keeps of an op: its verdict, and what it deletes or sets.
type seqOp struct {
	effective bool
	targets   []span
	full      bool // it deletes no more
}

// span is elements next to each other when they were inserted.
type span struct {
	elem
	n uint32
}

func seqOpKey(op *Op) []byte {
	return join(spaceSeqOp, nil, appendOrdered(appendOrdered(nil, op.Num), uint64(op.Ref.Index)))
}

// add adds elements to what an op deletes or sets; ok is false when that is MaxStretches already. Where pages are divided makes no
// difference.
func (o *seqOp) add(e elem, n uint32) (ok bool) {
	if last := len(o.targets) - 1; last >= 0 {
		if t := &o.targets[last]; t.num == e.num && t.index == e.index && t.off+t.n == e.off {
			t.n += n
			return true
		}
	}
	if o.full = len(o.targets) == MaxStretches; !o.full {
		o.targets = append(o.targets, span{e, n})
	}
	return !o.full
}

func (s *seq) keep(op *Op, o *seqOp) error {
	b := []byte{0}
	if o.effective {
		b[0] = 1
	}
	for _, t := range o.targets {
		b = binary.AppendUvarint(t.elem.append(b), uint64(t.n))
	}
	return s.put(seqOpKey(op), b)
}

// kept reads what keep wrote; nil when the op was never applied, or ignored.
func (s *seq) keptOp(op *Op) (*seqOp, error) {
	key := seqOpKey(op)
	v, err := s.get(key)
	if err != nil || v == nil {
		return nil, err
	}
	o := &seqOp{effective: v[0] == 1}
	w := walk{b: v[1:]}
	for len(w.b) > 0 {
		o.targets = append(o.targets, span{w.elem(), uint32(w.number())})
	}
	if w.bad || v[0] > 1 {
		return nil, &Corrupt{Key: key, Reason: "not an op of a sequence"}
	}
	return o, nil
}

func (t seqType) Apply(env *Env, op Op, effective bool) ([]Change, error) {
	f := on(env)
	edits, err := checkSeq(env.Schema, &op, t.list)
	if done, err := f.appliedIgnored(&op, err); done {
		return nil, err
	}
	s, err := f.seq(t.list)
	if err != nil {
		return nil, err
	}
	v, err := s.viewOf(&op)
	if err != nil {
		return nil, err
	}
	m, o := measure{byRaw, v}, &seqOp{effective: effective}
	var changes []Change
	if op.Action == ActionSet {
		changes, err = s.setAt(&op, o, m)
	} else if err = s.edit(&op, edits, o, m); err == nil {
		changes, err = s.told(&op, effective)
	}
	if err == nil {
		err = s.keep(&op, o)
	}
	if err == nil {
		err = s.flush()
	}
	return changes, err
}

// edit applies the edits of an op.
func (s *seq) edit(op *Op, edits []edit, o *seqOp, m measure) error {
	var off uint32
	if s.list {
		s.writers.keep(*op, edits, true)
	}
	s.enters(op, m.view)
	for i := range edits {
		e := &edits[i]
		if e.del {
			if err := s.deleteAt(e.at, e.n, o, m); err != nil {
				return err
			}
			continue
		}
		g, err := s.gapAt(op, e.at, m)
		if err != nil {
			return err
		}
		r := piece{elem: elem{op.Num, op.Ref.Index, off}, n: uint32(e.n), flags: runHead, left: g.left, text: e.text}
		if r.units = r.n; !s.list {
			r.units = unitsOf(e.text, r.n)
		}
		if g.isLeft {
			r.flags, r.right = r.flags|runLeft, g.right
		}
		if !o.effective {
			r.flags |= runVoid
		} else if err := s.tell(g.at, &r, false); err != nil {
			return err
		}
		if err := s.insert(g, r); err != nil {
			return err
		}
		off += r.n
	}
	if off == 0 || s.draft {
		return nil
	}
	return s.isTip(op, func(t *tip) bool { return !m.view.hides(t.num) })
}

// deleteAt covers elements from a position on.
func (s *seq) deleteAt(pos, n uint64, o *seqOp, m measure) error {
	if o.full {
		return nil
	}
	at, _, err := s.seek(pos, m)
	for err == nil && n > 0 && !at.end() && !o.full {
		r := at.piece()
		if m.view.hides(r.num) { // and there may be many
			at, _, err = s.seek(pos, m)
			continue
		}
		take := uint32(min(n, uint64(r.n-at.off)))
		if o.add(at.elem(), take) && o.effective {
			if at, err = s.cover(at, take, 1); err != nil {
				return err
			}
		}
		if n, pos = n-uint64(take), pos+uint64(take); n > 0 {
			at, err = s.behind(at)
		}
	}
	return err
}

// cover makes a deletion count for n elements of a piece, or no longer, and returns where they are.
func (s *seq) cover(at point, n uint32, by int32) (point, error) {
	if at.off > 0 || n < at.piece().n {
		var err error
		if at, err = s.split(at); err != nil {
			return at, err
		}
		if n < at.piece().n {
			if _, err = s.split(point{at.leaf, at.i, n}); err != nil {
				return at, err
			}
		}
	}
	r := at.piece()
	was := r.tally()
	if r.covers += uint32(by); int32(r.covers) < 0 {
		return at, &Corrupt{Key: elemKey(r.elem), Reason: "deletions of an element are miscounted"}
	}
	return at, s.marked(at, was)
}

// marked counts a piece whose marks changed, and tells.
func (s *seq) marked(at point, was tally) error {
	r := at.piece()
	now := r.tally()
	if was == now {
		s.mark(at.leaf)
		return nil
	}
	if err := s.tell(at, r, now.shown == 0); err != nil {
		return err
	}
	return s.count(at.leaf, was, now)
}

// coverAll makes a deletion count for what it names, or no longer.
func (s *seq) coverAll(targets []span, by int32) error {
	for _, t := range targets {
		for t.n > 0 {
			at, err := s.locate(t.elem)
			if err != nil {
				return err
			}
			take := min(t.n, at.piece().n-at.off)
			if _, err := s.cover(at, take, by); err != nil {
				return err
			}
			t.off, t.n = t.off+take, t.n-take
		}
	}
	return nil
}

func (t seqType) Flip(env *Env, op Op, effective bool) ([]Change, error) {
	f := on(env)
	s, err := f.seq(t.list)
	if err != nil {
		return nil, err
	}
	o, err := s.keptOp(&op)
	switch {
	case err != nil:
		return nil, err
	case o == nil:
		return nil, f.wasIgnored(&op)
	case o.effective == effective:
		return nil, nil
	}
	o.effective = effective
	var changes []Change
	if op.Action == ActionSet {
		changes, err = s.flipSet(&op, o)
	} else if err = s.flipEdit(&op, o); err == nil {
		changes, err = s.told(&op, effective)
	}
	if err == nil {
		err = s.keep(&op, o)
	}
	if err == nil {
		err = s.flush()
	}
	return changes, err
}

// flipEdit marks what an op inserted, and what it deletes.
func (s *seq) flipEdit(op *Op, o *seqOp) error {
	prefix := join(spaceElem, nil, appendOrdered(appendOrdered(nil, op.Num), uint64(op.Ref.Index)))
	err := s.leaves(prefix, after(prefix), func(leaf *page) error {
		for i := range leaf.runs {
			r := &leaf.runs[i]
			if r.num != op.Num || r.index != op.Ref.Index {
				continue
			}
			was := r.tally()
			if r.flags ^= runVoid; (r.flags&runVoid == 0) != o.effective {
				return &Corrupt{Key: elemKey(r.elem), Reason: "an element that has not the verdict of its op"}
			}
			if err := s.marked(point{leaf, i, 0}, was); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if o.effective {
		return s.coverAll(o.targets, 1)
	}
	return s.coverAll(o.targets, -1)
}

// setAt makes an op set the element at a position; behind the end it sets nothing.
func (s *seq) setAt(op *Op, o *seqOp, m measure) ([]Change, error) {
	pos, value, err := decodeSetAt(op.Payload)
	if err != nil {
		return nil, err
	}
	at, _, err := s.seek(pos, m)
	if err != nil || at.end() {
		return nil, err
	}
	o.add(at.elem(), 1)
	if at, err = s.split(at); err != nil {
		return nil, err
	}
	if at.piece().n > 1 {
		if _, err = s.split(point{at.leaf, at.i, 1}); err != nil {
			return nil, err
		}
	}
	at.piece().flags |= runSet
	s.mark(at.leaf)
	return s.setValue(op, at, value, func(c *cell, op *Op) ([]Change, error) { return c.apply(op, o.effective) })
}

func (s *seq) flipSet(op *Op, o *seqOp) ([]Change, error) {
	if len(o.targets) != 1 {
		return nil, nil
	}
	_, value, err := decodeSetAt(op.Payload)
	if err != nil {
		return nil, err
	}
	at, err := s.locate(o.targets[0].elem)
	if err != nil {
		return nil, err
	}
	return s.setValue(op, at, value, func(c *cell, op *Op) ([]Change, error) { return c.flip(op, o.effective) })
}

// setValue changes the register that an element is once it was set. Its own value is below all others.
func (s *seq) setValue(op *Op, at point, value any, change func(*cell, *Op) ([]Change, error)) ([]Change, error) {
	inner := *op
	var err error
	if inner.Payload, err = object.Encode(value); err != nil {
		return nil, fmt.Errorf("encode value: %w", err)
	}
	e := at.elem()
	changes, err := change(&cell{field: s.field, key: e.cell()}, &inner)
	if err != nil || len(changes) == 0 || !at.piece().shown() {
		return nil, err
	}
	t, err := s.rank(at)
	if err != nil {
		return nil, err
	}
	ch, one := &changes[0], Edit{Index: t.shown, Units: t.units}
	if one.Deleted, err = s.oneOf(e, ch.Before); err == nil {
		one.Inserted, err = s.oneOf(e, ch.After)
	}
	if err != nil {
		return nil, err
	}
	s.news.Add(compose([]Edit{one}, nil)) // nothing, when both are equal
	return s.told(op, ch.Effective)
}

// oneOf is an element as content: the value it was set to, or without one the value it was inserted with.
func (s *seq) oneOf(e elem, block []byte) (Content, error) {
	if block == nil {
		by, err := s.writer(e)
		if err != nil {
			return Content{}, err
		}
		v, err := by.at(e)
		return Content{Values: []any{v}}, err
	}
	v, err := object.Decode(block)
	if err != nil {
		err = &Corrupt{Key: elemKey(e), Reason: "its value is not canonical CBOR"}
	}
	return Content{Values: []any{v}}, err
}

// cell is the key of the register that an element is once it was set.
func (e elem) cell() []byte { return elemKey(e)[1:] }
