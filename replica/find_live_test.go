package replica_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/hyperhyperspace/hhs-go/crdt"
	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/replica"
)

// pageText is a page as people read it, with its cursors.
func pageText(t testing.TB, s *replica.Space, v *replica.View, q replica.Query) (text string) {
	t.Helper()
	page, err := v.Find(context.Background(), q)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range page.Found {
		text += fmt.Sprintf("%s %s %x\n", foundLine(f.Field, s.PathText(f.Field, f.Path), f.Entry), f.Object, f.Next)
	}
	return text
}

// watcher holds the page that who watches a query has.
type watcher struct {
	q     replica.Query
	page  string
	again func() bool
}

func watchAll(t testing.TB, s *replica.Space, qs ...replica.Query) (list []*watcher) {
	for _, q := range qs {
		q.Limit = 50
		w := &watcher{q: q}
		w.again = s.FollowFind(t, q, func(v *replica.View) error {
			w.page = pageText(t, s, v, w.q)
			return nil
		})
		w.again()
		list = append(list, w)
	}
	return list
}

// current takes the next step of all watchers, holds their pages against what is found, and counts those who read again.
func current(t testing.TB, s *replica.Space, list []*watcher) (reads int) {
	t.Helper()
	for _, w := range list {
		if w.again() {
			reads++
		}
	}
	v, err := s.View()
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	for _, w := range list {
		if want := pageText(t, s, v, w.q); w.page != want {
			t.Fatalf("query %+v: who watches has\n%s\nit is\n%s", w.q, w.page, want)
		}
	}
	return reads
}

// TestFindLiveModel: who watches a query has its page after every step of random histories, in which people also add the same
// elements to a set and take that back, and does not read it again each time.
func TestFindLiveModel(t *testing.T) {
	seeds := uint64(6)
	if testing.Short() {
		seeds = 2
	}
	for seed := range seeds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			p := newFindPlay(t, seed)
			same := enc(t, map[string]any{"$type": "t", "see": p.ids[0]})
			list, reads, most := watchAll(t, p.spaces[0], p.queries()...), 0, 0
			for range 120 {
				s := p.spaces[p.r.IntN(len(p.spaces))]
				switch p.r.IntN(6) {
				case 0:
					p.update(s, func(tx *replica.Tx) error { return tx.Do("tags", crdt.SetAdd(same)) })
				case 1: // the first who added it takes that back, if it is on this device
					page := found(t, s, replica.Query{Type: "t", Link: p.ids[0], Limit: 50})
					for _, f := range page.Found {
						if f.Field == "tags" && f.Identity == s.Node().Device().Identity() {
							p.update(s, func(tx *replica.Tx) error { return tx.Undo(f.Ref.Commit) })
						}
					}
				default:
					p.step()
				}
				reads, most = reads+current(t, p.spaces[0], list), most+len(list)
			}
			if reads > most/2 {
				t.Errorf("%d times of %d the page was read again", reads, most)
			}
		})
	}
}

// Two added the same element to a set: when the first add is taken back, or comes
// again, the author is another one. Who watches a query has that; who watches the space is told nothing, since it shows the same.
func TestFindSetMoves(t *testing.T) {
	p := newFindPlay(t, 1)
	a, b, value := p.spaces[0], p.spaces[2], enc(t, map[string]any{"$type": "t"})
	meet := func() {
		pull(t, a, b, 1<<20)
		pull(t, b, a, 1<<20)
	}
	do := func(s *replica.Space, f func(tx *replica.Tx) error) replica.Receipt {
		t.Helper()
		r, err := s.Update(context.Background(), f)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	add := func(tx *replica.Tx) error { return tx.Do("tags", crdt.SetAdd(value)) }
	one, two := do(a, add), do(b, add)
	meet()
	list := watchAll(t, a, replica.Query{Type: "t"}, replica.Query{Type: "other"})
	feed := a.Follow()
	defer feed.Close()
	first, r := a, one
	if page := found(t, a, replica.Query{Type: "t", Limit: 1}); page.Found[0].Ref.Commit == two.Commit {
		first, r = b, two
	}
	moved := func(what string) {
		t.Helper()
		was := list[0].page
		meet()
		if reads := current(t, a, list); reads != 1 || list[0].page == was {
			t.Errorf("%s: %d read again, and have %s", what, reads, list[0].page)
		}
		v, _, changes, err := feed.Next()
		if err != nil || len(changes) > 0 {
			t.Errorf("%s: subscribers are told %+v, %v", what, changes, err)
		}
		v.Close()
	}
	undo := do(first, func(tx *replica.Tx) error { return tx.Undo(r.Commit) })
	moved("undo")
	do(first, func(tx *replica.Tx) error { return tx.Redo(history.OpRef{Commit: undo.Commit}) })
	moved("redo")
}

// What a page reads is bounded in bytes too: large values that are not shown any more end it, and it goes on to the end.
func TestFindReadsSoMuch(t *testing.T) {
	s := findSpace(t)
	id := object.Sum(object.Raw, []byte("x"))
	const writes, size = 200, 60_000
	for n := range writes {
		_, err := s.Update(context.Background(), func(tx *replica.Tx) error {
			env, err := tx.Env("reg")
			if err != nil {
				return err
			}
			d, err := crdt.RegisterSet(env, enc(t, []any{id, make([]byte, size), int64(n)}))
			if err == nil {
				err = tx.Do("reg", d)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, newest := range []bool{false, true} {
		q, pages, all := replica.Query{Link: id, Limit: 5, Newest: newest}, 0, 0
		for {
			page := found(t, s, q)
			pages, all = pages+1, all+len(page.Found)
			if q.From = page.Next; q.From == nil {
				break
			}
		}
		if least := writes * size / replica.FindRead; pages <= least || pages > least+2 || all != 1 {
			t.Errorf("%d pages for %d bytes, %d found", pages, writes*size, all)
		}
	}
}
