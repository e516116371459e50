package replica_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hyperhyperspace/hhs-go/crdt"
	"github.com/hyperhyperspace/hhs-go/replica"
	"github.com/hyperhyperspace/hhs-go/store"
)

// remember appends to the log, acknowledged in memory.
func remember(t testing.TB, s *replica.Space, text string) replica.Receipt {
	t.Helper()
	r, err := s.Update(context.Background(), say(text), store.Memory)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// attested counts the attestations that a store keeps.
func attested(t testing.TB, mem store.Store) (n int) {
	for _, kv := range dump(t, mem) {
		if kv.Key[0] == 's' && kv.Key[5] == 't' {
			n++
		}
	}
	return n
}

// Edits acknowledged in memory share a signature and a transaction; whoever
// reads sees them, in whatever way.
func TestMemoryIsRead(t *testing.T) {
	for name, reads := range map[string]func(s *replica.Space, r replica.Receipt) bool{
		"view":  func(s *replica.Space, _ replica.Receipt) bool { return len(lines(t, s)) == 11 },
		"heads": func(s *replica.Space, r replica.Receipt) bool { return slices.Contains(s.Heads(), r.Commit) },
		"len":   func(s *replica.Space, _ replica.Receipt) bool { return s.Len() == 12 },
		"has":   func(s *replica.Space, r replica.Receipt) bool { return s.Has(r.Commit) },
		"commit": func(s *replica.Space, r replica.Receipt) bool {
			c, err := s.Commit(r.Commit)
			return err == nil && c.ID == r.Commit
		},
		"batches": func(s *replica.Space, _ replica.Receipt) bool {
			n := 0
			for b, err := range s.Batches(nil, 1<<20) {
				if err != nil {
					t.Fatal(err)
				}
				n += len(b.Commits)
			}
			return n == 12
		},
		"receipt": func(_ *replica.Space, r replica.Receipt) bool { n, err := r.Held(); return n == 0 && err == nil },
		"synced": func(s *replica.Space, _ replica.Receipt) bool {
			line(t, s, "12th")
			return s.Len() == 13
		},
	} {
		t.Run(name, func(t *testing.T) {
			mem := store.NewMem()
			s := create(t, newNode(t, 1, func(c *replica.Config) { c.Store = mem }))
			line(t, s, "first")
			had := attested(t, mem)
			var last replica.Receipt
			for i := range 10 {
				last = remember(t, s, fmt.Sprint(i))
			}
			if n := attested(t, mem); n != had {
				t.Fatalf("%d signatures before anything was read, there were %d", n, had)
			}
			if !reads(s, last) {
				t.Error("the edits are not seen")
			}
			if n := attested(t, mem); n != had+1 {
				t.Errorf("%d signatures for 10 edits", n-had)
			}
			if err := s.Unkept(); err != nil {
				t.Error(err)
			}
		})
	}
}

// A transaction reads the edits before it, stored or not, and its own.
func TestMemoryInTransactions(t *testing.T) {
	s := create(t, newNode(t, 1))
	x := enc(t, "x")
	for i := range 300 { // more than a group holds
		_, err := s.Update(context.Background(), func(tx *replica.Tx) error {
			env, err := tx.Env("tags")
			if err != nil {
				return err
			}
			has, err := crdt.SetHas(env, x)
			if err != nil || has != (i%2 == 1) {
				t.Fatalf("edit %d reads %v, %v", i, has, err)
			}
			if !has {
				return tx.Do("tags", crdt.SetAdd(x))
			}
			drafts, err := crdt.SetRemove(env, x)
			if err != nil || len(drafts) != 1 {
				t.Fatalf("edit %d: %d removals, %v", i, len(drafts), err)
			}
			if v, err := s.View(); err != nil { // reading aside is allowed, too
				return err
			} else if err := v.Close(); err != nil {
				return err
			}
			return tx.Do("tags", drafts[0])
		}, store.Memory)
		if err != nil {
			t.Fatal(err)
		}
	}
	if s.Len() != 301 {
		t.Errorf("%d commits", s.Len())
	}
}

// What nobody reads is stored after a moment, and when the node is closed.
func TestMemorySettlesByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := store.NewMem()
		n := newNode(t, 1, func(c *replica.Config) { c.Store = mem })
		s := create(t, n)
		had := attested(t, mem)
		remember(t, s, "one")
		time.Sleep(time.Second) // of the bubble's clock
		synctest.Wait()
		if attested(t, mem) != had+1 {
			t.Error("not stored after a second")
		}
		remember(t, s, "two")
		n.Close()
		if attested(t, mem) != had+2 {
			t.Error("not stored when the node was closed")
		}
		if _, err := s.Update(context.Background(), say("three"), store.Memory); !errors.Is(err, replica.ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	})
}

