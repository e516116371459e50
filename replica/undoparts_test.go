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
	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/replica"
	"github.com/hyperhyperspace/hhs-go/store"
)

// sizing is a store that tells how large transactions are, and fails once.
type sizing struct {
	*store.Mem
	most, count, fail int
}

var errFull = errors.New("no room")

func (s *sizing) Apply(ctx context.Context, b *store.Batch, level store.Durability) error {
	s.most, s.count = max(s.most, b.Size()), s.count+1
	if s.count == s.fail {
		return errFull
	}
	return s.Mem.Apply(ctx, b, level)
}

// keyed adds elements to as many sets under keys of 1 KB.
func keyed(t testing.TB, s *replica.Space, from, n int) object.ID {
	t.Helper()
	r, err := s.Update(context.Background(), func(tx *replica.Tx) error {
		env, err := tx.Env("regs")
		for i := from; i < from+n && err == nil; i++ {
			var at *crdt.Env
			if at, err = env.At(crdt.Step{Key: fmt.Sprintf("%s%09d", strings.Repeat("k", 1000), i)}); err != nil {
				return err
			}
			var d crdt.Draft
			if d, err = at.Wrap(crdt.SetAdd(enc(t, int64(i)))); err == nil {
				err = tx.Do("regs", d)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return r.Commit
}

// bring has a space take what another one has, and returns the batches.
func bring(t testing.TB, from, to *replica.Space) (batches []*history.Batch) {
	t.Helper()
	for batch, err := range from.Batches(to.Heads(), 256<<10) {
		if err == nil {
			_, err = to.Ingest(context.Background(), rewire(t, batch), replica.Source{Device: from.Node().Device().Signer.Public()})
		}
		if err != nil {
			t.Fatalf("after %d commits of %d: %v", to.Len(), from.Len(), err)
		}
		batches = append(batches, batch)
	}
	return batches
}

// shows tells which sets two copies of the same commits show: so many, and the same.
func shows(t *testing.T, a, b *replica.Space, want int) {
	t.Helper()
	if !slices.Equal(a.Heads(), b.Heads()) || a.Len() != b.Len() {
		t.Fatalf("heads differ: %v and %v (%d and %d commits)", a.Heads(), b.Heads(), a.Len(), b.Len())
	}
	var keys [2][]string
	for i, s := range []*replica.Space{a, b} {
		v, err := s.View()
		if err != nil {
			t.Fatal(err)
		}
		defer v.Close()
		env, err := v.Env("regs")
		if err != nil {
			t.Fatal(err)
		}
		for k, err := range crdt.MapKeys(env, crdt.MapRange{}) {
			if err != nil {
				t.Fatal(err)
			}
			keys[i] = append(keys[i], k)
		}
	}
	if !slices.Equal(keys[0], keys[1]) || want >= 0 && len(keys[0]) != want {
		t.Errorf("the copies show %d and %d sets, not %d", len(keys[0]), len(keys[1]), want)
	}
}

// Undos are short, and what they write is not: a batch of some, each of which entered by itself where it was made, would be
// more than a transaction of the store may be. Another author writes all the time, whose commits wait for a signature, too.
func TestUndosInParts(t *testing.T) {
	t.Run("at once", undosInParts)
	t.Run("at the end", func(t *testing.T) {
		replica.UndosTogether(t)
		undosInParts(t)
	})
}

func undosInParts(t *testing.T) {
	const commits, ops = 9, 100         // of 1 KB
	const part, most = 1 << 20, 2 << 20 // bytes
	replica.CutParts(t, part)
	ctx := context.Background()
	m := &authority.Manifest{Kind: "test/parts", Version: 1, Policy: authority.PolicyOpen, Fields: []authority.Field{
		{Name: "regs", Type: "map", Of: &authority.Field{Type: "set"}}}}
	a, err := newNode(t, 1).Create(ctx, m)
	if err != nil {
		t.Fatal(err)
	}
	mem, mem4 := &sizing{Mem: store.NewMem()}, &sizing{Mem: store.NewMem()}
	bnode := newNode(t, 2, func(c *replica.Config) { c.Store = mem })
	b, other := join(t, bnode, a), join(t, newNode(t, 3), a)
	var ids []object.ID
	for i := range commits {
		ids = append(ids, keyed(t, a, i*ops, ops))
	}
	bring(t, a, b)
	bring(t, a, other)
	for i, id := range ids {
		keyed(t, other, commits*ops+i, 1)
		bring(t, other, a)
		if _, err := a.Update(ctx, func(tx *replica.Tx) error { return tx.Undo(id) }); err != nil {
			t.Fatal(err)
		}
	}
	mem.most, mem.count, mem.fail = 0, 0, 3
	for batch, err := range a.Batches(b.Heads(), 256<<10) {
		if err != nil || len(batch.Commits) < 2*commits {
			t.Fatalf("a batch of %d commits: the test is about one of all; %v", len(batch.Commits), err)
		}
		before := b.Len()
		res, err := b.Ingest(ctx, rewire(t, batch), replica.Source{})
		if !errors.Is(err, errFull) || res.New == 0 || res.New == len(batch.Commits) || b.Len() != before+res.New {
			t.Errorf("of %d commits %d entered, with %d before now %d, before the store failed: %v", len(batch.Commits), res.New, before, b.Len(), err)
		}
	}
	// What entered before is whole, and can be passed on.
	c := join(t, newNode(t, 4, func(cfg *replica.Config) { cfg.Store = mem4 }), b)
	bring(t, b, c)
	shows(t, b, c, -1)
	bring(t, a, b)
	shows(t, a, b, commits)
	if mem.most > most || mem.count < 4 || mem.count > 7 {
		t.Errorf("%d transactions, the largest of %d bytes", mem.count, mem.most)
	}
	bring(t, b, c)
	shows(t, a, c, commits)
	mem.most = 0
	if _, err := bnode.Rebuild(ctx, b.ID(), nil); err != nil {
		t.Fatalf("rebuild: %v", err)
	}
	if mem4.most > most || mem.most > most {
		t.Errorf("transactions of up to %d bytes when passed on, %d when rebuilt", mem4.most, mem.most)
	}
	if b, err = bnode.Space(b.ID()); err != nil {
		t.Fatal(err)
	}
	shows(t, a, b, commits)
}
