package replica_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/hyperhyperspace/hhs-go/authority"
	"github.com/hyperhyperspace/hhs-go/crdt"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/replica"
)

// seqNames are the sequences of the spaces that undoPlay makes.
var seqNames = []string{"list_", "text_"}

// shownSeqs are the elements that an environment's sequences show.
func shownSeqs(t testing.TB, v *replica.View) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	for _, name := range seqNames {
		env, err := v.Env(name)
		if err != nil {
			t.Fatal(err)
		}
		if name == "text_" {
			text, err := crdt.TextSlice(env, 0, 1<<20)
			if err != nil {
				t.Fatal(err)
			}
			all[name] = strings.Split(text, "")
			continue
		}
		for e, err := range crdt.ListScan(env, 0, 1<<20) {
			if err != nil {
				t.Fatal(err)
			}
			all[name] = append(all[name], string(e.Value))
		}
	}
	return all
}

func spaceSeqs(t testing.TB, s *replica.Space) map[string][]string {
	t.Helper()
	v, err := s.View()
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	return shownSeqs(t, v)
}

// follow applies the changes of sequences to what was shown.
func follow(t testing.TB, shown map[string][]string, changes []replica.Change) {
	t.Helper()
	for _, c := range changes {
		if !slices.Contains(seqNames, c.Field) {
			if len(c.Edits) > 0 && c.Path == nil {
				t.Fatalf("%s has edits: %+v", c.Field, c)
			}
			continue
		}
		if len(c.Edits) == 0 || c.Key != nil || c.Before != nil || c.After != nil {
			t.Fatalf("a change of %s without edits, or with more: %+v", c.Field, c)
		}
		list := slices.Clone(shown[c.Field])
		for i := len(c.Edits) - 1; i >= 0; i-- {
			e := c.Edits[i]
			gone, came := parts(t, e.Deleted), parts(t, e.Inserted)
			at, end := int(e.Index), int(e.Index)+len(gone)
			if end > len(list) || !slices.Equal(list[at:end], gone) {
				t.Fatalf("%s: at %d of %q, %q is said to have been", c.Field, at, list, gone)
			}
			list = slices.Replace(list, at, end, came...)
		}
		shown[c.Field] = list
	}
}

// parts are the elements of content.
func parts(t testing.TB, c crdt.Content) (list []string) {
	t.Helper()
	for _, v := range c.Values {
		list = append(list, string(enc(t, v)))
	}
	return append(list, strings.Split(c.Text, "")...)
}

// TestWatchOfSequences: what a busy subscriber is told leads from what was shown to what is, whatever was merged, undone and
// redone meanwhile, by whom; and no change of one person holds two of the same value that follow each other.
func TestWatchOfSequences(t *testing.T) {
	seeds := uint64(6)
	if testing.Short() {
		seeds = 2
	}
	told := 0
	for seed := range seeds {
		p := newUndoPlay(t, 700+seed)
		p.names = seqNames
		for round := range 25 {
			s := p.spaces[p.r.IntN(len(p.spaces))]
			shown := spaceSeqs(t, s)
			ctx, cancel := context.WithCancel(context.Background())
			news := s.Watch(ctx)
			for range 1 + p.r.IntN(4) {
				p.step()
			}
			now := spaceSeqs(t, s)
			cancel()
			var changes []replica.Change
			for c, err := range news {
				if err != nil {
					t.Fatal(err)
				}
				changes = append(changes, c)
			}
			follow(t, shown, changes)
			for _, name := range seqNames {
				if !slices.Equal(shown[name], now[name]) {
					t.Fatalf("seed %d, round %d: %s: the changes lead to %q, shown is %q", seed, round, name, shown[name], now[name])
				}
				last := ""
				for _, c := range changes {
					if who := string(c.Cause().Identity.String()); c.Field == name {
						if told++; who == last {
							t.Fatalf("seed %d, round %d: %s: two changes of %s follow each other", seed, round, name, who)
						}
						last = who
					}
				}
			}
		}
	}
	if told < int(10*seeds) {
		t.Errorf("only %d changes were told", told)
	}
}

