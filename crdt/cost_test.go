package crdt_test

import (
	"fmt"
	"iter"
	"testing"

	"github.com/hyperhyperspace/hhs-go/crdt"
	"github.com/hyperhyperspace/hhs-go/crdt/crdttest"
	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/store"
)

// meter counts what a type does to its state and how often it asks for the order.
type meter struct {
	crdt.State
	crdt.Past
	n int
}

func (m *meter) Get(k []byte) ([]byte, error) { m.n++; return m.State.Get(k) }
func (m *meter) Put(k, v []byte) error        { m.n++; return m.State.Put(k, v) }
func (m *meter) Delete(k []byte) error        { m.n++; return m.State.Delete(k) }

func (m *meter) Scan(lo, hi []byte, reverse bool) iter.Seq2[store.KV, error] {
	return func(yield func(store.KV, error) bool) {
		m.n++
		for kv, err := range m.State.Scan(lo, hi, reverse) {
			m.n++
			if !yield(kv, err) {
				return
			}
		}
	}
}

func (m *meter) Before(a, b history.OpRef) (bool, error) { m.n++; return m.Past.Before(a, b) }

// line is a history without branches: commit i is at height i.
type line map[object.ID]int

func (l line) Before(a, b history.OpRef) (bool, error) { return l[a.Commit] < l[b.Commit], nil }

// Diff implements crdt.Past: everything is in the past of everything behind it.
func (l line) Diff(a, b []uint64) (onlyA, onlyB []history.Span, err error) { return nil, nil, nil }

// maxTouched is what one Apply or Flip may read, write and ask where no op on the key is concurrent.
const maxTouched = 16

// TestCost: the work of an op does not grow with the field, nor with the history of a key.
func TestCost(t *testing.T) {
	const n = 3000
	for _, typ := range crdt.Types() {
		t.Run(typ.Name(), func(t *testing.T) {
			past := line{}
			m := &meter{State: crdttest.NewState(), Past: past}
			env := &crdt.Env{State: m, Past: m, Ops: crdttest.NewBook()}
			ops := make([]crdt.Op, n)
			measure := func(what string, tell func(*crdt.Env, crdt.Op, bool) ([]crdt.Change, error), op crdt.Op, effective bool) {
				m.n = 0
				if _, err := tell(env, know(env, op), effective); err != nil {
					t.Fatal(err)
				}
				if m.n > maxTouched {
					t.Fatalf("%s of op %d of %d touches %d", what, op.Height, n, m.n)
				}
			}
			for i := range ops {
				op := crdt.Op{Ref: history.OpRef{Commit: idOf(fmt.Sprint(i))}, Height: uint64(i + 1), Author: keyOf("phone"), Identity: keyOf("alice")}
				past[op.Ref.Commit] = i
				op.Action, op.Payload = action(typ), payload(t, typ, fmt.Sprint("value ", i))
				ops[i] = op
				measure("Apply", typ.Apply, op, true)
			}
			for i := n - 1; i > n/2; i-- { // an author's suffix becomes void, the latest first
				measure("Flip to void", typ.Flip, ops[i], false)
			}
			for i := n/2 + 1; i < n; i++ {
				measure("Flip back", typ.Flip, ops[i], true)
			}
		})
	}
}

// action is the one that writes a value.
func action(typ crdt.Type) string {
	switch typ.Name() {
	case "log":
		return crdt.ActionAppend
	case "fold":
		return crdt.ActionDo
	case "set", "growset", "counter":
		return crdt.ActionAdd
	}
	return crdt.ActionSet
}

// payload is a value that the type takes.
func payload(t testing.TB, typ crdt.Type, text string) []byte {
	if typ.Name() == "counter" {
		return encode(t, int64(len(text)))
	}
	return encode(t, text)
}

// TestBytesPerOp holds the state to its size on disk. The commit's id is 32 bytes of it, tags have 16.
func TestBytesPerOp(t *testing.T) {
	const n, text = 1000, 40
	for _, typ := range crdt.Types() {
		past, state := line{}, crdttest.NewState()
		env := &crdt.Env{State: state, Past: past, Ops: crdttest.NewBook()}
		for i := range n {
			op := crdt.Op{Ref: history.OpRef{Commit: idOf(fmt.Sprint(i))}, Height: uint64(i + 1), Author: keyOf("phone"), Identity: keyOf("alice"),
				Time: 1700000000000, Action: action(typ), Payload: payload(t, typ, fmt.Sprintf("%*d", text, i))}
			past[op.Ref.Commit] = i
			apply(t, env, typ, op, true)
		}
		keys, size := state.Size()
		limit, perOp := text+2+64, 1
		switch typ.Name() {
		case "profile":
			limit += 34 // the identity
		case "log", "fold":
			limit = 48 // the value is in the op
		case "set", "growset":
			limit, perOp = 48, 2 // one entry for the element and one for its place
		case "once":
			limit, perOp = 96, 2 // an entry, and one for a floor
		case "counter":
			limit = 8 // what is added is in the op
		}
		if each := float64(size) / n; each > float64(limit) || keys > perOp*n+2 {
			t.Errorf("%s: %d keys, %.1f bytes an op, at most %d", typ.Name(), keys, each, limit)
		}
	}
}

// BenchmarkRead10000 reads a field of 10,000 values from memory.
func BenchmarkRead10000(b *testing.B) {
	for _, name := range []string{"log", "set"} {
		typ, state := typeOf(b, name), crdttest.NewState()
		env := &crdt.Env{State: state, Past: line{}, Ops: crdttest.NewBook()}
		for i := range 10000 {
			op := crdt.Op{Ref: history.OpRef{Commit: idOf(fmt.Sprint(i))}, Height: uint64(i + 1), Author: keyOf(fmt.Sprint("device", i%20)),
				Action: action(typ), Payload: encode(b, fmt.Sprint("value ", i))}
			apply(b, env, typ, op, true)
		}
		gen, _ := crdttest.For(typ)
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if all, err := gen.Read(env); err != nil || len(all) != 10000 {
					b.Fatal(len(all), err)
				}
			}
		})
	}
}

// BenchmarkApply applies ops without concurrency.
func BenchmarkApply(b *testing.B) {
	for _, typ := range crdt.Types() {
		b.Run(typ.Name(), func(b *testing.B) {
			past := line{}
			env := &crdt.Env{State: crdttest.NewState(), Past: past, Ops: crdttest.NewBook()}
			for i := 0; b.Loop(); i++ {
				op := crdt.Op{Ref: history.OpRef{Commit: idOf(fmt.Sprint(i))}, Height: uint64(i + 1), Author: keyOf("phone"), Identity: keyOf("alice"),
					Action: action(typ), Payload: payload(b, typ, fmt.Sprint("value ", i))}
				past[op.Ref.Commit] = i
				apply(b, env, typ, op, true)
			}
		})
	}
}
