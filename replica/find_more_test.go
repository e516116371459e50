package replica_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/hyperhyperspace/hhs-go/authority"
	"github.com/hyperhyperspace/hhs-go/crdt"
	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/replica"
)

// found reads one page.
func found(t testing.TB, s *replica.Space, q replica.Query) replica.FindPage {
	t.Helper()
	v, err := s.View()
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	page, err := v.Find(context.Background(), q)
	if err != nil {
		t.Fatal(err)
	}
	return page
}

func findSpace(t testing.TB) *replica.Space {
	t.Helper()
	s, err := newNode(t, 1).Create(context.Background(), &authority.Manifest{Kind: "test/find", Version: 1, Policy: authority.PolicyOpen, Fields: findFields()})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// What is asked for wrongly is refused by a stable error, and a cursor of somebody else's making does no harm.
func TestFindRefused(t *testing.T) {
	s := findSpace(t)
	v, err := s.View()
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	id := s.ID()
	for _, q := range []replica.Query{{}, {Limit: 1}, {Type: "t"}, {Type: "t", Limit: -1}, {Type: "t", Limit: 1, From: []byte("x")}, {Type: "#a", Link: id, Limit: 1},
		{Link: id, Ref: &object.Ref{Space: id}, Limit: 1}, {Ref: &object.Ref{}, Limit: 1}, {Ref: &object.Ref{Space: id, Path: []string{""}}, Limit: 1}} {
		if _, err := v.Find(context.Background(), q); !errors.Is(err, replica.ErrQuery) {
			t.Errorf("%+v: %v", q, err)
		}
	}
	for _, c := range []byte{0, 1, 0x7f, 0xff} {
		for _, newest := range []bool{false, true} {
			q := replica.Query{Type: "t", Limit: 1, Newest: newest, From: bytes.Repeat([]byte{c}, 16)}
			if page, err := v.Find(context.Background(), q); err != nil || page.Found != nil || page.Next != nil {
				t.Errorf("from %x: %+v %v", c, page, err)
			}
		}
	}
}

// A commit with as many links and types as there can be leaves no more facts than it has bytes, each of which finds it; of
// what is in none of the forms there is nothing.
func TestFindManyLinks(t *testing.T) {
	s := findSpace(t)
	var links, types []any
	for i := range 1400 {
		links = append(links, object.Sum(object.Raw, []byte(fmt.Sprint(i))))
		types = append(types, map[string]any{"$type": fmt.Sprint("t", i)})
	}
	_, err := s.Update(context.Background(), func(tx *replica.Tx) error {
		tx.RawValue(history.Op{Field: "reg", Action: "set"}, enc(t, links))
		env, err := tx.Env("items")
		if err != nil {
			return err
		}
		w, err := crdt.NewListWriter(env)
		if err == nil {
			err = w.InsertValues(0, types)
		}
		if err != nil {
			return err
		}
		drafts, err := w.Drafts()
		for _, d := range drafts {
			err = errors.Join(err, tx.Do("items", d))
		}
		for _, garbage := range []string{"\xd8\x2a", "\xd8\x2a\x58\x25\x00", "\xa1\x65$type", "\xa1\x65$type\xd8\x2a", "\x82\x65$type\x67hhs/ref", "\xff\xd8\x2a\x65$type"} {
			tx.RawValue(history.Op{Field: "lines", Action: "append"}, []byte(garbage))
			tx.RawValue(history.Op{Field: "tasks", Action: "make"}, []byte(garbage))
			tx.RawValue(history.Op{Field: "items", Action: "edit"}, []byte(garbage))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range []int{0, 700, 1399} {
		if page := found(t, s, replica.Query{Link: links[i].(object.ID), Limit: 9}); len(page.Found) != 1 || page.Found[0].Field != "reg" {
			t.Errorf("link %d: %+v", i, page)
		}
		page := found(t, s, replica.Query{Type: fmt.Sprint("t", i), Limit: 9})
		if want := i == 0; want != (len(page.Found) == 1) {
			t.Errorf("type %d: %d found", i, len(page.Found))
		}
	}
	if n := s.Facts(t); n != 1400+256 {
		t.Errorf("%d facts", n)
	}
}

// What is not shown any more costs a page its looks and does not stop it.
func TestFindPassesOver(t *testing.T) {
	s := findSpace(t)
	const writes = 5000
	for n := 0; n < writes; n += 250 {
		_, err := s.Update(context.Background(), func(tx *replica.Tx) error {
			for i := range 250 {
				env, err := tx.Env("reg")
				if err != nil {
					return err
				}
				d, err := crdt.RegisterSet(env, enc(t, map[string]any{"$type": "t", "n": int64(n + i)}))
				if err != nil {
					return err
				}
				if err := tx.Do("reg", d); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, newest := range []bool{false, true} {
		q := replica.Query{Type: "t", Limit: 2, Newest: newest}
		pages, all := 0, []replica.Found(nil)
		for {
			page := found(t, s, q)
			pages, all = pages+1, append(all, page.Found...)
			if q.From = page.Next; q.From == nil {
				break
			}
		}
		if pages < 2 || pages > 3 || len(all) != 1 || !bytes.Equal(all[0].Value, enc(t, map[string]any{"$type": "t", "n": int64(writes - 1)})) {
			t.Errorf("%d pages, %d found", pages, len(all))
		}
	}
}

// Of two fields, and of two properties, which concurrent changes of the schema declare under one name, what is in the one
// that the space shows is found, and not what is in the other.
func TestFindAfterSchemaChange(t *testing.T) {
	p := newSchemaPlay(t, 1)
	pull(t, p.spaces[0], p.spaces[2], 1<<20)
	declare := func(s *replica.Space, typ string) {
		f := authority.Field{Name: "x", Type: typ}
		in := authority.Field{Name: "r", Type: "record", Fields: []authority.Field{{Name: "q", Type: typ}}}
		p.update(s, func(tx *replica.Tx) error {
			return tx.ChangeSchema(kindOf(t, s).Manifest().Version, []authority.Field{f, in})
		})
		value := enc(t, map[string]any{"$type": "t", "by": typ})
		action := map[string]string{"set": "add", "log": "append"}[typ]
		p.update(s, func(tx *replica.Tx) error {
			tx.RawValue(history.Op{Field: "x", Action: action}, value)
			tx.RawValue(history.Op{Field: "r", Action: action}, append(append([]byte{0x82}, enc(t, []any{"q"})...), value...))
			return nil
		})
	}
	declare(p.spaces[0], "set")
	declare(p.spaces[2], "log")
	for _, s := range []*replica.Space{p.spaces[0], p.spaces[2]} {
		if page := found(t, s, replica.Query{Type: "t", Limit: 9}); len(page.Found) != 2 {
			t.Fatalf("before they meet: %+v", page)
		}
	}
	pull(t, p.spaces[0], p.spaces[2], 1<<20)
	pull(t, p.spaces[2], p.spaces[0], 1<<20)
	for _, s := range []*replica.Space{p.spaces[0], p.spaces[2]} {
		x, _ := kindOf(t, s).Manifest().Field("x")
		page := found(t, s, replica.Query{Type: "t", Limit: 9})
		want := enc(t, map[string]any{"$type": "t", "by": x.Type})
		if len(page.Found) != 2 || !bytes.Equal(page.Found[0].Value, want) || !bytes.Equal(page.Found[1].Value, want) {
			t.Errorf("the space has a %s: found %+v", x.Type, page.Found)
		}
	}
}

// FuzzFacts: what a value is looked up by is what decoding it says, for any bytes.
func FuzzFacts(f *testing.F) {
	for _, v := range []any{nil, map[string]any{"$type": "t", "see": object.Sum(object.Raw, nil)}, object.Ref{Space: object.Sum(object.DagCBOR, nil), Path: []string{"a"}}.Value(),
		[]any{map[string]any{"$type": "t"}}, []byte("\xd8\x2a")} {
		block, err := object.Encode(v)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(block)
	}
	f.Add([]byte("\xa1\x65$type"))
	f.Fuzz(func(t *testing.T, block []byte) {
		typ, ids, refs := replica.FactsOf(block)
		v, err := object.Decode(block)
		if err != nil {
			if len(ids)+len(refs) > 0 {
				t.Fatalf("%x is no value: %v %v", block, ids, refs)
			}
			return
		}
		m, _ := v.(map[string]any)
		if want, _ := m["$type"].(string); want != typ {
			t.Fatalf("type %q of %x", typ, block)
		}
		for _, id := range ids {
			if !links(v, id, nil) {
				t.Fatalf("%x does not link to %s", block, id)
			}
		}
		for _, ref := range refs {
			if !links(v, object.ID{}, &ref) {
				t.Fatalf("%x has no reference %s", block, ref)
			}
		}
	})
}
