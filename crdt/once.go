package crdt

import (
	"bytes"
	"fmt"
	"math"
	"slices"

	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/schema"
)

// onceType is "once": a value that is set and then stays. A set that has an effective set in its past comes too late and
// takes no part. Of those that do not, which have not seen each other, the one of the least commit id is shown (of one
// commit only the first can be), and the others are its conflicts.
//
// To come too late by an effective set is the same as to come too late by one that itself does not: before every
// effective set there is a first one. So a set is visible iff it is effective and no effective set is before it, and
// whether others before it come too late need not be known.
//
// The state keeps the visible ops twice, by place and by id, the late ones and the void ones by place. A visible op that
// becomes void brings back those late ones that nothing else is before. They are found by walking up from it, which ends
// at the first effective floor: a floor is an op that every op with a greater place is after. In a linear history every
// op is one, so the walk takes one step. To be a floor depends on the ops alone, not on verdicts. The op with the
// greatest place is one always, and is not kept as such: most values are set once.
type onceType struct{}

func (onceType) Name() string { return "once" }

func (onceType) Check(s *schema.Schema, op Op) error {
	if op.Action != ActionSet {
		return unknownAction("once", &op)
	}
	if err := checkRefs(&op, 0); err != nil {
		return err
	}
	return checkValue(s, &op)
}

func (t onceType) Apply(env *Env, op Op, effective bool) ([]Change, error) {
	o := once{field: on(env)}
	if done, err := o.appliedIgnored(&op, t.Check(env.Schema, op)); done {
		return nil, err
	}
	self := late{placeOf(&op), op.Ref, op.Num}
	o.moveFloors(self)
	if !effective {
		o.move(self, 0, spaceVoid)
		return nil, o.err
	}
	return o.enter(&op, self, 0)
}

func (onceType) Flip(env *Env, op Op, effective bool) ([]Change, error) {
	o := once{field: on(env)}
	self := late{placeOf(&op), op.Ref, op.Num}
	in := o.find(self.at)
	switch {
	case o.err != nil:
		return nil, o.err
	case in == 0:
		return nil, o.wasIgnored(&op)
	case effective == (in != spaceVoid):
		return nil, nil
	case effective:
		return o.enter(&op, self, spaceVoid)
	case in == spaceShown:
		return o.leave(&op, self)
	}
	o.move(self, spaceRest, spaceVoid)
	return nil, o.err
}

// Shows implements [Shower].
func (onceType) Shows(env *Env) (bool, error) {
	for _, err := range env.State.Scan([]byte{spaceShown}, []byte{spaceShown + 1}, false) {
		return err == nil, err
	}
	return false, nil
}

// once is a field of that type. Its first error stays: what follows does nothing.
type once struct {
	*field
	err error
}

// late is an op of the state.
type late struct {
	at  place
	ref history.OpRef
	num uint64
}

// move is an op that goes from one space of the state to another; 0 is none.
type move struct {
	late
	from, to byte
}

// enter takes in an op that is effective now: as visible, hiding what it is before, or as too late.
func (o *once) enter(op *Op, self late, from byte) ([]Change, error) {
	tooLate := false // the nearest is asked first: it may be of the same commit
	o.each([]byte{spaceShown}, join(spaceShown, nil, self.at), true, func(l late) bool {
		tooLate = o.behind([]late{l}, self)
		return !tooLate
	})
	if tooLate {
		o.move(self, from, spaceRest)
		return nil, o.err
	}
	moves := []move{{self, from, spaceShown}}
	if from != 0 { // nothing has a new op in its past
		for _, l := range o.collect(append(join(spaceShown, nil, self.at), 0), after([]byte{spaceShown}), math.MaxInt) {
			if o.behind([]late{self}, l) {
				moves = append(moves, move{l, spaceShown, spaceRest})
			}
		}
	}
	return o.change(op, true, moves)
}

// leave takes out a visible op that is void now, and brings back what it alone had hidden: the late ops above it that no
// other visible op is before.
func (o *once) leave(op *Op, self late) ([]Change, error) {
	shown := o.collect([]byte{spaceShown}, after([]byte{spaceShown}), math.MaxInt)
	shown = slices.DeleteFunc(shown, func(l late) bool { return l.at == self.at })
	moves := []move{{self, spaceShown, spaceVoid}}
	o.each(append(join(spaceRest, nil, self.at), 0), after([]byte{spaceRest}), false, func(l late) bool {
		if !o.behind(shown, l) {
			moves, shown = append(moves, move{l, spaceRest, spaceShown}), append(shown, l)
		}
		return !o.has(spaceFloor, l.at)
	})
	return o.change(op, false, moves)
}

// change moves ops and tells what is shown then.
func (o *once) change(op *Op, effective bool, moves []move) ([]Change, error) {
	before := o.value()
	for _, m := range moves {
		o.move(m.late, m.from, m.to)
	}
	after := o.value()
	if o.err != nil || o.Quiet {
		return nil, o.err
	}
	return []Change{{Before: before, After: after, Op: *op, Effective: effective}}, nil
}

// value reads what is shown, if anybody wants to know.
func (o *once) value() []byte {
	if o.err != nil || o.Quiet {
		return nil
	}
	var e Entry
	e, _, o.err = OnceValue(o.Env)
	return e.Value
}

