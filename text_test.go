package hhs_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	hhs "github.com/hyperhyperspace/hhs-go"
	"github.com/hyperhyperspace/hhs-go/crdt"
)

type page struct {
	Body  hhs.Text
	Items hhs.List[string]
	Meta  struct{ Note hhs.Text }
}

var pages = hhs.Define[page]("hhs.test/page", 1)

func newPage(t testing.TB) *hhs.Space[page] {
	t.Helper()
	node, err := hhs.Open(context.Background(), "", hhs.Kinds(pages), hhs.Offline())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { node.Close() })
	space, err := hhs.Create(context.Background(), node, pages)
	if err != nil {
		t.Fatal(err)
	}
	return space
}

func update(t testing.TB, s *hhs.Space[page], f func(tx *hhs.Tx, p page) error) {
	t.Helper()
	if err := s.Update(context.Background(), f); err != nil {
		t.Fatal(err)
	}
}

// TestTextEdits: each edit sees those before it, in one transaction and in the next, and reading in between changes nothing.
func TestTextEdits(t *testing.T) {
	s := newPage(t)
	update(t, s, func(tx *hhs.Tx, p page) error {
		if err := errors.Join(p.Body.Insert(tx, 0, "helo"), p.Body.Insert(tx, 3, "l"), p.Body.Insert(tx, 5, " 日本😀!"), p.Body.Delete(tx, 9, 1)); err != nil {
			return err
		}
		if got := p.Body.String(); got != "hello 日本😀" {
			t.Errorf("the transaction reads %q", got)
		}
		return errors.Join(p.Body.Replace(tx, 0, 1, "J"), p.Items.Append(tx, "a", "b"), p.Items.Insert(tx, 1, "x"), p.Items.Set(tx, 2, "B"))
	})
	if got := s.Root().Body.String(); got != "Jello 日本😀" {
		t.Errorf("the text is %q", got)
	}
	end, err := s.Root().Body.Cursor(5, false)
	if err != nil {
		t.Fatal(err)
	}
	update(t, s, func(tx *hhs.Tx, p page) error {
		return errors.Join(p.Body.Insert(tx, 0, "> "), p.Items.Delete(tx, 0, 1))
	})
	if at, err := s.Root().Body.Position(end); err != nil || at != 7 {
		t.Errorf("the cursor is at %d, error %v", at, err)
	}
	if got, err := s.Root().Body.Slice(2, 7); err != nil || got != "Jello" {
		t.Errorf("the slice is %q, error %v", got, err)
	}
	if n, err := s.Root().Body.Len(); err != nil || n != 11 {
		t.Errorf("there are %d code points, error %v", n, err)
	}
	items := ""
	for e, err := range s.Root().Items.All() {
		if err != nil {
			t.Fatal(err)
		}
		items += e.Value + " "
	}
	if n, err := s.Root().Items.Len(); items != "x B " || n != 2 || err != nil {
		t.Errorf("the list is %q, length %d, error %v", items, n, err)
	}
}

// TestTextRefuses: what is not there is not edited, and what is no text is not written.
func TestTextRefuses(t *testing.T) {
	s := newPage(t)
	for name, edit := range map[string]func(tx *hhs.Tx, p page) error{
		"insert behind the end": func(tx *hhs.Tx, p page) error { return p.Body.Insert(tx, 1, "x") },
		"insert before it":      func(tx *hhs.Tx, p page) error { return p.Body.Insert(tx, -1, "x") },
		"delete nothing":        func(tx *hhs.Tx, p page) error { return p.Body.Delete(tx, 0, 1) },
		"set nothing":           func(tx *hhs.Tx, p page) error { return p.Items.Set(tx, 0, "x") },
	} {
		var r *crdt.RangeError
		err := s.Update(context.Background(), func(tx *hhs.Tx, p page) error { return edit(tx, p) })
		if !errors.As(err, &r) {
			t.Errorf("%s: %v", name, err)
		}
	}
	err := s.Update(context.Background(), func(tx *hhs.Tx, p page) error { return p.Body.Insert(tx, 0, "\xff") })
	if err == nil {
		t.Error("bytes that are no UTF-8 were written")
	}
}

// ExampleText edits a text.
func ExampleText() {
	ctx := context.Background()
	node, err := hhs.Open(ctx, "", hhs.Kinds(pages), hhs.Offline(), hhs.InMemory())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer node.Close()
	s, err := hhs.Create(ctx, node, pages)
	if err != nil {
		fmt.Println(err)
		return
	}
	err = s.Update(ctx, func(tx *hhs.Tx, p page) error {
		return errors.Join(p.Body.Insert(tx, 0, "hello world"), p.Body.Replace(tx, 0, 5, "Goodbye"))
	})
	fmt.Println(s.Root().Body, err)
	// Output: Goodbye world <nil>
}

