//go:build !js

// Package pebble keeps a store in a directory with CockroachDB's Pebble, a log-structured merge tree. It is the engine
// of native nodes: one instance per node, in which spaces are key prefixes.
//
//	db, err := pebble.Open(dir, pebble.Options{Log: log})
//
// # What is on disk
//
// Besides Pebble's own files the directory holds HHS-FORMAT, the version of this engine's files as a decimal number and a
// line feed, which is read before anything else is touched; HHS-CREATING until a first open has succeeded; HHS-CLEAN, a
// list of the files, after a clean close and until the next opening; LOCK, held as long as the store is open; and BALLAST.
// Every group of batches begins with its number, at a key of the engine's own.
//
// # Invariants
//
//  1. What Apply acknowledged with store.Synced was fsynced before. Batches waiting at the same time share one fsync.
//  2. A snapshot shows acknowledged batches only. Pebble itself shows a batch before its fsync has returned, so
//     readers get the view taken after the last acknowledged group.
//  3. After any failed write or fsync of the log, the manifest or a directory nothing is acknowledged any more,
//     nothing is removed from disk and no fsync is repeated (a second one may succeed without the lost pages). The
//     store answers writes with store.ErrReadOnly and serves reads until it is closed; opening it again replays the log.
//  4. Under the low-water mark writes fail with store.ErrFull before they reach Pebble, and work again as soon as there
//     is room. If the disk fills up regardless, the ballast is given back, which lets the write in progress and
//     flushes end well. While tables cannot be written, writes fail and do not wait.
//  5. A store that is there and cannot be written (a full disk, a medium or rights to read only) is opened to read, and
//     Health says why.
//  6. A store is opened only if every group that is known to have been synced can be read from the logs, and every edit
//     of the manifest; else nothing of it is changed. After a clean close any difference in its files but within tables
//     is noticed, after a crash any changed bit and whatever later groups show to be missing (see check.go). The blocks of
//     tables are checked when they are read, and by Verify.
//
// # What is not noticed
//
// After a crash: more than one changed bit in the last groups of all, which looks like what a loss of power leaves; and
// that the newest log is gone. After a clean close: nothing but damage within tables, until it is read. A whole directory
// replaced by an older copy of itself looks well; the replica above it notices that from its peers.
//
// # What it does not do
//
// It does not repair: a damaged block makes the reads that meet it fail with store.ErrCorrupt, and Salvage copies what can
// be read into a new store. Pebble is asked for no application-level checksums; blocks and log records carry their own.
package pebble

import (
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/hyperhyperspace/hhs-go/internal/log"
	"github.com/hyperhyperspace/hhs-go/store"
	"github.com/hyperhyperspace/hhs-go/store/internal/group"
)

// Options of Open. The zero value is what a node uses.
type Options struct {
	// Log receives what Pebble reports and each change between writable and not. Nil discards it.
	Log log.Logger
	// FS is the file system; nil is that of the operating system.
	FS vfs.FS
	// Free returns the bytes free for this user in the directory's file system; nil asks FS.
	Free func(dir string) (uint64, error)
	// LowWater is the free space in bytes under which writes are refused; 0 means DefaultLowWater.
	LowWater uint64
	// Ballast is the size in bytes of the ballast file; 0 means DefaultBallast, a negative one none.
	Ballast int64

	// Lost is called once, on a goroutine of its own, when the store can be written no more until it is opened again.
	Lost func(error)
	// Progress hears of the steps that bring a store of an older format to this one.
	Progress Progress

	tune func(*pebble.Options) // for tests: smaller tables
}

// DB is an open store.
type DB struct {
	dir   string
	db    *pebble.DB
	lock  io.Closer
	guard *guard
	space *space

	queue         *group.Committer
	group, synced uint64 // numbers of the last group and of the last one synced; whoever commits has them
	unchecked     int    // bytes since waitForRoom looked; whoever commits has them

	mu     sync.Mutex // guards what follows
	cond   sync.Cond  // on mu: reads becomes 0
	closed bool
	reads  int // Gets and Scans in progress
	view   *view
	views  map[*view]struct{} // all not yet closed
}

var _ store.Store = (*DB)(nil)

// Health returns nil while the store takes writes, and otherwise the error that it answers them with.
func (d *DB) Health() error {
	if d.isClosed() {
		return store.ErrClosed
	}
	if err := d.guard.failure(); err != nil {
		return err
	}
	if err := d.flushing(); err != nil {
		return err
	}
	return d.space.check(0)
}

// Frozen tells that no file of the store changes any more until it is opened again: it was opened to read only, or a write failed.
func (d *DB) Frozen() bool { return d.guard.failure() != nil }

// Usage returns the bytes that the store takes on disk, the ballast not counted.
func (d *DB) Usage() uint64 {
	if d.beginRead() != nil {
		return 0
	}
	defer d.endRead()
	return d.db.Metrics().DiskSpaceUsage()
}

// Close implements store.Store.
func (d *DB) Close() error {
	d.mu.Lock()
	d.closed = true
	d.mu.Unlock()
	if !d.queue.Close() {
		return nil
	}
	d.mu.Lock()
	for d.reads > 0 {
		d.cond.Wait()
	}
	var errs []error
	for v := range d.views {
		errs = append(errs, v.snap.Close())
	}
	clear(d.views)
	d.mu.Unlock()
	if err := errors.Join(errors.Join(errs...), d.closeEngine(), d.lock.Close()); err != nil {
		return fmt.Errorf("close store %s: %w", d.dir, translate(err))
	}
	return nil
}

// closeEngine closes what opening has opened. If nothing has failed, all is in tables and listed afterwards: the next
// opening has no log to replay, and notices any difference.
func (d *DB) closeEngine() error {
	err := d.flush()
	d.guard.close()
	closeErr := d.db.Close()
	if err == nil && closeErr == nil && d.guard.failure() == nil {
		closeErr = errors.Join(removeOldLogs(d.space.fs, d.dir), writeClean(d.space.fs, d.dir))
	}
	return closeErr
}

// flush brings what is in memory and in the log into tables. Pebble tries again and again; here the first failure ends it.
func (d *DB) flush() error {
	if err := d.guard.failure(); err != nil {
		return err
	}
	if err := d.guard.pressure.flushError(); err != nil {
		return err // it would wait for the one that is tried again
	}
	turn := d.guard.pressure.turn()
	done, err := d.db.AsyncFlush()
	for err == nil {
		select {
		case <-done:
			return d.guard.failure()
		case <-turn:
			turn = d.guard.pressure.turn()
			err = d.guard.pressure.flushError()
		}
	}
	return err
}

func (d *DB) isClosed() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.closed
}

// translate gives Pebble's errors the identity that callers branch on.
func translate(err error) error {
	switch {
	case err == nil, errors.Is(err, store.ErrCorrupt), errors.Is(err, store.ErrFull):
		return err
	case pebble.IsCorruptionError(err):
		return fmt.Errorf("%w: %w", store.ErrCorrupt, err)
	case errors.Is(err, pebble.ErrClosed):
		return store.ErrClosed
	case vfs.IsNoSpaceError(err):
		return fmt.Errorf("%w: %w", store.ErrFull, err)
	}
	return err
}
