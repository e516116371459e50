package crdt

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"iter"

	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/schema"
)

// Entry is one visible value with where it comes from.
type Entry struct {
	Key      []byte // as in [Change]; not that of a set's element
	Cursor   []byte // of a log or set: where it stands, for the next range to begin or end there
	Value    []byte // canonical CBOR
	Ref      history.OpRef
	Height   uint64
	Author   identity.PublicKey
	Identity identity.PublicKey
	Time     int64 // milliseconds since 1970, as the author told
}

// field is what the types share: typed access to a field's State, with the authors read so far. It lives for one call.
type field struct {
	*Env
	authors map[authorTag][2]identity.PublicKey
}

func on(env *Env) *field { return &field{Env: env} }

// maxRefs is how many ops a builder may name: the makers of the records that the path enters are named, too.
func (f *field) maxRefs() int { return MaxRefs - f.makers }

func (f *field) get(key []byte) ([]byte, error) {
	v, err := f.State.Get(key)
	if err != nil {
		return nil, fmt.Errorf("read state: %w", err)
	}
	return v, nil
}

func (f *field) put(key, value []byte) error {
	if err := f.State.Put(key, value); err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	return nil
}

func (f *field) remove(key []byte) error {
	if err := f.State.Delete(key); err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	return nil
}

// op reads an op again.
func (f *field) op(num uint64, index uint32) (Op, error) {
	op, err := f.Ops.At(num, index)
	if err != nil {
		return op, fmt.Errorf("read op %d of commit %d: %w", index, num, err)
	}
	return op, nil
}

// walk visits the pairs with lo <= key < hi until visit wants no more. Both are valid until visit returns. It is one loop for
// all because each loop over a sequence is a kilobyte of WebAssembly.
func (f *field) walk(lo, hi []byte, reverse bool, visit func(key, value []byte) (more bool, err error)) error {
	for kv, err := range f.State.Scan(lo, hi, reverse) {
		if err != nil {
			return fmt.Errorf("read state: %w", err)
		}
		if more, err := visit(kv.Key, kv.Value); err != nil || !more {
			return err
		}
	}
	return nil
}

// record reads the entry at key; ok is false when there is none.
func (f *field) record(key []byte) (r record, ok bool, err error) {
	v, err := f.get(key)
	if err != nil || v == nil {
		return r, false, err
	}
	if r, ok = decodeRecord(v); !ok {
		return r, false, &Corrupt{Key: key, Reason: "not an op's entry"}
	}
	return r, true, nil
}

// count reads the counter of the field.
func (f *field) count() (uint64, error) {
	v, err := f.get([]byte{spaceCount})
	if err != nil || v == nil {
		return 0, err
	}
	n, size := binary.Uvarint(v)
	if size <= 0 || size != len(v) || n == 0 {
		return 0, &Corrupt{Key: []byte{spaceCount}, Reason: "not a counter"}
	}
	return n, nil
}

// bump changes the counter by delta; at zero it is absent.
func (f *field) bump(delta int) error {
	n, err := f.count()
	if err != nil {
		return err
	}
	key := []byte{spaceCount}
	switch n += uint64(delta); {
	case n == 0:
		return f.remove(key)
	case int64(n) < 0:
		return &Corrupt{Key: key, Reason: "counter below zero"}
	}
	return f.put(key, binary.AppendUvarint(nil, n))
}

// writer is an author whose tag the state has.
type writer struct {
	device, person identity.PublicKey
	tag            authorTag
	known          bool
}

// author keeps who wrote op, once for all values of a field, and returns the tag.
func (f *field) author(op *Op) (authorTag, error) {
	top := on(f.whole())
	if w := &top.wrote; w.known && w.device == op.Author && w.person == op.Identity {
		return w.tag, nil
	}
	tag := tagOf(op.Author, op.Identity)
	key := join(spaceAuthor, nil, tag[:])
	v, err := top.get(key)
	if err == nil && v == nil {
		err = top.put(key, append(op.Author.Bytes(), op.Identity.Bytes()...))
	}
	if err == nil {
		top.wrote = writer{op.Author, op.Identity, tag, true}
	}
	return tag, err
}

// who reads an author by tag.
func (f *field) who(tag authorTag) (device, person identity.PublicKey, err error) {
	if pair, ok := f.authors[tag]; ok {
		return pair[0], pair[1], nil
	}
	key := join(spaceAuthor, nil, tag[:])
	v, err := on(f.whole()).get(key)
	if err != nil {
		return device, person, err
	}
	half := len(v) / 2
	if device, err = readKey(v[:half]); err == nil {
		person, err = readKey(v[half:])
	}
	if err != nil {
		return device, person, &Corrupt{Key: key, Reason: "not an author: " + err.Error()}
	}
	if f.authors == nil {
		f.authors = make(map[authorTag][2]identity.PublicKey)
	}
	f.authors[tag] = [2]identity.PublicKey{device, person}
	return device, person, nil
}

// readKey reads a key; the zero key, which the door does not admit but a test or a fold may use, is read back too.
func readKey(b []byte) (identity.PublicKey, error) {
	if bytes.Equal(b, identity.PublicKey{}.Bytes()) {
		return identity.PublicKey{}, nil
	}
	return identity.PublicKeyFromBytes(b)
}

