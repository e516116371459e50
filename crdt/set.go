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

// SetKey returns the key of a value, given as canonical bytes: the order in which elements iterate, and what a removal
// carries. It is part of the format.
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
	key  []byte
	live *bundle // of adds, by ref
}

func (e *element) restKey(ref string) []byte    { return join(spaceRest, e.key, ref) }
func (e *element) removalKey(ref string) []byte { return join(spaceRemoval, e.key, ref) }

// resting reads the entry of an op that is no live add, and tells where it is.
func (e *element) resting(op *Op, ref string) (key []byte, r record, ok bool, err error) {
	if op.Action == ActionRemove {
		key = e.removalKey(ref)
		if r, ok, err = e.record(key); ok || err != nil {
			return key, r, ok, err
		}
	}
	key = e.restKey(ref)
	r, ok, err = e.record(key)
	return key, r, ok, err
}

func (f *field) element(key []byte) (*element, error) {
	b, err := f.bundle(key)
	return &element{f, key, b}, err
}

// elementOf finds the element an op is about.
func (f *field) elementOf(op *Op) (*element, error) {
	if op.Action == ActionAdd {
		return f.element(SetKey(op.Payload))
	}
	key, err := removedKey(op)
	if err != nil {
		return nil, err
	}
	return f.element(key)
}

// Reads implements [Foreteller]: the element's bundle. A long value is not hashed twice for it.
func (t setType) Reads(op *Op) [][]byte {
	key := op.Payload
	switch {
	case len(key) == 0 || op.Action == ActionAdd && len(key) > MaxInlineKey:
		return nil
	case op.Action == ActionAdd:
		key = SetKey(key)
	default:
		var err error
		if key, err = removedKey(op); err != nil {
			return nil
		}
	}
	return [][]byte{(&bundle{key: key}).headKey()}
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
	if !env.New {
		if here, err := e.applied(&op); err != nil {
			return nil, err
		} else if here {
			return t.Flip(env, op, effective)
		}
	}
	if op.Action == ActionRemove {
		err = e.takeRemoval(&op, effective)
	} else {
		err = e.takeAdd(&op, effective)
	}
	if err != nil {
		return nil, err
	}
	return e.changes(&op, effective)
}

// applied tells whether the element has an op's entry.
func (e *element) applied(op *Op) (bool, error) {
	ref := string(appendRef(nil, op.Ref))
	if _, live, err := e.live.get(ref); live || err != nil {
		return live, err
	}
	_, _, rests, err := e.resting(op, ref)
	return rests, err
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
	ref := string(appendRef(nil, op.Ref))
	live, isLive, err := e.live.get(ref)
	if err != nil {
		return nil, err
	}
	key, rest, isRest, err := e.resting(&op, ref)
	switch {
	case err != nil:
		return nil, err
	case !isLive && !isRest:
		return nil, &Unknown{op.Ref}
	case isLive && effective, isRest && (rest.flags&flagEffective != 0) == effective:
		return nil, nil
	case isLive:
		err = e.place(ref, live, op.Height, 0, false)
	case op.Action == ActionAdd:
		_, covers, ok := heightCovers(rest)
		if !ok {
			return nil, &Corrupt{Key: key, Reason: "not an add that is covered or void"}
		}
		err = e.place(ref, rest, op.Height, covers, effective)
	default:
		if err = e.remove(key); err == nil {
			err = e.placeRemoval(ref, rest, effective)
		}
		if err == nil {
			err = e.cover(&op, effective)
		}
	}
	if err != nil {
		return nil, err
	}
	return e.changes(&op, effective)
}

// changes writes the element back and tells whether it came or went.
func (e *element) changes(op *Op, effective bool) ([]Change, error) {
	was, now := !e.live.gone, e.live.count > 0
	if err := e.live.flush(); err != nil || was == now {
		return nil, err
	}
	value, err := e.value()
	if err != nil {
		return nil, err
	}
	ch := Change{Key: e.key, Op: *op, Effective: effective}
	if now {
		ch.After = value
		return []Change{ch}, e.bump(1)
	}
	ch.Before = value
	return []Change{ch}, e.bump(-1)
}

// value returns the element's canonical bytes.
func (e *element) value() ([]byte, error) { return e.elementValue(e.key) }

func (f *field) elementValue(key []byte) ([]byte, error) {
	if len(key) > 0 && key[0] == keyInline {
		return key[1:], nil
	}
	at := join(spaceValue, key, "")
	v, err := f.get(at)
	if err == nil && v == nil {
		err = &Corrupt{Key: at, Reason: "an element without its value"}
	}
	return v, err
}

// takeAdd takes a new add in. No removal covers it yet: one that does comes after it.
func (e *element) takeAdd(op *Op, effective bool) error {
	if e.key[0] == keyHashed {
		if err := e.put(join(spaceValue, e.key, ""), op.Payload); err != nil {
			return err
		}
	}
	tag, err := e.author(op)
	if err != nil {
		return err
	}
	return e.enter(string(appendRef(nil, op.Ref)), record{author: tag, time: op.Time}, op.Height, 0, effective)
}

