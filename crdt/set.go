package crdt

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/schema"
)

// The actions of a set. An add carries the element; a removal carries the element's key as a byte string and names the
// adds it covers.
const (
	ActionAdd    = "add"
	ActionRemove = "remove"
)

// setType is "set" and "growset": values without order or repetition; two values are one element iff their canonical
// bytes are equal.
//
// An add is live iff it is effective and no effective removal of the same element covers it: by naming it, or by
// standing after it in the same commit. An element is in the set iff it has a live add. So an add that a removal did
// not see wins against it, and a void removal gives back what it covered. A growset has no removals.
//
// The state has an entry for each op: live adds in the element's bundle, effective removals by themselves, all else at
// rest. There an add carries how often it is covered: once for each effective removal that names it, and once more if
// any of its own commit covers it. So of the removals in a commit only the last effective one tells: taking in another,
// or losing one, changes nothing but the adds between it and the one before. An element is in the set iff it has a bundle.
// Its first live add is in the roll, which is the set's order and leads to its value.
type setType struct {
	name     string
	removals bool
}

var (
	addWinsSet = setType{"set", true}
	growSet    = setType{"growset", false}
)

func (t setType) Name() string { return t.name }

func (t setType) Check(s *schema.Schema, op Op) error {
	switch {
	case op.Action == ActionAdd:
		if err := checkRefs(&op, 0); err != nil {
			return err
		}
		return checkValue(s, &op)
	case op.Action == ActionRemove && t.removals:
		if err := checkRefs(&op, MaxRefs); err != nil {
			return err
		}
		_, err := removedKey(&op)
		return err
	}
	return unknownAction(t.name, &op)
}

// The first byte of an element's key: the value follows, or its hash.
const (
	keyInline = 0x00
	keyHashed = 0x01
)

// SetKey returns the key of a value, given as canonical bytes: by it a removal and a change name the element. It is part
// of the format.
func SetKey(value []byte) []byte {
	if len(value) <= MaxInlineKey {
		return append([]byte{keyInline}, value...)
	}
	h := sha256.Sum256(value)
	return append([]byte{keyHashed}, h[:]...)
}

// removedKey reads the element's key that a removal carries.
func removedKey(op *Op) ([]byte, error) {
	if len(op.Payload) > MaxInlineKey+4 {
		return nil, ignored("remove carries something longer than an element's key", nil)
	}
	v, err := object.Decode(op.Payload)
	if err != nil {
		return nil, ignored("remove carries no element's key", err)
	}
	key, ok := v.([]byte)
	if !ok || !validKey(key) {
		return nil, ignored("remove carries no element's key", nil)
	}
	return key, nil
}

// validKey tells whether SetKey gives key for some value. It matters: only such keys are prefix-free.
func validKey(key []byte) bool {
	if len(key) == 0 {
		return false
	}
	switch key[0] {
	case keyInline:
		return len(key) <= 1+MaxInlineKey && object.Check(key[1:]) == nil
	case keyHashed:
		return len(key) == 1+sha256.Size
	}
	return false
}

// element is one element of a set field while an op is taken in.
type element struct {
	*field
	key  []byte  // as others know it; nil: that of the value that the op at hand adds
	tag  []byte  // as the state does
	live *bundle // of adds, by spot
	was  *item   // the first of them before, nil for none
}

func (e *element) restKey(spot string) []byte    { return join(spaceRest, e.tag, spot) }
func (e *element) removalKey(spot string) []byte { return join(spaceRemoval, e.tag, spot) }

// resting reads the entry of an op that is no live add, and tells where it is.
func (e *element) resting(op *Op, spot string) (key []byte, r record, ok bool, err error) {
	if op.Action == ActionRemove {
		key = e.removalKey(spot)
		if r, ok, err = e.record(key); ok || err != nil {
			return key, r, ok, err
		}
	}
	key = e.restKey(spot)
	r, ok, err = e.record(key)
	return key, r, ok, err
}

