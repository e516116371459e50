package crdt

import (
	"bytes"
	"fmt"
	"math"
	"slices"

	"github.com/hyperhyperspace/hhs-go/history"
)

// cell is one register: all ops on one key of a field. A register is a field with one cell, a profile has one for each
// identity.
//
// An op is shown iff it is effective and in the past of no other effective op of the cell. The cell keeps its frontier
// in a bundle: the shown ops, and the tips (ops with no later one on the key, void ones included). Everything else rests.
//
// Finding what comes back when a shown op becomes void means walking down the resting ops, and the walk must end early.
// It ends at a cut: an op that every other op of the cell is either before or after. An effective cut hides all below
// it. In a linear history every op is a cut; a concurrent op ends the cuts it has not seen, each at most once, so keeping
// them costs a constant per op. To be a cut depends on the set of ops alone, not on verdicts.
//
// Invariants:
//  1. an op that is in the past of another has the lesser place, so no op is hidden by one below it;
//  2. an op of the frontier is shown iff it is effective: an effective tip is hidden by nothing;
//  3. the greatest cut is known: the only tip, or what the bundle keeps beside the frontier.
//
// A frontier may be large: many writers at once, or one with many keys. Of it an op reads what its past may hold, which
// is what has a lesser height, so those who write at the same height do not pay for each other.
type cell struct {
	*field
	key   []byte
	makes bool  // its ops make records, which are shown by their id
	at    place // of the op at hand
}

// spot is an op of the frontier and what becomes of it.
type spot struct {
	at  place
	ref history.OpRef
	record
	next byte // its flags then
	rest bool // it leaves the frontier
}

func (s *spot) shown() bool { return s.flags&flagEffective != 0 }

// stays tells whether the op is shown then.
func (s *spot) stays() bool { return s.next&flagEffective != 0 && !s.rest }

func (c *cell) restKey(at place) []byte { return join(spaceRest, c.key, at) }

// front is a cell's frontier while an op is taken in.
type front struct {
	*bundle
	spots []*spot // what was read and may change, in no order
}

func (c *cell) frontier() (*front, error) {
	b, err := c.bundle(c.key)
	return &front{bundle: b}, err
}

func (f *front) spot(it item) (*spot, error) {
	_, ref, ok := parsePlace([]byte(it.id))
	if !ok {
		return nil, &Corrupt{Key: f.headKey(), Reason: "not an op's place"}
	}
	return &spot{at: place(it.id), ref: ref, record: it.record, next: it.flags}, nil
}

// at finds an op of the frontier, nil if it is not in it. It may change from now on.
func (f *front) at(at place) (*spot, error) {
	for _, s := range f.spots {
		if s.at == at {
			return s, nil
		}
	}
	r, ok, err := f.get(string(at))
	if err != nil || !ok {
		return nil, err
	}
	s, err := f.spot(item{string(at), r})
	if err == nil {
		f.spots = append(f.spots, s)
	}
	return s, err
}

// own reads the ops of op's commit that are in the frontier, in order: those before it, and those behind it.
func (f *front) own(op *Op, at place) (earlier, later []item, err error) {
	first, last := *op, *op
	first.Ref.Index, last.Ref.Index = 0, math.MaxUint32
	earlier, err = f.between(string(placeOf(&first)), string(at))
	if err == nil {
		later, err = f.between(string(at)+"\x00", string(placeOf(&last))+"\x00")
	}
	return earlier, later, err
}

// below reads what an op may have in its past: earlier ones of its own commit and ops of lesser height. They may change
// from now on. Of lesser heights nothing is read when it is known already what becomes of them, so that a commit with many
// ops among many others reads those once: where an earlier op of the commit is shown, it hides all that the commit
// has seen; and a void op only takes from the tips what the earlier one took. known tells that, and then whether the op is
// after everything, as that one was.
func (f *front) below(op *Op, at place, effective bool) (spots []*spot, known, linear bool, err error) {
	own, _, err := f.own(op, at)
	if err != nil {
		return nil, false, false, err
	}
	known = len(own) > 0 && !effective
	for _, it := range own {
		known = known || it.flags&flagEffective != 0
		linear = it.flags&flagCut != 0
	}
	var lower []item
	if !known {
		lower, err = f.between("", string(appendOrdered(nil, op.Height)))
	}
	if err != nil || len(lower)+len(own) == 0 {
		return nil, known, linear, err
	}
	spots = make([]*spot, 0, len(lower)+len(own))
	for _, items := range [][]item{lower, own} {
		for _, it := range items {
			s, err := f.spot(it)
			if err != nil {
				return nil, known, linear, err
			}
			spots = append(spots, s)
		}
	}
	f.spots = append(f.spots, spots...)
	return spots, known, linear, nil
}

