package crdt_test

import (
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/hyperhyperspace/hhs-go/crdt"
	"github.com/hyperhyperspace/hhs-go/crdt/crdttest"
	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/object"
)

// strangers is a history in which everybody has seen the first commits and nobody anybody else; those of one writer follow
// each other.
type strangers struct {
	*crdttest.Book
	base   object.ID
	writer map[object.ID]int
	number []object.ID
}

func (s *strangers) sees(a, b object.ID) bool {
	return a == s.base && b != s.base || s.writer[a] == s.writer[b] && a != s.base && b != s.base
}

// Before implements crdt.Past. It is asked of commits in their order only.
func (s *strangers) Before(a, b history.OpRef) (bool, error) { return s.sees(a.Commit, b.Commit), nil }

// Diff implements crdt.Past.
func (s *strangers) Diff(a, b []uint64) (onlyA, onlyB []history.Span, err error) {
	in := func(version []uint64, n uint64) bool {
		for _, v := range version {
			if v == n || n < v && s.sees(s.number[n], s.number[v]) {
				return true
			}
		}
		return false
	}
	for n := range uint64(len(s.number)) {
		one := history.Span{Start: n, End: n + 1}
		switch x, y := in(a, n), in(b, n); {
		case x && !y:
			onlyA = append(onlyA, one)
		case y && !x:
			onlyB = append(onlyB, one)
		}
	}
	return onlyA, onlyB, nil
}

// TestCostInOnePlace: who writes where many others have written at the same time pays some looks for it, not one for each of
// them, nor for each of what these wrote, however it hangs from each other.
func TestCostInOnePlace(t *testing.T) {
	const few, many = 150, 1200
	for name, write := range map[string]func(i int) (writer int, pos uint64){
		"rivals":    func(i int) (int, uint64) { return i, 1 },
		"forwards":  func(i int) (int, uint64) { return 0, uint64(1 + i) },
		"backwards": func(int) (int, uint64) { return 0, 1 },
		"both":      func(i int) (int, uint64) { return i % 2, uint64(1 + i%2*i/2) },
	} {
		t.Run(name, func(t *testing.T) {
			cost := map[int]int{}
			for _, n := range []int{few, many} {
				h := &strangers{Book: crdttest.NewBook(), base: idOf("base"), writer: map[object.ID]int{}}
				m := &meter{State: crdttest.NewState(), Past: h}
				env := &crdt.Env{State: m, Past: m, Ops: h.Book, Quiet: true}
				crdt.Narrow(env) // so that pages are read again and again
				typ := typeOf(t, "text")
				do := func(id object.ID, writer int, pos uint64, text string) {
					t.Helper()
					edits := append(binary.AppendUvarint(nil, 4*pos), byte(len(text)))
					op := crdt.Op{Ref: history.OpRef{Commit: id}, Height: uint64(1 + len(h.number)), Author: keyOf(fmt.Sprint(writer)), Identity: keyOf("eve"),
						Action: crdt.ActionEdit, Payload: encode(t, []any{edits, text})}
					h.writer[id], h.number = writer, append(h.number, id)
					apply(t, env, typ, op, true)
				}
				do(h.base, -1, 0, "abcd")
				for i := range n {
					writer, pos := write(i)
					do(idOf(fmt.Sprint("w", i)), writer, pos, "x")
				}
				for i := range 9 {
					if i == 1 {
						m.n = 0 // the first learns what all others have not seen
					}
					do(idOf(fmt.Sprint("late", i)), n+i, 1, "y")
				}
				cost[n] = m.n
				if err := crdt.CheckNesting(env, false); err != nil {
					t.Error(err)
				}
			}
			if cost[many] > 2*cost[few] {
				t.Errorf("among %d it takes %d looks, among %d %d", many, cost[many], few, cost[few])
			}
		})
	}
}
