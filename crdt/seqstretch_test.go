package crdt_test

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/hyperhyperspace/hhs-go/crdt"
	"github.com/hyperhyperspace/hhs-go/crdt/crdttest"
	"github.com/hyperhyperspace/hhs-go/history"
)

// singly are ops that type a text in which no two elements next to each other are of one op, and one that deletes all of it.
func singly(t testing.TB, n int) (typed []crdt.Op, deletion crdt.Op) {
	op := func(commit string, height uint64, index uint32, edits []byte, text string) crdt.Op {
		return crdt.Op{Ref: history.OpRef{Commit: idOf(commit), Index: index}, Height: height, Author: keyOf("eve"), Identity: keyOf("eve"),
			Action: crdt.ActionEdit, Payload: encode(t, []any{edits, text})}
	}
	typed = []crdt.Op{op("a", 1, 0, binary.AppendUvarint([]byte{0}, uint64(n)), strings.Repeat("x", n))}
	for i := 0; i < n; i += crdt.MaxEdits {
		edits := binary.AppendUvarint(nil, uint64(4*(2*i+1)))
		edits = append(edits, 1)
		for range crdt.MaxEdits - 1 {
			edits = append(edits, 4, 1)
		}
		typed = append(typed, op("a", 1, uint32(1+i/crdt.MaxEdits), edits, strings.Repeat("y", crdt.MaxEdits)))
	}
	return typed, op("b", 2, 0, binary.AppendUvarint([]byte{1}, uint64(2*n)), "")
}

// TestStretchesAreBounded: an op deletes MaxStretches stretches and nothing more, gives those back and takes them again, and
// keeps no more in the state.
func TestStretchesAreBounded(t *testing.T) {
	const n = 4 * crdt.MaxEdits
	typ, past := typeOf(t, "text"), line{idOf("a"): 1, idOf("b"): 2}
	env := &crdt.Env{State: crdttest.NewState(), Past: past, Ops: crdttest.NewBook(), Quiet: true}
	typed, deletion := singly(t, n)
	for _, op := range typed {
		apply(t, env, typ, op, true)
	}
	whole := strings.Repeat("xy", n)
	shows := func(want string) {
		t.Helper()
		if got, err := crdt.TextSlice(env, 0, 4*n); err != nil || got != want {
			t.Fatalf("%d elements instead of %d: %v", len(got), len(want), err)
		}
	}
	shows(whole)
	apply(t, env, typ, deletion, true)
	rest := whole[crdt.MaxStretches:]
	shows(rest)
	var facts []crdttest.Fact
	for _, op := range append(typed, deletion) {
		facts = append(facts, crdttest.Fact{Op: op, Effective: true})
	}
	gen, _ := crdttest.For(typ)
	if shown := gen.Model(facts, func(a, b history.OpRef) bool {
		return past[a.Commit] < past[b.Commit] || a.Commit == b.Commit && a.Index < b.Index
	}); len(shown) != len(rest) {
		t.Errorf("the model shows %d elements instead of %d", len(shown), len(rest))
	}
	for _, effective := range []bool{false, true} {
		if _, err := typ.Flip(env, know(env, deletion), effective); err != nil {
			t.Fatal(err)
		}
		if shows(map[bool]string{false: whole, true: rest}[effective]); t.Failed() {
			return
		}
	}
	longest := 0
	for kv, err := range env.State.Scan([]byte{0}, nil, false) {
		if err != nil {
			t.Fatal(err)
		}
		longest = max(longest, len(kv.Value))
	}
	if longest > crdt.MaxBundle+1024 {
		t.Errorf("a value of %d bytes in the state", longest)
	}
}

// TestWriterOfManyStretches: who deletes more than one op may writes several, and all of it is gone.
func TestWriterOfManyStretches(t *testing.T) {
	const n = 4 * crdt.MaxEdits
	typ := typeOf(t, "text")
	typed, _ := singly(t, n)
	past := line{idOf("a"): 1, idOf("b"): 2}
	env := &crdt.Env{State: crdttest.NewState(), Past: past, Ops: crdttest.NewBook(), Quiet: true}
	for _, op := range typed {
		apply(t, env, typ, op, true)
	}
	x, err := crdt.NewTextWriter(env, false)
	if err == nil {
		err = x.Delete(1, 2*n-2)
	}
	if err != nil {
		t.Fatal(err)
	}
	drafts, err := x.Drafts()
	if err != nil || len(drafts) != 2*n/crdt.MaxStretches {
		t.Fatalf("%d ops, %v", len(drafts), err)
	}
	for i, d := range drafts {
		apply(t, env, typ, crdt.Op{Ref: history.OpRef{Commit: idOf("b"), Index: uint32(i)}, Height: 2, Author: keyOf("eve"), Identity: keyOf("eve"),
			Action: d.Action, Payload: d.Payload}, true)
	}
	if got, err := crdt.TextSlice(env, 0, 4*n); err != nil || got != "xy" {
		t.Errorf("%q, %v", got, err)
	}
}

// TestDeletes: what an op says it deletes is the same inside a map or record, at most MaxStretches, and nothing where there are no edits.
func TestDeletes(t *testing.T) {
	edits := func(numbers ...uint64) (b []byte) {
		for _, n := range numbers {
			b = binary.AppendUvarint(b, n)
		}
		return b
	}
	for _, c := range []struct {
		edits []byte
		want  int
	}{
		{edits(0, 3), 0}, {edits(1, 3), 3}, {edits(0, 2, 1, 3, 5, 4), 7}, {edits(1, 200, 1, 200), crdt.MaxStretches}, {edits(1, 1<<64-1, 1, 1<<64-1), crdt.MaxStretches},
		{nil, 0}, {edits(1), 0}, {edits(1, 3, 1), 0}, {[]byte{1, 0x83, 0}, 0},
	} {
		inner := encode(t, []any{c.edits, "text"})
		for _, path := range [][]any{nil, {"body"}, {"notes", "a", int64(0), "text"}} {
			payload := inner
			if path != nil {
				payload = append(append([]byte{0x82}, encode(t, path)...), inner...)
			}
			if got := crdt.Deletes(crdt.ActionEdit, payload); got != c.want {
				t.Errorf("%x behind %v says %d, not %d", c.edits, path, got, c.want)
			}
			if got := crdt.Deletes(crdt.ActionSet, payload); got != 0 {
				t.Errorf("a set deletes %d", got)
			}
		}
	}
	for _, payload := range [][]byte{nil, {0x82}, {0x81, 0x42, 1, 3}, {0x82, 0x81, 0x61, 'a'}, {0x83, 0x42, 1, 3, 0x60, 0x60}, {0x82, 0x62, 1, 3}, {0xf6}} {
		if got := crdt.Deletes(crdt.ActionEdit, payload); got != 0 {
			t.Errorf("%x deletes %d", payload, got)
		}
	}
}
