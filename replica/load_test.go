package replica_test

import (
	"context"
	"fmt"
	"iter"
	"runtime"
	"slices"
	"testing"

	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/replica"
	"github.com/hyperhyperspace/hhs-go/store"
)

// counting is a store that counts the records read of it.
type counting struct {
	store.Store
	records int
}

func (c *counting) Snapshot() (store.Snapshot, error) {
	s, err := c.Store.Snapshot()
	return &countingSnapshot{s, c}, err
}

type countingSnapshot struct {
	store.Snapshot
	of *counting
}

func (s *countingSnapshot) Get(key []byte) ([]byte, error) {
	s.of.records++
	return s.Snapshot.Get(key)
}

func (s *countingSnapshot) Scan(lo, hi []byte, reverse bool) iter.Seq2[store.KV, error] {
	return func(yield func(store.KV, error) bool) {
		s.of.records++
		for kv, err := range s.Snapshot.Scan(lo, hi, reverse) {
			s.of.records++
			if !yield(kv, err) {
				return
			}
		}
	}
}

// crossing lets two devices write at the same time n times, each having seen the other's commit before: every commit is a
// run of the graph.
func crossing(w *world, n int) {
	w.t.Helper()
	both := []forger{w.bad, w.good}
	tips := []object.ID{w.root, w.root}
	for seq := uint64(1); int(seq) <= n; {
		b := &history.Batch{}
		for range min(256, n-int(seq)+1) {
			seen := slices.Clone(tips)
			for i, f := range both {
				text := fmt.Sprint(f.key().Short()[:2], seq)
				d := f.next(text, seen[i], seq, seen[1-i])
				if seq == 1 {
					d = f.first(text, w.root)
				}
				c := d.commit(w.t)
				b.Commits, tips[i] = append(b.Commits, c), c.ID
			}
			seq++
		}
		for i, f := range both {
			b.Attestations = append(b.Attestations, f.attest(w.id(), b.Commits[len(b.Commits)-2+i]))
		}
		if _, err := w.space.Ingest(context.Background(), b, peer); err != nil {
			w.t.Fatal(err)
		}
	}
}

// crowd lets n devices write once each, all at the same time.
func crowd(w *world, n int) []forger {
	w.t.Helper()
	ident, _, err := identity.NewDevice(context.Background(), seeded(4000), "crowd", 1)
	if err != nil {
		w.t.Fatal(err)
	}
	b := &history.Batch{}
	var all []forger
	for i := range n {
		key, err := identity.NewKey(seeded(uint64(5000 + i)))
		if err != nil {
			w.t.Fatal(err)
		}
		cert, err := identity.Certify(context.Background(), ident, key.Public(), "d", 1)
		if err != nil {
			w.t.Fatal(err)
		}
		f := forger{w.t, identity.Device{Signer: key, Certificate: cert}}
		c := f.first(fmt.Sprint("h", i), w.root).commit(w.t)
		b.Commits, b.Attestations = append(b.Commits, c), append(b.Attestations, f.attest(w.id(), c))
		all = append(all, f)
	}
	if _, err := w.space.Ingest(context.Background(), b, peer); err != nil {
		w.t.Fatal(err)
	}
	return all
}

// open opens the space on a node of its own.
func (w *world) open(s store.Store) *replica.Space {
	w.t.Helper()
	n := newNode(w.t, 77, func(c *replica.Config) { c.Store, c.Device = s, w.space.Node().Device() })
	space, err := n.Space(w.id())
	if err != nil {
		w.t.Fatal(err)
	}
	return space
}

// TestOpeningReadsTheSame: opening a space, and the first read and write after it, read as many records of a long and
// much diverged history, or of one with many authors, as of a short one.
func TestOpeningReadsTheSame(t *testing.T) {
	reads := func(make func(w *world)) (opened, wrote int) {
		w := newWorld(t)
		make(w)
		line(t, w.space, "merged") // one head, as is usual
		c := &counting{Store: w.mem}
		s := w.open(c)
		opened = c.records
		line(t, s, "more")
		return opened, c.records - opened
	}
	short, shortWrite := reads(func(w *world) { crossing(w, 10) })
	for name, make := range map[string]func(w *world){
		"2,000 runs":    func(w *world) { crossing(w, 1000) },
		"1,000 authors": func(w *world) { crowd(w, 1000) },
	} {
		long, longWrite := reads(make)
		// A page of heads more or less is where the numbers happen to end.
		if long > short+2 || longWrite > shortWrite+4 {
			t.Errorf("%s: opening reads %d records, writing %d; of a short history %d and %d", name, long, longWrite, short, shortWrite)
		}
	}
}

