package crdt

import (
	"bytes"
	"fmt"

	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/schema"
	"github.com/hyperhyperspace/hhs-go/store"
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
	f := once{on(env)}
	if done, err := f.appliedIgnored(&op, t.Check(env.Schema, op)); done {
		return nil, err
	}
	if err := f.moveFloors(&op); err != nil {
		return nil, err
	}
	at := placeOf(&op)
	if !effective {
		return nil, f.put(join(spaceVoid, nil, at), onceEntry(op.Num))
	}
	return f.enter(&op, nil) // nothing that is there has it in its past
}

func (onceType) Flip(env *Env, op Op, effective bool) ([]Change, error) {
	f, at := once{on(env)}, placeOf(&op)
	in := byte(0)
	for _, space := range []byte{spaceShown, spaceRest, spaceVoid} {
		v, err := f.get(join(space, nil, at))
		if err != nil {
			return nil, err
		}
		if v != nil {
			in = space
			break
		}
	}
	switch {
	case in == 0:
		return nil, f.wasIgnored(&op)
	case effective == (in != spaceVoid):
		return nil, nil
	case effective:
		if err := f.remove(join(spaceVoid, nil, at)); err != nil {
			return nil, err
		}
		later, err := f.collect(spaceShown, append([]byte(at), 0), nil)
		if err != nil {
			return nil, err
		}
		return f.enter(&op, later)
	}
	if err := f.put(join(spaceVoid, nil, at), onceEntry(op.Num)); err != nil {
		return nil, err
	}
	if in == spaceRest {
		return nil, f.remove(join(spaceRest, nil, at))
	}
	return f.leave(&op)
}

// Shows implements [Shower].
func (onceType) Shows(env *Env) (bool, error) {
	for _, err := range env.State.Scan([]byte{spaceShown}, []byte{spaceShown + 1}, false) {
		return err == nil, err
	}
	return false, nil
}

// once is a field of that type.
type once struct{ *field }

// late is an op of the state: visible, or too late.
type late struct {
	at  place
	ref history.OpRef
	num uint64
}

// onceEntry is the entry of an op.
func onceEntry(num uint64) []byte {
	r := liveAdd(num)
	return r.encode()
}

// enter takes in an op that is effective now: as visible, hiding those of later that it is before, or as too late.
func (f once) enter(op *Op, later []late) ([]Change, error) {
	at := placeOf(op)
	earlier, err := f.collect(spaceShown, nil, []byte(at))
	if err != nil {
		return nil, err
	}
	self := late{at, op.Ref, op.Num}
	if hidden, err := f.behind(earlier, self); err != nil {
		return nil, err
	} else if hidden {
		return nil, f.put(join(spaceRest, nil, at), onceEntry(op.Num))
	}
	var hide []late
	for _, l := range later {
		after, err := f.behind([]late{self}, l)
		if err != nil {
			return nil, err
		}
		if after {
			hide = append(hide, l)
		}
	}
	return f.change(op, true, []late{self}, hide)
}

// leave takes out a visible op that is void now, and brings back what it alone had hidden.
func (f once) leave(op *Op) ([]Change, error) {
	at := placeOf(op)
	shown, err := f.collect(spaceShown, nil, nil)
	if err != nil {
		return nil, err
	}
	var self late
	rest := make([]late, 0, len(shown))
	for _, l := range shown {
		if l.at == at {
			self = l
		} else {
			rest = append(rest, l)
		}
	}
	back, err := f.uncovered(at, rest)
	if err != nil {
		return nil, err
	}
	for _, l := range back {
		if err := f.remove(join(spaceRest, nil, l.at)); err != nil {
			return nil, err
		}
	}
	return f.change(op, false, back, []late{self})
}

// uncovered finds the late ops above a place that none of shown is before.
func (f once) uncovered(at place, shown []late) (back []late, err error) {
	lo, hi := append(join(spaceRest, nil, at), 0), after([]byte{spaceRest})
	for kv, err := range f.State.Scan(lo, hi, false) {
		if err != nil {
			return nil, fmt.Errorf("read state: %w", err)
		}
		l, err := readLate(kv)
		if err != nil {
			return nil, err
		}
		hidden, err := f.behind(shown, l)
		if err != nil {
			return nil, err
		}
		if !hidden {
			back, shown = append(back, l), append(shown, l)
		}
		floor, err := f.get(join(spaceFloor, nil, l.at))
		if err != nil {
			return nil, err
		}
		if floor != nil {
			break
		}
	}
	return back, nil
}

// behind tells whether an op comes after one of others.
func (f once) behind(others []late, l late) (bool, error) {
	c := cell{field: f.field}
	for _, o := range others {
		if before, err := c.precedes(o.at, o.ref, l.at, l.ref); err != nil || before {
			return before, err
		}
	}
	return false, nil
}

