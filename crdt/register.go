package crdt

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/hyperhyperspace/hhs-go/history"
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
	for _, e := range shown[:min(len(shown), MaxRefs)] { // what is left out is replaced by the order of commits
		d.Refs = append(d.Refs, e.Ref)
	}
	slices.SortFunc(d.Refs, history.OpRef.Compare)
	return d, nil
}

// RegisterValue reads the shown value; ok is false when there is none. It needs only State.
func RegisterValue(env *Env) (e Entry, ok bool, err error) { return valueIn(env, nil) }

// RegisterConflicts reads all concurrent values, the shown one first. It needs only State.
func RegisterConflicts(env *Env) ([]Entry, error) { return shownIn(env, nil) }

func valueIn(env *Env, key []byte) (e Entry, ok bool, err error) {
	prefix := join(spaceShown, key, []byte{subShown})
	for kv, err := range env.State.Scan(prefix, after(prefix), true) {
		if err != nil {
			return e, false, fmt.Errorf("read state: %w", err)
		}
		e, err = on(env).cellEntry(kv.Key, kv.Value, len(key))
		return e, err == nil, err
	}
	return e, false, nil
}

func shownIn(env *Env, key []byte) ([]Entry, error) {
	f := on(env)
	var all []Entry
	prefix := join(spaceShown, key, []byte{subShown})
	for kv, err := range env.State.Scan(prefix, after(prefix), true) {
		if err != nil {
			return nil, fmt.Errorf("read state: %w", err)
		}
		e, err := f.cellEntry(kv.Key, kv.Value, len(key))
		if err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	return all, nil
}

// cellEntry reads a shown op of a cell whose key has n bytes.
func (f *field) cellEntry(key, value []byte, n int) (Entry, error) {
	s, err := parseSpot(key, value, 1+n)
	if err != nil {
		return Entry{}, err
	}
	height, ref, _ := parsePlace([]byte(s.at))
	return f.entry(bytes.Clone(key[1:1+n]), ref, height, s.record, s.rest)
}
