package hhs_test

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	hhs "github.com/hyperhyperspace/hhs-go"
	"github.com/hyperhyperspace/hhs-go/crdt"
)

// A pantry: a map of records, which holds all else.
type pantry struct {
	Items hhs.Map[pantryItem]
	Votes hhs.Map[hhs.Counter]
	Notes hhs.Map[hhs.Register[string]] `hhs:"max=20"`
	Rules struct {
		Open hhs.Register[bool]
		Tags hhs.Map[hhs.Set[string]]
	}
}

type pantryItem struct {
	Title hhs.Register[string] `hhs:"max=10"`
	Tags  hhs.Set[string]
	Count hhs.Counter
	Marks hhs.Map[hhs.Register[int64]]
}

var pantryKind = hhs.Define[pantry]("test.example/pantry", 1)

func newPantry(t *testing.T) *hhs.Space[pantry] {
	t.Helper()
	node := must(hhs.Open(t.Context(), "", hhs.Kinds(pantryKind)))(t)
	t.Cleanup(func() { ok(t, node.Close()) })
	return must(hhs.Create(t.Context(), node, pantryKind))(t)
}

func TestMapHandles(t *testing.T) {
	s := newPantry(t)
	ok(t, s.Update(t.Context(), func(tx *hhs.Tx, p pantry) error {
		milk, err := p.Items.Make(tx, "milk")
		if err != nil {
			return err
		}
		return errors.Join(milk.Title.Set(tx, "Milk"), milk.Count.Add(tx, 2), milk.Tags.Add(tx, "cold"), milk.Marks.At("z").Set(tx, 7),
			p.Items.At("milk").Count.Add(tx, 3), // the same, made in this transaction
			p.Votes.At("yes").Add(tx, 1), p.Votes.At("no").Add(tx, 0), p.Notes.At("b").Set(tx, "second"), p.Notes.At("a").Set(tx, "first"),
			p.Rules.Open.Set(tx, true), p.Rules.Tags.At("k").Add(tx, "x"), p.Rules.Tags.At("k").Add(tx, "y"))
	}))
	r := s.Root()
	milk, there, err := r.Items.Get("milk")
	ok(t, err)
	title, _, err := milk.Title.Get()
	ok(t, err)
	count := must(milk.Count.Value())(t)
	mark, _, err := milk.Marks.At("z").Get()
	ok(t, err)
	open, _, err := r.Rules.Open.Get()
	ok(t, err)
	if !there || title != "Milk" || count != 5 || mark != 7 || !open || !must(milk.Tags.Has("cold"))(t) {
		t.Errorf("%v %q %d %d %v", there, title, count, mark, open)
	}
	var notes []string
	for e, err := range r.Notes.Backward() {
		ok(t, err)
		v, _, err := e.Value.Get()
		ok(t, err)
		notes = append(notes, e.Key+"="+v)
	}
	for e, err := range r.Notes.Range("a", "b") {
		ok(t, err)
		notes = append(notes, e.Key)
	}
	if fmt.Sprint(notes) != "[b=second a=first a]" {
		t.Errorf("notes %v", notes)
	}
	ok(t, s.Update(t.Context(), func(tx *hhs.Tx, p pantry) error {
		return errors.Join(p.Items.Remove(tx, "milk"), p.Notes.Remove(tx, "a"), p.Rules.Tags.Remove(tx, "k"), p.Items.Remove(tx, "nothing"))
	}))
	for name, n := range map[string]func() (int, error){"items": r.Items.Len, "notes": r.Notes.Len, "votes": r.Votes.Len, "tags": r.Rules.Tags.Len} {
		if got := must(n())(t); got != map[string]int{"notes": 1, "votes": 2}[name] {
			t.Errorf("%s has %d keys", name, got)
		}
	}
	if title, _, err := milk.Title.Get(); err != nil || title != "Milk" {
		t.Errorf("the record itself says %q, %v", title, err)
	}
}

