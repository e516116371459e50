// Package group gathers batches that wait at the same time so that an engine commits them together, with one fsync or
// one transaction. There is no goroutine of its own: whoever holds the token commits for all that wait.
//
//	c := group.New(maxBytes, func(batches []*store.Batch, size int, sync bool) error { ... })
//	err := c.Apply(ctx, b, store.Synced)
//
// Batches are committed in the order in which they came, one group at a time; all of a group get the same answer.
package group

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/hyperhyperspace/hhs-go/store"
)

// Commit applies the batches in order, all or none. size is the sum of their encodings in bytes; sync is set if one
// of them was handed in with store.Synced.
type Commit func(batches []*store.Batch, size int, sync bool) error

// Committer is the queue in front of a Commit.
type Committer struct {
	commit Commit
	limit  int
	lead   chan struct{} // the token

	mu      sync.Mutex // guards what follows
	waiting []*request
	closed  bool
}

type request struct {
	batch  *store.Batch
	sync   bool
	answer chan error // buffered: the leader never waits
}

// New returns a Committer that makes groups of at most limit bytes; a single batch may be larger.
func New(limit int, commit Commit) *Committer {
	return &Committer{commit: commit, limit: limit, lead: make(chan struct{}, 1)}
}

// Apply is the Apply of a store.Store: it honours ctx until the batch is taken into a group.
func (c *Committer) Apply(ctx context.Context, b *store.Batch, d store.Durability) error {
	err := errors.Join(b.Err(), ctx.Err())
	if err == nil {
		err = c.wait(ctx, &request{batch: b, sync: d == store.Synced, answer: make(chan error, 1)})
	}
	if err != nil {
		return fmt.Errorf("apply batch: %w", err)
	}
	return nil
}

func (c *Committer) wait(ctx context.Context, r *request) error {
	if !c.add(r) {
		return store.ErrClosed
	}
	for {
		select {
		case err := <-r.answer:
			return err
		case <-ctx.Done():
			if c.withdraw(r) {
				return ctx.Err()
			}
			return <-r.answer
		case c.lead <- struct{}{}:
			c.commitNext()
			<-c.lead
		}
	}
}

// Close lets the group being committed end and answers all that wait, and everything later, with store.ErrClosed. It
// returns false if it was called before.
func (c *Committer) Close() (first bool) {
	c.mu.Lock()
	first = !c.closed
	c.closed = true
	for _, r := range c.waiting {
		r.answer <- store.ErrClosed
	}
	c.waiting = nil
	c.mu.Unlock()
	c.lead <- struct{}{}
	<-c.lead
	return first
}

func (c *Committer) add(r *request) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	c.waiting = append(c.waiting, r)
	return true
}

// withdraw removes r; it returns false if a leader or Close has taken it.
func (c *Committer) withdraw(r *request) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.Index(c.waiting, r)
	if i < 0 {
		return false
	}
	c.waiting = slices.Delete(c.waiting, i, i+1)
	return true
}

// commitNext commits one group and answers it. The caller holds the token.
func (c *Committer) commitNext() {
	taken, batches, size, sync := c.take()
	if len(taken) == 0 {
		return
	}
	err := c.commit(batches, size, sync)
	for _, r := range taken {
		r.answer <- err
	}
}

// take removes the next group: at least one batch, further ones up to the limit.
func (c *Committer) take() (taken []*request, batches []*store.Batch, size int, sync bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for _, r := range c.waiting {
		if n > 0 && size+r.batch.Size() > c.limit {
			break
		}
		size += r.batch.Size()
		sync = sync || r.sync
		batches = append(batches, r.batch)
		n++
	}
	taken = slices.Clone(c.waiting[:n])
	c.waiting = slices.Delete(c.waiting, 0, n)
	return taken, batches, size, sync
}
