package crdt_test

import (
	"errors"
	"testing"

	"github.com/hyperhyperspace/hhs-go/crdt"
	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/schema"
)

// TestRecordExample is the history drawn in docs/spec/values.md.
func TestRecordExample(t *testing.T) {
	shape := &crdt.Shape{Of: &crdt.Shape{Fields: []crdt.Property{
		{Name: "title", Shape: &crdt.Shape{Type: typeOf(t, "register")}}, {Name: "count", Shape: &crdt.Shape{Type: typeOf(t, "counter")}}}}}
	w := newWorld(nil).after("A").after("B", "A").after("C", "A").after("D", "C")
	w.env.Shape = shape
	typ, maker := shape.Field(), []history.OpRef{{Commit: idOf("A")}}
	ops := map[string]crdt.Op{
		"A": w.op("A", "make", encode(t, []any{[]any{"milk"}})),
		"B": w.op("B", "set", encode(t, []any{[]any{"milk", int64(0), "title"}, "Milk"})),
		"C": w.op("C", "remove", encode(t, []any{[]any{"milk"}})),
		"D": w.op("D", "make", encode(t, []any{[]any{"milk"}})),
	}
	for _, name := range []string{"A", "B", "C", "D"} {
		op := ops[name]
		if name == "B" || name == "C" {
			op.Refs = maker
		}
		ops[name] = know(w.env, op)
		apply(t, w.env, typ, ops[name], true)
	}
	for _, c := range []struct{ void, shown, title string }{
		{"CD", "A", "Milk"}, {"D", "", ""}, {"", "D", ""}, {"C", "D", ""}, {"ACD", "", ""}, {"BCD", "A", ""}, {"CD", "A", "Milk"},
	} {
		for name, op := range ops {
			if _, err := typ.Flip(w.env, op, !contains(c.void, name)); err != nil {
				t.Fatal(err)
			}
		}
		key, err := w.env.At(crdt.Step{Key: "milk"})
		if err != nil {
			t.Fatal(err)
		}
		e, there, err := crdt.RecordShown(key)
		if err != nil || there != (c.shown != "") || there && e.Ref.Commit != idOf(c.shown) {
			t.Errorf("%s void: shown is %v %v, %v", c.void, e.Ref, there, err)
		}
		title, err := w.env.At(crdt.Step{Key: "milk"}, crdt.Step{Shown: true}, crdt.Step{Key: "title"})
		if !there {
			if !errors.Is(err, crdt.ErrNoRecord) {
				t.Errorf("%s void: the title of no record: %v", c.void, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		v, set, err := crdt.RegisterValue(title)
		if err != nil || set != (c.title != "") || set && string(v.Value) != string(encode(t, c.title)) {
			t.Errorf("%s void: the title is %x %v, %v", c.void, v.Value, set, err)
		}
	}
}

func contains(list, name string) bool {
	for _, r := range list {
		if string(r) == name {
			return true
		}
	}
	return false
}

// TestIgnoredInside tells which value an ignored op was for, in a few words of hostile text.
func TestIgnoredInside(t *testing.T) {
	s, err := schema.Parse(map[string]any{"type": "string", "max": int64(3)})
	if err != nil {
		t.Fatal(err)
	}
	shape := &crdt.Shape{Of: &crdt.Shape{Type: typeOf(t, "register"), Schema: s}}
	w := newWorld(nil).after("A")
	w.env.Shape = shape
	apply(t, w.env, shape.Field(), w.op("A", "set", encode(t, []any{[]any{"a\x1b\u202e"}, "long"})), true)
	for skipped, err := range crdt.IgnoredOps(w.env) {
		if err != nil || skipped.Reason != `["a\x1b\u202e"]: the value breaks the schema: value: 4 characters, and at most 3 are allowed` {
			t.Errorf("%q, %v", skipped.Reason, err)
		}
	}
}
