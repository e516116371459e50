package crdt_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/hyperhyperspace/hhs-go/crdt"
	"github.com/hyperhyperspace/hhs-go/crdt/crdttest"
	"github.com/hyperhyperspace/hhs-go/history"
)

// TestCostOfOneCommit: adds and removals of one element in one commit cost each the same however many there are, and so
// does a change of the commit's verdict, in whatever order its ops learn of it.
func TestCostOfOneCommit(t *testing.T) {
	typ, x := typeOf(t, "set"), encode(t, "x")
	key := encode(t, crdt.SetKey(x))
	for _, shape := range []struct {
		name    string
		removal func(i, n int) bool
	}{
		{"taking turns", func(i, _ int) bool { return i%2 == 1 }},
		{"adds, then removals", func(i, n int) bool { return i >= n/2 }},
		{"one removal in ten", func(i, _ int) bool { return i%10 == 9 }},
	} {
		t.Run(shape.name, func(t *testing.T) {
			cost := func(n int) (total int) {
				ops := make([]crdt.Op, n)
				for i := range ops {
					ops[i] = crdt.Op{Ref: history.OpRef{Commit: idOf("bomb"), Index: uint32(i)}, Height: 1, Author: keyOf("phone"), Identity: keyOf("eve")}
					if ops[i].Action, ops[i].Payload = crdt.ActionAdd, x; shape.removal(i, n) {
						ops[i].Action, ops[i].Payload = crdt.ActionRemove, key
					}
				}
				m := &meter{State: crdttest.NewState(), Past: line{}}
				env := &crdt.Env{State: m, Past: m}
				tell := func(how func(*crdt.Env, crdt.Op, bool) ([]crdt.Change, error), effective bool) {
					for _, op := range ops {
						if _, err := how(env, op, effective); err != nil {
							t.Fatal(err)
						}
					}
				}
				r := rand.New(rand.NewPCG(1, 2))
				tell(typ.Apply, true)
				for _, order := range []func(){func() {}, func() { slices.Reverse(ops) },
					func() { r.Shuffle(n, func(i, j int) { ops[i], ops[j] = ops[j], ops[i] }) }} {
					order()
					tell(typ.Flip, false)
					tell(typ.Flip, true)
				}
				return m.n / 7
			}
			for _, n := range []int{500, 1000, 2000} {
				if c := cost(n); c > n*maxTouched {
					t.Errorf("%d ops touch %d, %d each", n, c, c/n)
				}
			}
		})
	}
}

// flat is a history in which no commit sees another.
type flat struct{}

func (flat) Before(a, b history.OpRef) (bool, error) { return false, nil }

// BenchmarkOneCommit applies a commit that adds and removes one element by turns.
func BenchmarkOneCommit(b *testing.B) {
	typ, x := typeOf(b, "set"), encode(b, "x")
	key := encode(b, crdt.SetKey(x))
	for _, n := range []int{1000, 2000, 4000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				env := &crdt.Env{State: crdttest.NewState(), Past: flat{}}
				for i := range n {
					op := crdt.Op{Ref: history.OpRef{Commit: idOf("bomb"), Index: uint32(i)}, Height: 1, Action: crdt.ActionAdd, Payload: x}
					if i%2 == 1 {
						op.Action, op.Payload = crdt.ActionRemove, key
					}
					apply(b, env, typ, op, true)
				}
			}
		})
	}
}
