package crdt

import (
	"bytes"
	"slices"

	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/internal/order"
	"github.com/hyperhyperspace/hhs-go/schema"
)

// ActionSet is the action of a register and of a profile: write a value.
const ActionSet = "set"

// registerType is "register": one value, written whole. The shown value is that of the greatest effective op, by
// (height, commit id, index), among those that are in the past of no other effective op; the others are its conflicts.
type registerType struct{}

func (registerType) Name() string { return "register" }

func (registerType) Check(s *schema.Schema, op Op) error { return checkSet("register", s, &op) }

// checkSet judges the op of a register or a profile.
func checkSet(typ string, s *schema.Schema, op *Op) error {
	if op.Action != ActionSet {
		return unknownAction(typ, op)
	}
	if err := checkRefs(op, MaxRefs); err != nil {
		return err
	}
	return checkValue(s, op)
}

func (t registerType) Apply(env *Env, op Op, effective bool) ([]Change, error) {
	f := on(env)
	if done, err := f.appliedIgnored(&op, t.Check(env.Schema, op)); done {
		return nil, err
	}
	return (&cell{field: f}).apply(&op, effective)
}

func (registerType) Flip(env *Env, op Op, effective bool) ([]Change, error) {
	return (&cell{field: on(env)}).flip(&op, effective)
}

// RegisterSet makes the op that writes a value into a register. It names the values it replaces.
func RegisterSet(env *Env, payload []byte) (Draft, error) { return setCell(env, nil, payload) }

func setCell(env *Env, key, payload []byte) (Draft, error) {
	shown, err := shownIn(env, key)
	if err != nil {
		return Draft{}, err
	}
	d := Draft{Action: ActionSet, Payload: payload}
	for _, e := range shown {
		if !e.Ref.IsZero() && len(d.Refs) < MaxRefs { // what is left out is replaced by the order of commits
			d.Refs = append(d.Refs, e.Ref)
		}
	}
	order.By(d.Refs, history.OpRef.Compare)
	return d, nil
}

// RegisterValue reads the shown value; ok is false when there is none. It needs only State.
func RegisterValue(env *Env) (e Entry, ok bool, err error) { return valueIn(env, nil) }

// RegisterConflicts reads all concurrent values, the shown one first. It needs only State.
func RegisterConflicts(env *Env) ([]Entry, error) { return shownIn(env, nil) }

func valueIn(env *Env, key []byte) (Entry, bool, error) {
	f := on(env)
	b, err := f.bundle(key)
	if err != nil {
		return Entry{}, false, err
	}
	return f.greatest(b)
}

// greatest returns the greatest shown op of a cell's bundle.
func (f *field) greatest(b *bundle) (e Entry, ok bool, err error) {
	it, ok, err := shownLast(b)
	if err != nil || !ok {
		return e, false, err
	}
	e, err = f.cellEntry(b.key, it)
	return e, err == nil, err
}

// shownLast finds the greatest shown op of a cell's bundle.
func shownLast(b *bundle) (it item, ok bool, err error) {
	return b.last(flagEffective)
}

func shownIn(env *Env, key []byte) ([]Entry, error) {
	f := on(env)
	b, err := f.bundle(key)
	if err != nil {
		return nil, err
	}
	items, err := b.all()
	if err != nil {
		return nil, err
	}
	var all []Entry
	for _, it := range slices.Backward(items) {
		if it.flags&flagEffective == 0 {
			continue
		}
		e, err := f.cellEntry(key, it)
		if err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	return all, nil
}

// cellEntry makes the visible form of a shown op.
func (f *field) cellEntry(key []byte, it item) (Entry, error) {
	height, ref, ok := parsePlace([]byte(it.id))
	if !ok {
		return Entry{}, &Corrupt{Key: join(spaceShown, key, it.id), Reason: "not an op's place"}
	}
	return f.entry(bytes.Clone(key), ref, height, it.record, it.rest)
}
