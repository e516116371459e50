package crdt_test

import (
	"crypto/sha256"
	"fmt"
	"testing"

	"github.com/hyperhyperspace/hhs-go/crdt"
	"github.com/hyperhyperspace/hhs-go/crdt/crdttest"
	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/schema"
)

// world is a small history told by name: commit "b" after "a" is w.after("b", "a").
type world struct {
	env    *crdt.Env
	state  *crdttest.State
	past   map[object.ID]map[object.ID]bool
	height map[object.ID]uint64
}

func newWorld(s *schema.Schema) *world {
	w := &world{state: crdttest.NewState(), past: map[object.ID]map[object.ID]bool{}, height: map[object.ID]uint64{}}
	w.env = &crdt.Env{State: w.state, Past: w, Ops: crdttest.NewBook(), Schema: s}
	return w
}

// Before implements crdt.Past.
func (w *world) Before(a, b history.OpRef) (bool, error) { return w.past[b.Commit][a.Commit], nil }

// Diff implements crdt.Past.
func (w *world) Diff(a, b []uint64) (onlyA, onlyB []history.Span, err error) {
	return w.env.Ops.(*crdttest.Book).Diff(func(a, b object.ID) bool { return w.past[b][a] }, a, b)
}

func idOf(name string) object.ID { return object.Sum(object.DagCBOR, []byte(name)) }

// keyOf makes a key from a name; nothing is signed.
func keyOf(name string) identity.PublicKey {
	h := sha256.Sum256([]byte(name))
	h[31] &= 0x3f // below the prime, so that the encoding is canonical
	k, err := identity.PublicKeyFromBytes(append([]byte{0xed, 0x01}, h[:]...))
	if err != nil {
		panic(err)
	}
	return k
}

// after places a commit behind others.
func (w *world) after(name string, parents ...string) *world {
	id := idOf(name)
	w.past[id], w.height[id] = map[object.ID]bool{}, 1
	for _, p := range parents {
		pid := idOf(p)
		w.past[id][pid] = true
		for q := range w.past[pid] {
			w.past[id][q] = true
		}
		w.height[id] = max(w.height[id], w.height[pid]+1)
	}
	return w
}

// op makes the only op of a commit.
func (w *world) op(name, action string, payload []byte) crdt.Op {
	return crdt.Op{Ref: history.OpRef{Commit: idOf(name)}, Height: max(1, w.height[idOf(name)]), Author: keyOf("phone"),
		Identity: keyOf("alice"), Time: 1700000000000, Action: action, Payload: payload}
}

func encode(t testing.TB, v any) []byte {
	t.Helper()
	b, err := object.Encode(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func apply(t testing.TB, env *crdt.Env, typ crdt.Type, op crdt.Op, effective bool) {
	t.Helper()
	if _, err := typ.Apply(env, know(env, op), effective); err != nil {
		t.Fatalf("apply %s: %v", op.Action, err)
	}
}

// know writes an op into the book of its world.
func know(env *crdt.Env, op crdt.Op) crdt.Op { return env.Ops.(*crdttest.Book).Add(op) }

func typeOf(t testing.TB, name string) crdt.Type {
	t.Helper()
	typ, ok := crdt.ByName(name)
	if !ok {
		t.Fatalf("no type %q", name)
	}
	return typ
}

func ExampleRegisterSet() {
	w := newWorld(nil).after("a").after("b", "a")
	typ, _ := crdt.ByName("register")
	for i, name := range []string{"a", "b"} {
		payload, _ := object.Encode(fmt.Sprint("topic ", i))
		draft, _ := crdt.RegisterSet(w.env, payload)
		op := w.op(name, draft.Action, draft.Payload)
		op.Refs = draft.Refs
		changes, _ := typ.Apply(w.env, know(w.env, op), true)
		fmt.Printf("names %d, before %q, after %q\n", len(op.Refs), changes[0].Before, changes[0].After)
	}
	// Output:
	// names 0, before "", after "gtopic 0"
	// names 1, before "gtopic 0", after "gtopic 1"
}
