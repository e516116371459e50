package store

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync"

	"github.com/tidwall/btree"
)

// Mem is a Store in memory. Snapshots are copy-on-write and cost nothing until something is written. It is also the
// store for tests: it fails and blocks on demand (FailAt, FailNext, FailReads, Block), and a failed Apply leaves
// nothing behind, so it can be repeated.
type Mem struct {
	mu     sync.RWMutex // guards what follows; never held while anything waits
	tree   *btree.Map[string, []byte]
	closed bool
	calls  int           // Apply calls so far
	faults map[int]error // by number of the Apply call
	reads  error
	gate   chan struct{} // non-nil while blocked, closed by release
	wait   int           // Apply calls waiting at the gate
	waited chan struct{} // closed and replaced whenever wait changes
	poison bool
}

var _ Store = (*Mem)(nil)

// NewMem returns an empty store.
func NewMem() *Mem {
	return &Mem{
		tree:   btree.NewMap[string, []byte](treeDegree),
		faults: make(map[int]error),
		waited: make(chan struct{}),
	}
}

// FailNext makes the next Apply fail with err, as FailAt(1, err).
func (m *Mem) FailNext(err error) { m.FailAt(1, err) }

// FailAt makes the nth Apply from now on fail with err (1 is the next one). A failed Apply keeps nothing.
func (m *Mem) FailAt(n int, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.faults[m.calls+n] = err
}

// FailReads makes every Get and Scan fail with err until it is called with nil.
func (m *Mem) FailReads(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.reads = err
}

// Block makes every Apply wait before it writes until release is called, which may be done more than once. Reads go on.
func (m *Mem) Block() (release func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	gate := make(chan struct{})
	m.gate = gate
	return sync.OnceFunc(func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.gate == gate {
			m.gate = nil
		}
		close(gate)
	})
}

// Blocked returns once n Apply calls wait at Block's gate, or when ctx ends. Tests use it in place of a sleep.
func (m *Mem) Blocked(ctx context.Context, n int) error {
	for {
		m.mu.RLock()
		wait, changed := m.wait, m.waited
		m.mu.RUnlock()
		if wait >= n {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Poison makes every Scan overwrite a pair as soon as it is no longer valid, so that code that keeps one breaks in
// its own tests.
func (m *Mem) Poison() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.poison = true
}

// Apply implements Store. Mem keeps nothing beyond the process, whatever d says.
func (m *Mem) Apply(ctx context.Context, b *Batch, d Durability) error {
	if err := errors.Join(b.Err(), ctx.Err()); err != nil {
		return fmt.Errorf("apply batch: %w", err)
	}
	fault, gate, err := m.enter()
	if err != nil {
		return fmt.Errorf("apply batch: %w", err)
	}
	if gate != nil {
		select {
		case <-gate:
			m.leaveGate()
		case <-ctx.Done():
			m.leaveGate()
			return fmt.Errorf("apply batch: %w", ctx.Err())
		}
	}
	if fault != nil {
		return fmt.Errorf("apply batch: %w", fault)
	}
	return m.write(b)
}

// enter counts the call and returns the fault and the gate that wait for it.
func (m *Mem) enter() (fault error, gate chan struct{}, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, nil, ErrClosed
	}
	m.calls++
	fault = m.faults[m.calls]
	delete(m.faults, m.calls)
	if m.gate != nil {
		m.changeWait(1)
	}
	return fault, m.gate, nil
}

func (m *Mem) leaveGate() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.changeWait(-1)
}

func (m *Mem) changeWait(d int) {
	m.wait += d
	close(m.waited)
	m.waited = make(chan struct{})
}

// write changes the tree in place: snapshots hold copies of their own, and taking one waits for the lock.
func (m *Mem) write(b *Batch) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return fmt.Errorf("apply batch: %w", ErrClosed)
	}
	put := b.puts()
	b.Each(func(op Op, k, v []byte) {
		if op == OpPut {
			m.tree.Set(put.next(k, v))
		} else {
			change(m.tree, op, k, v)
		}
	})
	return nil
}

// pairs are copies of what a batch puts, in two pieces of memory and not in two for each. A piece stays as long as any of
// it is in the tree, which is most of it: the records of a batch are written once.
type pairs struct {
	keys   strings.Builder
	values []byte
}

// puts makes room for what b puts.
func (b *Batch) puts() *pairs {
	keys, values := 0, 0
	b.Each(func(op Op, k, v []byte) {
		if op == OpPut {
			keys, values = keys+len(k), values+len(v)
		}
	})
	p := &pairs{values: make([]byte, 0, values)}
	p.keys.Grow(keys)
	return p
}

// next copies the next pair.
func (p *pairs) next(k, v []byte) (string, []byte) {
	name, at := p.keys.Len(), len(p.values)
	p.keys.Write(k)
	p.values = append(p.values, v...)
	return p.keys.String()[name:], p.values[at:len(p.values):len(p.values)]
}

// change deletes from a tree.
func change(t *btree.Map[string, []byte], op Op, k, v []byte) {
	switch op {
	case OpDelete:
		t.Delete(string(k))
	case OpDeleteRange:
		var keys []string
		scanTree(t, k, v, false, func(key string, _ []byte) bool {
			keys = append(keys, key)
			return true
		})
		for _, key := range keys {
			t.Delete(key)
		}
	}
}

// Snapshot implements Store.
func (m *Mem) Snapshot() (Snapshot, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, fmt.Errorf("take snapshot: %w", ErrClosed)
	}
	return &memSnapshot{store: m, tree: m.tree.Copy()}, nil
}

// Close implements Store.
func (m *Mem) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	return nil
}

// memSnapshot is a copy-on-write tree that nobody changes any more.
type memSnapshot struct {
	store *Mem
	tree  *btree.Map[string, []byte]

	mu     sync.Mutex
	closed bool
}

func (s *memSnapshot) usable() (poison bool, err error) {
	s.mu.Lock()
	closed := s.closed
	s.mu.Unlock()
	s.store.mu.RLock()
	defer s.store.mu.RUnlock()
	if closed || s.store.closed {
		return false, ErrClosed
	}
	return s.store.poison, s.store.reads
}

func (s *memSnapshot) Get(key []byte) ([]byte, error) {
	if _, err := s.usable(); err != nil {
		return nil, fmt.Errorf("get key: %w", err)
	}
	v, ok := s.tree.Get(string(key))
	if !ok {
		return nil, ErrNotFound
	}
	return clone(v), nil
}

func (s *memSnapshot) Scan(lo, hi []byte, reverse bool) iter.Seq2[KV, error] {
	return func(yield func(KV, error) bool) {
		l, h, ok := Bounds(lo, hi)
		if _, err := s.usable(); err != nil {
			yield(KV{}, fmt.Errorf("scan: %w", err))
			return
		}
		if !ok {
			return
		}
		var key, value []byte
		scanTree(s.tree, l, h, reverse, func(k string, v []byte) bool {
			poison, err := s.usable()
			if err != nil {
				yield(KV{}, fmt.Errorf("scan: %w", err))
				return false
			}
			key = append(key[:0], k...)
			if !poison {
				return yield(KV{key, v[:len(v):len(v)]}, nil)
			}
			value = append(value[:0], v...)
			more := yield(KV{key, value}, nil)
			fill(key, 0xaa)
			fill(value, 0xaa)
			return more
		})
	}
}

func fill(b []byte, v byte) {
	for i := range b {
		b[i] = v
	}
}

func (s *memSnapshot) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	return nil
}
