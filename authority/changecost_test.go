package authority

import (
	"fmt"
	"reflect"
	"testing"

	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/identity"
)

// TestChangesHaveRoom: what counts of a flood is little, the same however it is taken together, and the founder is told.
func TestChangesHaveRoom(t *testing.T) {
	f := &Founding{Manifest: chatManifest(), Founders: []identity.PublicKey{key(1)}}
	var list []*Change
	for i := range 300 {
		list = append(list, &Change{Op: history.OpRef{Commit: commitID(i)}, Height: 2, By: key(1), version: 2, Size: 1000 + i*50, fields: many(1, fmt.Sprint("f", i))})
	}
	counted := Counted(list)
	bytes := 0
	for _, c := range counted {
		bytes += c.Size
	}
	if len(counted) > MaxChanges || bytes < MaxChangesBytes || bytes-counted[len(counted)-1].Size >= MaxChangesBytes {
		t.Errorf("%d changes with %d bytes count", len(counted), bytes)
	}
	for cut := range list {
		parts := Counted(Counted(list[cut:]), Counted(list[:cut]))
		if len(parts) != len(counted) || parts[len(parts)-1] != counted[len(counted)-1] {
			t.Fatalf("cut at %d: %d count, and not %d", cut, len(parts), len(counted))
		}
	}
	op, err := SchemaOp(2, []Field{leaf("due", "register")})
	if err != nil || Merge(f, counted).Check(&op, key(1)) == nil || Merge(f, counted[1:2]).Check(&op, key(1)) != nil {
		t.Error(err)
	}
}

// TestEarlierKeepsRoom: a later change, though what it adds stands before, takes no room from an earlier one.
func TestEarlierKeepsRoom(t *testing.T) {
	f := &Founding{Manifest: &Manifest{Kind: "test/x", Version: 1, Policy: PolicyOpen, Fields: []Field{group("r", leaf("p", "register"))}}}
	early := &Change{Op: history.OpRef{Commit: commitID(1)}, Height: 2, By: key(1), version: 1, fields: many(200, "f")}
	late := &Change{Op: history.OpRef{Commit: commitID(2)}, Height: 9, By: key(1), version: 1, fields: []Field{group("r", many(200, "q")...)}}
	k := Merge(f, Counted([]*Change{late, early}))
	if len(k.Ignored()) != 200-(MaxFields-200) || Count(k.Manifest().Fields) != 2+MaxFields {
		t.Errorf("%d ignored, %d fields", len(k.Ignored()), Count(k.Manifest().Fields))
	}
	for _, i := range k.Ignored() {
		if i.Op == early.Op {
			t.Fatalf("%s of the earlier change is ignored: %s", i.Path, i.Reason)
		}
	}
}

// TestKindAsFarAsAsked: a commit that brings a new combination of changes together has them read, put together and joined only
// as far as its own ops ask for what they declare.
func TestKindAsFarAsAsked(t *testing.T) {
	f := &Founding{Manifest: chatManifest(), Founders: []identity.PublicKey{key(1)}}
	var list []*Change
	for i := range 10 {
		op, err := SchemaOp(2, []Field{leaf("f", "register", text(i+1)), leaf("g", "register", text(i+1))})
		if err != nil {
			t.Fatal(err)
		}
		env := &history.Envelope{Ops: []history.Op{op}}
		list = append(list, ReadChange(&history.Commit{ID: commitID(i), Env: env, Height: 2}, key(1), nil))
	}
	counted := Counted(list)
	asked := func(ops ...history.Op) *Kind {
		k := Merge(f, counted)
		if r := judgeOps(k, &history.Commit{Env: &history.Envelope{Ops: ops}}, 0, key(1)); r != nil {
			t.Fatal(r)
		}
		return k
	}
	if asked(); counted[0].fields != nil {
		t.Error("a commit without ops has the changes read")
	}
	if k := asked(history.Op{Field: "topic", Action: "set"}); k.merged != nil {
		t.Error("an op on a field that no change declares has them put together")
	}
	k := asked(history.Op{Field: "f", Action: "set"})
	if k.merged == nil || len(k.fields) != 0 {
		t.Errorf("to ask whether there is a field joins %d", len(k.fields))
	}
	if got, ok := k.Field("f"); !ok || !reflect.DeepEqual(got.Schema, text(10)) || len(k.fields) != 1 {
		t.Errorf("for one field %d are joined: %v", len(k.fields), got)
	}
}
