package hhs_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	hhs "github.com/hyperhyperspace/hhs-go"
)

// TestHistoryOfSequences: of a text or a list the history tells what was inserted and what was deleted, inside a record too, and not
// what the op counts; of very much only how much it is.
func TestHistoryOfSequences(t *testing.T) {
	s := newPage(t)
	said := func(want string) {
		t.Helper()
		page, err := s.History(context.Background(), hhs.HistoryQuery{Limit: 1})
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, op := range page.Commits[0].Ops {
			got += fmt.Sprint(op.Field, op.Path, " ", op.Action, " ", op.Value, "; ")
		}
		if got != want {
			t.Errorf("the history says\n%s\nand not\n%s", got, want)
		}
	}
	update(t, s, func(tx *hhs.Tx, p page) error { return p.Body.Insert(tx, 0, "hello 😀 world") })
	said("body edit [map[insert:hello 😀 world]]; ")
	update(t, s, func(tx *hhs.Tx, p page) error {
		return errors.Join(p.Body.Delete(tx, 0, 2), p.Body.Replace(tx, 4, 1, "and the"), p.Body.Insert(tx, 0, "Ha"))
	})
	said("body edit [map[delete:he] map[delete:😀] map[insert:and the] map[insert:Ha]]; ")
	update(t, s, func(tx *hhs.Tx, p page) error { return p.Body.Delete(tx, 0, 8) }) // of what both wrote, and over what is gone
	said("body edit [map[delete:Ha] map[delete:llo an]]; ")
	if got := s.Root().Body.String(); got != "d the world" {
		t.Errorf("the text is %q", got)
	}
	update(t, s, func(tx *hhs.Tx, p page) error { return p.Meta.Note.Insert(tx, 0, "mind") })
	said("meta.note edit [map[insert:mind]]; ")
	update(t, s, func(tx *hhs.Tx, p page) error { return p.Items.Append(tx, "a", "b", "c") })
	said("items edit [map[insert:[a b c]]]; ")
	update(t, s, func(tx *hhs.Tx, p page) error { return p.Items.Set(tx, 1, "B") })
	said("items set B; ")
	update(t, s, func(tx *hhs.Tx, p page) error { return p.Items.Delete(tx, 1, 2) })
	said("items edit [map[delete:[B c]]]; ")

	for range 3 {
		update(t, s, func(tx *hhs.Tx, p page) error { return p.Body.Insert(tx, 0, strings.Repeat("x", 6000)) })
	}
	update(t, s, func(tx *hhs.Tx, p page) error { return p.Body.Delete(tx, 0, 16_384) })
	said("body edit [map[delete:" + strings.Repeat("x", 16_384) + "]]; ")
	update(t, s, func(tx *hhs.Tx, p page) error { return p.Body.Insert(tx, 0, strings.Repeat("é", 16_384)) })
	update(t, s, func(tx *hhs.Tx, p page) error { return p.Body.Delete(tx, 0, 16_384) })
	said("body edit [map[delete:16384]]; ")
	for range 400 {
		update(t, s, func(tx *hhs.Tx, p page) error { return p.Items.Insert(tx, 0, "y") })
	}
	update(t, s, func(tx *hhs.Tx, p page) error { return p.Items.Delete(tx, 0, 400) }) // 400 stretches, which one op cannot delete
	gone := func(n int) string {
		return "items edit [map[delete:[" + strings.TrimSpace(strings.Repeat("y ", n)) + "]]]; "
	}
	said(gone(256) + gone(144))
}
