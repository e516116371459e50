//go:build !js

package hhs_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	hhs "github.com/hyperhyperspace/hhs-go"
	"github.com/hyperhyperspace/hhs-go/authority"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/replica"
)

// texts reads all lines of a log.
func texts(t testing.TB, l hhs.Log[string]) (list []string) {
	t.Helper()
	for e, err := range l.All() {
		ok(t, err)
		list = append(list, e.Value)
	}
	return list
}

// TestAt: the values of a past version read like those of the present, typed and by name, and cannot be written.
func TestAt(t *testing.T) {
	s := must(hhs.Create(within(t), offline(t), Notebook))(t)
	ok(t, s.Node().SetName(within(t), "Ana"))
	then := write(t, s, "one").Commit
	ok(t, s.Update(within(t), func(tx *hhs.Tx, n Notes) error {
		return errors.Join(n.Title.Set(tx, "later"), n.Lines.Append(tx, "two"), n.Tags.Add(tx, "red"))
	}))
	past := must(s.At(within(t), then))(t)
	for range 2 { // the second time from memory
		if got := texts(t, past.Root().Lines); len(got) != 1 || got[0] != "one" {
			t.Errorf("lines %q", got)
		}
	}
	if _, set, err := past.Root().Title.Get(); set || err != nil {
		t.Errorf("title: %v, %v", set, err)
	}
	page := must(past.LogPage("lines", nil, 10, true))(t)
	if tags := must(past.SetPage("tags", nil, 10))(t); page.Size != 1 || page.Entries[0].Value != "one" || tags.Size != 0 {
		t.Errorf("%+v, %+v", page, tags)
	}
	if has := must(past.SetHas("tags", "red"))(t); has || len(must(past.Register("title"))(t)) > 0 {
		t.Error("it has what came later")
	}
	err := s.Update(within(t), func(tx *hhs.Tx, n Notes) error { return past.Root().Lines.Append(tx, "rewritten") })
	if !errors.Is(err, hhs.ErrPast) || hhs.Code(err) != "read_only" {
		t.Error(err)
	}
	if len(past.Heads()) != 1 || past.Heads()[0] != then || past.Commits() != uint64(s.Replica().Len()-1) {
		t.Errorf("%v, %d commits of %d", past.Heads(), past.Commits(), s.Replica().Len())
	}
	if _, err := s.At(within(t), object.Sum(object.DagCBOR, nil)); !errors.Is(err, hhs.ErrNotFound) {
		t.Error(err)
	}
}

// TestAtJudgedNow: what was taken back since is shown by the version, and not by the version judged now.
func TestAtJudgedNow(t *testing.T) {
	s := must(hhs.Create(within(t), offline(t), Notebook))(t)
	one := write(t, s, "one").Commit
	two := write(t, s, "two").Commit
	_, err := s.Replica().Update(within(t), func(tx *replica.Tx) error { return tx.Undo(one) })
	ok(t, err)
	if got := texts(t, must(s.At(within(t), two))(t).Root().Lines); len(got) != 2 {
		t.Errorf("then: %q", got)
	}
	if got := texts(t, must(s.AtJudgedNow(within(t), two))(t).Root().Lines); len(got) != 1 || got[0] != "two" {
		t.Errorf("judged now: %q", got)
	}
}

// TestUndoneOften: of the undos of one commit no more are told than somebody reads.
func TestUndoneOften(t *testing.T) {
	s := must(hhs.Create(within(t), offline(t), Notebook))(t)
	first := write(t, s, "one").Commit
	for range 20 {
		_, err := s.Replica().Update(within(t), func(tx *replica.Tx) error { return tx.Undo(first) })
		ok(t, err)
	}
	page := must(s.History(within(t), hhs.HistoryQuery{Field: "lines"}))(t)
	if one := page.Commits[0]; len(page.Commits) != 1 || len(one.UndoneBy) != 16 || one.Ops[0].Effect != replica.EffectUndone {
		t.Errorf("%+v", page)
	}
}