// before tells whether a precedes b: in the causal order, or earlier in one commit.
func (f *field) before(a, b history.OpRef) (bool, error) {
	switch {
	case a.Commit == b.Commit:
		return a.Index < b.Index, nil
	case a.Commit.IsZero() || b.Commit.IsZero(): // everything is before the commit being built
		return b.Commit.IsZero(), nil
	}
	ok, err := f.Past.Before(a, b)
	if err != nil {
		return false, fmt.Errorf("order ops: %w", err)
	}
	return ok, nil
}

// ignore keeps why op takes no part in its value.
func (f *field) ignore(op *Op, why *Ignored) error {
	reason := why.Reason
	if f.text != "" { // of the value inside the field
		reason = f.text + ": " + reason
	}
	tag, err := f.author(op)
	if err != nil {
		return err
	}
	r := record{author: tag, time: op.Time, rest: []byte(clip(reason, MaxReason))}
	return on(f.whole()).put(join(spaceIgnored, nil, placeOf(op)), r.encode())
}

// Ignore keeps why an op takes no part, for [IgnoredOps]: of an op that is no type's.
func Ignore(env *Env, op Op, reason string) error { return on(env).ignore(&op, ignored(reason, nil)) }

// wasIgnored tells whether op was applied and ignored; an op never applied is *Unknown.
func (f *field) wasIgnored(op *Op) error {
	_, ok, err := on(f.whole()).record(join(spaceIgnored, nil, placeOf(op)))
	if err == nil && !ok {
		err = &Unknown{op.Ref}
	}
	return err
}

// entry makes the visible form of a record.
func (f *field) entry(key []byte, ref history.OpRef, height uint64, r record, value []byte) (Entry, error) {
	device, person, err := f.who(r.author)
	return Entry{Key: key, Value: value, Ref: ref, Height: height, Author: device, Identity: person, Time: r.time}, err
}

// entry is the visible form of an op that is shown as it is.
func (op *Op) entry(key []byte) Entry {
	return Entry{Key: key, Value: op.Payload, Ref: op.Ref, Height: op.Height, Author: op.Author, Identity: op.Identity, Time: op.Time}
}

// Skipped is an ignored op, as [IgnoredOps] shows it.
type Skipped struct {
	Ref      history.OpRef
	Author   identity.PublicKey
	Identity identity.PublicKey
	Time     int64
	Reason   string
}

// IgnoredOps yields the ops of the field that take no part in its value, in canonical order. An error ends it.
func IgnoredOps(env *Env) iter.Seq2[Skipped, error] {
	return func(yield func(Skipped, error) bool) {
		f := on(env)
		prefix := []byte{spaceIgnored}
		for kv, err := range env.whole().State.Scan(prefix, after(prefix), false) {
			if err != nil {
				yield(Skipped{}, fmt.Errorf("read state: %w", err))
				return
			}
			s, err := f.skipped(kv.Key, kv.Value)
			if !yield(s, err) || err != nil {
				return
			}
		}
	}
}

func (f *field) skipped(key, value []byte) (Skipped, error) {
	_, ref, ok := parsePlace(key[1:])
	r, ok2 := decodeRecord(value)
	if !ok || !ok2 {
		return Skipped{}, &Corrupt{Key: append([]byte(nil), key...), Reason: "not an ignored op"}
	}
	device, person, err := f.who(r.author)
	return Skipped{Ref: ref, Author: device, Identity: person, Time: r.time, Reason: string(r.rest)}, err
}

// checkValue judges the payload of an op that writes a value.
func checkValue(s *schema.Schema, op *Op) error {
	if op.Payload == nil {
		return ignored(op.Action+" carries no value", nil)
	}
	if len(op.Payload) > MaxValue {
		return ignored(fmt.Sprintf("the value has %d bytes, more than %d: use a blob", len(op.Payload), MaxValue), nil)
	}
	if s == nil {
		if err := object.Check(op.Payload); err != nil {
			return ignored("the value is not canonical CBOR", err)
		}
		return nil
	}
	v, err := object.Decode(op.Payload)
	if err != nil {
		return ignored("the value is not canonical CBOR", err)
	}
	if err := s.Check(v); err != nil {
		return ignored("the value breaks the schema", err)
	}
	return nil
}

// checkRefs judges how many ops an op names.
func checkRefs(op *Op, max int) error {
	if len(op.Refs) > max {
		return ignored(fmt.Sprintf("%s names %d ops, at most %d are allowed", op.Action, len(op.Refs), max), nil)
	}
	return nil
}

// unknownAction judges an action that the type does not have.
func unknownAction(typ string, op *Op) error {
	return ignored(fmt.Sprintf("a %s has no action %q", typ, clip(op.Action, 40)), nil)
}

// appliedIgnored stores op as ignored if its Check failed with *Ignored; done tells that Apply has nothing left to do.
func (f *field) appliedIgnored(op *Op, check error) (done bool, err error) {
	switch why := check.(type) {
	case nil:
		return false, nil
	case *Ignored:
		return true, f.ignore(op, why)
	}
	return true, check
}
