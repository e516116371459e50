package crdt_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/hyperhyperspace/hhs-go/crdt"
	"github.com/hyperhyperspace/hhs-go/crdt/crdttest"
	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/object"
)

// TestCostOfLateSets: a value that somebody goes on setting is found again in a few steps when the one that is shown
// becomes void, however many there are.
func TestCostOfLateSets(t *testing.T) {
	const n = 2000
	typ, past := typeOf(t, "once"), line{}
	m := &meter{State: crdttest.NewState(), Past: past}
	env := &crdt.Env{State: m, Past: m, Ops: crdttest.NewBook()}
	ops := make([]crdt.Op, n)
	for i := range ops {
		ops[i] = crdt.Op{Ref: history.OpRef{Commit: idOf(fmt.Sprint(i))}, Height: uint64(i + 1), Author: keyOf("phone"), Identity: keyOf("eve"),
			Action: crdt.ActionSet, Payload: encode(t, fmt.Sprint(i))}
		past[ops[i].Ref.Commit] = i
		ops[i] = know(env, ops[i])
		apply(t, env, typ, ops[i], true)
	}
	const maxFlip = 2 * maxTouched // the values before and after are read, too
	for _, effective := range []bool{false, true} {
		for i := range n / 2 {
			if effective {
				i = n/2 - 1 - i
			}
			m.n = 0
			if _, err := typ.Flip(env, ops[i], effective); err != nil {
				t.Fatal(err)
			}
			if m.n > maxFlip {
				t.Fatalf("a change of op %d of %d to effective=%v touches %d", i, n, effective, m.n)
			}
			shown := ops[i]
			if !effective {
				shown = ops[i+1]
			}
			if e, ok, err := crdt.OnceValue(env); err != nil || !ok || e.Ref != shown.Ref {
				t.Fatalf("shown is %v, %v, %v, want %v", e.Ref, ok, err, shown.Ref)
			}
		}
	}
}

func ExampleOnceSet() {
	w := newWorld(nil).after("a").after("b", "a")
	typ, _ := crdt.ByName("once")
	for _, name := range []string{"a", "b"} {
		payload, _ := object.Encode("set by " + name)
		draft, err := crdt.OnceSet(w.env, payload)
		var set *crdt.AlreadySet
		if errors.As(err, &set) {
			fmt.Printf("it is %q already\n", set.Entry.Value)
			continue
		}
		_, _ = typ.Apply(w.env, know(w.env, w.op(name, draft.Action, draft.Payload)), true)
	}
	// Output:
	// it is "hset by a" already
}