// TestHistory: who wrote what, newest first, in pages, with what became of it.
func TestHistory(t *testing.T) {
	n := offline(t)
	ok(t, n.SetName(within(t), "Ana"))
	s := must(hhs.Create(within(t), n, Notebook))(t)
	first := write(t, s, "one").Commit
	ok(t, s.Update(within(t), func(tx *hhs.Tx, n Notes) error { return n.Title.Set(tx, "a title") }))
	undone, err := s.Replica().Update(within(t), func(tx *replica.Tx) error { return tx.Undo(first) })
	ok(t, err)
	page := must(s.History(within(t), hhs.HistoryQuery{Limit: 2}))(t)
	if len(page.Commits) != 2 || page.Commits[0].Commit != undone.Commit || page.Commits[1].Ops[0].Value != "a title" || page.Commits[1].Name != "Ana" {
		t.Fatalf("%+v", page)
	}
	page = must(s.History(within(t), hhs.HistoryQuery{Limit: 9, Before: page.Next}))(t)
	one := page.Commits[0]
	if one.Commit != first || len(one.UndoneBy) != 1 || one.UndoneBy[0] != undone.Commit || one.Ops[0].Effect != replica.EffectUndone || !page.Next.IsZero() {
		t.Errorf("%+v", page)
	}
	only := must(s.History(within(t), hhs.HistoryQuery{Limit: 9, Field: "title"}))(t)
	if len(only.Commits) != 1 || only.Commits[0].Ops[0].Action != "set" || only.Commits[0].Identity != n.Identity() {
		t.Errorf("%+v", only)
	}
	if page := must(s.History(within(t), hhs.HistoryQuery{}))(t); page.Commits[0].Ops[0].Commits[0] != first || !page.Next.IsZero() {
		t.Errorf("%+v", page)
	}
	for _, q := range []hhs.HistoryQuery{{Limit: -1}, {Field: "lyrics"}} {
		if _, err := s.History(within(t), q); hhs.Code(err) != "invalid" {
			t.Errorf("%+v: %v", q, err)
		}
	}
	if _, err := s.History(within(t), hhs.HistoryQuery{Field: "lyrics"}); !errors.Is(err, hhs.ErrNoField) || !strings.Contains(err.Error(), `"lyrics"`) {
		t.Error(err)
	}
	for _, now := range [][]object.ID{nil, s.Heads()} {
		list := must(s.Diff(within(t), []object.ID{first}, now))(t)
		if len(list) != 2 || list[0].Field != "title" || list[0].Before != nil || list[1].Field != "lines" || list[1].After != nil {
			t.Fatalf("%+v", list)
		}
		if before, after, err := list[0].Values(); before != nil || after != "a title" || err != nil {
			t.Errorf("%v -> %v, %v", before, after, err)
		}
	}
	if now := must(s.At(within(t)))(t); !slices.Equal(now.Heads(), s.Heads()) || len(texts(t, now.Root().Lines)) != 0 {
		t.Errorf("the present is %v", now.Heads())
	}
}

// TestHistoryOfRemovals: what was removed from a set is told as it was added, also a long value, of which the op has a hash.
func TestHistoryOfRemovals(t *testing.T) {
	n := offline(t)
	set := authority.Field{Name: "tags", Type: "set"}
	m := &authority.Manifest{Kind: "example.org/tags", Version: 1, Policy: authority.PolicyOpen, Fields: []authority.Field{
		set, {Name: "by", Type: "map", Of: &authority.Field{Type: "record", Fields: []authority.Field{set}}}}}
	s := must(n.CreateSpace(within(t), m))(t)
	must(s.Apply(within(t), []hhs.Op{{Field: "by", Path: []any{"ana"}, Action: "make"}}))(t)
	for _, value := range []string{"red", strings.Repeat("long", 1000)} {
		for _, op := range []hhs.Op{{Field: "tags"}, {Field: "by", Path: []any{"ana", nil, "tags"}}} {
			for _, op.Action = range []string{"add", "remove"} {
				op.Value = value
				must(s.Apply(within(t), []hhs.Op{op}))(t)
			}
			last := must(s.History(within(t), hhs.HistoryQuery{Limit: 1}))(t).Commits[0].Ops[0]
			if last.Action != "remove" || last.Value != value {
				t.Errorf("%s %v: %v %.20v", op.Field, op.Path, last.Action, last.Value)
			}
		}
	}
}

// TestHistoryOfPath: only what is in, on or around a value inside a field.
func TestHistoryOfPath(t *testing.T) {
	n := offline(t)
	m := &authority.Manifest{Kind: "example.org/plan", Version: 1, Policy: authority.PolicyOpen, Fields: []authority.Field{
		{Name: "items", Type: "map", Of: &authority.Field{Type: "record", Fields: []authority.Field{{Name: "title", Type: "register"}, {Name: "done", Type: "register"}}}}}}
	s := must(n.CreateSpace(within(t), m))(t)
	do := func(action string, value any, path ...any) object.ID {
		return must(s.Apply(within(t), []hhs.Op{{Field: "items", Path: path, Action: action, Value: value}}))(t).Commit
	}
	milk := do("make", nil, "milk")
	do("make", nil, "bread")
	title := do("set", "Milk", "milk", nil, "title")
	done := do("set", true, "milk", nil, "done")
	do("set", "Bread", "bread", nil, "title")
	gone := do("remove", nil, "milk")
	for _, c := range []struct {
		path []string
		want []object.ID
	}{{[]string{"milk"}, []object.ID{gone, done, title, milk}}, {[]string{"milk", "title"}, []object.ID{gone, title, milk}}, {[]string{"eggs"}, nil}} {
		var got []object.ID
		for _, one := range must(s.History(within(t), hhs.HistoryQuery{Field: "items", Path: c.path}))(t).Commits {
			got = append(got, one.Commit)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%v: %v, want %v", c.path, got, c.want)
		}
	}
}
