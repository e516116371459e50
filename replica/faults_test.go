package replica_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/hyperhyperspace/hhs-go/crdt"
	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/replica"
	"github.com/hyperhyperspace/hhs-go/store"
)

var errDisk = errors.New("the disk failed")

// story does everything that writes, and notes what was acknowledged. Whatever
// fails is tried again until it works.
type story struct {
	t      *testing.T
	mem    *store.Mem
	node   *replica.Node
	failed int
	said   []string // lines acknowledged
}

// try runs one call until it works. A call that failed changed nothing.
func (s *story) try(what string, call func() error) {
	s.t.Helper()
	for {
		before := digest(s.t, s.mem)
		err := call()
		if err == nil {
			return
		}
		if !errors.Is(err, errDisk) {
			s.t.Fatalf("%s: %v", what, err)
		}
		if digest(s.t, s.mem) != before {
			s.t.Fatalf("%s failed and left something behind", what)
		}
		if s.failed++; s.failed > 3 {
			s.t.Fatalf("%s fails for ever: %v", what, err)
		}
	}
}

func (s *story) line(space *replica.Space, text string) {
	s.try("update", func() error {
		_, err := space.Update(context.Background(), func(tx *replica.Tx) error {
			return tx.Do("lines", crdt.LogAppend(enc(s.t, text)))
		})
		return err
	})
	s.said = append(s.said, text)
}

// The store fails at one call, of each in turn: an error, nothing half-applied,
// everything works afterwards, and memory says what a fresh look at the store
// says.
func TestStoreFailsAtEveryCall(t *testing.T) {
	calls := 0
	for at := 1; ; at++ {
		if !storeFailsAt(t, at) {
			break
		}
		calls = at
	}
	if calls < 10 {
		t.Fatalf("only %d calls failed", calls)
	}
	t.Logf("%d calls failed, each once", calls)
}

func storeFailsAt(t *testing.T, at int) (failed bool) {
	ctx := context.Background()
	away := create(t, newNode(t, 5))
	line(t, away, "far")
	mem := store.NewMem()
	mem.FailAt(at, errDisk)
	s := &story{t: t, mem: mem, node: newNode(t, 1, func(c *replica.Config) { c.Store = mem })}

	var own, dropped, joined *replica.Space
	s.try("create", func() (err error) { own, err = s.node.Create(ctx, manifest); return err })
	s.line(own, "one")
	var obj object.ID
	s.try("put", func() (err error) { obj, err = s.node.Put(ctx, map[string]any{"name": "Ana"}); return err })
	s.try("attach", func() error {
		_, err := own.Update(ctx, func(tx *replica.Tx) error { return tx.Attach(obj) })
		return err
	})
	s.try("note", func() error { return s.node.SetNote(ctx, own.ID(), []byte("note")) })
	s.try("meta", func() error { return s.node.SetMeta(ctx, "name", []byte("Ana")) })
	s.try("create", func() (err error) { dropped, err = s.node.Create(ctx, manifest); return err })
	s.try("join", func() (err error) { joined, err = s.node.Join(ctx, away.ID()); return err })
	for b, err := range away.Batches(nil, 1) {
		if err != nil {
			t.Fatal(err)
		}
		s.try("ingest", func() error { _, err := joined.Ingest(ctx, b, peer); return err })
	}
	s.try("ack", func() error { return own.Acked(ctx, peer.Device, own.Heads()) })
	s.try("leave", func() error { return s.node.Leave(ctx, dropped.ID()) })
	s.line(own, "two")
	s.try("undo", func() error {
		_, err := own.Update(ctx, func(tx *replica.Tx) error { return undoLast(tx, 0) })
		return err
	})
	s.try("redo", func() error { _, err := own.Update(ctx, redoLast); return err })
	s.line(own, "three")

	if got := lines(t, own); !slices.Equal(got, s.said) {
		t.Fatalf("call %d: lines %q, acknowledged %q", at, got, s.said)
	}
	if got := lines(t, joined); !slices.Equal(got, []string{"far"}) {
		t.Fatalf("call %d: joined space has lines %q", at, got)
	}
	if _, err := s.node.Space(dropped.ID()); !errors.Is(err, replica.ErrUnknownSpace) {
		t.Fatalf("call %d: a space that was left: %v", at, err)
	}
	if entries, err := s.node.Entries(); err != nil || len(entries) != 2 {
		t.Fatalf("call %d: %d spaces, %v", at, len(entries), err)
	}
	again := reopened(t, own, mem)
	if held, err := again.HeldBy(obj1(own)); err != nil || len(held) != 1 {
		t.Fatalf("call %d: held by %v, %v", at, held, err)
	}
	if _, err := again.Object(obj); err != nil {
		t.Fatalf("call %d: the attached object: %v", at, err)
	}
	reopened(t, joined, mem)
	return s.failed > 0
}