// TestDiffOfSequences: the edits lead from one version to the other, whether one is in the past of the other or not.
func TestDiffOfSequences(t *testing.T) {
	for seed := range uint64(3) {
		p, moments := pastPlay(t, 400+seed, 30, seqNames...)
		s := p.spaces[0]
		for range 20 {
			from, to := moments[p.r.IntN(len(moments))], moments[p.r.IntN(len(moments))]
			list, err := s.Diff(context.Background(), from, to)
			if err != nil {
				t.Fatal(err)
			}
			a, b := shownSeqs(t, viewOf(t, pastOf(t, s, from))), shownSeqs(t, viewOf(t, pastOf(t, s, to)))
			follow(t, a, list)
			for _, name := range seqNames {
				if !slices.Equal(a[name], b[name]) {
					t.Fatalf("seed %d: %s: the difference leads to %q, shown is %q", seed, name, a[name], b[name])
				}
			}
		}
	}
}

// TestDeletionTooLargeToTell: who watches is told to read a list again of which more goes than is told, and the difference
// of two such versions is too large.
func TestDeletionTooLargeToTell(t *testing.T) {
	s, err := newNode(t, 1).Create(context.Background(), &authority.Manifest{Kind: "hhs.test/list", Version: 1, Policy: authority.PolicyOpen, Fields: []authority.Field{{Name: "items", Type: "list"}}})
	if err != nil {
		t.Fatal(err)
	}
	edit := func(f func(w *crdt.SeqWriter) error) object.ID {
		t.Helper()
		c, err := s.Update(context.Background(), func(tx *replica.Tx) error {
			env, err := tx.Env("items")
			if err != nil {
				return err
			}
			w, err := crdt.NewListWriter(env)
			if err == nil {
				err = f(w)
			}
			if err != nil {
				return err
			}
			drafts, err := w.Drafts()
			for _, d := range drafts {
				if err == nil {
					err = tx.Do("items", d)
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return c.Commit
	}
	var all object.ID
	for i := range 80 {
		all = edit(func(w *crdt.SeqWriter) error {
			return w.InsertValues(0, []any{fmt.Sprint(i, strings.Repeat("x", 40_000))})
		})
	}
	ctx, cancel := context.WithCancel(context.Background())
	news := s.Watch(ctx)
	none := edit(func(w *crdt.SeqWriter) error { return w.Delete(0, 80) })
	cancel()
	resync := false
	for c, err := range news {
		resync = resync || err == nil && c.Resync
	}
	if !resync {
		t.Error("80 values of 40 kB went, and who watches is not told to read again")
	}
	if _, err := s.Diff(context.Background(), []object.ID{all}, []object.ID{none}); !errors.Is(err, replica.ErrTooLarge) {
		t.Errorf("their difference is told: %v", err)
	}
}

// TestDiffOfLargeEdits: what comes of many large edits is told, however much came and went between the two versions; it takes the
// room of what is different, and of the state once.
func TestDiffOfLargeEdits(t *testing.T) {
	const room, times = 2 << 20, 60
	s, err := newNode(t, 1).Create(context.Background(), &authority.Manifest{Kind: "hhs.test/text", Version: 1, Policy: authority.PolicyOpen,
		Fields: []authority.Field{{Name: "body", Type: "text"}, {Name: "title", Type: "register"}}})
	if err != nil {
		t.Fatal(err)
	}
	edit := func(text, title string) (id object.ID) {
		t.Helper()
		c, err := s.Update(context.Background(), func(tx *replica.Tx) error {
			env, err := tx.Env("body")
			if err != nil {
				return err
			}
			w, err := crdt.NewTextWriter(env, false)
			if err == nil {
				err = errors.Join(w.Delete(0, w.Len()), w.Insert(0, text))
			}
			if err != nil {
				return err
			}
			drafts, err := w.Drafts()
			for _, d := range drafts {
				if err == nil {
					err = tx.Do("body", d)
				}
			}
			return errors.Join(err, tx.Do("title", crdt.Draft{Action: crdt.ActionSet, Payload: enc(t, title)}))
		})
		if err != nil {
			t.Fatal(err)
		}
		return c.Commit
	}
	first := edit("one", "one")
	for i := range times { // each tells of 2 * 16 kB of text, writes them as pages, and a title of 20 kB
		edit(strings.Repeat(string(rune('a'+i%26)), 16_000), strings.Repeat("t", 20_000))
	}
	last := edit("two", "two")
	replica.CutPast(t, room)
	for _, way := range [][2]object.ID{{first, last}, {last, first}} {
		list, err := s.Diff(context.Background(), way[:1], way[1:])
		if err != nil {
			t.Fatal(err)
		}
		if len(list) != 2 || len(list[0].Edits) != 1 || list[0].Edits[0].Deleted.Len() != 3 || list[0].Edits[0].Inserted.Len() != 3 {
			t.Errorf("the difference is %+v", list)
		}
	}
}
