package crdt

import (
	"bytes"
	"fmt"
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
type cell struct {
	*field
	key []byte
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

func (c *cell) restKey(at place) []byte { return join(spaceRest, c.key, at) }

// front is a cell's frontier while an op is taken in.
type front struct {
	*bundle
	spots []spot // by place
}

func (c *cell) frontier() (*front, error) {
	b, err := c.bundle(c.key)
	if err != nil {
		return nil, err
	}
	items, err := b.all()
	if err != nil {
		return nil, err
	}
	f := &front{b, make([]spot, len(items), len(items)+1)}
	for i, it := range items {
		_, ref, ok := parsePlace([]byte(it.id))
		if !ok {
			return nil, &Corrupt{Key: b.headKey(), Reason: "not an op's place"}
		}
		f.spots[i] = spot{at: place(it.id), ref: ref, record: it.record, next: it.flags}
	}
	return f, nil
}

// at finds an op of the frontier.
func (f *front) at(at place) *spot {
	for i := range f.spots {
		if f.spots[i].at == at {
			return &f.spots[i]
		}
	}
	return nil
}

// sees tells whether op has the op at s in its past. What an op names is in its past.
func (c *cell) sees(op *Op, at place, s *spot) (bool, error) {
	if s.at >= at {
		return false, nil
	}
	if slices.Contains(op.Refs, s.ref) {
		return true, nil
	}
	return c.before(s.ref, op.Ref)
}

// apply takes a new op in.
func (c *cell) apply(op *Op, effective bool) ([]Change, error) {
	at := placeOf(op)
	f, err := c.frontier()
	if err != nil {
		return nil, err
	}
	known, err := c.get(c.restKey(at))
	if err != nil {
		return nil, err
	}
	if known != nil || f.at(at) != nil {
		return c.flip(op, effective)
	}
	tips, linear := 0, true
	for i := range f.spots {
		s := &f.spots[i]
		if s.flags&flagTip != 0 {
			tips++
		}
		sees, err := c.sees(op, at, s)
		switch {
		case err != nil:
			return nil, err
		case sees:
			s.next &^= flagTip
			s.rest = effective || !s.shown()
		case s.flags&flagTip != 0:
			linear = false
		}
	}
	if err := c.moveCuts(op, f, tips, linear); err != nil {
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
	return c.settle(f, []spot{{at: at, ref: op.Ref, record: r}}, op, effective)
}

// settle writes what becomes of the frontier, and the ops that join it. The change is visible iff another set of ops is
// shown than before.
func (c *cell) settle(f *front, join []spot, op *Op, effective bool) ([]Change, error) {
	var was, now *spot // the greatest shown
	changed := false
	for i := range f.spots {
		s := &f.spots[i]
		if s.shown() {
			was = s
		}
		stays := s.next&flagEffective != 0 && !s.rest
		if stays {
			now = s
		}
		changed = changed || stays != s.shown()
		if err := c.move(f, s); err != nil {
			return nil, err
		}
	}
	for i := range join {
		s := &join[i]
		if err := f.put(string(s.at), s.record); err != nil {
			return nil, err
		}
		if s.shown() {
			changed = true
			if now == nil || now.at < s.at {
				now = s
			}
		}
	}
	if err := f.flush(); err != nil || !changed {
		return nil, err
	}
	ch := Change{Key: bytes.Clone(c.key), Op: *op, Effective: effective}
	if was != nil {
		ch.Before = was.record.rest
	}
	if now != nil {
		ch.After = now.record.rest
	}
	return []Change{ch}, nil
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
	at := placeOf(op)
	f, err := c.frontier()
	if err != nil {
		return nil, err
	}
	if s := f.at(at); s != nil {
		switch {
		case s.shown() == effective:
			return nil, nil
		case effective: // a tip: nothing hides it
			s.next |= flagEffective
			return c.show(f, nil, op)
		}
		return c.hide(f, s, op)
	}
	key := c.restKey(at)
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
		if hidden, err = c.hidden(f.spots, op.Ref, at); err != nil {
			return nil, err
		}
	}
	if !effective || hidden {
		return nil, c.put(key, r.encode()) // it was hidden, or it is: nothing to see
	}
	if err := c.remove(key); err != nil {
		return nil, err
	}
	return c.show(f, []spot{{at: at, ref: op.Ref, record: r}}, op)
}

// show hides what op has in its past, now that op is shown itself: as one of the frontier, or joining it.
func (c *cell) show(f *front, join []spot, op *Op) ([]Change, error) {
	at := placeOf(op)
	for i := range f.spots {
		s := &f.spots[i]
		if !s.shown() {
			continue
		}
		sees, err := c.sees(op, at, s)
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
	back, err := c.uncovered(f.spots, s)
	if err != nil {
		return nil, err
	}
	for i := range back {
		if err := c.remove(c.restKey(back[i].at)); err != nil {
			return nil, err
		}
	}
	return c.settle(f, back, op, false)
}

// uncovered finds the resting ops that are shown once s is not, greatest first.
func (c *cell) uncovered(spots []spot, s *spot) ([]spot, error) {
	shown := make([]spot, 0, len(spots))
	for i := range spots {
		if spots[i].shown() && &spots[i] != s {
			shown = append(shown, spots[i])
		}
	}
	var back []spot
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
		hidden, err := c.hidden(shown, e.ref, e.at)
		if err != nil {
			return nil, err
		}
		if !hidden {
			e.record.rest = bytes.Clone(e.record.rest)
			back, shown = append(back, e), append(shown, e)
		}
		if e.flags&flagCut != 0 {
			break
		}
	}
	return back, nil
}

// resting reads a resting entry whose place begins at key[n]. It aliases value.
func (c *cell) resting(key, value []byte, n int) (spot, error) {
	r, ok := decodeRecord(value)
	_, ref, ok2 := parsePlace(key[n:])
	if !ok || !ok2 {
		return spot{}, &Corrupt{Key: bytes.Clone(key), Reason: "not an entry of a register"}
	}
	return spot{at: place(key[n:]), ref: ref, record: r}, nil
}

// hidden tells whether the op is in the past of one that is shown.
func (c *cell) hidden(spots []spot, ref history.OpRef, at place) (bool, error) {
	for i := range spots {
		s := &spots[i]
		if !s.shown() || s.at <= at {
			continue
		}
		if before, err := c.before(ref, s.ref); err != nil || before {
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
func (c *cell) moveCuts(op *Op, f *front, tips int, linear bool) error {
	if linear {
		f.aux = nil
		return nil
	}
	at := place(f.aux)
	for i := range f.spots {
		if tips == 1 && f.spots[i].flags&flagTip != 0 {
			at = f.spots[i].at
		}
	}
	for at != noCut {
		_, ref, ok := parsePlace([]byte(at))
		if !ok {
			return &Corrupt{Key: f.headKey(), Reason: "not the place of a cut"}
		}
		seen, err := c.before(ref, op.Ref)
		if err != nil {
			return err
		}
		if seen {
			break
		}
		if err := c.endCut(f.spots, at); err != nil {
			return err
		}
		if at, err = c.cutBelow(f.spots, at); err != nil {
			return err
		}
	}
	f.aux = []byte(at)
	return nil
}

// endCut takes the mark off a cut.
func (c *cell) endCut(spots []spot, cut place) error {
	for i := range spots {
		if spots[i].at == cut {
			spots[i].next &^= flagCut
			return nil
		}
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
func (c *cell) cutBelow(spots []spot, at place) (place, error) {
	cut := place(noCut)
	for i := range spots {
		if s := &spots[i]; s.at < at && s.flags&flagCut != 0 && s.at > cut {
			cut = s.at
		}
	}
	lo := c.restKey("")
	for kv, err := range c.State.Scan(lo, c.restKey(at), true) {
		if err != nil {
			return "", fmt.Errorf("read state: %w", err)
		}
		e, err := c.resting(kv.Key, kv.Value, len(lo))
		if err != nil {
			return "", err
		}
		if e.at <= cut {
			break
		}
		if e.flags&flagCut != 0 {
			return e.at, nil
		}
	}
	return cut, nil
}
