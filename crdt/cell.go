package crdt

import (
	"bytes"
	"fmt"

	"github.com/hyperhyperspace/hhs-go/history"
)

// cell is one register: all ops on one key of a field. A register is a field with one cell, a profile has one for each
// identity.
//
// An op is shown iff it is effective and in the past of no other effective op of the cell. The cell keeps its frontier
// together: the shown ops, and the tips (ops with no later one on the key, void ones included). Everything else rests.
//
// Finding what comes back when a shown op becomes void means walking down the resting ops, and the walk must end early.
// It ends at a cut: an op that every other op of the cell is either before or after. An effective cut hides all below
// it. In a linear history every op is a cut; a concurrent op ends the cuts it has not seen, each at most once, so keeping
// them costs a constant per op. To be a cut depends on the set of ops alone, not on verdicts.
//
// Invariants:
//  1. an op that is in the past of another has the lesser place, so no op is hidden by one below it;
//  2. an effective tip is shown; a tip that is not shown is void;
//  3. the greatest cut is known: the only tip, or what is kept under spaceCut.
type cell struct {
	*field
	key []byte
}

// spot is an op of the frontier.
type spot struct {
	at    place
	ref   history.OpRef
	shown bool
	record
	next fate
}

// fate is what becomes of a spot: whether it stays in the frontier, and as what.
type fate struct {
	shown bool
	flags byte
	gone  bool // to the resting ops
}

const (
	subTip   = 0x00
	subShown = 0x01
)

func (c *cell) frontKey(shown bool, at place) []byte {
	sub := byte(subTip)
	if shown {
		sub = subShown
	}
	return join(spaceShown, append(bytes.Clone(c.key), sub), at)
}

func (c *cell) restKey(at place) []byte { return join(spaceRest, c.key, at) }

// frontier reads the shown ops and the tips: first the tips that are not shown, then the shown ones, each by place.
func (c *cell) frontier() ([]spot, error) {
	var spots []spot
	prefix := join(spaceShown, c.key, "")
	for kv, err := range c.State.Scan(prefix, after(prefix), false) {
		if err != nil {
			return nil, fmt.Errorf("read state: %w", err)
		}
		s, err := parseSpot(kv.Key, kv.Value, len(prefix))
		if err != nil {
			return nil, err
		}
		spots = append(spots, s)
	}
	return spots, nil
}

// parseSpot reads an entry of the frontier; the sub-space stands at key[n]. It copies what it keeps.
func parseSpot(key, value []byte, n int) (spot, error) {
	s := spot{}
	r, ok := decodeRecord(bytes.Clone(value))
	if !ok || len(key) < n+1 || key[n] > subShown {
		return s, &Corrupt{Key: bytes.Clone(key), Reason: "not an entry of a register"}
	}
	_, ref, ok := parsePlace(key[n+1:])
	if !ok {
		return s, &Corrupt{Key: bytes.Clone(key), Reason: "not an op's place"}
	}
	s.at, s.ref, s.shown, s.record = place(key[n+1:]), ref, key[n] == subShown, r
	s.next = fate{shown: s.shown, flags: s.flags}
	return s, nil
}

// shownOf returns the greatest shown op, nil if nothing is shown.
func shownOf(spots []spot) *spot {
	var best *spot
	for i := range spots {
		if s := &spots[i]; s.shown && (best == nil || best.at < s.at) {
			best = s
		}
	}
	return best
}

// sees tells whether op has the op at s in its past. What an op names is in its past.
func (c *cell) sees(op *Op, at place, s *spot) (bool, error) {
	if s.at >= at {
		return false, nil
	}
	for _, r := range op.Refs {
		if r == s.ref {
			return true, nil
		}
	}
	return c.before(s.ref, op.Ref)
}

// apply takes a new op in.
func (c *cell) apply(op *Op, effective bool) ([]Change, error) {
	at := placeOf(op)
	spots, err := c.frontier()
	if err != nil {
		return nil, err
	}
	if known, err := c.has(spots, at); err != nil || known {
		if err != nil {
			return nil, err
		}
		return c.flip(op, effective)
	}
	tips, linear := 0, true
	for i := range spots {
		s := &spots[i]
		if s.flags&flagTip != 0 {
			tips++
		}
		sees, err := c.sees(op, at, s)
		switch {
		case err != nil:
			return nil, err
		case sees:
			s.next.flags &^= flagTip
			s.next.gone = effective || !s.shown
		case s.flags&flagTip != 0:
			linear = false
		}
	}
	if err := c.moveCuts(op, spots, tips, linear); err != nil {
		return nil, err
	}
	tag, err := c.author(op)
	if err != nil {
		return nil, err
	}
	fresh := spot{at: at, ref: op.Ref, shown: effective, record: record{flags: flagTip, author: tag, time: op.Time, rest: op.Payload}}
	if effective {
		fresh.flags |= flagEffective
	}
	if linear {
		fresh.flags |= flagCut
	}
	if err := c.put(c.frontKey(effective, at), fresh.record.encode()); err != nil {
		return nil, err
	}
	return c.settle(spots, &fresh, op, effective)
}

// has tells whether the op at a place was applied.
func (c *cell) has(spots []spot, at place) (bool, error) {
	for i := range spots {
		if spots[i].at == at {
			return true, nil
		}
	}
	v, err := c.get(c.restKey(at))
	return v != nil, err
}

