package crdt_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/hyperhyperspace/hhs-go/crdt"
	"github.com/hyperhyperspace/hhs-go/crdt/crdttest"
	"github.com/hyperhyperspace/hhs-go/history"
)

// typed makes the op of a commit that edits a text seen by env.
func (w *world) typed(t testing.TB, name string, env *crdt.Env, edit func(x *crdt.SeqWriter) error) crdt.Op {
	t.Helper()
	x, err := crdt.NewTextWriter(env, false)
	if err == nil {
		err = edit(x)
	}
	if err != nil {
		t.Fatal(err)
	}
	drafts, err := x.Drafts()
	if err != nil || len(drafts) != 1 {
		t.Fatalf("%d drafts, error %v", len(drafts), err)
	}
	return w.op(name, drafts[0].Action, drafts[0].Payload)
}

// TestConcurrentStretches: what several people write at the same time in one place, forwards and backwards, over many
// commits each, stands one after the other, in whatever order it comes.
func TestConcurrentStretches(t *testing.T) {
	typ := typeOf(t, "text")
	for _, backwards := range []bool{false, true} {
		for _, order := range []string{"one after the other", "in turns"} {
			w := newWorld(nil)
			w.after("base")
			base := w.typed(t, "base", w.env, func(x *crdt.SeqWriter) error { return x.Insert(0, "[]") })
			apply(t, w.env, typ, base, true)
			const people, letters = 4, 30
			var ops [people][]crdt.Op
			for p := range people {
				own := newWorld(nil)
				own.past, own.height = w.past, w.height
				apply(t, own.env, typ, base, true)
				for i := range letters {
					name, before := fmt.Sprint("p", p, ".", i), fmt.Sprint("p", p, ".", i-1)
					if i == 0 {
						before = "base"
					}
					w.after(name, before)
					op := own.typed(t, name, own.env, func(x *crdt.SeqWriter) error {
						at := uint64(1)
						if !backwards {
							at += uint64(i)
						}
						return x.Insert(at, string(rune('a'+p)))
					})
					ops[p] = append(ops[p], op)
					apply(t, own.env, typ, op, true)
				}
			}
			for i := range people * letters {
				op := ops[i/letters][i%letters]
				if order == "in turns" {
					op = ops[i%people][i/people]
				}
				apply(t, w.env, typ, op, true)
			}
			text, err := crdt.TextSlice(w.env, 0, 1000)
			if err != nil {
				t.Fatal(err)
			}
			for p := range people {
				if one := strings.Repeat(string(rune('a'+p)), letters); !strings.Contains(text, one) || len(text) != 2+people*letters {
					t.Errorf("backwards %v, %s: %s", backwards, order, text)
				}
			}
		}
	}
}

// crowded is a history of n commits that have all seen a first one and nothing else.
type crowded struct{ n int }

func (c crowded) Before(a, b history.OpRef) (bool, error) { return a.Commit == idOf("0"), nil }

func (c crowded) Diff(a, b []uint64) (onlyA, onlyB []history.Span, err error) {
	in := func(all []uint64, n uint64) bool {
		for _, m := range all {
			if m == n || n == 0 {
				return true
			}
		}
		return false
	}
	for _, n := range append(append([]uint64{}, a...), b...) {
		one := history.Span{Start: n, End: n + 1}
		switch {
		case in(a, n) && !in(b, n):
			onlyA = append(onlyA, one)
		case in(b, n) && !in(a, n):
			onlyB = append(onlyB, one)
		}
	}
	return onlyA, onlyB, nil
}

// TestCostOfManyBranches: commits that have not seen each other cost what they do, not what there is: each a few reads and
// writes, wherever they write; and n who write in one place read only the pages in between.
func TestCostOfManyBranches(t *testing.T) {
	typ := typeOf(t, "text")
	cost := func(n int, spread bool) int {
		m := &meter{State: crdttest.NewState(), Past: crowded{n}}
		env := &crdt.Env{State: m, Past: m, Ops: crdttest.NewBook(), Quiet: true}
		w := newWorld(nil)
		first := w.typed(t, "0", w.env, func(x *crdt.SeqWriter) error { return x.Insert(0, strings.Repeat("x", 2*n)) })
		apply(t, env, typ, first, true)
		m.n = 0
		for i := 1; i <= n; i++ {
			at := byte(1)
			pos := 2 * i
			if !spread {
				pos = 1
			}
			edits := []byte{}
			for z := uint64(pos) * 4; ; z >>= 7 {
				if z < 128 {
					edits = append(edits, byte(z), at)
					break
				}
				edits = append(edits, byte(z)|128)
			}
			op := crdt.Op{Ref: history.OpRef{Commit: idOf(fmt.Sprint(i))}, Height: 2, Author: keyOf("eve"), Identity: keyOf("eve"),
				Action: crdt.ActionEdit, Payload: encode(t, []any{edits, "y"})}
			apply(t, env, typ, op, true)
		}
		return m.n
	}
	for _, spread := range []bool{true, false} {
		small, large := cost(300, spread), cost(1200, spread)
		if large > 6*small { // four times as many
			t.Errorf("spread %v: 300 branches touch %d, 1,200 touch %d", spread, small, large)
		}
		t.Logf("spread %v: 300 branches touch %d, 1,200 touch %d", spread, small, large)
	}
}
