package crdt

import (
	"bytes"
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
// The state has an entry for each op: live adds under spaceShown, all else under spaceRest, where an add carries the
// number of effective removals that cover it.
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

// element is one element of a set field.
type element struct {
	*field
	key []byte
}

func (e *element) liveKey(ref []byte) []byte { return join(spaceShown, e.key, ref) }
func (e *element) restKey(ref []byte) []byte { return join(spaceRest, e.key, ref) }

func (t setType) Apply(env *Env, op Op, effective bool) ([]Change, error) {
	f := on(env)
	if done, err := f.appliedIgnored(&op, t.Check(env.Schema, op)); done {
		return nil, err
	}
	e, err := f.elementOf(&op)
	if err != nil {
		return nil, err
	}
	ref := appendRef(nil, op.Ref)
	for _, key := range [][]byte{e.liveKey(ref), e.restKey(ref)} {
		if v, err := f.get(key); err != nil {
			return nil, err
		} else if v != nil {
			return t.Flip(env, op, effective)
		}
	}
	return e.changing(&op, effective, func() error {
		if op.Action == ActionRemove {
			return e.takeRemoval(&op, effective)
		}
		return e.takeAdd(&op, effective)
	})
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
	ref := appendRef(nil, op.Ref)
	live, isLive, err := f.record(e.liveKey(ref))
	if err != nil {
		return nil, err
	}
	rest, isRest, err := f.record(e.restKey(ref))
	switch {
	case err != nil:
		return nil, err
	case !isLive && !isRest:
		return nil, &Unknown{op.Ref}
	case isLive && effective, isRest && (rest.flags&flagEffective != 0) == effective:
		return nil, nil
	}
	return e.changing(&op, effective, func() error {
		switch {
		case isLive:
			return e.place(ref, live, op.Height, 0, false)
		case op.Action == ActionAdd:
			_, covers, ok := heightCovers(rest)
			if !ok {
				return &Corrupt{Key: e.restKey(ref), Reason: "not an add that is covered or void"}
			}
			return e.place(ref, rest, op.Height, covers, effective)
		}
		rest.flags ^= flagEffective
		if err := e.put(e.restKey(ref), rest.encode()); err != nil {
			return err
		}
		return e.cover(&op, effective)
	})
}

// elementOf finds the element an op is about.
func (f *field) elementOf(op *Op) (*element, error) {
	if op.Action == ActionAdd {
		return &element{f, SetKey(op.Payload)}, nil
	}
	key, err := removedKey(op)
	return &element{f, key}, err
}

// changing runs do and tells what it changed about the element.
func (e *element) changing(op *Op, effective bool, do func() error) ([]Change, error) {
	was, err := e.live()
	if err != nil {
		return nil, err
	}
	if err := do(); err != nil {
		return nil, err
	}
	now, err := e.live()
	if err != nil || was == now {
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

// live tells whether the element has a live add.
func (e *element) live() (bool, error) {
	k, err := e.firstKey(e.liveKey(nil))
	return k != nil, err
}

// value returns the element's canonical bytes.
func (e *element) value() ([]byte, error) {
	if e.key[0] == keyInline {
		return e.key[1:], nil
	}
	key := join(spaceValue, e.key, "")
	v, err := e.get(key)
	if err == nil && v == nil {
		err = &Corrupt{Key: key, Reason: "an element without its value"}
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
	return e.place(appendRef(nil, op.Ref), record{author: tag, time: op.Time}, op.Height, 0, effective)
}

// takeRemoval takes a new removal in.
func (e *element) takeRemoval(op *Op, effective bool) error {
	tag, err := e.author(op)
	if err != nil {
		return err
	}
	r := record{flags: flagRemoval, author: tag, time: op.Time}
	if effective {
		r.flags |= flagEffective
	}
	if err := e.put(e.restKey(appendRef(nil, op.Ref)), r.encode()); err != nil || !effective {
		return err
	}
	return e.cover(op, true)
}

// place puts an add where its verdict and the removals covering it say: live or not.
func (e *element) place(ref []byte, r record, height, covers uint64, effective bool) error {
	r.flags, r.rest = 0, binary.AppendUvarint(nil, height)
	to, from := e.liveKey(ref), e.restKey(ref)
	if !effective || covers > 0 {
		to, from = from, to
		r.rest = binary.AppendUvarint(r.rest, covers)
		if effective {
			r.flags = flagEffective
		}
	}
	if err := e.remove(from); err != nil {
		return err
	}
	return e.put(to, r.encode())
}

// heightCovers reads, from the entry of an add that is not live, its height and how many effective removals cover it.
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
	refs, err := e.covered(op)
	if err != nil {
		return err
	}
	for _, ref := range refs {
		if err := e.coverOne([]byte(ref), counts); err != nil {
			return err
		}
	}
	return nil
}

func (e *element) coverOne(ref []byte, counts bool) error {
	r, live, err := e.record(e.liveKey(ref))
	if err != nil {
		return err
	}
	if live {
		height, ok := liveHeight(r)
		if !ok || !counts {
			return &Corrupt{Key: e.liveKey(ref), Reason: "not a live add, or removals covering it are miscounted"}
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

// covered lists the refs that a removal may cover, each once: those it names, and the earlier ops of its own commit on
// the element.
func (e *element) covered(op *Op) ([]string, error) {
	seen := make(map[string]bool, len(op.Refs))
	var refs []string
	add := func(ref []byte) {
		if !seen[string(ref)] {
			seen[string(ref)] = true
			refs = append(refs, string(ref))
		}
	}
	for _, r := range op.Refs {
		if !r.Commit.IsZero() && r.Commit != op.Ref.Commit {
			add(appendRef(nil, r))
		}
	}
	if op.Ref.Index == 0 {
		return refs, nil
	}
	lo := appendRef(nil, history.OpRef{Commit: op.Ref.Commit})
	hi := appendRef(nil, op.Ref)
	for _, space := range []byte{spaceShown, spaceRest} {
		for kv, err := range e.State.Scan(join(space, e.key, lo), join(space, e.key, hi), false) {
			if err != nil {
				return nil, fmt.Errorf("read state: %w", err)
			}
			add(bytes.Clone(kv.Key[1+len(e.key):]))
		}
	}
	return refs, nil
}
