package crdt

import (
	"fmt"
	"iter"
	"strconv"

	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/schema"
)

// ActionMake is the action of a map of records: make one under a key.
const ActionMake = "make"

// recordType takes the ops on a key of a map of records: those which make one, and removals. They are one cell: of the
// records that are made by an effective op before no other effective one of the key, the greatest is shown. A removal hides
// what is in its past, and a record that it has not seen stays.
type recordType struct{}

// Name implements [Type].
func (recordType) Name() string { return "record" }

// Check implements [Type].
func (recordType) Check(_ *schema.Schema, op Op) error {
	if op.Action != ActionMake && op.Action != ActionRemove {
		return ignored(fmt.Sprintf("under a key of a map of records there is no action %q", clip(op.Action, 40)), nil)
	}
	return checkBare(&op)
}

// checkBare judges an op that carries no value.
func checkBare(op *Op) error {
	if op.Payload != nil {
		return ignored(op.Action+" carries no value", nil)
	}
	return checkRefs(op, MaxRefs)
}

// Apply implements [Type].
func (t recordType) Apply(env *Env, op Op, effective bool) ([]Change, error) {
	f := on(env)
	if done, err := f.appliedIgnored(&op, t.Check(nil, op)); done {
		return nil, err
	}
	if op.Action == ActionMake {
		if err := f.put(markOf(appendRef([]byte{spaceMade}, op.Ref)), []byte{}); err != nil {
			return nil, err
		}
	}
	return (&cell{field: f, makes: true}).apply(&op, effective)
}

// Flip implements [Type].
func (recordType) Flip(env *Env, op Op, effective bool) ([]Change, error) {
	return (&cell{field: on(env), makes: true}).flip(&op, effective)
}

// Shows implements [Shower].
func (recordType) Shows(env *Env) (bool, error) { return showsCell(env) }

// Reads implements [Foreteller].
func (recordType) Reads(*Op) [][]byte { return [][]byte{{spaceShown}} }

// showsCell tells whether the only cell of a value shows anything.
func showsCell(env *Env) (bool, error) {
	b, err := on(env).bundle(nil)
	if err != nil {
		return false, err
	}
	_, ok, err := shownLast(b)
	return ok, err
}

// keep puts a key into a map, or takes it out.
func (f *field) keep(key string, shows bool) error {
	at := join(spaceShown, nil, key)
	v, err := f.get(at)
	switch {
	case err != nil || shows == (v != nil):
		return err
	case shows:
		err = f.put(at, []byte{})
	default:
		err = f.remove(at)
	}
	if err != nil {
		return err
	}
	if shows {
		return f.bump(1)
	}
	return f.bump(-1)
}

// RecordID is the id of a record that an op made under a key of a map: the commit's, a dot and the index. The op is not of
// a commit that is still being built.
func RecordID(maker history.OpRef) string {
	return maker.Commit.String() + "." + strconv.FormatUint(uint64(maker.Index), 10)
}

// recordValue is what a change shows of a record: its id, as canonical CBOR.
func recordValue(maker history.OpRef) []byte {
	if maker.IsZero() {
		return nil
	}
	block, err := object.Encode(RecordID(maker))
	if err != nil {
		return nil // no text of an id is too long
	}
	return block
}

// MapLen reads the number of keys. It is kept: no key is read.
func MapLen(env *Env) (uint64, error) { return on(env).count() }

// MapHas tells whether a key is there. It needs only State.
func MapHas(env *Env, key string) (bool, error) {
	v, err := on(env).get(join(spaceShown, nil, key))
	return v != nil, err
}

// MapRange is a stretch of a map's keys in the order of their bytes. The zero value is all of them. A key serves as a
// cursor whether or not it is there.
type MapRange struct {
	From    string // only keys from this one on; empty: from the first
	After   string // only keys after this one
	To      string // only keys before this one; empty: to the last
	Reverse bool   // from the last one backwards
}

// MapKeys yields the keys of a range; a caller that has enough stops, and no more are read. An error ends it.
func MapKeys(env *Env, r MapRange) iter.Seq2[string, error] {
	from := r.From
	if r.After != "" && r.After >= from {
		from = r.After + "\x00" // the least text above it
	}
	lo, hi := join(spaceShown, nil, from), after([]byte{spaceShown})
	if r.To != "" {
		hi = join(spaceShown, nil, r.To)
	}
	return func(yield func(string, error) bool) {
		if string(lo) >= string(hi) {
			return
		}
		for kv, err := range env.State.Scan(lo, hi, r.Reverse) {
			if err != nil {
				yield("", fmt.Errorf("read state: %w", err))
				return
			}
			if !yield(string(kv.Key[1:]), nil) {
				return
			}
		}
	}
}

// RecordShown reads which record is shown under a key of a map, given the environment of the key (a path that ends with
// it); ok is false when there is none. Ref is the op that made it, and Value its id ([RecordID]) as canonical CBOR.
func RecordShown(env *Env) (e Entry, ok bool, err error) {
	e, ok, err = valueIn(env, nil)
	e.Value = recordValue(e.Ref)
	return e, ok, err
}

// RecordConflicts reads all records that were made under a key concurrently, the shown one first.
func RecordConflicts(env *Env) ([]Entry, error) {
	all, err := shownIn(env, nil)
	for i := range all {
		all[i].Value = recordValue(all[i].Ref)
	}
	return all, err
}

// MapMake makes the op that makes a record under the key of env. It names the ones it replaces. The record is reached by a
// step with the op.
func MapMake(env *Env) (Draft, error) {
	shown, err := shownIn(env, nil)
	return Draft{Action: ActionMake, Refs: replaced(env, shown)}, err
}

// MapRemove makes the ops that take the key of env out of its map: none if it is not there. A set loses its elements, at
// most [MaxClear]; what only grows is refused.
func MapRemove(env *Env) ([]Draft, error) {
	switch typ := env.Shape.Type.(type) {
	case registerType, nil:
		shown, err := shownIn(env, nil)
		if err != nil || len(shown) == 0 {
			return nil, err
		}
		return []Draft{{Action: ActionRemove, Refs: replaced(env, shown)}}, nil
	case setType:
		if typ.removals {
			return SetClear(env)
		}
	}
	return nil, &PathError{Path: env.text, Reason: "a key of a map of " + env.Shape.Type.Name() + "s cannot be removed"}
}

// SetClear makes the ops that take all elements out of a set, one or more for each. A set of more than [MaxClear] is
// refused: it takes several transactions, each of which removes some.
func SetClear(env *Env) ([]Draft, error) {
	n, err := SetLen(env)
	if err == nil && n > MaxClear {
		err = fmt.Errorf("the set has %d elements, and one transaction takes out at most %d: remove them in several", n, MaxClear)
	}
	if err != nil {
		return nil, err
	}
	var drafts []Draft
	for e, err := range SetScan(env, SetRange{}) {
		if err != nil {
			return nil, err
		}
		one, err := SetRemove(env, e.Value)
		if err != nil {
			return nil, err
		}
		drafts = append(drafts, one...)
	}
	return drafts, nil
}