// settle writes what becomes of the frontier's ops. fresh is an op that joined it, or nil. The change is visible iff
// another set of ops is shown than before.
func (c *cell) settle(spots []spot, fresh *spot, op *Op, effective bool) ([]Change, error) {
	was, now := shownOf(spots), (*spot)(nil)
	changed := fresh != nil && fresh.shown
	if changed {
		now = fresh
	}
	for i := range spots {
		s := &spots[i]
		if err := c.move(s); err != nil {
			return nil, err
		}
		shows := s.next.shown && !s.next.gone
		changed = changed || shows != s.shown
		if shows && (now == nil || now.at < s.at) {
			now = s
		}
	}
	if !changed {
		return nil, nil
	}
	ch := Change{Key: bytes.Clone(c.key), Op: *op, Effective: effective}
	if was != nil {
		ch.Before = was.rest
	}
	if now != nil {
		ch.After = now.rest
	}
	return []Change{ch}, nil
}

// move writes a spot where it belongs now.
func (c *cell) move(s *spot) error {
	from, to := c.frontKey(s.shown, s.at), c.frontKey(s.next.shown, s.at)
	if s.next.gone {
		to = c.restKey(s.at)
	}
	if bytes.Equal(from, to) && s.flags == s.next.flags {
		return nil
	}
	if !bytes.Equal(from, to) {
		if err := c.remove(from); err != nil {
			return err
		}
	}
	r := s.record
	r.flags = s.next.flags
	return c.put(to, r.encode())
}

// flip tells the verdict on an op that was applied.
func (c *cell) flip(op *Op, effective bool) ([]Change, error) {
	at := placeOf(op)
	spots, err := c.frontier()
	if err != nil {
		return nil, err
	}
	for i := range spots {
		switch s := &spots[i]; {
		case s.at != at:
		case s.shown == effective: // in the frontier shown and effective are the same (invariant 2)
			return nil, nil
		case effective:
			s.next = fate{shown: true, flags: s.flags | flagEffective}
			return c.show(spots, nil, op)
		default:
			return c.hide(spots, s, op)
		}
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
		if hidden, err = c.hidden(spots, op.Ref, at); err != nil {
			return nil, err
		}
	}
	if !effective || hidden {
		return nil, c.put(key, r.encode()) // it was hidden, or it is: nothing to see
	}
	if err := c.remove(key); err != nil {
		return nil, err
	}
	if err := c.put(c.frontKey(true, at), r.encode()); err != nil {
		return nil, err
	}
	return c.show(spots, &spot{at: at, ref: op.Ref, shown: true, record: r}, op)
}

// show hides what op has in its past, now that op is shown itself: as one of spots, or as fresh.
func (c *cell) show(spots []spot, fresh *spot, op *Op) ([]Change, error) {
	at := placeOf(op)
	for i := range spots {
		s := &spots[i]
		if !s.shown {
			continue
		}
		sees, err := c.sees(op, at, s)
		if err != nil {
			return nil, err
		}
		s.next.gone = sees // it has a later op, so it is no tip
	}
	return c.settle(spots, fresh, op, true)
}

// hide makes the shown op at s void and brings back what it alone had hidden.
func (c *cell) hide(spots []spot, s *spot, op *Op) ([]Change, error) {
	s.next = fate{flags: s.flags &^ flagEffective, gone: s.flags&flagTip == 0}
	back, err := c.uncovered(spots, s)
	if err != nil {
		return nil, err
	}
	for i := range back {
		b := &back[i]
		if err := c.remove(c.restKey(b.at)); err != nil {
			return nil, err
		}
		if err := c.put(c.frontKey(true, b.at), b.record.encode()); err != nil {
			return nil, err
		}
	}
	if len(back) == 0 {
		return c.settle(spots, nil, op, false)
	}
	return c.settle(spots, &back[0], op, false) // the greatest of them
}

// uncovered finds the resting ops that are shown once s is not, greatest first.
func (c *cell) uncovered(spots []spot, s *spot) ([]spot, error) {
	shown := make([]spot, 0, len(spots))
	for i := range spots {
		if spots[i].shown && &spots[i] != s {
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
		if e.flags&flagEffective == 0 {
			continue
		}
		hidden, err := c.hidden(shown, e.ref, e.at)
		if err != nil {
			return nil, err
		}
		if !hidden {
			e.shown, e.rest = true, bytes.Clone(e.rest)
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
		if !s.shown || s.at <= at {
			continue
		}
		if before, err := c.before(ref, s.ref); err != nil || before {
			return before, err
		}
	}
	return false, nil
}

// noCut is kept under spaceCut when the cell has ops but no cut. No place begins with it: heights begin at 1.
const noCut = "\x00"

// moveCuts ends the cuts that op is concurrent to and keeps the greatest one that is left. linear tells that op has all
// tips in its past, and so everything.
func (c *cell) moveCuts(op *Op, spots []spot, tips int, linear bool) error {
	key := join(spaceCut, c.key, "")
	if linear {
		if tips > 1 {
			return c.remove(key)
		}
		return nil
	}
	cut := place(noCut)
	if tips > 1 {
		v, err := c.get(key)
		if err != nil {
			return err
		}
		cut = place(v)
	} else {
		for i := range spots {
			if spots[i].flags&flagTip != 0 {
				cut = spots[i].at
			}
		}
	}
	for cut != noCut {
		_, ref, ok := parsePlace([]byte(cut))
		if !ok {
			return &Corrupt{Key: key, Reason: "not an op's place"}
		}
		seen, err := c.before(ref, op.Ref)
		if err != nil {
			return err
		}
		if seen {
			break
		}
		if err := c.endCut(spots, cut); err != nil {
			return err
		}
		if cut, err = c.cutBelow(spots, cut); err != nil {
			return err
		}
	}
	return c.put(key, []byte(cut))
}

// endCut takes the mark off a cut.
func (c *cell) endCut(spots []spot, cut place) error {
	for i := range spots {
		if spots[i].at == cut {
			spots[i].next.flags &^= flagCut
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
