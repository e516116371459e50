package replica_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/replica"
	"github.com/hyperhyperspace/hhs-go/store"
)

// forks is what an equivocator signed: branches that leave one another.
//
//	root -> a1 -> a2 -> a3 -> a4
//	         \     \--> c3 -> c4
//	          \-> b2 -> b3
func forks(t *testing.T, w *world) []*history.Commit {
	f := w.bad
	a1 := f.first("a1", w.root).commit(t)
	a2 := f.next("a2", a1.ID, 2).commit(t)
	a3 := f.next("a3", a2.ID, 3).commit(t)
	a4 := f.next("a4", a3.ID, 4).commit(t)
	b2 := f.next("b2", a1.ID, 2).commit(t)
	b3 := f.next("b3", b2.ID, 3).commit(t)
	c3 := f.next("c3", a2.ID, 3).commit(t)
	c4 := f.next("c4", c3.ID, 4).commit(t)
	return []*history.Commit{a1, a2, a3, a4, b2, b3, c3, c4}
}

// Both sides of an equivocation are kept, whoever heard what first.
func TestEquivocation(t *testing.T) {
	ctx := context.Background()
	seeds := uint64(40)
	if testing.Short() {
		seeds = 8
	}
	for seed := range seeds {
		rnd := rand.New(rand.NewPCG(seed, 5))
		w := newWorld(t)
		all := forks(t, w)
		spaces := []*replica.Space{w.space}
		mems := []*store.Mem{w.mem}
		for i := range uint64(2) {
			mem := store.NewMem()
			s := join(t, newNode(t, 10+i, func(c *replica.Config) { c.Store = mem }), w.space)
			pull(t, s, w.space, 1<<20)
			spaces, mems = append(spaces, s), append(mems, mem)
		}
		// Each hears another part in another order; honest ones write in between.
		for i, s := range spaces {
			left := slices.Clone(all)
			for len(left) > rnd.IntN(4) {
				at := rnd.IntN(len(left))
				c := left[at]
				_, err := s.Ingest(ctx, w.bad.signed(w.id(), c), peer)
				if errors.Is(err, replica.ErrMissing) {
					continue
				}
				if err != nil {
					t.Fatalf("seed %d: replica %d: commit %s: %v", seed, i, c.ID, err)
				}
				left = slices.Delete(left, at, at+1)
				if rnd.IntN(3) == 0 {
					line(t, s, "honest")
				}
			}
		}
		for range 2 {
			for i, a := range spaces {
				pull(t, a, spaces[(i+1)%3], 1+rnd.IntN(2000))
				pull(t, a, spaces[(i+2)%3], 1<<20)
			}
		}
		for i, s := range spaces {
			same(t, spaces[0], s)
			if f := s.Forks(); len(f) != 1 || f[0] != w.bad.key() {
				t.Fatalf("seed %d: replica %d knows of forks by %v", seed, i, f)
			}
			for _, c := range all {
				if !spaces[0].Has(c.ID) {
					continue // none got it
				}
				if !s.Has(c.ID) {
					t.Fatalf("seed %d: replica %d lacks a branch", seed, i)
				}
			}
			reopened(t, s, mems[i])
		}
		proof(t, spaces[1], w.bad.key())
	}
}

// proof looks for two attested commits with one seq that are no ancestors of
// each other, in what one replica gives another.
func proof(t *testing.T, s *replica.Space, device identity.PublicKey) {
	t.Helper()
	seqs := map[uint64]int{}
	attested := map[object.ID]bool{}
	for b, err := range s.Batches(nil, 1<<20) {
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range b.Commits {
			if c.Env.Author == device {
				seqs[c.Env.Seq]++
			}
		}
		for _, a := range b.Attestations {
			attested[a.Commit] = true
		}
	}
	tips, err := s.Chains(nil)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, tip := range tips {
		if tip.Author == device && attested[tip.Tip] {
			n++
		}
	}
	if n < 2 {
		t.Fatalf("%d attested branches go on to others (seqs %v)", n, seqs)
	}
}

// A device key that was used in two places, as after restoring a backup, writes
// no more; reading, and others, go on.
func TestForkedSelf(t *testing.T) {
	ctx := context.Background()
	mem := store.NewMem()
	n := newNode(t, 1, func(c *replica.Config) { c.Store = mem })
	a := create(t, n)
	line(t, a, "one")
	// The backup: the same device, at this moment.
	twin := newNode(t, 1)
	b := join(t, twin, a)
	pull(t, b, a, 1<<20)
	line(t, a, "here")
	line(t, b, "there")
	other := join(t, newNode(t, 2), a)
	pull(t, other, a, 1<<20)
	pull(t, other, b, 1<<20)
	pull(t, a, other, 1<<20)
	if _, err := a.Update(ctx, func(tx *replica.Tx) error { return nil }); !errors.Is(err, replica.ErrForked) {
		t.Fatalf("update of a forked device: %v", err)
	}
	if got := lines(t, a); len(got) != 3 {
		t.Fatalf("lines %q", got)
	}
	line(t, other, "goes on")
	pull(t, a, other, 1<<20)
	same(t, a, other)
	again := reopened(t, a, mem)
	if _, err := again.Update(ctx, func(tx *replica.Tx) error { return nil }); !errors.Is(err, replica.ErrForked) {
		t.Fatalf("after reopening: %v", err)
	}
}

