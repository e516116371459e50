package idb

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"github.com/hyperhyperspace/hhs-go/internal/pace"
	"github.com/hyperhyperspace/hhs-go/store"
	"github.com/hyperhyperspace/hhs-go/store/internal/group"
)

var (
	// errFenced ends every change of a writer whose time is over.
	errFenced = fmt.Errorf("%w: another tab writes now", store.ErrReadOnly)
	// errUnsettled is an error of the browser that leaves open whether a change was made.
	errUnsettled = errors.New("the browser does not say whether it was stored")
)

// engine is the store over a database of values.
type engine struct {
	vals   values
	o      sizes
	onLost func(error)
	queue  *group.Committer
	cache  *cache
	work   sync.WaitGroup // flush, merge and dropping
	edit   sync.Mutex     // held while the manifest is changed: one change follows on the other

	mu       sync.Mutex // guards what follows; never held while anything waits
	mem      *layer
	full     *layer // the memory that is being written as a run; nil: none
	applying bool   // a copy of mem is about to take its place
	version  *version
	covered  uint64 // journal entries up to this one are in the runs
	next     uint64 // number of the next journal entry
	reserved uint64 // tables that were given numbers since the start
	written  int    // bytes since the start
	garbage  []span // blocks that nobody needs any more
	closed   bool
	lost     error
	failed   error         // outcome of the last write
	flush    job           // of full
	merge    job           // of the newest runs
	changed  chan struct{} // closed and replaced whenever a job ends
}

// job is work in the background, one at a time of each kind.
type job struct {
	busy   bool
	failed error // of the last try
	retry  int   // bytes written at which to try again
}

// openEngine takes over what vals holds.
func openEngine(ctx context.Context, vals values, o sizes, onLost func(error)) (*engine, error) {
	rec, err := vals.takeOver()
	if err != nil {
		return nil, err
	}
	m, err := openManifest(rec)
	if err != nil {
		return nil, err
	}
	e := &engine{
		vals: vals, o: o, onLost: onLost, cache: newCache(o.cacheSize), mem: newLayer(),
		covered: m.covered, next: m.covered + 1, changed: make(chan struct{}),
	}
	e.queue = group.New(maxGroup, e.commit)
	e.use(m.runs)
	if _, ok := vals.epoch(); ok {
		if err := e.sweep(m); err != nil {
			return nil, e.blame(err)
		}
	}
	if m.chunks > 0 {
		if err := e.migrate(ctx, m); err != nil {
			return nil, fmt.Errorf("take over the older format: %w", e.blame(err))
		}
	}
	if err := e.replay(ctx); err != nil {
		return nil, e.blame(err)
	}
	e.tend()
	return e, nil
}

// sweep drops the blocks that no table of the manifest has: those of a run or a merge that was interrupted.
func (e *engine) sweep(m *manifest) error {
	live := newTree() // the tables by the number of their first block, so that they come in order
	for _, r := range m.runs {
		for _, t := range r.tables {
			live.Set(string(binary.BigEndian.AppendUint64(nil, t.first)), binary.BigEndian.AppendUint64(nil, t.index()+1))
		}
	}
	c := new(change)
	from := uint64(0)
	live.Ascend("", func(first string, next []byte) bool {
		if end := binary.BigEndian.Uint64([]byte(first)); end > from {
			c.free = append(c.free, span{from, end - 1})
		}
		from = binary.BigEndian.Uint64(next)
		return true
	})
	c.free = append(c.free, span{from, maxNumber})
	return e.vals.apply(c)
}

// replay applies the journal to the memory.
func (e *engine) replay(ctx context.Context) error {
	for {
		recs, err := e.vals.read(journalPlace, e.next, journalAtOnce)
		if err != nil || len(recs) == 0 {
			return err
		}
		for _, rec := range recs {
			b, err := openBatch(kindJournal, e.next, 0, rec)
			if err != nil {
				return err
			}
			for part := range b.Split(pauseWork) {
				e.mem.apply(part)
				pace.Point()
			}
			if err := ctx.Err(); err != nil {
				return err
			}
			e.mem.last = e.next
			e.next++
		}
	}
}

// Apply implements store.Store. Written and Memory ask the browser for relaxed durability: it has the bytes when Apply
// returns, the disk may not.
func (e *engine) Apply(ctx context.Context, b *store.Batch, d store.Durability) error {
	return e.queue.Apply(ctx, b, d)
}

