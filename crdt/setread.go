package crdt

import (
	"fmt"
	"iter"
	"slices"

	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/internal/order"
	"github.com/hyperhyperspace/hhs-go/object"
)

// SetAdd makes the op that adds an element. Adding one that is there already is not idle: it wins against a removal
// elsewhere that has not seen it.
func SetAdd(value []byte) Draft { return Draft{Action: ActionAdd, Payload: value} }

// SetRemove makes the ops that remove an element: none if it is not in the set, and more than one only if it has more
// than MaxRefs live adds.
func SetRemove(env *Env, value []byte) ([]Draft, error) {
	e, err := on(env).element(SetKey(value), valueTag(value))
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
		num, ok := liveNum(it.record)
		_, index, ok2 := parseSpot(it.id)
		if !ok || !ok2 {
			return nil, &Corrupt{Key: e.live.headKey(), Reason: "not an add"}
		}
		op, err := e.op(num, index)
		if err != nil {
			return nil, err
		}
		if !op.Ref.IsZero() {
			refs = append(refs, op.Ref)
		}
	}
	order.By(refs, history.OpRef.Compare)
	payload, err := object.Encode(e.key)
	if err != nil {
		return nil, fmt.Errorf("encode element's key: %w", err)
	}
	if len(refs) == 0 { // all its adds are of the commit being built
		return []Draft{{Action: ActionRemove, Payload: payload}}, nil
	}
	var drafts []Draft
	for chunk := range slices.Chunk(refs, on(env).maxRefs()) {
		drafts = append(drafts, Draft{Action: ActionRemove, Refs: chunk, Payload: payload})
	}
	return drafts, nil
}

// SetHas tells whether a value, given as canonical bytes, is in the set. It needs only State.
func SetHas(env *Env, value []byte) (bool, error) {
	e, err := on(env).element(nil, valueTag(value))
	return err == nil && !e.live.gone, err
}

// SetLen reads the number of elements. It is kept as a counter: no element is read.
func SetLen(env *Env) (uint64, error) { return on(env).count() }

// SetRange is a stretch of a set in its order, that of its elements' first live adds. The zero value is all of it. Cursors
// are those of an Entry; they stay valid when elements come and go.
type SetRange struct {
	After   []byte // only elements after this cursor; nil: from the first
	Before  []byte // only elements before this cursor; nil: to the last
	Reverse bool   // from the last one backwards
}

// SetScan yields the elements of a range in the order in which they were added: that of the first live add of each, by
// (height, commit id, index). Author, time and ref are of that add. A caller that has enough stops, and no more are read.
// Key is not
// filled in, [SetKey] of the value: it would be a hash for each element. It needs State and Ops. An error ends it.
func SetScan(env *Env, r SetRange) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		f := on(env)
		for at, err := range f.roll(r.After, r.Before, r.Reverse) {
			if err != nil {
				yield(Entry{}, err)
				return
			}
			op, err := f.op(at.num, at.index)
			if err != nil {
				yield(Entry{}, err)
				return
			}
			e := op.entry(nil)
			if e.Cursor = at.spot; !yield(e, nil) {
				return
			}
		}
	}
}