// A device restored from an old backup that syncs before it writes just goes on.
func TestRestoredDeviceGoesOn(t *testing.T) {
	a := create(t, newNode(t, 1))
	line(t, a, "one")
	b := join(t, newNode(t, 1), a)
	pull(t, b, a, 1<<20)
	line(t, a, "two")
	pull(t, b, a, 1<<20)
	line(t, b, "three")
	pull(t, a, b, 1<<20)
	same(t, a, b)
	if len(a.Forks()) != 0 {
		t.Fatal("a fork where there is none")
	}
}

// A device that left a space and joined it again does not begin a second
// history: it waits for its own past.
func TestLeaveAndJoinAgain(t *testing.T) {
	ctx := context.Background()
	a := create(t, newNode(t, 1))
	mem := store.NewMem()
	n := newNode(t, 2, func(c *replica.Config) { c.Store = mem })
	b := join(t, n, a)
	pull(t, b, a, 1<<20)
	for range 2 {
		line(t, b, "mine")
		pull(t, a, b, 1<<20)
		if err := b.Acked(ctx, peer.Device, a.Heads()); err != nil {
			t.Fatal(err)
		}
		line(t, b, "unheard") // nobody has it: it need not come back
		if err := n.Leave(ctx, a.ID()); err != nil {
			t.Fatal(err)
		}
		b = join(t, n, a)
		first, err := a.Attested()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.Ingest(ctx, first, peer); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Update(ctx, say("again")); !errors.Is(err, replica.ErrPending) {
			t.Fatalf("writing before the own past is back: %v", err)
		}
		if err := n.Leave(ctx, a.ID()); err != nil { // it still knows the next time
			t.Fatal(err)
		}
		n.Close()
		n = newNode(t, 2, func(c *replica.Config) { c.Store = mem })
		b = join(t, n, a)
		pull(t, b, a, 1)
		line(t, b, "again")
		pull(t, a, b, 1<<20)
		same(t, a, b)
	}
	if len(a.Forks()) != 0 || len(lines(t, a)) != 4 {
		t.Fatalf("forks %v, lines %q", a.Forks(), lines(t, a))
	}
	// Another device of the store is not held up.
	if err := n.Leave(ctx, a.ID()); err != nil {
		t.Fatal(err)
	}
	n.Close()
	other := join(t, newNode(t, 3, func(c *replica.Config) { c.Store = mem }), a)
	first, err := a.Attested()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Ingest(ctx, first, peer); err != nil {
		t.Fatal(err)
	}
	line(t, other, "free")
}

// Many heads are merged by empty commits of at most 64 parents.
func TestManyHeads(t *testing.T) {
	list := []int{63, 64, 65, 130, 1000}
	if testing.Short() {
		list = list[:4]
	}
	for _, heads := range list {
		manyHeads(t, heads)
	}
}

// TestTenThousandHeads is the same at the size of the promise.
func TestTenThousandHeads(t *testing.T) {
	if testing.Short() {
		t.Skip("some seconds")
	}
	manyHeads(t, 10_000)
}

func manyHeads(t *testing.T, heads int) {
	t.Helper()
	w := newWorld(t)
	ctx := context.Background()
	b := &history.Batch{}
	texts := map[string]bool{"hello": true, "merged": true}
	ident, _, err := identity.NewDevice(ctx, seeded(4000), "crowd", 1)
	if err != nil {
		t.Fatal(err)
	}
	for i := range heads {
		key, err := identity.NewKey(seeded(uint64(5000 + i)))
		if err != nil {
			t.Fatal(err)
		}
		cert, err := identity.Certify(ctx, ident, key.Public(), "d", 1)
		if err != nil {
			t.Fatal(err)
		}
		f := forger{t, identity.Device{Signer: key, Certificate: cert}}
		text := "h" + string(rune('a'+i%26)) + string(rune('a'+i/26%26)) + string(rune('a'+i/676))
		texts[text] = true
		c := f.first(text, w.root).commit(t)
		b.Commits = append(b.Commits, c)
		b.Attestations = append(b.Attestations, f.attest(w.id(), c))
		if len(b.Commits) == 2000 || i == heads-1 {
			if res, err := w.space.Ingest(ctx, rewire(t, b), peer); err != nil || res.New != len(b.Commits) {
				t.Fatalf("%d heads: %d new, %v", heads, res.New, err)
			}
			b = &history.Batch{}
		}
	}
	if got := len(w.space.Heads()); got != heads {
		t.Fatalf("%d heads, want %d", got, heads)
	}
	start := time.Now()
	line(t, w.space, "merged")
	t.Logf("%d heads merged in %v", heads, time.Since(start))
	if got := w.space.Heads(); len(got) != 1 {
		t.Fatalf("%d heads are left of %d", len(got), heads)
	}
	got := lines(t, w.space)
	if len(got) != heads+2 || got[0] != "hello" || got[len(got)-1] != "merged" {
		t.Fatalf("%d lines, from %q to %q", len(got), got[0], got[len(got)-1])
	}
	copied := join(t, newNode(t, 3), w.space)
	pull(t, copied, w.space, 256<<10)
	same(t, w.space, copied)
	reopened(t, w.space, w.mem)
}
