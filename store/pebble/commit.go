package pebble

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/cockroachdb/pebble/v2"

	"github.com/hyperhyperspace/hhs-go/store"
)

// request is one waiting Apply.
type request struct {
	batch  *store.Batch
	sync   bool
	answer chan error // buffered: the leader never waits
}

// queue holds the Applies that wait for a leader, in order of arrival.
type queue struct {
	mu      sync.Mutex
	waiting []*request
}

func (q *queue) add(r *request) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = append(q.waiting, r)
}

// withdraw removes r; it returns false if a leader has taken it.
func (q *queue) withdraw(r *request) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	i := slices.Index(q.waiting, r)
	if i < 0 {
		return false
	}
	q.waiting = slices.Delete(q.waiting, i, i+1)
	return true
}

// take removes the next group: at least one request, further ones up to maxGroup bytes.
func (q *queue) take() (group []*request, size int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := 0
	for _, r := range q.waiting {
		if n > 0 && size+r.batch.Size() > maxGroup {
			break
		}
		size += r.batch.Size()
		n++
	}
	group = slices.Clone(q.waiting[:n])
	q.waiting = slices.Delete(q.waiting, 0, n)
	return group, size
}

func (q *queue) failAll(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, r := range q.waiting {
		r.answer <- err
	}
	q.waiting = nil
}

// Apply implements store.Store. Whoever gets the token commits for all that wait, so that writers that come while an
// fsync is running share the next one.
func (d *DB) Apply(ctx context.Context, b *store.Batch, dur store.Durability) error {
	if err := errors.Join(b.Err(), ctx.Err()); err != nil {
		return fmt.Errorf("apply batch: %w", err)
	}
	r := &request{batch: b, sync: dur == store.Synced, answer: make(chan error, 1)}
	d.queue.add(r)
	if err := d.wait(ctx, r); err != nil {
		return fmt.Errorf("apply batch: %w", err)
	}
	return nil
}

func (d *DB) wait(ctx context.Context, r *request) error {
	for {
		select {
		case err := <-r.answer:
			return err
		case <-ctx.Done():
			if d.queue.withdraw(r) {
				return ctx.Err()
			}
			return <-r.answer
		case d.lead <- struct{}{}:
			d.commitNext()
			<-d.lead
		}
	}
}

// commitNext commits one group and answers it. The caller holds the token.
func (d *DB) commitNext() {
	if d.isClosed() {
		d.queue.failAll(store.ErrClosed)
		return
	}
	group, size := d.queue.take()
	if len(group) == 0 {
		return
	}
	err := d.commit(group, size)
	for _, r := range group {
		r.answer <- err
	}
}

func (d *DB) commit(group []*request, size int) error {
	if err := d.guard.failure(); err != nil {
		return err
	}
	if size > 0 {
		if err := d.space.check(uint64(size)); err != nil {
			return err
		}
	}
	b := d.db.NewBatchWithSize(size + len(group)*16)
	defer b.Close()
	mode := pebble.NoSync
	for _, r := range group {
		if r.sync {
			mode = pebble.Sync
		}
		if err := fill(b, r.batch); err != nil {
			return translate(err)
		}
	}
	if b.Empty() {
		if mode == pebble.NoSync {
			return nil
		}
		// Data that Pebble logs and otherwise ignores: the way to sync the log without changing anything.
		if err := b.LogData([]byte{0}, nil); err != nil {
			return translate(err)
		}
	}
	if err := d.db.Apply(b, mode); err != nil {
		return translate(err)
	}
	if err := d.guard.failure(); err != nil {
		return err // invariant 3: it failed while this group was on its way
	}
	return d.advance()
}

// fill copies the operations of from into b.
func fill(b *pebble.Batch, from *store.Batch) (err error) {
	from.Each(func(op store.Op, k, v []byte) {
		var e error
		switch op {
		case store.OpPut:
			e = b.Set(k, v, nil)
		case store.OpDelete:
			e = b.Delete(k, nil)
		case store.OpDeleteRange:
			if v == nil {
				v = beyond
			}
			e = b.DeleteRange(k, v, nil)
		}
		err = errors.Join(err, e)
	})
	return err
}

// beyond is above every key: Pebble's range deletions need an end.
var beyond = slices.Repeat([]byte{0xff}, store.MaxKey+1)
