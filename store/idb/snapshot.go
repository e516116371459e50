package idb

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"sync"

	"github.com/hyperhyperspace/hhs-go/store"
)

// version is the runs of one moment. They are kept in the database until no snapshot needs them.
type version struct {
	runs []*run
	refs int // snapshots, and one for the engine's current; guarded by engine.mu
}

// snapshot is one state: layers, newest first, over the runs of a version.
type snapshot struct {
	engine  *engine
	layers  []*layer
	version *version

	mu     sync.Mutex
	closed bool
}

// Snapshot implements store.Store.
func (e *engine) Snapshot() (store.Snapshot, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil, fmt.Errorf("take snapshot: %w", store.ErrClosed)
	}
	s := &snapshot{engine: e, layers: []*layer{e.mem.snapshot()}, version: e.version}
	if e.full != nil {
		s.layers = append(s.layers, e.full)
	}
	s.version.refs++
	return s, nil
}

// Close implements store.Snapshot.
func (s *snapshot) Close() error {
	s.mu.Lock()
	first := !s.closed
	s.closed = true
	s.mu.Unlock()
	if first {
		s.engine.release(s.version)
	}
	return nil
}

func (s *snapshot) usable() error {
	s.mu.Lock()
	closed := s.closed
	s.mu.Unlock()
	if closed || errors.Is(s.engine.alive(), store.ErrClosed) {
		return store.ErrClosed
	}
	return nil // also when the store is lost: what is in memory can be read
}

// Get implements store.Reader.
func (s *snapshot) Get(key []byte) ([]byte, error) {
	err := s.usable()
	var value []byte
	if err == nil {
		value, err = s.get(key)
	}
	if err != nil {
		return nil, fmt.Errorf("get key: %w", err)
	}
	if value == nil {
		return nil, store.ErrNotFound
	}
	return clone(value), nil
}

// get returns nil for a key that is absent.
func (s *snapshot) get(key []byte) ([]byte, error) {
	for _, l := range s.layers {
		if v, ok := l.pairs.Get(string(key)); ok || covered(l.ranges, key) {
			return v, nil
		}
	}
	if len(s.version.runs) == 0 {
		return nil, nil
	}
	hash := hashKey(key)
	for _, r := range s.version.runs {
		v, found, err := s.engine.get(r, key, hash)
		if err != nil || found || covered(r.ranges, key) {
			return v, err
		}
	}
	return nil, nil
}

// Scan implements store.Reader.
func (s *snapshot) Scan(lo, hi []byte, reverse bool) iter.Seq2[store.KV, error] {
	return func(yield func(store.KV, error) bool) {
		err := s.usable()
		l, h, ok := store.Bounds(lo, hi)
		if err == nil && ok {
			err = s.scan(&bounds{l, h, reverse}, func(kv store.KV) bool { return yield(kv, nil) })
		}
		if err != nil {
			yield(store.KV{}, fmt.Errorf("scan: %w", err))
		}
	}
}

func (s *snapshot) scan(r *bounds, yield func(store.KV) bool) error {
	m := newMerger(s.engine, s.layers, s.version.runs, r)
	for {
		ok, err := m.next()
		if err == nil {
			err = s.usable()
		}
		if err != nil || !ok {
			return err
		}
		if m.value != nil && !yield(store.KV{Key: m.key, Value: m.value}) {
			return nil
		}
	}
}

// merger goes through layers and runs as if they were one.
type merger struct {
	cursors []*cursor // newest first
	began   bool
	key     []byte // the current pair
	value   []byte // nil: deleted
}

func newMerger(e *engine, layers []*layer, runs []*run, r *bounds) *merger {
	m := new(merger)
	for _, l := range layers {
		m.add(&memory{bounds: r, pairs: l.pairs}, l.ranges, r)
	}
	for _, run := range runs {
		m.add(&stored{bounds: r, engine: e, run: run}, run.ranges, r)
	}
	return m
}

func (m *merger) add(s source, ranges *tree, r *bounds) {
	m.cursors = append(m.cursors, &cursor{source: s, ranges: ranges, bounds: r})
}

// begin moves all cursors to their first pairs, side by side: each may wait for the database.
func (m *merger) begin() error {
	m.began = true
	errs := make(chan error, len(m.cursors))
	for _, c := range m.cursors {
		if _, ok := c.source.(*memory); ok {
			errs <- c.next()
		} else {
			go func() { errs <- c.next() }()
		}
	}
	var failed error
	for range m.cursors {
		if err := <-errs; err != nil {
			failed = err
		}
	}
	return failed
}

// next moves to the next pair that nothing newer hides; ok is false at the end. Deletions are pairs too.
func (m *merger) next() (ok bool, err error) {
	if !m.began {
		if err := m.begin(); err != nil {
			return false, err
		}
	}
	for {
		best := m.best()
		if best < 0 {
			return false, nil
		}
		c := m.cursors[best]
		k := c.key(c.at)
		hidden := m.hidden(best, k)
		m.key, m.value = join(m.key[:0], k), c.values[c.at]
		for i, c := range m.cursors[best:] {
			if i == 0 || c.valid && bytes.Equal(c.key(c.at), m.key) {
				if err := c.next(); err != nil {
					return false, err
				}
			}
		}
		if !hidden {
			return true, nil
		}
	}
}

// best returns the newest cursor with the next key, -1 if all are at their end.
func (m *merger) best() int {
	best := -1
	var key []byte
	for i, c := range m.cursors {
		if !c.valid {
			continue
		}
		k := c.key(c.at)
		if best >= 0 {
			if order := bytes.Compare(k, key); order == 0 || order < 0 == c.reverse {
				continue
			}
		}
		best, key = i, k
	}
	return best
}

// hidden reports whether a range newer than a layer covers key.
func (m *merger) hidden(layer int, key []byte) bool {
	for _, c := range m.cursors[:layer] {
		if covered(c.ranges, key) {
			return true
		}
	}
	return false
}