// TestDynamicText: ops named at run time count UTF-16 units in a text, and reach a text of a record.
func TestDynamicText(t *testing.T) {
	s := newPage(t).AnySpace
	ctx := context.Background()
	_, err := s.Apply(ctx, []hhs.Op{
		{Field: "body", Action: "insert", Value: []any{int64(0), "a😀b"}},
		{Field: "body", Action: "delete", Value: []any{int64(1), int64(2)}},
		{Field: "body", Action: "insert", Value: []any{int64(2), "😀!"}},
		{Field: "meta", Path: []any{"note"}, Action: "insert", Value: []any{int64(0), "note"}},
		{Field: "items", Action: "insert", Value: []any{int64(0), []any{"x", "y"}}},
		{Field: "items", Action: "set", Value: []any{int64(1), "Y"}},
		{Field: "items", Action: "delete", Value: []any{int64(0), int64(1)}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if got, size, err := s.TextSlice("body", 1, 4); got != "b😀" || size != 5 || err != nil {
		t.Errorf("the text from 1 to 4 is %q of %d, error %v", got, size, err)
	}
	c, err := s.CursorAt("body", 4, false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Apply(ctx, []hhs.Op{{Field: "body", Action: "insert", Value: []any{int64(0), "日"}}}); err != nil {
		t.Fatal(err)
	}
	if at, err := s.CursorPosition("body", c); at != 5 || err != nil {
		t.Errorf("the cursor is at %d, error %v", at, err)
	}
	if p, err := s.ListPage("items", 0, 9); err != nil || len(p.Entries) != 1 || p.Entries[0].Value != "Y" || p.Size != 1 {
		t.Errorf("the list is %+v, error %v", p, err)
	}
	if item, ok, err := s.Value("meta"); err != nil || !ok || item.Value.(map[string]any)["note"] != "note" {
		t.Errorf("the record is %v, %v, error %v", item.Value, ok, err)
	}
	for name, c := range map[string]struct {
		op   hhs.Op
		code string
	}{
		"within a pair":     {hhs.Op{Field: "body", Action: "insert", Value: []any{int64(4), "x"}}, "invalid"},
		"half of one":       {hhs.Op{Field: "body", Action: "delete", Value: []any{int64(3), int64(1)}}, "invalid"},
		"begins in half":    {hhs.Op{Field: "body", Action: "splice", Value: []any{int64(4), int64(1), ""}}, "invalid"},
		"beyond":            {hhs.Op{Field: "body", Action: "delete", Value: []any{int64(5), int64(9)}}, "invalid"},
		"no number":         {hhs.Op{Field: "body", Action: "delete", Value: []any{int64(0), "x"}}, "invalid"},
		"negative":          {hhs.Op{Field: "body", Action: "delete", Value: []any{int64(-1), int64(1)}}, "invalid"},
		"one too few":       {hhs.Op{Field: "body", Action: "splice", Value: []any{int64(0), int64(1)}}, "invalid"},
		"not text":          {hhs.Op{Field: "body", Action: "insert", Value: []any{int64(0), []any{"x"}}}, "invalid"},
		"not values":        {hhs.Op{Field: "items", Action: "insert", Value: []any{int64(0), "x"}}, "invalid"},
		"no list":           {hhs.Op{Field: "items", Action: "insert", Value: "x"}, "invalid"},
		"not of the kind":   {hhs.Op{Field: "items", Action: "insert", Value: []any{nil, []any{int64(1)}}}, "schema"},
		"no such type":      {hhs.Op{Field: "meta", Action: "insert", Value: []any{int64(0), "x"}}, "invalid"},
		"no such property":  {hhs.Op{Field: "meta", Path: []any{"nope"}, Action: "insert", Value: []any{int64(0), "x"}}, "invalid"},
		"inside a text":     {hhs.Op{Field: "body", Path: []any{"note"}, Action: "insert", Value: []any{int64(0), "x"}}, "invalid"},
		"behind":            {hhs.Op{Field: "items", Action: "set", Value: []any{int64(1), "x"}}, "invalid"},
		"set without where": {hhs.Op{Field: "items", Action: "set", Value: "x"}, "invalid"},
	} {
		if _, err := s.Apply(ctx, []hhs.Op{c.op}); hhs.Code(err) != c.code {
			t.Errorf("%s: %v, code %s", name, err, hhs.Code(err))
		}
	}
}

// TestDynamicSplice: the edits of one op each see those before, a position of null is the end, and a cursor has a place.
func TestDynamicSplice(t *testing.T) {
	s := newPage(t).AnySpace
	ctx := context.Background()
	_, err := s.Apply(ctx, []hhs.Op{
		{Field: "body", Action: "insert", Value: []any{nil, "one two"}},
		{Field: "body", Action: "splice", Value: []any{int64(0), int64(3), "1😀", int64(4), int64(0), "and ", nil, int64(0), "."}},
		{Field: "items", Action: "insert", Value: []any{nil, []any{"a", "b"}}},
		{Field: "items", Action: "splice", Value: []any{int64(1), int64(1), []any{"c", "d"}, nil, int64(0), []any{"e"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := s.Text("body"); got != "1😀 and two." || err != nil {
		t.Errorf("the text is %q, error %v", got, err)
	}
	if item, _, err := s.Value("items"); fmt.Sprint(item.Value) != "[a c d e]" || err != nil {
		t.Errorf("the list is %v, error %v", item.Value, err)
	}
	for _, at := range []int{0, 1, 3, 4, 12} {
		for _, ahead := range []bool{false, true} {
			c, err := s.CursorAt("body", at, ahead)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := s.CursorPosition("body", c); got != at || err != nil {
				t.Errorf("a cursor at %d (ahead: %v) is at %d, error %v", at, ahead, got, err)
			}
			if _, err := newPage(t).AnySpace.CursorPosition("body", c); len(c) > 1 && hhs.Code(err) != "not_found" {
				t.Errorf("in a text without its element: %v", err)
			}
		}
	}
	for _, at := range []int{2, 13} {
		for _, ahead := range []bool{false, true} {
			if _, err := s.CursorAt("body", at, ahead); hhs.Code(err) != "invalid" {
				t.Errorf("a cursor at %d, ahead %v: %v", at, ahead, err)
			}
		}
	}
	if _, err := s.CursorPosition("body", hhs.Cursor("x")); hhs.Code(err) != "invalid" {
		t.Errorf("what is no cursor: %v", err)
	}
}
