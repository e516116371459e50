package crdt_test

import (
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/hyperhyperspace/hhs-go/crdt"
	"github.com/hyperhyperspace/hhs-go/crdt/crdttest"
	"github.com/hyperhyperspace/hhs-go/history"
)

// readings counts how often ops are read again.
type readings struct {
	*crdttest.Book
	n int
}

func (r *readings) At(num uint64, index uint32) (crdt.Op, error) {
	r.n++
	return r.Book.At(num, index)
}

// TestListByTurns: of a list that large ops wrote by turns, an op is read once for all its elements that are listed, told of or
// said together, and not once for each.
func TestListByTurns(t *testing.T) {
	const writers, each = 16, 100 // the values of all of them are more than are kept
	typ, past := typeOf(t, "list"), line{}
	book := &readings{Book: crdttest.NewBook()}
	env := &crdt.Env{State: crdttest.NewState(), Past: past, Ops: book}
	do := func(edits []byte, values []any) (crdt.Op, []crdt.Change) {
		t.Helper()
		n := len(past) + 1
		op := crdt.Op{Ref: history.OpRef{Commit: idOf(fmt.Sprint(n))}, Height: uint64(n), Author: keyOf("eve"), Identity: keyOf("eve"),
			Action: crdt.ActionEdit, Payload: encode(t, []any{edits, values})}
		past[op.Ref.Commit] = n
		op = book.Add(op)
		book.n = 0
		changes, err := typ.Apply(env, op, true)
		if err != nil {
			t.Fatal(err)
		}
		return op, changes
	}
	many := make([]any, 14_000)
	for i := range many {
		many[i] = int64(1)
	}
	for w := range writers { // each behind the elements of those before, and a lot at the end
		edits, values := []byte(nil), []any{}
		for i := range each {
			at := (i + 1) * w
			if i > 0 {
				edits = append(edits, binary.AppendUvarint(nil, uint64(4*w))...)
			} else {
				edits = append(edits, binary.AppendUvarint(nil, uint64(4*at))...)
			}
			edits, values = append(edits, 1), append(values, fmt.Sprint(w, " ", i))
		}
		edits = append(binary.AppendUvarint(edits, 4*1_000_000), binary.AppendUvarint(nil, uint64(len(many)))...)
		do(edits, append(values, many...))
	}
	all := func(n int) (values []string) {
		book.n = 0
		for e, err := range crdt.ListScan(env, 0, uint64(n)) {
			if err != nil {
				t.Fatal(err)
			}
			values = append(values, string(e.Value))
		}
		return values
	}
	shown := all(writers * each)
	for i, v := range shown {
		if want := string(encode(t, fmt.Sprint(i%writers, " ", i/writers))); v != want {
			t.Fatalf("element %d is %q, not %q", i, v, want)
		}
	}
	if limit := 12 * writers; book.n > limit { // 16, 32, 64 ... at once
		t.Errorf("to list %d elements of %d ops, ops are read %d times, at most %d are needed", len(shown), writers, book.n, limit)
	}
	op, changes := do(binary.AppendUvarint([]byte{1}, 10*writers), []any{})
	if len(changes) != 1 || len(changes[0].Edits) != 1 || changes[0].Edits[0].Deleted.Len() != 10*writers {
		t.Fatalf("the deletion is told as %+v", changes)
	}
	for i, v := range changes[0].Edits[0].Deleted.Values {
		if string(encode(t, v)) != shown[i] {
			t.Fatalf("deleted element %d was %v, not %q", i, v, shown[i])
		}
	}
	if book.n > writers {
		t.Errorf("to tell of %d deletions, ops of %d are read %d times", 10*writers, writers, book.n)
	}
	book.n = 0
	env.Shape = &crdt.Shape{Type: typ}
	if _, _, err := crdt.Said(env, &op); err != nil {
		t.Fatal(err)
	}
	if book.n > writers {
		t.Errorf("to say what an op of %d deletions did, ops of %d are read %d times", 10*writers, writers, book.n)
	}
}