// shownAbove reads the shown ops of the frontier with a greater place.
func (f *front) shownAbove(at place) ([]*spot, error) {
	var shown []*spot
	for it, err := range f.backward(string(at)+"\x00", "") {
		if err != nil {
			return nil, err
		}
		if it.flags&flagEffective == 0 {
			continue
		}
		s, err := f.spot(it)
		if err != nil {
			return nil, err
		}
		shown = append(shown, s)
	}
	return shown, nil
}

// sees tells whether op has the op at s in its past. What an op names is in its past.
func (c *cell) sees(op *Op, s *spot) (bool, error) {
	if slices.Contains(op.Refs, s.ref) {
		return true, nil
	}
	return c.precedes(s.at, s.ref, c.at, op.Ref)
}

// precedes tells whether the op at a is before the op at b. Height grows along every edge, so most often the places tell
// that it is not.
func (c *cell) precedes(a place, aRef history.OpRef, b place, bRef history.OpRef) (bool, error) {
	if a >= b || aRef.Commit != bRef.Commit && a[:1+a[0]] == b[:1+b[0]] {
		return false, nil
	}
	return c.before(aRef, bRef)
}

// apply takes a new op in.
func (c *cell) apply(op *Op, effective bool) ([]Change, error) {
	c.at = placeOf(op)
	f, err := c.frontier()
	if err != nil {
		return nil, err
	}
	linear, err := c.pass(op, f, effective)
	if err != nil {
		return nil, err
	}
	if err := c.moveCuts(op, f, linear); err != nil {
		return nil, err
	}
	tag, err := c.author(op)
	if err != nil {
		return nil, err
	}
	r := record{flags: flagTip, author: tag, time: op.Time, rest: op.Payload}
	if effective {
		r.flags |= flagEffective
	}
	if linear {
		r.flags |= flagCut
	}
	if op.Action == ActionRemove {
		r.flags |= flagRemoval
	}
	return c.settle(f, []*spot{{at: c.at, ref: op.Ref, record: r}}, op, effective)
}

// pass tells what becomes of the frontier's ops that a new op has in its past. linear tells that it has all tips in it,
// and so everything: of what is not below it, the greatest is a tip.
func (c *cell) pass(op *Op, f *front, effective bool) (linear bool, err error) {
	spots, known, linear, err := f.below(op, c.at, effective)
	if err != nil {
		return false, err
	}
	if !known {
		linear = f.count == uint64(len(spots))
	}
	for _, s := range spots {
		sees, err := c.sees(op, s)
		switch {
		case err != nil:
			return false, err
		case sees:
			s.next &^= flagTip
			s.rest = effective || !s.shown()
		case s.flags&flagTip != 0:
			linear = false
		}
	}
	return linear, nil
}

// settle writes what becomes of the frontier, and the ops that join it. The change is visible iff another set of ops is
// shown than before.
func (c *cell) settle(f *front, join []*spot, op *Op, effective bool) ([]Change, error) {
	changed := false
	for _, s := range f.spots {
		changed = changed || s.flags&flagRemoval == 0 && s.stays() != s.shown()
	}
	for _, s := range join {
		changed = changed || s.flags&flagRemoval == 0 && s.shown()
	}
	changed = changed && !c.Quiet
	var before []byte
	if changed {
		var err error
		if before, err = c.showing(f); err != nil {
			return nil, err
		}
	}
	for _, s := range f.spots {
		if err := c.move(f, s); err != nil {
			return nil, err
		}
	}
	for _, s := range join {
		if err := f.put(string(s.at), s.record); err != nil {
			return nil, err
		}
	}
	if !changed {
		return nil, f.flush()
	}
	now, err := c.showing(f)
	if err != nil {
		return nil, err
	}
	return []Change{{Key: bytes.Clone(c.key), Before: before, After: now, Op: *op, Effective: effective}}, f.flush()
}

