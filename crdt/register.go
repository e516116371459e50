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
// Under a key of a map it can be removed as well: a removal hides what is in its past and shows nothing.
type registerType struct{ keyed bool }

func (registerType) Name() string { return "register" }

func (t registerType) Check(s *schema.Schema, op Op) error {
	if t.keyed && op.Action == ActionRemove {
		return checkBare(&op)
	}
	return checkSet("register", s, &op)
}

// Shows implements [Shower].
func (registerType) Shows(env *Env) (bool, error) { return showsCell(env) }

// Reads implements [Foreteller]: its bundle, which is one of many under the keys of a map.
func (registerType) Reads(*Op) [][]byte { return [][]byte{{spaceShown}} }

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

// Flip implements [Type].
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
	return Draft{Action: ActionSet, Payload: payload, Refs: replaced(env, shown)}, nil
}

// replaced lists the ops that one which replaces what is shown names. What is left out is replaced by the order of commits.
func replaced(env *Env, shown []Entry) []history.OpRef {
	var refs []history.OpRef
	for _, e := range shown {
		if !e.Ref.Commit.IsZero() && len(refs) < on(env).maxRefs() {
			refs = append(refs, e.Ref)
		}
	}
	order.By(refs, history.OpRef.Compare)
	return refs
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

// shownLast finds the greatest op of a cell's bundle that shows something.
func shownLast(b *bundle) (it item, ok bool, err error) {
	return b.last(flagEffective, flagRemoval)
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
		if it.flags&(flagEffective|flagRemoval) != flagEffective {
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
