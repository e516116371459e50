package crdt

import (
	"fmt"
	"iter"
	"slices"

	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/store"
)

// SetAdd makes the op that adds an element. Adding one that is there already is not idle: it wins against a removal
// elsewhere that has not seen it.
func SetAdd(value []byte) Draft { return Draft{Action: ActionAdd, Payload: value} }

// SetRemove makes the ops that remove an element: none if it is not in the set, and more than one only if it has more
// than MaxRefs live adds.
func SetRemove(env *Env, value []byte) ([]Draft, error) {
	e, err := on(env).element(SetKey(value))
	if err != nil {
		return nil, err
	}
	adds, err := e.live.all()
	if err != nil {
		return nil, err
	}
	if len(adds) == 0 {
		return nil, nil
	}
	var refs []history.OpRef
	for _, it := range adds {
		ref, ok := parseRef([]byte(it.id))
		if !ok {
			return nil, &Corrupt{Key: e.live.headKey(), Reason: "not an add"}
		}
		if !ref.IsZero() {
			refs = append(refs, ref)
		}
	}
	payload, err := object.Encode(e.key)
	if err != nil {
		return nil, fmt.Errorf("encode element's key: %w", err)
	}
	if len(refs) == 0 { // all its adds are of the commit being built
		return []Draft{{Action: ActionRemove, Payload: payload}}, nil
	}
	var drafts []Draft
	for chunk := range slices.Chunk(refs, MaxRefs) {
		drafts = append(drafts, Draft{Action: ActionRemove, Refs: chunk, Payload: payload})
	}
	return drafts, nil
}

// SetHas tells whether a value, given as canonical bytes, is in the set. It needs only State.
func SetHas(env *Env, value []byte) (bool, error) {
	b, err := on(env).bundle(SetKey(value))
	return err == nil && !b.gone, err
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
		lo = append(join(spaceShown, r.After, ""), 0) // the least key above the cursor
	}
	if r.Before != nil {
		hi = join(spaceShown, r.Before, "")
	}
	return func(yield func(Entry, error) bool) {
		f := on(env)
		for kv, err := range env.State.Scan(lo, hi, r.Reverse) {
			if err != nil {
				yield(Entry{}, fmt.Errorf("read state: %w", err))
				return
			}
			e, err := f.setEntry(kv)
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// setEntry makes the visible form of an element.
func (f *field) setEntry(kv store.KV) (Entry, error) {
	b, err := f.bundleAt(kv)
	if err != nil {
		return Entry{}, err
	}
	adds, err := b.all()
	if err != nil {
		return Entry{}, err
	}
	var first Entry
	var by record
	for i, it := range adds {
		ref, ok := parseRef([]byte(it.id))
		height, ok2 := liveHeight(it.record)
		if !ok || !ok2 {
			return Entry{}, &Corrupt{Key: b.headKey(), Reason: "not a live add"}
		}
		if i == 0 || height < first.Height || height == first.Height && ref.Compare(first.Ref) < 0 {
			first, by = Entry{Ref: ref, Height: height}, it.record
		}
	}
	value, err := f.elementValue(b.key)
	if err != nil {
		return Entry{}, err
	}
	return f.entry(b.key, first.Ref, first.Height, by, value)
}