func (f *field) element(key, tag []byte) (*element, error) {
	b, err := f.bundleIn(spaceElement, tag)
	return &element{field: f, key: key, tag: tag, live: b}, err
}

// change is element for one that is about to change.
func (f *field) change(key, tag []byte) (*element, error) {
	e, err := f.element(key, tag)
	if err != nil || e.live.gone {
		return e, err
	}
	first, ok, err := e.live.first()
	if ok {
		was := first
		e.was = &was
	}
	return e, err
}

// elementOf finds the element an op is about.
func (f *field) elementOf(op *Op) (*element, error) {
	if op.Action == ActionAdd {
		return f.change(nil, valueTag(op.Payload))
	}
	key, err := removedKey(op)
	if err != nil {
		return nil, err
	}
	return f.change(key, elementTag(key))
}

// Shows implements [Shower].
func (setType) Shows(env *Env) (bool, error) {
	n, err := on(env).count()
	return n > 0, err
}

// Reads implements [Foreteller]: the element's bundle.
func (t setType) Reads(op *Op) [][]byte {
	if len(op.Payload) == 0 {
		return nil
	}
	if op.Action == ActionAdd {
		return [][]byte{join(spaceElement, nil, valueTag(op.Payload))}
	}
	key, err := removedKey(op)
	if err != nil {
		return nil
	}
	return [][]byte{join(spaceElement, nil, elementTag(key))}
}

func (t setType) Apply(env *Env, op Op, effective bool) ([]Change, error) {
	f := on(env)
	if done, err := f.appliedIgnored(&op, t.Check(env.Schema, op)); done {
		return nil, err
	}
	e, err := f.elementOf(&op)
	if err != nil {
		return nil, err
	}
	switch { // no removal covers a new add: one that does comes after it
	case op.Action == ActionRemove:
		err = e.takeRemoval(&op, effective)
	case effective && e.live.gone:
		return e.takeFirst(&op)
	default:
		err = e.enter(spotOf(&op), op.Num, 0, effective)
	}
	if err != nil {
		return nil, err
	}
	return e.changes(&op, effective, op.Ref.Index == 0)
}

func (t setType) Flip(env *Env, op Op, effective bool) ([]Change, error) {
	f := on(env)
	if t.Check(env.Schema, op) != nil {
		return nil, f.wasIgnored(&op)
	}
	e, err := f.elementOf(&op)
	if err != nil {
		return nil, err
	}
	spot := spotOf(&op)
	_, isLive, err := e.live.get(spot)
	if err != nil {
		return nil, err
	}
	key, rest, isRest, err := e.resting(&op, spot)
	switch {
	case err != nil:
		return nil, err
	case !isLive && !isRest:
		return nil, &Unknown{op.Ref}
	case isLive && effective, isRest && (rest.flags&flagEffective != 0) == effective:
		return nil, nil
	case isLive:
		err = e.place(spot, op.Num, 0, false)
	case op.Action == ActionAdd:
		_, covers, ok := restingAdd(rest)
		if !ok {
			return nil, &Corrupt{Key: key, Reason: "not an add that is covered or void"}
		}
		err = e.place(spot, op.Num, covers, effective)
	default:
		if err = e.remove(key); err == nil {
			err = e.placeRemoval(spot, effective)
		}
		if err == nil {
			err = e.cover(&op, effective)
		}
	}
	if err != nil {
		return nil, err
	}
	return e.changes(&op, effective, false)
}

