package idb

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"
	"testing"

	"github.com/hyperhyperspace/hhs-go/store"
)

// tiny sizes make a run of a few operations and a table of a few pairs.
var tiny = sizes{memorySize: 300, blockSize: 60, tableSize: 200, writeSize: 150, cacheSize: 600, inlineSize: 100}

// disk is an IndexedDB in memory, which aborts transactions and crashes on demand.
type disk struct {
	mu     sync.Mutex
	now    state
	synced state    // what a crash cannot take
	since  []change // relaxed transactions after it, in order
	full   bool     // nothing can be put

	transactions int   // so far
	fail         int   // the number of the transaction that fails; 0: none
	failure      error // how: one of those below, or an error of an abort
	crashed      bool
}

type state struct {
	epoch    uint64
	manifest []byte
	places   [3]map[uint64][]byte // by place
}

// written returns what of a relaxed change is in the database's own log: values from inlineSize on are in files, which
// nobody has synced. They are as if they were never written.
func (c *change) written() *change {
	log := *c
	log.blocks = nil
	for i, b := range c.blocks {
		log.blocks = append(log.blocks, b)
		if len(b) > tiny.inlineSize {
			log.blocks[i] = []byte{}
		}
	}
	if len(log.entry) > tiny.inlineSize {
		log.entry = []byte{}
	}
	if len(log.manifest) > tiny.inlineSize {
		log.manifest = []byte{}
	}
	return &log
}

func (s state) clone() state {
	for i, m := range s.places {
		s.places[i] = maps.Clone(m)
	}
	return s
}

// Crashes: everything after fails, until the disk is used again.
var (
	errCrashBefore = errors.New("crashed before the transaction")
	errCrashAfter  = errors.New("crashed after the transaction")
)

func newDisk() *disk {
	d := new(disk)
	d.now.manifest = new(manifest).record()
	for i := range d.now.places {
		d.now.places[i] = map[uint64][]byte{}
	}
	d.synced = d.now.clone()
	return d
}

// restart is the machine after a crash: percent of the relaxed transactions are kept, the first ones.
func (d *disk) restart(percent int) *disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	again := &disk{now: d.synced.clone()}
	for _, c := range d.since[:len(d.since)*percent/100] {
		again.now.perform(c.written())
	}
	again.synced = again.now.clone()
	return again
}

// begin counts a transaction; after is what to return once it was performed.
func (d *disk) begin() (after, err error) {
	if d.crashed {
		return nil, errCrashBefore
	}
	d.transactions++
	if d.transactions != d.fail {
		return nil, nil
	}
	d.crashed = d.failure == errCrashBefore || d.failure == errCrashAfter
	if d.failure == errCrashAfter {
		return d.failure, nil
	}
	return nil, d.failure
}

func (s *state) perform(c *change) {
	put := func(p place, n uint64, v []byte) { s.places[p][n] = bytes.Clone(v) }
	drop := func(p place, first, last uint64) {
		maps.DeleteFunc(s.places[p], func(n uint64, _ []byte) bool { return first <= n && n <= last })
	}
	if c.entry != nil {
		put(journalPlace, c.next, c.entry)
	}
	for i, b := range c.blocks {
		put(blocksPlace, c.first+uint64(i), b)
	}
	if c.manifest != nil {
		s.manifest = bytes.Clone(c.manifest)
		drop(journalPlace, 0, c.covered)
	}
	if c.chunks {
		drop(chunksPlace, 0, maxNumber)
	}
	for _, f := range c.free {
		drop(blocksPlace, f.first, f.last)
	}
}

// opener is one tab's connection.
type opener struct {
	d       *disk
	own     uint64
	waiting bool   // not taken over: own is the epoch of the writer before
	seen    []byte // the manifest then
}

func (o *opener) takeOver() ([]byte, error) {
	o.d.mu.Lock()
	defer o.d.mu.Unlock()
	after, err := o.d.begin()
	if err != nil {
		return nil, err
	}
	if o.waiting = o.d.full; !o.waiting {
		o.d.now.epoch++
		for _, before := range o.d.since {
			o.d.synced.perform(before.written())
		}
		o.d.synced.epoch, o.d.since = o.d.now.epoch, nil
	}
	o.own, o.seen = o.d.now.epoch, o.d.now.manifest
	return o.seen, after
}

func (o *opener) epoch() (uint64, bool) {
	o.d.mu.Lock()
	defer o.d.mu.Unlock()
	return o.own, !o.waiting
}

func (o *opener) owned() bool {
	o.d.mu.Lock()
	defer o.d.mu.Unlock()
	return o.d.crashed || o.d.now.epoch == o.own
}

func (o *opener) read(p place, first uint64, count int) (values [][]byte, err error) {
	o.d.mu.Lock()
	defer o.d.mu.Unlock()
	if o.d.crashed {
		return nil, errCrashBefore
	}
	m := o.d.now.places[p]
	for _, n := range slices.Sorted(maps.Keys(m)) {
		if n >= first && len(values) < count {
			values = append(values, bytes.Clone(m[n]))
		}
	}
	return values, nil
}

func (o *opener) apply(c *change) error {
	o.d.mu.Lock()
	defer o.d.mu.Unlock()
	after, err := o.d.begin()
	if err != nil {
		return err
	}
	if c.fenced() {
		if err := o.fence(c); err != nil {
			return err
		}
	}
	if o.d.full && (len(c.entry) > 0 || len(c.blocks) > 0 || len(c.manifest) > 0) {
		return fmt.Errorf("%w: quota", store.ErrFull)
	}
	if c.fenced() && o.waiting {
		o.waiting = false
		o.own++
		o.d.now.epoch++
	}
	if _, there := o.d.now.places[journalPlace][c.next]; c.entry != nil && there {
		return errors.New("the journal entry is there already")
	}
	o.d.now.perform(c)
	if c.strict {
		for _, before := range o.d.since {
			o.d.synced.perform(before.written())
		}
		o.d.synced.perform(c)
		o.d.synced.epoch, o.d.since = o.d.now.epoch, nil
	} else {
		o.d.since = append(o.d.since, *c)
	}
	return after
}

func (o *opener) fence(c *change) error {
	_, newer := o.d.now.places[journalPlace][c.next]
	if o.d.now.epoch != o.own || o.waiting && (newer || !bytes.Equal(o.seen, o.d.now.manifest)) {
		return errFenced
	}
	return nil
}

func openDisk(ctx context.Context, d *disk) (*engine, error) {
	return openEngine(ctx, &opener{d: d}, tiny, nil)
}

func mustOpenDisk(t testing.TB, d *disk) *engine {
	t.Helper()
	e, err := openDisk(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func closeEngine(t testing.TB, e *engine) {
	t.Helper()
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
}

func putPair(e store.Store, key, value string) error {
	var b store.Batch
	b.Put([]byte(key), []byte(value))
	return e.Apply(context.Background(), &b, store.Synced)
}

// settle waits until nothing is done in the background. Nobody writes meanwhile.
func settle(e *engine) {
	for {
		e.mu.Lock()
		busy, changed := e.flush.busy || e.merge.busy, e.changed
		e.mu.Unlock()
		if !busy {
			return
		}
		<-changed
	}
}

// child, in a browser, makes the process a worker that does something else than testing.
var child = map[string]func(string){}

func TestMain(m *testing.M) {
	for variable, f := range child {
		if v := os.Getenv(variable); v != "" {
			f(v)
		}
	}
	os.Exit(m.Run())
}
