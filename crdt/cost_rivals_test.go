package crdt_test

import (
	"fmt"
	"testing"

	"github.com/hyperhyperspace/hhs-go/crdt"
	"github.com/hyperhyperspace/hhs-go/crdt/crdttest"
	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/object"
)

// rivals is a history in which nobody but one commit has seen anybody.
type rivals struct{ knows, known object.ID }

// Before implements crdt.Past.
func (r rivals) Before(a, b history.OpRef) (bool, error) {
	return b.Commit == r.knows && a.Commit == r.known, nil
}

// Diff implements crdt.Past.
func (r rivals) Diff(a, b []uint64) (onlyA, onlyB []history.Span, err error) { return nil, nil, nil }

// TestCostAmongRivals: one commit that writes a value many times while many others wrote it too costs each of its writes no look
// at each of the others, also when it is taken back and given again: in all some looks for each, and not their product.
func TestCostAmongRivals(t *testing.T) {
	const writes, others = 300, 300
	for _, name := range []string{"register", "once"} {
		for _, height := range []uint64{1, 9} { // of the rivals: below the commit, above it
			t.Run(fmt.Sprint(name, "/", height), func(t *testing.T) {
				typ := typeOf(t, name)
				commit, base := idOf("the commit"), idOf("base")
				m := &meter{State: crdttest.NewState(), Past: rivals{commit, base}}
				env := &crdt.Env{State: m, Past: m, Ops: crdttest.NewBook()}
				write := func(id object.ID, height uint64, index int) crdt.Op {
					return know(env, crdt.Op{Ref: history.OpRef{Commit: id, Index: uint32(index)}, Height: height, Author: keyOf("phone"),
						Identity: keyOf("alice"), Action: crdt.ActionSet, Payload: encode(t, fmt.Sprint("value ", index))})
				}
				apply(t, env, typ, write(base, 4, 0), name == "register") // an effective one would be before all
				for i := range others {
					apply(t, env, typ, write(idOf(fmt.Sprint("rival ", i)), height, 0), true)
				}
				var ops []crdt.Op
				m.n = 0
				for i := range writes {
					op := write(commit, 5, i)
					ops = append(ops, op)
					apply(t, env, typ, op, true)
				}
				spent := func(what string) {
					t.Helper()
					if limit := 30 * (writes + others); m.n > limit {
						t.Errorf("%s: %d looks for %d writes among %d others, at most %d are needed", what, m.n, writes, others, limit)
					}
					m.n = 0
				}
				spent("apply")
				flip := func(i int, effective bool) {
					t.Helper()
					if _, err := typ.Flip(env, ops[i], effective); err != nil {
						t.Fatal(err)
					}
				}
				late := (&crdt.Shape{Type: typ}).EarliestWins(&ops[0])
				for i := range ops {
					if late {
						i = writes - 1 - i
					}
					flip(i, false)
				}
				spent("take back")
				for i := range ops {
					flip(i, true)
				}
				spent("give again")
				for i := range writes {
					apply(t, env, typ, write(commit, 5, writes+i), false)
				}
				spent("apply void ones")
			})
		}
	}
}

// TestCostOfTakingBack: to take back 4,096 ops and to give them again, each told in its order, costs some looks for each.
func TestCostOfTakingBack(t *testing.T) {
	const commits, each = 64, 64
	text := &crdt.Shape{Type: typeOf(t, "register")}
	shapes := map[string]*crdt.Shape{"map of register": {Of: text}, "map of once": {Of: &crdt.Shape{Type: typeOf(t, "once")}}}
	for _, typ := range crdt.Types() {
		shapes[typ.Name()] = &crdt.Shape{Type: typ}
	}
	for name, shape := range shapes {
		t.Run(name, func(t *testing.T) {
			typ, past := shape.Field(), line{}
			m := &meter{State: crdttest.NewState(), Past: past}
			env := &crdt.Env{State: m, Past: m, Ops: crdttest.NewBook(), Shape: shape, Quiet: true}
			var ops []crdt.Op
			for i := range commits {
				id := idOf(fmt.Sprint(i))
				past[id] = i
				for j := range each {
					op := crdt.Op{Ref: history.OpRef{Commit: id, Index: uint32(j)}, Height: uint64(i + 1), Author: keyOf("phone"), Identity: keyOf("alice")}
					op.Action, op.Payload = writing(t, shape, fmt.Sprint(i, " ", j))
					op = know(env, op)
					ops = append(ops, op)
					if _, err := typ.Apply(env, op, true); err != nil {
						t.Fatal(err)
					}
				}
			}
			for _, effective := range []bool{false, true} {
				m.n = 0
				for n := range ops {
					if shape.EarliestWins(&ops[n]) != effective { // as package replica does it
						n = len(ops) - 1 - n
					}
					if _, err := typ.Flip(env, ops[n], effective); err != nil {
						t.Fatal(err)
					}
				}
				if limit := 16 * len(ops); m.n > limit {
					t.Errorf("effective %v: %d looks for %d ops, at most %d are needed", effective, m.n, len(ops), limit)
				}
			}
		})
	}
}

// writing is the action and payload of a write, under one of a few keys where the shape is a map.
func writing(t testing.TB, shape *crdt.Shape, text string) (string, []byte) {
	if shape.Of != nil {
		action, value := writing(t, shape.Of, text)
		return action, wrap(t, text[len(text)-1:], value)
	}
	switch shape.Type.Name() {
	case "list":
		return crdt.ActionEdit, encode(t, []any{[]byte{0, 1}, []any{text}})
	case "text":
		return crdt.ActionEdit, encode(t, []any{[]byte{0, 1}, text[:1]})
	}
	return action(shape.Type), payload(t, shape.Type, text)
}

// wrap puts a value behind the path of a key.
func wrap(t testing.TB, key string, value []byte) []byte {
	return append(append([]byte{0x82}, encode(t, []any{key})...), value...)
}

// TestCostOfAPage: the first page of a map is read without the rest, however many keys there are.
func TestCostOfAPage(t *testing.T) {
	shape := &crdt.Shape{Of: &crdt.Shape{Type: typeOf(t, "register")}}
	cost := func(keys int) int {
		past := line{idOf("one"): 1}
		m := &meter{State: crdttest.NewState(), Past: past}
		env := &crdt.Env{State: m, Past: m, Ops: crdttest.NewBook(), Shape: shape, Quiet: true}
		for i := range keys {
			op := crdt.Op{Ref: history.OpRef{Commit: idOf("one"), Index: uint32(i)}, Height: 1, Author: keyOf("phone"), Identity: keyOf("alice"),
				Action: crdt.ActionSet, Payload: wrap(t, fmt.Sprintf("key %06d", i*7919%keys), encode(t, "v"))}
			if _, err := shape.Field().Apply(env, know(env, op), true); err != nil {
				t.Fatal(err)
			}
		}
		m.n = 0
		if n, err := crdt.MapLen(env); err != nil || n != uint64(keys) {
			t.Fatalf("%d keys of %d, error %v", n, keys, err)
		}
		got := 0
		for key, err := range crdt.MapKeys(env, crdt.MapRange{}) {
			if err != nil {
				t.Fatal(err)
			}
			inner, err := env.At(crdt.Step{Key: key})
			if err == nil {
				_, _, err = crdt.RegisterValue(inner)
			}
			if err != nil {
				t.Fatal(err)
			}
			if got++; got == 50 {
				break
			}
		}
		return m.n
	}
	few, many := cost(100), cost(100_000)
	if many > few || many > 50*maxTouched {
		t.Errorf("the first 50 of 100,000 keys take %d looks, those of 100 take %d", many, few)
	}
}