// changes writes the element back, keeps the roll, and tells whether the element came, went or is of another add. alone tells that op is the
// first of its commit to be taken in.
func (e *element) changes(op *Op, effective, alone bool) ([]Change, error) {
	if err := e.live.flush(); err != nil {
		return nil, err
	}
	first, now, err := e.live.first()
	switch {
	case err != nil:
		return nil, err
	case e.was == nil && !now, e.was != nil && now && e.was.id == first.id:
		return nil, nil
	}
	if e.was != nil {
		if err := e.strike(*e.was); err != nil {
			return nil, err
		}
	}
	if now {
		if err := e.enroll(first, alone && first.id == spotOf(op)); err != nil {
			return nil, err
		}
	}
	switch {
	case e.was == nil:
		value, err := e.value(op, first)
		if err != nil {
			return nil, err
		}
		return e.changed(op, nil, value, effective), e.bump(1)
	case !now:
		value, err := e.value(op, *e.was)
		if err != nil {
			return nil, err
		}
		return e.changed(op, value, nil, effective), e.bump(-1)
	case e.Quiet:
		return nil, nil
	}
	value, err := e.value(op, first)
	moved := e.changed(op, value, value, effective)
	moved[0].Moved = true
	return moved, err
}

// changed tells that the element came or went.
func (e *element) changed(op *Op, before, after []byte, effective bool) []Change {
	if e.Quiet {
		return nil
	}
	key := e.key
	if key == nil {
		key = SetKey(op.Payload)
	}
	return []Change{{Key: key, Before: before, After: after, Op: *op, Effective: effective}}
}

// takeFirst takes an effective add of an element in that has no live one: nearly all adds are such.
func (e *element) takeFirst(op *Op) ([]Change, error) {
	v := append(make([]byte, 0, 1+2*binary.MaxVarintLen64), bundleSolo)
	v = binary.AppendUvarint(binary.AppendUvarint(v, op.Num), uint64(op.Ref.Index))
	if err := e.put(e.live.headKey(), v); err != nil {
		return nil, err
	}
	key := appendStand(append(make([]byte, 0, 32), spaceShown), op.Height, op.Ref)
	if err := e.inRoll(key, op.Num, op.Ref.Index, op.Ref.Index == 0, withRun); err != nil {
		return nil, err
	}
	return e.changed(op, nil, op.Payload, true), e.bump(1)
}

// value returns the element's canonical bytes, from one of its adds or the op at hand.
func (e *element) value(op *Op, add item) ([]byte, error) {
	if op.Action == ActionAdd {
		return op.Payload, nil
	}
	if e.Quiet {
		return nil, nil
	}
	if e.key[0] == keyInline {
		return e.key[1:], nil
	}
	num, ok := liveNum(add.record)
	_, index, ok2 := parseSpot(add.id)
	if !ok || !ok2 {
		return nil, &Corrupt{Key: e.live.headKey(), Reason: "not a live add"}
	}
	from, err := e.op(num, index)
	return from.Payload, err
}

// takeRemoval takes a new removal in.
func (e *element) takeRemoval(op *Op, effective bool) error {
	if err := e.placeRemoval(spotOf(op), effective); err != nil || !effective {
		return err
	}
	return e.cover(op, true)
}

// placeRemoval puts a removal where its verdict says: effective ones are found by themselves, next to each other.
func (e *element) placeRemoval(spot string, effective bool) error {
	r := record{flags: flagBare | flagRemoval}
	if effective {
		r.flags |= flagEffective
		return e.put(e.removalKey(spot), r.encode())
	}
	return e.put(e.restKey(spot), r.encode())
}

// place puts an add where its verdict and the removals covering it say, and takes it from where it was.
func (e *element) place(spot string, num, covers uint64, effective bool) error {
	var err error
	if effective && covers == 0 {
		err = e.remove(e.restKey(spot))
	} else {
		err = e.live.del(spot)
	}
	if err != nil {
		return err
	}
	return e.enter(spot, num, covers, effective)
}

// enter puts an add that has no entry among the live ones or at rest.
func (e *element) enter(spot string, num, covers uint64, effective bool) error {
	r := liveAdd(num)
	if effective && covers == 0 {
		return e.live.put(spot, r)
	}
	if effective {
		r.flags |= flagEffective
	}
	r.rest = binary.AppendUvarint(r.rest, covers)
	return e.put(e.restKey(spot), r.encode())
}

