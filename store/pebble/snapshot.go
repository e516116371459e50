//go:build !js

package pebble

import (
	"errors"
	"fmt"
	"iter"
	"sync"
	"syscall"

	"github.com/cockroachdb/pebble/v2"

	"github.com/hyperhyperspace/hhs-go/store"
)

// view is one of Pebble's snapshots, shared by all readers that began between two groups. refs counts the DB (for its
// current view), the snapshots and the reads in progress; it is guarded by DB.mu.
type view struct {
	snap *pebble.Snapshot
	refs int
}

// newView takes a view with one reference. The caller holds d.mu or is alone.
func (d *DB) newView() *view {
	v := &view{snap: d.db.NewSnapshot(), refs: 1}
	d.views[v] = struct{}{}
	return v
}

// release drops a reference; the caller holds d.mu. Views that Close has closed are no longer in d.views.
func (d *DB) release(v *view) error {
	v.refs--
	if _, open := d.views[v]; v.refs > 0 || !open {
		return nil
	}
	delete(d.views, v)
	return v.snap.Close()
}

// advance makes what was committed visible.
func (d *DB) advance() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	old := d.view
	d.view = d.newView()
	return d.release(old)
}

func (d *DB) beginRead() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return store.ErrClosed
	}
	d.reads++
	return nil
}

func (d *DB) endRead() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.reads--
	if d.reads == 0 {
		d.cond.Broadcast()
	}
}

// Snapshot implements store.Store. It costs a reference, not a Pebble snapshot.
func (d *DB) Snapshot() (store.Snapshot, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil, fmt.Errorf("take snapshot: %w", store.ErrClosed)
	}
	d.view.refs++
	return &snapshot{db: d, view: d.view}, nil
}

// snapshot is a reader's handle on a view.
type snapshot struct {
	db   *DB
	view *view

	mu     sync.Mutex // taken before DB.mu
	closed bool
}

// begin takes a reference for one read, which done gives back.
func (s *snapshot) begin() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return store.ErrClosed
	}
	if err := s.db.beginRead(); err != nil {
		return err
	}
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	s.view.refs++
	return nil
}

func (s *snapshot) done() error {
	s.db.mu.Lock()
	err := s.db.release(s.view)
	s.db.mu.Unlock()
	s.db.endRead()
	return err
}

// stopped returns store.ErrClosed once the snapshot or its store is closed.
func (s *snapshot) stopped() error {
	s.mu.Lock()
	closed := s.closed
	s.mu.Unlock()
	if closed || s.db.isClosed() {
		return store.ErrClosed
	}
	return nil
}

func (s *snapshot) Get(key []byte) (value []byte, err error) {
	if store.Reserved(key) {
		return nil, store.ErrNotFound
	}
	if err := s.begin(); err != nil {
		return nil, fmt.Errorf("get key: %w", err)
	}
	defer func() { err = errors.Join(err, s.done()) }()
	v, closer, err := s.view.snap.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, store.ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("get key %x: %w", key, readError(err))
	}
	value = append(make([]byte, 0, len(v)), v...)
	return value, closer.Close()
}

// Fetch implements store.Fetcher. One iterator that goes up keeps its place in every table, and asks the filters first.
func (s *snapshot) Fetch(keys [][]byte, found func(i int, value []byte)) (err error) {
	if err := s.begin(); err != nil {
		return fmt.Errorf("get keys: %w", err)
	}
	defer func() { err = errors.Join(err, s.done()) }()
	it, err := s.view.snap.NewIter(&pebble.IterOptions{UseL6Filters: true}) // most keys asked for so are absent
	if err != nil {
		return fmt.Errorf("get keys: %w", translate(err))
	}
	defer func() { err = errors.Join(err, translate(it.Close())) }()
	for i, key := range keys {
		if store.Reserved(key) || !it.SeekPrefixGE(key) {
			if err := it.Error(); err != nil {
				return fmt.Errorf("get key %x: %w", key, readError(err))
			}
			continue
		}
		v, err := it.ValueAndErr()
		if err != nil {
			return fmt.Errorf("get key %x: %w", key, readError(err))
		}
		found(i, v[:len(v):len(v)])
	}
	return s.stopped()
}

// readError is translate of what a read met: what the disk does not give back is damaged, whatever the reason.
func readError(err error) error {
	if errors.Is(err, syscall.EIO) {
		return fmt.Errorf("%w: %w", store.ErrCorrupt, err)
	}
	return translate(err)
}

func (s *snapshot) Scan(lo, hi []byte, reverse bool) iter.Seq2[store.KV, error] {
	return func(yield func(store.KV, error) bool) {
		l, h, ok := store.Bounds(lo, hi)
		if err := s.begin(); err != nil {
			yield(store.KV{}, fmt.Errorf("scan: %w", err))
			return
		}
		var err error
		if ok {
			err = s.scan(l, h, reverse, yield)
		}
		if err = errors.Join(err, s.done()); err != nil {
			yield(store.KV{}, fmt.Errorf("scan: %w", readError(err)))
		}
	}
}

// errEnough ends a scan whose consumer wants no more. It never leaves this file.
var errEnough = errors.New("enough")

func (s *snapshot) scan(lo, hi []byte, reverse bool, yield func(store.KV, error) bool) error {
	it, err := s.view.snap.NewIter(&pebble.IterOptions{LowerBound: lo, UpperBound: hi})
	if err != nil {
		return err
	}
	first, next := it.First, it.Next
	if reverse {
		first, next = it.Last, it.Prev
	}
	for ok := first(); ok && err == nil; ok = next() {
		err = s.step(it, yield)
		if err == nil {
			err = s.stopped()
		}
		if err != nil {
			break
		}
	}
	closeErr := it.Close()
	if errors.Is(err, errEnough) {
		return nil
	}
	return errors.Join(err, closeErr)
}

func (s *snapshot) step(it *pebble.Iterator, yield func(store.KV, error) bool) error {
	v, err := it.ValueAndErr()
	if err != nil {
		return err
	}
	k := it.Key()
	if !yield(store.KV{Key: k[:len(k):len(k)], Value: v[:len(v):len(v)]}, nil) {
		return errEnough
	}
	return nil
}

func (s *snapshot) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	return s.db.release(s.view)
}