// change writes which ops become visible and which do not stay so, and tells what is shown then. Those that leave and
// are not void come too late.
func (f once) change(op *Op, effective bool, show, hide []late) ([]Change, error) {
	before, err := f.shownValue()
	if err != nil {
		return nil, err
	}
	for _, l := range hide {
		if err := f.remove(join(spaceShown, nil, l.at)); err != nil {
			return nil, err
		}
		if err := f.remove(join(spaceWinner, nil, appendRef(nil, l.ref))); err != nil {
			return nil, err
		}
		if effective {
			if err := f.put(join(spaceRest, nil, l.at), onceEntry(l.num)); err != nil {
				return nil, err
			}
		}
	}
	for _, l := range show {
		if err := f.put(join(spaceShown, nil, l.at), onceEntry(l.num)); err != nil {
			return nil, err
		}
		if err := f.put(join(spaceWinner, nil, appendRef(nil, l.ref)), onceEntry(l.num)); err != nil {
			return nil, err
		}
	}
	after, err := f.shownValue()
	if err != nil || f.Quiet {
		return nil, err
	}
	return []Change{{Before: before, After: after, Op: *op, Effective: effective}}, nil
}

// shownValue reads the value that is shown, if anybody wants to know.
func (f once) shownValue() ([]byte, error) {
	if f.Quiet {
		return nil, nil
	}
	e, ok, err := OnceValue(f.Env)
	if err != nil || !ok {
		return nil, err
	}
	return e.Value, nil
}

// moveFloors ends the floors that a new op is above and not after, and makes one of the op that was the greatest, if the
// new one is above and after it.
func (f once) moveFloors(op *Op) error {
	at := placeOf(op)
	last, err := f.greatest()
	if err != nil {
		return err
	}
	if last.at != "" && last.at < at {
		if seen, err := f.behind([]late{last}, late{at: at, ref: op.Ref}); err != nil {
			return err
		} else if seen {
			return f.put(join(spaceFloor, nil, last.at), []byte{flagBare}) // and so it is after all floors
		}
	}
	var ended [][]byte
	for kv, err := range f.State.Scan([]byte{spaceFloor}, join(spaceFloor, nil, at), true) {
		if err != nil {
			return fmt.Errorf("read state: %w", err)
		}
		_, ref, ok := parsePlace(kv.Key[1:])
		if !ok {
			return &Corrupt{Key: bytes.Clone(kv.Key), Reason: "not the place of an op"}
		}
		seen, err := f.behind([]late{{at: place(kv.Key[1:]), ref: ref}}, late{at: at, ref: op.Ref})
		if err != nil {
			return err
		}
		if seen {
			break
		}
		ended = append(ended, bytes.Clone(kv.Key))
	}
	for _, key := range ended {
		if err := f.remove(key); err != nil {
			return err
		}
	}
	return nil
}

// greatest finds the op with the greatest place; its place is empty when there is none.
func (f once) greatest() (last late, err error) {
	for _, space := range []byte{spaceShown, spaceRest, spaceVoid} {
		for kv, err := range f.State.Scan([]byte{space}, after([]byte{space}), true) {
			if err != nil {
				return last, fmt.Errorf("read state: %w", err)
			}
			l, err := readLate(kv)
			if err != nil {
				return last, err
			}
			if l.at > last.at {
				last = l
			}
			break
		}
	}
	return last, nil
}

// collect reads the ops of a space with lo <= place < hi; nil is no bound.
func (f once) collect(space byte, lo, hi []byte) (all []late, err error) {
	end := after([]byte{space})
	if hi != nil {
		end = join(space, nil, hi)
	}
	for kv, err := range f.State.Scan(join(space, nil, lo), end, false) {
		if err != nil {
			return nil, fmt.Errorf("read state: %w", err)
		}
		l, err := readLate(kv)
		if err != nil {
			return nil, err
		}
		all = append(all, l)
	}
	return all, nil
}

// readLate reads an entry under a place. It copies what it keeps.
func readLate(kv store.KV) (late, error) {
	r, ok := decodeRecord(kv.Value)
	num, ok2 := liveNum(r)
	_, ref, ok3 := parsePlace(kv.Key[1:])
	if !ok || !ok2 || !ok3 {
		return late{}, &Corrupt{Key: bytes.Clone(kv.Key), Reason: "not an op's entry"}
	}
	return late{place(kv.Key[1:]), ref, num}, nil
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
func OnceConflicts(env *Env) ([]Entry, error) { return onceEntries(env, 0) }

// onceEntries reads up to limit visible values by id, all if it is 0.
func onceEntries(env *Env, limit int) (list []Entry, err error) {
	f := on(env)
	prefix := []byte{spaceWinner}
	for kv, err := range env.State.Scan(prefix, after(prefix), false) {
		if err != nil {
			return nil, fmt.Errorf("read state: %w", err)
		}
		r, ok := decodeRecord(kv.Value)
		num, ok2 := liveNum(r)
		ref, ok3 := parseRef(kv.Key[1:])
		if !ok || !ok2 || !ok3 {
			return nil, &Corrupt{Key: bytes.Clone(kv.Key), Reason: "not an op's entry"}
		}
		op, err := f.op(num, ref.Index)
		if err != nil {
			return nil, err
		}
		if list = append(list, op.entry(nil)); len(list) == limit {
			break
		}
	}
	return list, nil
}

// AlreadySet is an own set of a value that can be set once and is. A set that comes from elsewhere and has seen another
// is stored and not shown.
type AlreadySet struct{ Entry Entry }

func (e *AlreadySet) Error() string {
	return fmt.Sprintf("the value can be set once, and is since commit %s; it stays as it is", e.Entry.Ref.Commit.Short())
}