// restingAdd reads, from the entry of an add that is not live, its commit's number and how often it is covered.
func restingAdd(r record) (num, covers uint64, ok bool) {
	num, n := binary.Uvarint(r.rest)
	if n <= 0 || r.flags&flagRemoval != 0 {
		return 0, 0, false
	}
	covers, m := binary.Uvarint(r.rest[n:])
	return num, covers, m > 0 && n+m == len(r.rest)
}

// cover makes a removal count for the adds it covers, or no longer.
func (e *element) cover(op *Op, counts bool) error {
	own, err := e.ownCovered(op)
	if err != nil {
		return err
	}
	named, err := e.named(op)
	if err != nil {
		return err
	}
	for _, spot := range append(named, own...) {
		if err := e.coverOne(spot, counts); err != nil {
			return err
		}
	}
	return nil
}

func (e *element) coverOne(spot string, counts bool) error {
	r, live, err := e.live.get(spot)
	if err != nil {
		return err
	}
	if live {
		num, ok := liveNum(r)
		if !ok || !counts {
			return &Corrupt{Key: e.live.headKey(), Reason: "not a live add, or removals covering it are miscounted"}
		}
		return e.place(spot, num, 1, true)
	}
	r, ok, err := e.record(e.restKey(spot))
	if err != nil || !ok || r.flags&flagRemoval != 0 {
		return err // it names something that is no add of this element: that covers nothing
	}
	num, n, ok := restingAdd(r)
	if !ok || (n == 0 && !counts) {
		return &Corrupt{Key: e.restKey(spot), Reason: "not a covered or void add, or removals covering it are miscounted"}
	}
	if counts {
		n++
	} else {
		n--
	}
	return e.place(spot, num, n, r.flags&flagEffective != 0)
}

// named lists the spots of the ops that a removal names, each once. A commit cannot name itself.
func (e *element) named(op *Op) ([]string, error) {
	seen := make(map[history.OpRef]bool, len(op.Refs))
	spots := make([]string, 0, len(op.Refs))
	for _, r := range op.Refs {
		if seen[r] || r.Commit.IsZero() || r.Commit == op.Ref.Commit {
			continue
		}
		seen[r] = true
		_, height, err := e.Ops.Find(r.Commit)
		if err != nil {
			return nil, fmt.Errorf("find commit %s: %w", r.Commit, err)
		}
		spots = append(spots, spotOf(&Op{Ref: r, Height: height}))
	}
	return spots, nil
}

// ownCovered lists the ops of a removal's own commit on the element that it covers and no other of the commit does:
// those after the effective removal before it, unless there is one behind it.
func (e *element) ownCovered(op *Op) ([]string, error) {
	if op.Ref.Index == 0 {
		return nil, nil
	}
	own := appendStand(nil, op.Height, op.Ref)
	first, self := string(appendOrdered(own, 0)), spotOf(op)
	end := after(e.removalKey(string(own)))
	switch behind, err := e.firstRemoval(append(e.removalKey(self), 0), end, false); {
	case err != nil:
		return nil, err
	case behind != "":
		return nil, nil
	}
	lo, err := e.firstRemoval(e.removalKey(first), e.removalKey(self), true)
	if err != nil {
		return nil, err
	}
	lo = max(lo, first)
	live, err := e.live.between(lo, self)
	if err != nil {
		return nil, err
	}
	var spots []string
	for _, it := range live {
		spots = append(spots, it.id)
	}
	for kv, err := range e.State.Scan(e.restKey(lo), e.restKey(self), false) {
		if err != nil {
			return nil, fmt.Errorf("read state: %w", err)
		}
		spots = append(spots, string(kv.Key[1+len(e.tag):]))
	}
	return spots, nil
}

// firstRemoval returns the spot of the effective removal that a scan meets first, "" if there is none.
func (e *element) firstRemoval(lo, hi []byte, reverse bool) (string, error) {
	for kv, err := range e.State.Scan(lo, hi, reverse) {
		if err != nil {
			return "", fmt.Errorf("read state: %w", err)
		}
		return string(kv.Key[1+len(e.tag):]), nil
	}
	return "", nil
}
