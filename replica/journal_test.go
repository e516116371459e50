package replica_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/hyperhyperspace/hhs-go/crdt"
	"github.com/hyperhyperspace/hhs-go/replica"
	"github.com/hyperhyperspace/hhs-go/store"
)

// sight is what a log showed at a mark.
type sight struct {
	mark   replica.Mark
	places []string
}

func look(t *testing.T, s *replica.Space) (sight, *crdt.Env) {
	t.Helper()
	v, err := s.MarkedView()
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	env, err := v.Env("lines")
	if err != nil {
		t.Fatal(err)
	}
	seen := sight{mark: v.Mark()}
	for e, err := range crdt.LogScan(env, crdt.LogRange{}) {
		if err != nil {
			t.Fatal(err)
		}
		seen.places = append(seen.places, string(e.Key))
	}
	return seen, env
}

// TestJournalLeavesNothingOut: what stands before the place that Touched tells is as it was at the mark, of whatever
// age, through late entries, undo, and more changes than the journal keeps; reads do not wait for a batch that the
// store has not taken yet, and what they show then is judged by the same.
func TestJournalLeavesNothingOut(t *testing.T) {
	for _, steps := range []int{60, 400} {
		t.Run(fmt.Sprint(steps), func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, uint64(steps)))
			mem := store.NewMem()
			u := &undoTest{t: t, space: create(t, newNode(t, 1, func(c *replica.Config) { c.Store = mem }))}
			theirs := join(t, newNode(t, 2), u.space)
			pull(t, theirs, u.space, 1<<20)
			first, env := look(t, u.space)
			if _, ok := u.space.Touched("lines", env, replica.Mark{}); ok {
				t.Fatal("something is known of a mark that was never given")
			}
			old := []sight{first}
			eager := 0
			check := func(i int) {
				now, env := look(t, u.space)
				for _, then := range append(slices.Clone(old[max(0, len(old)-20):]), old[r.IntN(len(old))]) {
					place, ok := u.space.Touched("lines", env, then.mark)
					if !ok {
						t.Fatalf("step %d: nothing is known of a mark", i)
					}
					if a, b := until(then.places, place), until(now.places, place); !slices.Equal(a, b) {
						t.Fatalf("step %d: %d entries stood before the place touched, %d do", i, len(a), len(b))
					}
					if place != "" && slices.Equal(then.places, now.places) {
						eager++
					}
				}
				old = append(old, now)
			}
			for i := range steps {
				n := r.IntN(20)
				whileWritten(t, mem, func() {
					switch {
					case n < 12:
						u.line(fmt.Sprint(i))
					case n < 14:
						u.undo()
					case n < 15:
						u.redo()
					case n < 18:
						line(t, theirs, fmt.Sprint("t", i))
					case n < 19:
						pull(t, u.space, theirs, 1<<20)
					default:
						pull(t, theirs, u.space, 1<<20)
					}
				}, func() { check(i) })
				check(i)
			}
			if eager > len(old)*10 {
				t.Errorf("%d times of %d something was touched that nothing happened to", eager, len(old)*21)
			}
		})
	}
}

// whileWritten has a store wait with what an edit writes, if that is anything, until read is done.
func whileWritten(t *testing.T, mem *store.Mem, edit, read func()) {
	t.Helper()
	release := mem.Block()
	defer release()
	edited, end := context.WithCancel(t.Context())
	go func() {
		defer end()
		edit()
	}()
	if mem.Blocked(edited, 1) == nil {
		read()
	}
	release()
	<-edited.Done()
}

// TestJournalOfAValueAskedAboutMeanwhile: of a value that is asked about for the first time while a batch is at the door the
// journal does not say that the batch left it as it was.
func TestJournalOfAValueAskedAboutMeanwhile(t *testing.T) {
	mem := store.NewMem()
	s := create(t, newNode(t, 1, func(c *replica.Config) { c.Store = mem }))
	look(t, s) // the journal is kept from here on
	var before sight
	whileWritten(t, mem, func() { line(t, s, "one") }, func() {
		var env *crdt.Env
		before, env = look(t, s)
		s.Touched("lines", env, before.mark)
	})
	now, env := look(t, s)
	if place, ok := s.Touched("lines", env, before.mark); ok && place != now.places[0] || len(before.places) > 0 {
		t.Errorf("touched is %x; the entry that came is at %x", place, now.places[0])
	}
}

// TestJournalOfWhatWasNotStored: nothing is known of marks before a batch that the store did not take, and all of later ones.
func TestJournalOfWhatWasNotStored(t *testing.T) {
	mem := store.NewMem()
	s := create(t, newNode(t, 1, func(c *replica.Config) { c.Store = mem }))
	line(t, s, "one")
	before, env := look(t, s)
	if place, ok := s.Touched("lines", env, before.mark); !ok || place != "" {
		t.Fatalf("touched is %x, %v", place, ok)
	}
	mem.FailNext(errors.New("no room"))
	if _, err := s.Update(t.Context(), say("two")); err == nil {
		t.Fatal("it was stored")
	}
	after, env := look(t, s)
	if _, ok := s.Touched("lines", env, before.mark); ok {
		t.Error("all is known of a time in which a batch may have been stored")
	}
	line(t, s, "two")
	now, env := look(t, s)
	if place, ok := s.Touched("lines", env, after.mark); !ok || place != now.places[1] {
		t.Errorf("touched is %x, %v; the entry that came is at %x", place, ok, now.places[1])
	}
}

func until(places []string, place string) []string {
	n, _ := slices.BinarySearch(places, place)
	if place == "" {
		n = len(places)
	}
	return places[:n]
}

// TestJournalOfAnAppend: what comes at the end touches nothing before it, and a mark of another opening is not known.
func TestJournalOfAnAppend(t *testing.T) {
	n := newNode(t, 1)
	s := create(t, n)
	line(t, s, "one")
	_, env := look(t, s)
	s.Touched("lines", env, replica.Mark{})
	before, _ := look(t, s)
	line(t, s, "two")
	after, env := look(t, s)
	if place, ok := s.Touched("lines", env, before.mark); !ok || place != after.places[1] {
		t.Errorf("touched is %x, %v; the entry that came is at %x", place, ok, after.places[1])
	}
	if place, ok := s.Touched("lines", env, after.mark); !ok || place != "" {
		t.Errorf("nothing happened, and touched is %x, %v", place, ok)
	}
	if _, err := n.Rebuild(context.Background(), s.ID(), nil); err != nil {
		t.Fatal(err)
	}
	again, err := n.Space(s.ID())
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, env = look(t, again); env == nil {
			t.Fatal("no environment")
		}
		if _, ok := again.Touched("lines", env, after.mark); ok {
			t.Error("a mark of the copy before it was rebuilt is known")
		}
	}
}

// TestJournalWithinUpdate: a transaction's mark is that of the version it began with, and none after an undo.
func TestJournalWithinUpdate(t *testing.T) {
	u, _ := newUndoTest(t)
	u.line("one")
	seen, _ := look(t, u.space)
	u.update(func(tx *replica.Tx) error {
		m, ok := tx.Mark()
		if !ok || m != seen.mark {
			t.Errorf("the transaction's mark is %x, %v, that of the version %x", m, ok, seen.mark)
		}
		if err := undoLast(tx, 0); err != nil {
			return err
		}
		if _, ok = tx.Mark(); ok {
			t.Error("a transaction that takes something back has a mark")
		}
		return nil
	})
}
