package replica

import (
	"fmt"

	"github.com/hyperhyperspace/hhs-go/crdt"
	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/store"
)

// applier puts the ops of a commit into the state of their fields. It is the
// one place where that happens: in the door, and in the lane for a commit that
// the next Update of its group must be able to read.
type applier struct {
	space  *Space
	kind   *kind
	tx     *store.Tx
	past   crdt.Past
	device identity.PublicKey
	person identity.PublicKey
	envs   []fieldEnv // of the fields met so far
}

// fieldEnv is what the type of a field works on.
type fieldEnv struct {
	field *field
	env   *crdt.Env
}

// env is what ops on a field are applied to, the same for all of them.
func (a *applier) env(f *field) *crdt.Env {
	for _, e := range a.envs {
		if e.field == f {
			return e.env
		}
	}
	env := &crdt.Env{State: f.state(a.tx), Past: a.past, Schema: f.schema, Space: a.space.id, New: true} // commits that are here do not enter again
	a.envs = append(a.envs, fieldEnv{f, env})
	return env
}

// apply returns the visible changes.
func (a *applier) apply(c *history.Commit, payloads [][]byte, height uint64, effective bool) ([]Change, error) {
	var changes []Change
	for i, op := range c.Env.Ops {
		if op.Field == "" {
			continue
		}
		f, err := a.kind.field(op.Field)
		if err != nil {
			return nil, err
		}
		ch, err := f.typ.Apply(a.env(f), crdt.Op{Ref: history.OpRef{Commit: c.ID, Index: uint32(i)}, Height: height, Author: a.device,
			Identity: a.person, Time: c.Env.Time, Action: op.Action, Refs: op.Refs, Payload: payloads[i]}, effective)
		if err != nil {
			return nil, fmt.Errorf("field %s: %w", op.Field, err)
		}
		for _, one := range ch {
			changes = append(changes, Change{Field: op.Field, Change: one})
		}
	}
	return changes, nil
}