func (o *once) move(l late, from, to byte) {
	if from != 0 {
		o.drop(from, string(l.at))
	}
	if from == spaceShown {
		o.drop(spaceWinner, string(appendRef(nil, l.ref)))
	}
	if to == spaceShown {
		o.keep(spaceWinner, string(appendRef(nil, l.ref)), l.num)
	}
	o.keep(to, string(l.at), l.num)
}

func (o *once) keep(space byte, id string, num uint64) {
	if r := liveAdd(num); o.err == nil {
		o.err = o.put(join(space, nil, id), r.encode())
	}
}

func (o *once) drop(space byte, id string) {
	if o.err == nil {
		o.err = o.remove(join(space, nil, id))
	}
}

func (o *once) has(space byte, at place) bool {
	var v []byte
	if o.err == nil {
		v, o.err = o.get(join(space, nil, at))
	}
	return v != nil
}

// find tells in which space an op is, 0 when in none.
func (o *once) find(at place) byte {
	for _, space := range onceSpaces {
		if o.has(space, at) {
			return space
		}
	}
	return 0
}

// onceSpaces are where an op can be.
var onceSpaces = [...]byte{spaceShown, spaceRest, spaceVoid}

// behind tells whether an op comes after one of others. The last of them is asked first.
func (o *once) behind(others []late, l late) (before bool) {
	c := cell{field: o.field}
	for i := len(others) - 1; i >= 0 && !before && o.err == nil; i-- {
		before, o.err = c.precedes(others[i].at, others[i].ref, l.at, l.ref)
	}
	return before
}

// moveFloors ends the floors that a new op is above and not after, and makes one of the op that was the greatest, if the
// new one is above and after it.
func (o *once) moveFloors(op late) {
	var last late
	for _, space := range onceSpaces {
		for _, l := range o.collect([]byte{space}, after([]byte{space}), 1) {
			if l.at > last.at {
				last = l
			}
		}
	}
	if last.at != "" && o.behind([]late{last}, op) { // and so it is after all floors
		o.keep(spaceFloor, string(last.at), last.num)
		return
	}
	var ended []late
	o.each([]byte{spaceFloor}, join(spaceFloor, nil, op.at), true, func(floor late) bool {
		if o.behind([]late{floor}, op) {
			return false
		}
		ended = append(ended, floor)
		return true
	})
	for _, floor := range ended {
		o.drop(spaceFloor, string(floor.at))
	}
}

// collect reads up to limit ops with lo <= key < hi, the last one first.
func (o *once) collect(lo, hi []byte, limit int) (all []late) {
	o.each(lo, hi, true, func(l late) bool {
		all = append(all, l)
		return len(all) < limit
	})
	return all
}

// each visits the ops with lo <= key < hi until visit wants no more.
func (o *once) each(lo, hi []byte, reverse bool, visit func(late) bool) {
	if o.err != nil {
		return
	}
	err := o.walk(lo, hi, reverse, func(key, value []byte) (bool, error) {
		num, err := onceNum(key, value)
		_, ref, ok := parsePlace(key[1:])
		if err == nil && !ok {
			err = &Corrupt{Key: bytes.Clone(key), Reason: "not an op's place"}
		}
		return err == nil && visit(late{place(key[1:]), ref, num}) && o.err == nil, err
	})
	if o.err == nil {
		o.err = err
	}
}

// onceNum reads the entry of an op.
func onceNum(key, value []byte) (num uint64, err error) {
	r, ok := decodeRecord(value)
	num, ok2 := liveNum(r)
	if !ok || !ok2 {
		err = &Corrupt{Key: bytes.Clone(key), Reason: "not an op's entry"}
	}
	return num, err
}

// OnceSet makes the op that sets the value. Where there is one already the error is *[AlreadySet].
func OnceSet(env *Env, payload []byte) (Draft, error) {
	e, ok, err := OnceValue(env)
	if err == nil && ok {
		err = &AlreadySet{e}
	}
	return Draft{Action: ActionSet, Payload: payload}, err
}

// OnceValue reads the shown value; ok is false when there is none. It needs State and Ops.
func OnceValue(env *Env) (e Entry, ok bool, err error) {
	list, err := onceEntries(env, 1)
	if err != nil || len(list) == 0 {
		return e, false, err
	}
	return list[0], true, nil
}

// OnceConflicts reads all visible values, the shown one first. It needs State and Ops.
func OnceConflicts(env *Env) ([]Entry, error) { return onceEntries(env, math.MaxInt) }

// onceEntries reads up to limit visible values by id.
func onceEntries(env *Env, limit int) (list []Entry, err error) {
	f := on(env)
	prefix := []byte{spaceWinner}
	err = f.walk(prefix, after(prefix), false, func(key, value []byte) (bool, error) {
		num, err := onceNum(key, value)
		if err != nil {
			return false, err
		}
		ref, ok := parseRef(key[1:])
		if !ok {
			return false, &Corrupt{Key: bytes.Clone(key), Reason: "not an op's id"}
		}
		op, err := f.op(num, ref.Index)
		list = append(list, op.entry(nil))
		return len(list) < limit, err
	})
	return list, err
}

// AlreadySet is an own set of a value that can be set once and is. A set that comes from elsewhere and has seen another
// is stored and not shown.
type AlreadySet struct{ Entry Entry }

func (e *AlreadySet) Error() string {
	return fmt.Sprintf("the value can be set once, and is since commit %s; it stays as it is", e.Entry.Ref.Commit.Short())
}