func TestMapRefusals(t *testing.T) {
	s := newPantry(t)
	ok(t, s.Update(t.Context(), func(tx *hhs.Tx, p pantry) error { return nothingButError(p.Items.Make(tx, "milk")) }))
	for want, write := range map[string]func(tx *hhs.Tx, p pantry) error{
		`items["milk"].title: 11 characters, and at most 10 are allowed`: func(tx *hhs.Tx, p pantry) error {
			return p.Items.At("milk").Title.Set(tx, "12345678901")
		},
		`items["bread"]: there is no record; make one first`: func(tx *hhs.Tx, p pantry) error {
			return p.Items.At("bread").Title.Set(tx, "Bread")
		},
		`votes["yes"]: a key of a map of counters cannot be removed`: func(tx *hhs.Tx, p pantry) error { return p.Votes.Remove(tx, "yes") },
		`notes: a key of a map is a text of 1 to 1024 bytes`: func(tx *hhs.Tx, p pantry) error {
			return p.Notes.At(strings.Repeat("k", crdt.MaxKey+1)).Set(tx, "x")
		},
		`notes["a"]: only records are made`: func(tx *hhs.Tx, p pantry) error { return nothingButError(p.Notes.Make(tx, "a")) },
	} {
		err := s.Update(t.Context(), func(tx *hhs.Tx, p pantry) error { return write(tx, p) })
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func nothingButError[T any](_ T, err error) error { return err }

// The dynamic API reaches the same values by path, and reads all of them at once.
func TestMapPaths(t *testing.T) {
	s := newPantry(t)
	changes := s.Watch(t.Context())
	r := must(s.Apply(t.Context(), []hhs.Op{
		{Field: "notes", Path: []any{"a"}, Action: "set", Value: "first"},
		{Field: "items", Path: []any{"milk"}, Action: "make"},
		{Field: "items", Path: []any{"milk", 1, "title"}, Action: "set", Value: "Milk"},
		{Field: "items", Path: []any{"milk", nil, "count"}, Action: "add", Value: int64(4)},
		{Field: "items", Path: []any{"milk", nil, "marks", "z"}, Action: "set", Value: int64(7)},
		{Field: "rules", Path: []any{"tags", "k"}, Action: "add", Value: "x"},
	}))(t)
	want := map[string]any{"title": "Milk", "count": int64(4), "tags": []any{}, "marks": map[string]any{"z": int64(7)}}
	p := must(s.MapPage("items", hhs.MapQuery{Limit: 9}))(t)
	if len(p.Items) != 1 || p.Size != 1 || p.More || p.Items[0].Key != "milk" || !reflect.DeepEqual(p.Items[0].Value, want) {
		t.Fatalf("%+v", p)
	}
	if id := p.Items[0].ID(); id != r.Commit.String()+fmt.Sprintf(".%d", p.Items[0].Origin.Index) || p.Items[0].Origin.Commit != r.Commit {
		t.Errorf("its id is %s, of commit %s", id, r.Commit)
	}
	if item, there, err := s.Value("rules"); err != nil || !there || !reflect.DeepEqual(item.Value, map[string]any{"tags": map[string]any{"k": []any{"x"}}}) {
		t.Errorf("rules: %+v %v %v", item, there, err)
	}
	if _, there, err := s.Value("items", "bread"); err != nil || there {
		t.Errorf("nothing is %v, %v", there, err)
	}
	var paths []string
	for c, err := range changes {
		ok(t, err)
		if paths = append(paths, c.Field+fmt.Sprint(c.Keys())); len(paths) == 6 {
			break
		}
	}
	if got := strings.Join(paths, " "); got != "notes[a] items[milk] items[milk title] items[milk count] items[milk marks z] rules[tags k]" {
		t.Errorf("changes of %s", got)
	}
	for _, op := range []hhs.Op{
		{Field: "items", Path: []any{"milk", 0, "title"}, Action: "set", Value: "x"}, // that op made nothing
		{Field: "items", Path: []any{"milk", "title"}, Action: "set", Value: "x"},
		{Field: "items", Action: "set", Value: "x"},
		{Field: "notes", Path: []any{"a", "b"}, Action: "set", Value: "x"},
		{Field: "notes", Path: []any{1.5}, Action: "set", Value: "x"},
		{Field: "rules", Path: []any{"none"}, Action: "set", Value: "x"},
	} {
		_, err := s.Apply(t.Context(), []hhs.Op{{Field: "notes", Path: []any{"a"}, Action: "set", Value: "y"}, op})
		if err == nil || hhs.Code(err) != "invalid" && hhs.Code(err) != "not_found" {
			t.Errorf("%v: %v, code %s", op, err, hhs.Code(err))
		}
	}
	if n := s.Replica().Len(); n != 2 {
		t.Errorf("%d commits", n)
	}
}

// What is inside others is cut short, never left out without a word.
func TestSnapshotIsBounded(t *testing.T) {
	s := newPantry(t)
	ok(t, s.Update(t.Context(), func(tx *hhs.Tx, p pantry) error {
		for i := range 120 {
			if err := errors.Join(p.Rules.Tags.At("k").Add(tx, fmt.Sprint(i)), p.Votes.At(fmt.Sprintf("%03d", i)).Add(tx, 1)); err != nil {
				return err
			}
		}
		return nil
	}))
	item, _, err := s.Value("rules", "tags", "k")
	if err != nil || len(item.Value.([]any)) != 100 || !item.More {
		t.Errorf("%d elements, more %v, %v", len(item.Value.([]any)), item.More, err)
	}
	var got []string
	q := hhs.MapQuery{Limit: 50, Keys: true}
	for more := true; more; {
		p := must(s.MapPage("votes", q))(t)
		for _, i := range p.Items {
			got = append(got, i.Key)
		}
		more, q.After = p.More, got[len(got)-1]
	}
	if len(got) != 120 || got[119] != "119" {
		t.Errorf("%d keys, the last %s", len(got), got[len(got)-1])
	}
}
