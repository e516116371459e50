package replica

import (
	"fmt"

	"github.com/hyperhyperspace/hhs-go/authority"
	"github.com/hyperhyperspace/hhs-go/crdt"
	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/store"
)

// applier puts the ops of a commit into the state of their fields. It is the
// one place where that happens: in the door, and in the lane for a commit that
// the next Update of its group must be able to read.
type applier struct {
	space *Space
	kind  *kind
	tx    *store.Tx
	past  crdt.Past
	ops   opSource
	quiet bool       // nobody wants the changes
	most  int        // bytes that may be written before it gives up taking back; 0: any number
	envs  []fieldEnv // of the fields met so far
	undos undos
}

// fieldEnv is what the type of a field works on.
type fieldEnv struct {
	field *field
	env   *crdt.Env
}

// env is what ops on a field are applied to, the same for all of them.
func (a *applier) env(f *field) *crdt.Env {
	for i, e := range a.envs {
		switch {
		case e.field == f:
			return e.env
		case e.field.slot == f.slot: // as another change of the schema declares it
			a.envs[i].field, e.env.Shape, e.env.Schema = f, f.shape, f.shape.Schema
			return e.env
		}
	}
	env := f.env(a.space, f.state(a.tx), a.past, a.ops)
	env.Quiet = a.quiet
	a.envs = append(a.envs, fieldEnv{f, env})
	return env
}

// foreseeFrom is the number of commits from which on what their ops read is read
// in one go, before them.
const foreseeFrom = 16

// foresee reads what the door and the types are going to read.
func (a *applier) foresee(kind *kind, fresh []*entering) error {
	if kind == nil || len(fresh) < foreseeFrom {
		return nil
	}
	var keys [][]byte
	for i, in := range fresh {
		if i%paceEvery == 0 {
			a.space.node.cfg.Pace()
		}
		keys = append(keys, a.space.keys.index(in.commit.ID))
		payloads, err := in.commit.Payloads()
		if err != nil {
			continue // the door says so when it is this commit's turn
		}
		for i := range in.commit.Env.Ops {
			op := &in.commit.Env.Ops[i]
			if op.Field == "" {
				continue
			}
			f, err := kind.field(op.Field)
			if err != nil {
				continue
			}
			if typ, ok := f.typ.(crdt.Foreteller); ok {
				for _, key := range typ.Reads(&crdt.Op{Ref: history.OpRef{Commit: in.commit.ID}, Action: op.Action, Refs: op.Refs, Payload: payloads[i]}) {
					keys = append(keys, (&fieldState{prefix: f.prefix}).key(key))
				}
			}
		}
	}
	if err := a.tx.Fetch(keys); err != nil {
		return fmt.Errorf("read state of space %s: %w", a.space.id.Short(), err)
	}
	return nil
}

// apply takes the ops of a commit in and returns the visible changes, with
// those of what it takes back. Past undoAtOnce ops the types hear of that only
// from turn, after all commits.
func (a *applier) apply(w *whole) ([]Change, error) {
	var changes []Change
	undos := false
	for i := range w.commit.Env.Ops {
		op := &w.commit.Env.Ops[i]
		if op.Field == "" || op.Field == authority.UndoField {
			undos = undos || op.Field != ""
			continue
		}
		f, err := a.kind.field(op.Field)
		if err != nil {
			return nil, err
		}
		ch, err := f.typ.Apply(a.env(f), w.op(i), true)
		if err == nil && ofKind(op) {
			err = a.nameBlobs(w.payloads[i], w.num, uint32(i), true)
		}
		if err != nil {
			return nil, fmt.Errorf("field %s: %w", op.Field, err)
		}
		for _, one := range ch {
			if a.quiet {
				break
			}
			changes = append(changes, Change{Field: op.Field, Change: one})
		}
	}
	if undos {
		turned, err := a.takeUndos(w)
		return append(changes, turned...), err
	}
	return changes, nil
}
