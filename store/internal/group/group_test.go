package group

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"

	"github.com/hyperhyperspace/hhs-go/store"
)

func batch(size int) *store.Batch {
	var b store.Batch
	b.Put([]byte("k"), make([]byte, size))
	return &b
}

// gate is a Commit that waits for each group to be let through and records how large it was.
type gate struct {
	entered chan int
	leave   chan error
}

func newGate() *gate { return &gate{make(chan int), make(chan error)} }

func (g *gate) commit(batches []*store.Batch, _ int, _ bool) error {
	g.entered <- len(batches)
	return <-g.leave
}

// waitFor returns once n requests wait in c's queue.
func waitFor(t *testing.T, c *Committer, n int) {
	t.Helper()
	for {
		c.mu.Lock()
		have := len(c.waiting)
		c.mu.Unlock()
		if have == n {
			return
		}
		if t.Context().Err() != nil {
			t.Fatal("nobody came")
		}
		runtime.Gosched() // one thread in a browser
	}
}

func TestGroups(t *testing.T) {
	g := newGate()
	c := New(1000, g.commit)
	var all sync.WaitGroup
	results := make(chan error, 16)
	apply := func(size int) {
		all.Go(func() { results <- c.Apply(t.Context(), batch(size), store.Synced) })
	}
	apply(10)
	if n := <-g.entered; n != 1 {
		t.Fatalf("first group of %d", n)
	}
	for i := range 3 { // two fit into one group, the third does not
		apply(400)
		waitFor(t, c, i+1)
	}
	apply(5000) // a group of its own
	waitFor(t, c, 4)
	boom := errors.New("boom")
	for _, want := range []struct {
		n   int
		err error
	}{{2, nil}, {1, boom}, {1, nil}} {
		g.leave <- want.err
		if n := <-g.entered; n != want.n {
			t.Fatalf("group of %d, want %d", n, want.n)
		}
	}
	g.leave <- nil
	all.Wait()
	failed := 0
	for range 5 {
		if err := <-results; err != nil {
			failed++
		}
	}
	if failed != 2 { // the group that met boom
		t.Fatalf("%d failed, want 2", failed)
	}
}

// TestCancel: a batch that waits can be withdrawn, one that is being committed is waited for.
func TestCancel(t *testing.T) {
	g := newGate()
	c := New(1000, g.commit)
	results := make(chan error, 2)
	taken, cancelTaken := context.WithCancel(t.Context())
	go func() { results <- c.Apply(taken, batch(1), store.Synced) }()
	<-g.entered
	waiting, cancelWaiting := context.WithCancel(t.Context())
	go func() { results <- c.Apply(waiting, batch(1), store.Synced) }()
	waitFor(t, c, 1)
	cancelTaken()
	cancelWaiting()
	if err := <-results; !errors.Is(err, context.Canceled) {
		t.Fatalf("the waiting one: %v", err)
	}
	g.leave <- nil
	if err := <-results; err != nil {
		t.Fatalf("the one being committed: %v", err)
	}
}

func TestClose(t *testing.T) {
	g := newGate()
	c := New(1000, g.commit)
	results := make(chan error, 2)
	go func() { results <- c.Apply(t.Context(), batch(1), store.Synced) }()
	<-g.entered
	go func() { results <- c.Apply(t.Context(), batch(1), store.Synced) }()
	waitFor(t, c, 1)
	closed := make(chan bool)
	go func() { closed <- c.Close() }()
	if err := <-results; !errors.Is(err, store.ErrClosed) {
		t.Fatalf("the waiting one: %v", err)
	}
	g.leave <- nil
	if err := <-results; err != nil {
		t.Fatalf("the one being committed: %v", err)
	}
	if !<-closed || c.Close() {
		t.Fatal("only the first Close says that it was")
	}
	if err := c.Apply(t.Context(), batch(1), store.Synced); !errors.Is(err, store.ErrClosed) {
		t.Fatalf("after Close: %v", err)
	}
}