// showing is the value shown, nil for none.
func (c *cell) showing(f *front) ([]byte, error) {
	it, ok, err := shownLast(f.bundle)
	if err != nil || !ok || !c.makes {
		return it.rest, err
	}
	e, err := c.cellEntry(c.key, it)
	return recordValue(e.Ref), err
}

// move writes an op of the frontier where it belongs now.
func (c *cell) move(f *front, s *spot) error {
	r := s.record
	r.flags = s.next
	switch {
	case s.rest:
		if err := f.del(string(s.at)); err != nil {
			return err
		}
		return c.put(c.restKey(s.at), r.encode())
	case s.next != s.flags:
		return f.put(string(s.at), r)
	}
	return nil
}

// flip tells the verdict on an op that was applied.
func (c *cell) flip(op *Op, effective bool) ([]Change, error) {
	c.at = placeOf(op)
	f, err := c.frontier()
	if err != nil {
		return nil, err
	}
	s, err := f.at(c.at)
	if err != nil {
		return nil, err
	}
	if s != nil {
		switch {
		case s.shown() == effective:
			return nil, nil
		case effective: // a tip: nothing hides it
			s.next |= flagEffective
			return c.show(f, nil, op)
		}
		return c.hide(f, s, op)
	}
	key := c.restKey(c.at)
	r, ok, err := c.record(key)
	switch {
	case err != nil:
		return nil, err
	case !ok:
		return nil, c.wasIgnored(op)
	case (r.flags&flagEffective != 0) == effective:
		return nil, nil
	}
	r.flags ^= flagEffective
	hidden := false
	if effective {
		if hidden, err = c.hiddenIn(f, op); err != nil {
			return nil, err
		}
	}
	if !effective || hidden {
		return nil, c.put(key, r.encode()) // it was hidden, or it is: nothing to see
	}
	if err := c.remove(key); err != nil {
		return nil, err
	}
	return c.show(f, []*spot{{at: c.at, ref: op.Ref, record: r}}, op)
}

// hiddenIn tells whether a resting op is in the past of a shown one. Another op of its commit that is shown tells: a later
// one hides it, and what hid it would hide an earlier one as well.
func (c *cell) hiddenIn(f *front, op *Op) (bool, error) {
	earlier, later, err := f.own(op, c.at)
	if err != nil {
		return false, err
	}
	effective := func(it item) bool { return it.flags&flagEffective != 0 }
	if slices.ContainsFunc(later, effective) {
		return true, nil
	}
	if slices.ContainsFunc(earlier, effective) {
		return false, nil
	}
	shown, err := f.shownAbove(c.at)
	if err != nil {
		return false, err
	}
	return c.hidden(shown, op.Ref, c.at)
}

// show hides what op has in its past, now that op is shown itself: as one of the frontier, or joining it.
func (c *cell) show(f *front, join []*spot, op *Op) ([]Change, error) {
	spots, _, _, err := f.below(op, c.at, true)
	if err != nil {
		return nil, err
	}
	for _, s := range spots {
		if !s.shown() {
			continue
		}
		sees, err := c.sees(op, s)
		if err != nil {
			return nil, err
		}
		s.rest = sees // it has a later op, so it is no tip
	}
	return c.settle(f, join, op, true)
}

// hide makes the shown op at s void and brings back what it alone had hidden.
func (c *cell) hide(f *front, s *spot, op *Op) ([]Change, error) {
	s.next, s.rest = s.flags&^flagEffective, s.flags&flagTip == 0
	back, err := c.uncovered(f, s)
	if err != nil {
		return nil, err
	}
	for _, b := range back {
		if err := c.remove(c.restKey(b.at)); err != nil {
			return nil, err
		}
	}
	return c.settle(f, back, op, false)
}

