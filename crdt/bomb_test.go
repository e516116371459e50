package crdt_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hyperhyperspace/hhs-go/crdt"
	"github.com/hyperhyperspace/hhs-go/crdt/crdttest"
	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/object"
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
				env := &crdt.Env{State: m, Past: m, Ops: crdttest.NewBook()}
				tell := func(how func(*crdt.Env, crdt.Op, bool) ([]crdt.Change, error), effective bool) {
					for _, op := range ops {
						if _, err := how(env, know(env, op), effective); err != nil {
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

// Diff implements crdt.Past: nothing is in the past of anything.
func (flat) Diff(a, b []uint64) (onlyA, onlyB []history.Span, err error) {
	for _, n := range a {
		onlyA = append(onlyA, history.Span{Start: n, End: n + 1})
	}
	for _, n := range b {
		onlyB = append(onlyB, history.Span{Start: n, End: n + 1})
	}
	return onlyA, onlyB, nil
}

// BenchmarkOneCommit applies a commit that adds and removes one element by turns.
func BenchmarkOneCommit(b *testing.B) {
	typ, x := typeOf(b, "set"), encode(b, "x")
	key := encode(b, crdt.SetKey(x))
	for _, n := range []int{1000, 2000, 4000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				env := &crdt.Env{State: crdttest.NewState(), Past: flat{}, Ops: crdttest.NewBook()}
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

// tree is a history of a founder, which everyone sees, and any number of commits that see nothing else.
type tree struct{ founder object.ID }

func (h tree) Before(a, b history.OpRef) (bool, error) {
	return a.Commit == h.founder && b.Commit != h.founder, nil
}

// Diff implements crdt.Past; no register asks for it.
func (h tree) Diff(a, b []uint64) (onlyA, onlyB []history.Span, err error) {
	return nil, nil, errors.ErrUnsupported
}

// crowd makes n concurrent writes to one register, behind a first one; some are longer than others.
func crowd(t testing.TB, n int) ([]crdt.Op, tree) {
	h := tree{idOf("founder")}
	ops := []crdt.Op{{Ref: history.OpRef{Commit: h.founder}, Height: 1}}
	for i := range n {
		ops = append(ops, crdt.Op{Ref: history.OpRef{Commit: idOf(fmt.Sprint(i))}, Height: 2, Refs: []history.OpRef{{Commit: h.founder}}})
	}
	for i := range ops {
		ops[i].Author, ops[i].Identity = keyOf(fmt.Sprint("device", i%7)), keyOf("alice")
		ops[i].Action, ops[i].Payload = crdt.ActionSet, encode(t, fmt.Sprintf("%*d", i%50, i))
	}
	return ops, h
}

// TestCostOfCrowd: writers of one value who have not seen each other and stand at one height do not pay for each other.
// Making a bundle wide moves what it held, once.
func TestCostOfCrowd(t *testing.T) {
	const once = 2 * crdt.MaxBundle / 50 // an item has more than 50 bytes; 2 for reading and writing
	for _, name := range []string{"register", "profile"} {
		for _, n := range []int{500, 1000, 2000} {
			typ, m := typeOf(t, name), &meter{State: crdttest.NewState()}
			ops, past := crowd(t, n)
			m.Past = past
			env := &crdt.Env{State: m, Past: m, Ops: crdttest.NewBook()}
			total := 0
			for i, op := range ops {
				m.n = 0
				apply(t, env, typ, op, true)
				total += m.n
				if m.n > maxTouched+once {
					t.Fatalf("%s: op %d of %d touches %d", name, i, n, m.n)
				}
			}
			if total > n*maxTouched+once {
				t.Errorf("%s: %d ops touch %d, %d each", name, n, total, total/n)
			}
			m.n = 0
			e, ok, err := crdt.RegisterValue(env)
			if name == "profile" {
				e, ok, err = crdt.ProfileValue(env, keyOf("alice"))
			}
			if err != nil || !ok || e.Height != 2 || m.n > 2*maxTouched {
				t.Errorf("%s: reading the value touches %d: %v, %v, %v", name, m.n, e, ok, err)
			}
			m.n = 0
			last := crdt.Op{Ref: history.OpRef{Commit: idOf("last")}, Height: 2, Author: keyOf("phone"), Identity: keyOf("alice"),
				Action: crdt.ActionSet, Payload: encode(t, "void")}
			apply(t, env, typ, last, false)
			for _, effective := range []bool{true, false} {
				if _, err := typ.Flip(env, know(env, last), effective); err != nil {
					t.Fatal(err)
				}
			}
			if limit := 3*n + 4*maxTouched; m.n > limit { // the founder's value might come back
				t.Errorf("%s: a flip among %d touches %d, at most %d", name, n, m.n, limit)
			}
		}
	}
}

// BenchmarkCrowd applies concurrent writes to one register.
func BenchmarkCrowd(b *testing.B) {
	typ := typeOf(b, "register")
	for _, n := range []int{500, 1000, 2000} {
		ops, past := crowd(b, n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				env := &crdt.Env{State: crdttest.NewState(), Past: past, Ops: crdttest.NewBook()}
				for _, op := range ops {
					apply(b, env, typ, op, true)
				}
			}
		})
	}
}

// editsAt are n edits of one place, each of some elements.
func editsAt(n int, at, each uint64, deletes bool) []byte {
	var b []byte
	cursor := uint64(0)
	for range n {
		d := int64(at - cursor)
		z := (uint64(d<<1) ^ uint64(d>>63)) << 1
		if cursor = at; deletes {
			z |= 1
		} else {
			cursor += each
		}
		b = binary.AppendUvarint(binary.AppendUvarint(b, z), each)
	}
	return b
}

// TestCostOfOnePlace: two commits of 32 KiB each that have not seen each other and edit one place of a text thousands of
// times cost each other what they are, not their product, which took some seconds. Both orders make the same text.
func TestCostOfOnePlace(t *testing.T) {
	const ops = 40
	typ := typeOf(t, "text")
	w := newWorld(nil)
	w.after("0")
	base := w.typed(t, "0", w.env, func(x *crdt.SeqWriter) error { return x.Insert(0, strings.Repeat("x", 100)) })
	for _, c := range []struct {
		name          string
		place, length uint64
		deletes       bool
	}{{"insertions", 1, 1, false}, {"deletions", 0, 3, true}} {
		edit := func(commit string, i int) crdt.Op {
			op := crdt.Op{Ref: history.OpRef{Commit: idOf(commit), Index: uint32(i)}, Height: 2, Author: keyOf(commit), Identity: keyOf("eve"),
				Action: crdt.ActionEdit, Payload: encode(t, []any{editsAt(crdt.MaxEdits, 1, 1, false), strings.Repeat(commit, crdt.MaxEdits)})}
			if commit == "b" && c.deletes {
				op.Payload = encode(t, []any{editsAt(crdt.MaxEdits, c.place, c.length, true), ""})
			}
			return op
		}
		texts, took := [2]string{}, time.Duration(0)
		for way, names := range [][]string{{"a", "b"}, {"b", "a"}} {
			env := &crdt.Env{State: crdttest.NewState(), Past: crowded{}, Ops: crdttest.NewBook(), Quiet: true}
			apply(t, env, typ, base, true)
			begin := time.Now()
			for _, name := range names {
				for i := range ops {
					apply(t, env, typ, edit(name, i), true)
				}
			}
			took = max(took, time.Since(begin))
			var err error
			if texts[way], err = crdt.TextSlice(env, 0, 1<<20); err != nil {
				t.Fatal(err)
			}
		}
		if texts[0] != texts[1] {
			t.Errorf("%s: the texts differ: %d and %d long", c.name, len(texts[0]), len(texts[1]))
		}
		if took > 4*time.Second {
			t.Errorf("%s: %d edits took %v", c.name, 2*ops*crdt.MaxEdits, took)
		}
		t.Logf("%s: %v", c.name, took)
	}
}
