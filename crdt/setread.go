package crdt

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"iter"
	"slices"

	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/object"
)

// SetAdd makes the op that adds an element. Adding one that is there already is not idle: it wins against a removal
// elsewhere that has not seen it.
func SetAdd(value []byte) Draft { return Draft{Action: ActionAdd, Payload: value} }

// SetRemove makes the ops that remove an element: none if it is not in the set, and more than one only if it has more
// than MaxRefs live adds.
func SetRemove(env *Env, value []byte) ([]Draft, error) {
	e := &element{on(env), SetKey(value)}
	var refs []history.OpRef
	prefix := e.liveKey(nil)
	for kv, err := range env.State.Scan(prefix, after(prefix), false) {
		if err != nil {
			return nil, fmt.Errorf("read state: %w", err)
		}
		ref, ok := parseRef(kv.Key[len(prefix):])
		if !ok {
			return nil, &Corrupt{Key: bytes.Clone(kv.Key), Reason: "not an add"}
		}
		refs = append(refs, ref)
	}
	payload, err := object.Encode(e.key)
	if err != nil {
		return nil, fmt.Errorf("encode element's key: %w", err)
	}
	var drafts []Draft
	for chunk := range slices.Chunk(refs, MaxRefs) {
		drafts = append(drafts, Draft{Action: ActionRemove, Refs: chunk, Payload: payload})
	}
	return drafts, nil
}

// SetHas tells whether a value, given as canonical bytes, is in the set. It needs only State.
func SetHas(env *Env, value []byte) (bool, error) {
	return (&element{on(env), SetKey(value)}).live()
}

// SetLen reads the number of elements. It is kept as a counter: no element is read.
func SetLen(env *Env) (uint64, error) { return on(env).count() }

// SetRange is a stretch of a set in the order of keys ([SetKey]): short values by their canonical bytes, then long ones
// by their hash. The zero value is all of it. Cursors are the Key of an Entry or of a Change.
type SetRange struct {
	After   []byte // only elements after this key; nil: from the first
	Before  []byte // only elements before this key; nil: to the last
	Reverse bool   // from the last one backwards
}

// SetScan yields the elements of a range. Author, time and ref are those of the element's first live add, by (height,
// commit id, index). A caller that has enough stops, and no more are read. It needs only State. An error ends it.
func SetScan(env *Env, r SetRange) iter.Seq2[Entry, error] {
	lo, hi := []byte{spaceShown}, after([]byte{spaceShown})
	if r.After != nil {
		lo = after(join(spaceShown, r.After, ""))
	}
	if r.Before != nil {
		hi = join(spaceShown, r.Before, "")
	}
	return func(yield func(Entry, error) bool) {
		f := on(env)
		var group liveAdd // the first add so far of the element being read
		for kv, err := range env.State.Scan(lo, hi, r.Reverse) {
			if err != nil {
				yield(Entry{}, fmt.Errorf("read state: %w", err))
				return
			}
			add, err := parseLiveAdd(kv.Key, kv.Value)
			if err != nil {
				yield(Entry{}, err)
				return
			}
			switch {
			case group.key == nil:
				group = add.keep()
			case !bytes.Equal(group.key, add.key):
				if e, err := f.setEntry(group); !yield(e, err) || err != nil {
					return
				}
				group = add.keep()
			case add.less(group):
				group = add.keep()
			}
		}
		if group.key != nil {
			yield(f.setEntry(group))
		}
	}
}

// liveAdd is a live add as SetScan reads it.
type liveAdd struct {
	key    []byte
	ref    history.OpRef
	height uint64
	record record
}

// parseLiveAdd aliases key and value.
func parseLiveAdd(key, value []byte) (liveAdd, error) {
	bad := func() (liveAdd, error) {
		return liveAdd{}, &Corrupt{Key: bytes.Clone(key), Reason: "not a live add"}
	}
	n, ok := keyLen(key[1:])
	if !ok {
		return bad()
	}
	ref, ok := parseRef(key[1+n:])
	if !ok {
		return bad()
	}
	r, ok := decodeRecord(value)
	if !ok {
		return bad()
	}
	height, ok := liveHeight(r)
	if !ok {
		return bad()
	}
	return liveAdd{key[1 : 1+n], ref, height, r}, nil
}

// keyLen returns the length of the element's key that b begins with.
func keyLen(b []byte) (int, bool) {
	switch {
	case len(b) > 1 && b[0] == keyInline:
		raw, err := object.NewReader(b[1:]).Raw()
		return 1 + len(raw), err == nil
	case len(b) > sha256.Size && b[0] == keyHashed:
		return 1 + sha256.Size, true
	}
	return 0, false
}

// keep copies what aliases the scan.
func (a liveAdd) keep() liveAdd {
	a.key = bytes.Clone(a.key)
	a.record.rest = nil
	return a
}

func (a liveAdd) less(b liveAdd) bool {
	if a.height != b.height {
		return a.height < b.height
	}
	return a.ref.Compare(b.ref) < 0
}

func (f *field) setEntry(a liveAdd) (Entry, error) {
	value, err := (&element{f, a.key}).value()
	if err != nil {
		return Entry{}, err
	}
	return f.entry(a.key, a.ref, a.height, a.record, value)
}