// A store that fails takes what was acknowledged in memory with it, and that is
// told; what follows waits for the store.
func TestMemoryLost(t *testing.T) {
	mem := store.NewMem()
	s := create(t, newNode(t, 1, func(c *replica.Config) { c.Store = mem }))
	line(t, s, "kept")
	boom := errors.New("boom")
	remember(t, s, "lost")
	remember(t, s, "too")
	mem.FailNext(boom)
	if got := lines(t, s); !slices.Equal(got, []string{"kept"}) {
		t.Fatalf("reads %q", got)
	}
	if err := s.Unkept(); !errors.Is(err, boom) {
		t.Fatalf("told of %v", err)
	}
	mem.FailNext(boom)
	if _, err := s.Update(context.Background(), say("never"), store.Memory); !errors.Is(err, boom) {
		t.Errorf("an edit after a loss: %v", err)
	}
	remember(t, s, "after")
	if got := lines(t, s); !slices.Equal(got, []string{"kept", "after"}) {
		t.Errorf("reads %q", got)
	}
	same(t, s, reopened(t, s, mem))
}

// Many writers at different levels, and readers between them, lose nothing and
// make one chain.
func TestMemoryAndOthers(t *testing.T) {
	s := create(t, newNode(t, 1))
	const writers, each = 8, 60
	var wait sync.WaitGroup
	for w := range writers {
		wait.Go(func() {
			for i := range each {
				level := []store.Durability{store.Memory, store.Written, store.Memory}[(w+i)%3]
				r, err := s.Update(context.Background(), say(fmt.Sprint(w, " ", i)), level)
				if err != nil {
					t.Error(err)
					return
				}
				if i%7 == w%7 && !s.Has(r.Commit) {
					t.Errorf("edit %d of %d is not read by its writer", i, w)
				}
			}
		})
	}
	wait.Wait()
	if got := lines(t, s); len(got) != writers*each || len(s.Heads()) != 1 || len(s.Forks()) != 0 {
		t.Errorf("%d lines, %d heads", len(got), len(s.Heads()))
	}
}

// A signer that may take its time makes edits wait for the store.
func TestMemoryWithSlowSigner(t *testing.T) {
	s, signer := stuckSpace(t)
	release := signer.hold()
	done := make(chan error, 1)
	go func() { _, err := s.Update(context.Background(), say("one"), store.Memory); done <- err }()
	<-signer.asked
	select {
	case err := <-done:
		t.Fatalf("acknowledged before it was signed: %v", err)
	default:
	}
	if got := lines(t, s); len(got) != 0 { // a read does not wait for the signer
		t.Fatalf("reads %q", got)
	}
	release()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// Leaving stores what was acknowledged before it forgets the space.
func TestLeaveAfterMemory(t *testing.T) {
	n := newNode(t, 1)
	s := create(t, n)
	remember(t, s, "one")
	if err := n.Leave(context.Background(), s.ID()); err != nil {
		t.Fatal(err)
	}
	if err := s.Unkept(); err != nil {
		t.Error(err)
	}
}

// Who begins to watch while a batch is at the door, of which the changes were
// not gathered since nobody watched, is told to read again.
func TestWatchBeginsAtTheDoor(t *testing.T) {
	mem := store.NewMem()
	s := create(t, newNode(t, 1, func(c *replica.Config) { c.Store = mem }))
	line(t, s, "before")
	release := mem.Block()
	done := make(chan error, 1)
	go func() { _, err := s.Update(context.Background(), say("late")); done <- err }()
	if err := mem.Blocked(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	changes := s.Watch(ctx)
	release()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	line(t, s, "after")
	for c, err := range changes {
		if err != nil || !c.Resync {
			t.Errorf("told %+v, %v", c, err)
		}
		break
	}
}

// While edits in memory come all the time, so that one always waits for the
// store, what a peer wrote is read inside an edit before long.
func TestMemoryReadsPeers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := create(t, newNode(t, 1))
		peer := join(t, newNode(t, 2), s)
		pull(t, peer, s, 1<<20)
		since := s.Heads()
		line(t, peer, "theirs")
		const most = 2000
		seen, edits := false, uint64(0)
		write := func(tx *replica.Tx) error {
			s.Heads() // the edit before is stored now, and this one follows it
			env, err := tx.Env("lines")
			if err != nil {
				return err
			}
			n, err := crdt.LogLen(env)
			seen = n > edits
			return errors.Join(err, tx.Do("lines", crdt.LogAppend(enc(t, "mine"))))
		}
		for ; edits < most && !seen; edits++ {
			if _, err := s.Update(t.Context(), write, store.Memory); err != nil {
				t.Fatal(err)
			}
			if edits > 0 {
				continue
			}
			for b, err := range peer.Batches(since, 1<<20) {
				if err == nil {
					_, err = s.Ingest(t.Context(), rewire(t, b), replica.Source{})
				}
				if err != nil {
					t.Fatal(err)
				}
			}
		}
		if !seen {
			t.Errorf("not read within %d edits", edits)
		}
	})
}