// takeRemoval takes a new removal in.
func (e *element) takeRemoval(op *Op, effective bool) error {
	tag, err := e.author(op)
	if err != nil {
		return err
	}
	r := record{author: tag, time: op.Time}
	if err := e.placeRemoval(string(appendRef(nil, op.Ref)), r, effective); err != nil || !effective {
		return err
	}
	return e.cover(op, true)
}

// placeRemoval puts a removal where its verdict says: effective ones are found by themselves, next to each other.
func (e *element) placeRemoval(ref string, r record, effective bool) error {
	r.flags = flagRemoval
	if effective {
		r.flags |= flagEffective
		return e.put(e.removalKey(ref), r.encode())
	}
	return e.put(e.restKey(ref), r.encode())
}

// place puts an add where its verdict and the removals covering it say, and takes it from where it was.
func (e *element) place(ref string, r record, height, covers uint64, effective bool) error {
	var err error
	if effective && covers == 0 {
		err = e.remove(e.restKey(ref))
	} else {
		err = e.live.del(ref)
	}
	if err != nil {
		return err
	}
	return e.enter(ref, r, height, covers, effective)
}

// enter puts an add that has no entry among the live ones or at rest.
func (e *element) enter(ref string, r record, height, covers uint64, effective bool) error {
	r.flags, r.rest = 0, binary.AppendUvarint(nil, height)
	if effective && covers == 0 {
		return e.live.put(ref, r)
	}
	if effective {
		r.flags = flagEffective
	}
	r.rest = binary.AppendUvarint(r.rest, covers)
	return e.put(e.restKey(ref), r.encode())
}

// heightCovers reads, from the entry of an add that is not live, its height and how often it is covered.
func heightCovers(r record) (height, covers uint64, ok bool) {
	height, n := binary.Uvarint(r.rest)
	if n <= 0 || r.flags&flagRemoval != 0 {
		return 0, 0, false
	}
	covers, m := binary.Uvarint(r.rest[n:])
	return height, covers, m > 0 && n+m == len(r.rest)
}

// liveHeight reads the height from the entry of a live add.
func liveHeight(r record) (height uint64, ok bool) {
	height, n := binary.Uvarint(r.rest)
	return height, n > 0 && n == len(r.rest)
}

// cover makes a removal count for the adds it covers, or no longer.
func (e *element) cover(op *Op, counts bool) error {
	own, err := e.ownCovered(op)
	if err != nil {
		return err
	}
	for _, ref := range append(named(op), own...) {
		if err := e.coverOne(ref, counts); err != nil {
			return err
		}
	}
	return nil
}

func (e *element) coverOne(ref string, counts bool) error {
	r, live, err := e.live.get(ref)
	if err != nil {
		return err
	}
	if live {
		height, ok := liveHeight(r)
		if !ok || !counts {
			return &Corrupt{Key: e.live.headKey(), Reason: "not a live add, or removals covering it are miscounted"}
		}
		return e.place(ref, r, height, 1, true)
	}
	r, ok, err := e.record(e.restKey(ref))
	if err != nil || !ok || r.flags&flagRemoval != 0 {
		return err // it names something that is no add of this element: that covers nothing
	}
	height, n, ok := heightCovers(r)
	if !ok || (n == 0 && !counts) {
		return &Corrupt{Key: e.restKey(ref), Reason: "not a covered or void add, or removals covering it are miscounted"}
	}
	if counts {
		n++
	} else {
		n--
	}
	return e.place(ref, r, height, n, r.flags&flagEffective != 0)
}

// named lists the refs that a removal names, each once. A commit cannot name itself.
func named(op *Op) []string {
	seen := make(map[history.OpRef]bool, len(op.Refs))
	var refs []string
	for _, r := range op.Refs {
		if !seen[r] && !r.Commit.IsZero() && r.Commit != op.Ref.Commit {
			seen[r] = true
			refs = append(refs, string(appendRef(nil, r)))
		}
	}
	return refs
}

// ownCovered lists the ops of a removal's own commit on the element that it covers and no other of the commit does:
// those after the effective removal before it, unless there is one behind it.
func (e *element) ownCovered(op *Op) ([]string, error) {
	if op.Ref.Index == 0 {
		return nil, nil
	}
	first := string(appendRef(nil, history.OpRef{Commit: op.Ref.Commit}))
	self := string(appendRef(nil, op.Ref))
	end := after(e.removalKey(first[:sha256.Size]))
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
	own, err := e.live.between(lo, self)
	if err != nil {
		return nil, err
	}
	var refs []string
	for _, it := range own {
		refs = append(refs, it.id)
	}
	for kv, err := range e.State.Scan(e.restKey(lo), e.restKey(self), false) {
		if err != nil {
			return nil, fmt.Errorf("read state: %w", err)
		}
		refs = append(refs, string(kv.Key[1+len(e.key):]))
	}
	return refs, nil
}

// firstRemoval returns the ref of the effective removal that a scan meets first, "" if there is none.
func (e *element) firstRemoval(lo, hi []byte, reverse bool) (string, error) {
	for kv, err := range e.State.Scan(lo, hi, reverse) {
		if err != nil {
			return "", fmt.Errorf("read state: %w", err)
		}
		return string(kv.Key[1+len(e.key):]), nil
	}
	return "", nil
}