// obj1 is the space's first commit.
func obj1(s *replica.Space) object.ID { return s.ID() }

// A failure while batches come in from peers leaves the space as it was, even
// when the space did not exist before.
func TestFirstBatchFails(t *testing.T) {
	ctx := context.Background()
	away := create(t, newNode(t, 5))
	line(t, away, "far")
	mem := store.NewMem()
	s := join(t, newNode(t, 1, func(c *replica.Config) { c.Store = mem }), away)
	var all *history.Batch
	for b, err := range away.Batches(nil, 1<<20) {
		if err != nil || all != nil {
			t.Fatal("not one batch", err)
		}
		all = b
	}
	mem.FailNext(errDisk)
	if _, err := s.Ingest(ctx, all, peer); !errors.Is(err, errDisk) {
		t.Fatal(err)
	}
	if counts, _ := s.Refused(); len(counts) != 0 {
		t.Fatalf("a failing disk is counted as the peer's fault: %v", counts)
	}
	if _, err := s.Founding(); !errors.Is(err, replica.ErrPending) || s.Len() != 0 || len(s.Heads()) != 0 {
		t.Fatalf("after a failure: %v, %d commits", err, s.Len())
	}
	if res, err := s.Ingest(ctx, all, peer); err != nil || res.New != 2 {
		t.Fatal(res, err)
	}
	same(t, away, s)
}

// A store that cannot be read refuses with an error and blames nobody.
func TestUnreadableStore(t *testing.T) {
	ctx := context.Background()
	mem := store.NewMem()
	n := newNode(t, 1, func(c *replica.Config) { c.Store = mem })
	a := create(t, n)
	line(t, a, "one")
	f := newForger(t, 50)
	c := f.first("x", a.Heads()...).commit(t)
	mem.FailReads(errDisk)
	if _, err := a.Ingest(ctx, f.signed(a.ID(), c), peer); !errors.Is(err, errDisk) {
		t.Errorf("ingest: %v", err)
	}
	if counts, _ := a.Refused(); len(counts) != 0 {
		t.Errorf("counted as refusals: %v", counts)
	}
	if _, err := n.Create(ctx, manifest); !errors.Is(err, errDisk) {
		t.Errorf("create: %v", err)
	}
	if _, err := n.Space(object.Sum(object.DagCBOR, []byte("x"))); !errors.Is(err, errDisk) {
		t.Errorf("space: %v", err)
	}
	for _, err := range a.Batches(nil, 100) {
		if !errors.Is(err, errDisk) {
			t.Errorf("batches: %v", err)
		}
	}
	mem.FailReads(nil)
	if _, err := a.Ingest(ctx, f.signed(a.ID(), c), peer); err != nil {
		t.Fatal(err)
	}
	line(t, a, "two")
	if got := lines(t, a); !slices.Equal(got, []string{"one", "x", "two"}) {
		t.Fatalf("lines %q", got)
	}
	reopened(t, a, mem)
}

// Leaving while others write and sync: no call hangs, nothing of the space is
// left in the store.
func TestLeaveWhileWriting(t *testing.T) {
	ctx := context.Background()
	for round := range 20 {
		mem := store.NewMem()
		n := newNode(t, 1, func(c *replica.Config) { c.Store = mem })
		empty := digest(t, mem)
		a := create(t, n)
		f := newForger(t, 50)
		c := f.first("x", a.Heads()...).commit(t)
		done := make(chan error)
		for i := range 4 {
			go func() {
				for {
					_, err := a.Update(ctx, func(tx *replica.Tx) error {
						return tx.Do("lines", crdt.LogAppend(enc(t, fmt.Sprint(i))))
					})
					if err != nil {
						done <- err
						return
					}
				}
			}()
		}
		go func() { _, err := a.Ingest(ctx, f.signed(a.ID(), c), peer); done <- err }()
		go func() { done <- a.Acked(ctx, peer.Device, a.Heads()) }()
		if err := n.Leave(ctx, a.ID()); err != nil {
			t.Fatal(err)
		}
		for range 6 {
			if err := <-done; err != nil && !errors.Is(err, replica.ErrClosed) {
				t.Fatalf("round %d: %v", round, err)
			}
		}
		<-a.Done()
		var b store.Batch
		b.Delete([]byte{'N'})                   // the counter of local numbers
		b.Delete([]byte{'V'})                   // and the data version
		b.DeleteRange([]byte{'l'}, []byte{'m'}) // where the own chain ended
		if err := mem.Apply(ctx, &b, store.Synced); err != nil {
			t.Fatal(err)
		}
		if digest(t, mem) != empty {
			t.Fatal("something of the space is left")
		}
		if _, err := a.View(); !errors.Is(err, replica.ErrClosed) {
			t.Fatalf("reading a space that was left: %v", err)
		}
	}
}