// uncovered finds the resting ops that are shown once s is not, greatest first.
func (c *cell) uncovered(f *front, s *spot) ([]*spot, error) {
	var shown, back []*spot
	read := false
	lo := c.restKey("")
	for kv, err := range c.State.Scan(lo, c.restKey(s.at), true) {
		if err != nil {
			return nil, fmt.Errorf("read state: %w", err)
		}
		e, err := c.resting(kv.Key, kv.Value, len(lo))
		if err != nil {
			return nil, err
		}
		if !e.shown() { // it is void
			continue
		}
		if !read { // most often nothing effective rests below
			if shown, err = f.shownAbove(""); err != nil {
				return nil, err
			}
			shown = slices.DeleteFunc(shown, func(o *spot) bool { return o.at == s.at })
			read = true
		}
		hidden, err := c.hidden(shown, e.ref, e.at)
		if err != nil {
			return nil, err
		}
		if !hidden {
			e.record.rest = bytes.Clone(e.record.rest)
			back, shown = append(back, &e), append(shown, &e)
		}
		if e.flags&flagCut != 0 {
			break
		}
	}
	return back, nil
}

// resting reads a resting entry whose place begins at key[n]. It aliases value.
func (c *cell) resting(key, value []byte, n int) (spot, error) {
	r, ref, err := restingRecord(key, value, n)
	if err != nil {
		return spot{}, err
	}
	return spot{at: place(key[n:]), ref: ref, record: r}, nil
}

func restingRecord(key, value []byte, n int) (record, history.OpRef, error) {
	r, ok := decodeRecord(value)
	_, ref, ok2 := parsePlace(key[n:])
	if !ok || !ok2 {
		return record{}, history.OpRef{}, &Corrupt{Key: bytes.Clone(key), Reason: "not an entry of a register"}
	}
	return r, ref, nil
}

// hidden tells whether the op is in the past of one that is shown. The one found last is asked first: it mostly is the next
// above.
func (c *cell) hidden(shown []*spot, ref history.OpRef, at place) (bool, error) {
	for _, s := range slices.Backward(shown) {
		if before, err := c.precedes(at, ref, s.at, s.ref); err != nil || before {
			return before, err
		}
	}
	return false, nil
}

// noCut is kept beside the frontier when the cell has several tips and no cut. No place begins with it: heights begin
// at 1.
const noCut = "\x00"

// moveCuts ends the cuts that op is concurrent to and keeps the greatest one that is left. linear tells that op has all
// tips in its past, and so everything.
func (c *cell) moveCuts(op *Op, f *front, linear bool) error {
	if linear {
		f.aux = nil
		return nil
	}
	at := place(f.aux)
	if at == "" { // there is one tip: everything is before it
		tip, _, err := f.last(0, 0)
		if err != nil {
			return err
		}
		at = place(tip.id)
	}
	for at != noCut {
		_, ref, ok := parsePlace([]byte(at))
		if !ok {
			return &Corrupt{Key: f.headKey(), Reason: "not the place of a cut"}
		}
		seen, err := c.precedes(at, ref, c.at, op.Ref)
		if err != nil {
			return err
		}
		if seen {
			break
		}
		if err := c.endCut(f, at); err != nil {
			return err
		}
		if at, err = c.cutBelow(f, at); err != nil {
			return err
		}
	}
	f.aux = []byte(at)
	return nil
}

// endCut takes the mark off a cut.
func (c *cell) endCut(f *front, cut place) error {
	switch s, err := f.at(cut); {
	case err != nil:
		return err
	case s != nil:
		s.next &^= flagCut
		return nil
	}
	key := c.restKey(cut)
	r, ok, err := c.record(key)
	if err != nil {
		return err
	}
	if !ok {
		return &Corrupt{Key: key, Reason: "a cut without its op"}
	}
	r.flags &^= flagCut
	return c.put(key, r.encode())
}

// cutBelow returns the greatest cut below a place.
func (c *cell) cutBelow(f *front, at place) (place, error) {
	cut := place(noCut)
	lo := c.restKey("")
	for kv, err := range c.State.Scan(lo, c.restKey(at), true) {
		if err != nil {
			return "", fmt.Errorf("read state: %w", err)
		}
		r, _, err := restingRecord(kv.Key, kv.Value, len(lo))
		if err != nil {
			return "", err
		}
		if r.flags&flagCut != 0 {
			cut = place(kv.Key[len(lo):])
			break
		}
	}
	for it, err := range f.backward(string(cut), string(at)) {
		if err != nil {
			return "", err
		}
		if it.flags&flagCut != 0 {
			return place(it.id), nil
		}
	}
	return cut, nil
}