// commit is what the queue calls with one group at a time.
func (e *engine) commit(batches []*store.Batch, size int, sync bool) error {
	if err := e.room(); err != nil {
		return err
	}
	if size == 0 && !sync {
		return nil
	}
	c := &change{next: e.next}
	if size > 0 {
		c.entry = beginRecord(kindJournal, e.next, 0, size)
		for _, b := range batches {
			c.entry = join(c.entry, b.Bytes())
		}
		c.entry = endRecord(c.entry)
	}
	c.strict = sync || len(c.entry) > e.o.inlineSize
	err := e.vals.apply(c)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.failed = err
	if err != nil {
		return e.settleLocked(err)
	}
	if size == 0 {
		return nil
	}
	e.rememberLocked(batches, size)
	e.written += size
	e.mem.last = e.next
	e.next++
	e.tendLocked()
	return nil
}

// rememberLocked applies batches to the memory, at once for who takes a snapshot. Large ones are applied to a copy, step
// by step, while others have their turn.
func (e *engine) rememberLocked(batches []*store.Batch, size int) {
	mem := e.mem
	large := size > 2*pauseWork
	if large {
		e.applying, mem = true, mem.snapshot()
		e.mu.Unlock()
	}
	for _, b := range batches {
		for part := range b.Split(pauseWork) {
			mem.apply(part)
			if large {
				pace.Point()
			}
		}
	}
	if large {
		e.mu.Lock()
		e.applying, e.mem = false, mem
	}
}

// room waits until the memory may grow. It fails if it may not because it cannot be written as a run.
func (e *engine) room() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	for tried := false; ; tried = true {
		switch {
		case e.lost != nil:
			return e.lost
		case e.closed:
			return store.ErrClosed
		case e.full == nil || e.mem.size < e.o.memorySize:
			return nil
		case !e.flush.busy && tried && e.flush.failed != nil:
			return e.flush.failed
		}
		e.flush.retry = 0
		e.tendLocked()
		changed := e.changed
		e.mu.Unlock()
		<-changed
		e.mu.Lock()
	}
}

// settleLocked returns why a change failed, and ends writing if it must not go on.
func (e *engine) settleLocked(err error) error {
	if e.lost != nil {
		return e.lost // the browser says only that the connection is closed
	}
	if errors.Is(err, errUnsettled) {
		err = fmt.Errorf("%w: %w", store.ErrReadOnly, err)
	}
	if errors.Is(err, store.ErrReadOnly) {
		e.loseLocked(err)
	}
	return err
}

func (e *engine) lose(err error) {
	e.mu.Lock()
	e.loseLocked(err)
	e.mu.Unlock()
}

// loseLocked makes the store read-only for good.
func (e *engine) loseLocked(err error) {
	if e.lost != nil {
		return
	}
	e.lost = err
	e.wakeLocked()
	if e.onLost != nil {
		go e.onLost(err)
	}
}

func (e *engine) wakeLocked() {
	close(e.changed)
	e.changed = make(chan struct{})
}

// alive returns why there is no reading and writing any more: store.ErrClosed, or how the store was lost.
func (e *engine) alive() error {
	e.mu.Lock()
	closed, lost := e.closed, e.lost
	e.mu.Unlock()
	if closed {
		return store.ErrClosed
	}
	return lost
}

// Health returns nil while the store takes writes, why it cannot any more, or the error of the last write or of the last
// work in the background if it failed.
func (e *engine) Health() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, err := range []error{e.lost, e.failed, e.flush.failed} {
		if err != nil {
			return err
		}
	}
	return e.merge.failed
}

// Close implements store.Store.
func (e *engine) Close() error {
	e.mu.Lock()
	e.closed = true
	e.wakeLocked()
	e.mu.Unlock()
	e.queue.Close()
	e.work.Wait()
	return nil
}

// use makes runs the current version and lets go of the one before. The caller holds mu, or is alone.
func (e *engine) use(runs []*run) {
	before := e.version
	e.version = &version{runs: runs, refs: 1}
	for _, r := range runs {
		for _, t := range r.tables {
			t.refs++
		}
	}
	if before != nil {
		e.releaseLocked(before)
	}
}

func (e *engine) release(v *version) {
	e.mu.Lock()
	e.releaseLocked(v)
	e.tendLocked()
	e.mu.Unlock()
}

func (e *engine) releaseLocked(v *version) {
	if v.refs--; v.refs > 0 {
		return
	}
	for _, r := range v.runs {
		for _, t := range r.tables {
			if t.refs--; t.refs == 0 {
				e.garbage = append(e.garbage, span{t.first, t.index()})
				e.cache.forget(t)
			}
		}
	}
}

// reserve returns the first of the numbers of a table.
func (e *engine) reserve() (uint64, error) {
	epoch, ok := e.vals.epoch()
	e.mu.Lock()
	n := e.reserved << tableShift
	e.reserved++
	e.mu.Unlock()
	if !ok || n >= 1<<epochShift {
		return 0, fmt.Errorf("%w: no numbers for blocks", store.ErrFull)
	}
	return epoch<<epochShift + n, nil
}
