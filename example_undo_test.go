package hhs_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	hhs "github.com/hyperhyperspace/hhs-go"
)

// Undo takes back this device's edits, one step at a time, and Redo makes them
// again. Edits that join another are one step with it.
func ExampleAnySpace_Undo() {
	ctx := context.Background()
	node, err := hhs.Open(ctx, "", hhs.Kinds(Shopping))
	if err != nil {
		panic(err)
	}
	defer node.Close()
	list, err := hhs.Create(ctx, node, Shopping)
	if err != nil {
		panic(err)
	}
	var first hhs.Receipt
	for i, what := range []string{"bread", "flour", "yeast"} {
		r, err := list.Commit(ctx, func(tx *hhs.Tx, l List) error {
			if i > 1 { // what is needed to bake is one step
				if err := tx.Join(first.Commit); err != nil {
					return err
				}
			}
			return l.Items.Add(tx, Item{what})
		})
		if err != nil {
			panic(err)
		}
		first = r
	}
	show := func() {
		var items []string
		for e, err := range list.Root().Items.All() {
			if err != nil {
				panic(err)
			}
			items = append(items, e.Value.What)
		}
		fmt.Println(strings.Join(items, ", "))
	}
	show()
	if _, err := list.Undo(ctx); err != nil {
		panic(err)
	}
	show()
	if _, err := list.Redo(ctx); err != nil {
		panic(err)
	}
	show()
	// Output:
	// bread, flour, yeast
	// bread
	// bread, flour, yeast
}

// TestUndoDynamic: the untyped API groups and takes back, says what there is to
// do, leaves the person's name alone and refuses what cannot be.
func TestUndoDynamic(t *testing.T) {
	ctx := t.Context()
	node, err := hhs.Open(ctx, "", hhs.Kinds(Shopping))
	if err != nil {
		t.Fatal(err)
	}
	defer node.Close()
	if err := node.SetName(ctx, "Ana"); err != nil {
		t.Fatal(err)
	}
	space, err := hhs.Create(ctx, node, Shopping)
	if err != nil {
		t.Fatal(err)
	}
	state := func(undo, redo int) {
		t.Helper()
		st, err := space.UndoState()
		if err != nil || len(st.Undo) != undo || len(st.Redo) != redo {
			t.Fatalf("%d to take back and %d to make again, not %d and %d (%v)", len(st.Undo), len(st.Redo), undo, redo, err)
		}
	}
	state(0, 0)
	if done, err := space.Undo(ctx); err != nil || !done.Commit.IsZero() {
		t.Fatalf("undo of nothing: %v %v", done, err)
	}
	first, err := space.Apply(ctx, []hhs.Op{{Field: "title", Action: "set", Value: "Saturday"}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = space.Apply(ctx, []hhs.Op{{Field: "items", Action: "add", Value: map[string]any{"what": "bread"}},
		{Field: "$undo", Action: "group", Value: first.Commit.String()}})
	if err != nil {
		t.Fatal(err)
	}
	state(2, 0)
	done, err := space.Undo(ctx)
	if err != nil || len(done.Commits) != 2 {
		t.Fatalf("undo of a group: %v %v", done, err)
	}
	state(0, 2)
	if list, err := space.Register("title"); err != nil || len(list) != 0 {
		t.Fatalf("the title is %v %v", list, err)
	}
	if name, err := space.NameOf(node.Identity()); err != nil || name != "Ana" {
		t.Fatalf("the name is %q %v", name, err)
	}
	if _, err := space.Redo(ctx); err != nil {
		t.Fatal(err)
	}
	state(2, 0)
	if _, err := space.UndoCommits(ctx, first.Commit); err != nil {
		t.Fatal(err)
	}
	state(1, 1)
	_, err = space.UndoCommits(ctx, space.ID())
	if !errors.Is(err, hhs.ErrUndo) || hhs.Code(err) != "invalid" {
		t.Fatalf("undo of the first commit: %v", err)
	}
	for _, op := range []hhs.Op{{Field: "$undo", Action: "undo", Value: first.Commit.String()}, {Field: "$undo", Action: "group", Value: int64(1)},
		{Field: "$undo", Action: "group", Value: "nothing"}} {
		if _, err := space.Apply(ctx, []hhs.Op{op}); err == nil {
			t.Fatalf("%v is taken", op)
		}
	}
}