// TestOpenSpaceKeepsLittle: what an open space holds in memory does not grow with its history, also after all
// of the history was asked for.
func TestOpenSpaceKeepsLittle(t *testing.T) {
	held := func(make func(w *world)) int64 {
		w := newWorld(t)
		make(w)
		line(t, w.space, "merged")
		before := heap()
		s := w.open(w.mem)
		if n, err := s.CountMissing(nil); err != nil || n != s.Len() {
			t.Fatalf("%d commits are missing of %d: %v", n, s.Len(), err)
		}
		if tips, err := s.Chains(nil); err != nil || len(tips) < 3 {
			t.Fatalf("%d chains: %v", len(tips), err)
		}
		for _, tip := range must(s.Chains(nil))(t) {
			if !s.HasAuthor(tip.Author) {
				t.Fatal("an author is not known")
			}
		}
		grown := heap() - before
		runtime.KeepAlive(s)
		runtime.KeepAlive(w)
		return grown
	}
	short := held(func(w *world) { crossing(w, 1000) })
	for name, make := range map[string]func(w *world){
		"10,000 runs":   func(w *world) { crossing(w, 5000) },
		"2,000 authors": func(w *world) { crowd(w, 2000) },
	} {
		// A tenth of what the runs or the authors would take.
		if long := held(make); long > short+64<<10 {
			t.Errorf("%s: %d bytes, of 2,000 runs %d", name, long, short)
		}
	}
}

func must[T any](v T, err error) func(t testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// heap is what is in use after all garbage is gone.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // what sync.Pools held
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestHeadsOutliveTheProcess: heads, also many in one page and pages that became empty, are what they were.
func TestHeadsOutliveTheProcess(t *testing.T) {
	w := newWorld(t)
	all := crowd(w, 200)
	s := reopened(t, w.space, w.mem)
	if len(s.Heads()) != 200 {
		t.Fatalf("%d heads", len(s.Heads()))
	}
	// Some are merged: the first page is empty then, the others have gaps.
	heads := map[object.ID]bool{}
	tips := must(s.Chains(nil))(t)
	for _, f := range all[:100] {
		at := slices.IndexFunc(tips, func(c replica.ChainTip) bool { return c.Author == f.key() })
		heads[tips[at].Tip] = true
	}
	d := w.bad.first("merge", w.root)
	for id := range heads {
		if len(d.env.Parents) < history.MaxParents {
			d.env.Parents = append(d.env.Parents, id)
		}
	}
	d.env.Parents = sorted(d.env.Parents...)
	b, c := w.one(d)
	if _, err := s.Ingest(context.Background(), b, peer); err != nil {
		t.Fatal(err)
	}
	want := 200 - (len(d.env.Parents) - 1) + 1 // the root was none
	if got := s.Heads(); len(got) != want || !slices.Contains(got, c.ID) || !slices.IsSortedFunc(got, object.ID.Compare) {
		t.Fatalf("%d heads, want %d with the merge among them", len(got), want)
	}
	s = reopened(t, s, w.mem)
	line(t, s, "all")
	if s = reopened(t, s, w.mem); len(s.Heads()) != 1 {
		t.Fatalf("%d heads after all were merged", len(s.Heads()))
	}
}

// TestAuthorsBeyondTheCache: whoever was forgotten is read again, also to tell a fork.
func TestAuthorsBeyondTheCache(t *testing.T) {
	w := newWorld(t)
	all := crowd(w, 300)
	s := w.open(w.mem)
	for i, f := range all {
		if !s.HasAuthor(f.key()) || w.space.HasAuthor(newForger(t, uint64(9000+i%5)).key()) {
			t.Fatalf("author %d is not known, or a stranger is", i)
		}
	}
	f := all[0] // forgotten by now
	tips := must(s.Chains(nil))(t)
	tip := tips[slices.IndexFunc(tips, func(c replica.ChainTip) bool { return c.Author == f.key() })].Tip
	c := f.next("second", tip, 2, s.Heads()[0]).commit(t)
	if _, err := s.Ingest(context.Background(), f.signed(w.id(), c), peer); err != nil {
		t.Fatal(err)
	}
	if len(s.Forks()) != 0 {
		t.Fatal("a chain that goes on is no fork")
	}
	c = f.next("fork", tip, 2, s.Heads()[0]).commit(t)
	if _, err := s.Ingest(context.Background(), f.signed(w.id(), c), peer); err != nil {
		t.Fatal(err)
	}
	if forks := s.Forks(); len(forks) != 1 || forks[0] != f.key() {
		t.Fatalf("forks %v", forks)
	}
	reopened(t, s, w.mem)
}

// TestChainsWorkIsTheDifference: what moved is found whichever way is shorter, and among many authors without going through
// all of them.
func TestChainsWorkIsTheDifference(t *testing.T) {
	w := newWorld(t)
	all := crowd(w, 1000)
	line(t, w.space, "merged")
	c := &counting{Store: w.mem}
	s := w.open(c)
	since := s.Heads()
	for n, f := range all[500:503] {
		tips := must(s.Chains(nil))(t)
		tip := tips[slices.IndexFunc(tips, func(c replica.ChainTip) bool { return c.Author == f.key() })].Tip
		next := f.next("next", tip, 2, s.Heads()[0]).commit(t)
		if _, err := s.Ingest(context.Background(), f.signed(w.id(), next), peer); err != nil {
			t.Fatal(err)
		}
		c.records = 0
		got := must(s.Chains(since))(t)
		if len(got) != n+1 || !slices.ContainsFunc(got, func(c replica.ChainTip) bool { return c == replica.ChainTip{Author: f.key(), Seq: 2, Tip: next.ID} }) {
			t.Fatalf("%d chains moved: %v", n+1, got)
		}
		if c.records > 200 {
			t.Errorf("%d records were read for %d commits among 1,000 authors", c.records, n+1)
		}
	}
}
