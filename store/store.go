// Package store is the contract between the engine and whatever keeps its bytes: an ordered map from byte keys to
// byte values with consistent snapshots and atomic batches. Mem, in this package, is the engine for tests and for
// spaces that need not outlive the process; store/pebble keeps a directory on disk and store/idb a database of the
// browser. storetest.Run is the suite that every engine passes.
//
// To write, fill a Batch and hand it to Store.Apply, which keeps all of it or nothing. To read, take a Snapshot.
// A Tx joins the two: it reads through a snapshot, shows its own writes, and yields the Batch in the end.
//
//	s := store.NewMem()
//	var b store.Batch
//	b.Put([]byte("topic"), []byte("hello"))
//	err := s.Apply(ctx, &b, store.Synced)
//
// # Keys
//
// Keys are compared as unsigned bytes. They have 1 to MaxKey bytes and do not begin with 0x00: that first byte belongs
// to the engines, which keep their format version there. Engine keys are shown by no Get and no Scan and touched by no
// batch; a Batch that names one is refused by Apply.
//
// # What it does not do
//
// It knows no spaces, commits or fields, has no secondary indexes, and detects no conflict between writers: the update
// lane above it decides who writes what.
package store

import (
	"context"
	"errors"
	"iter"
)

// Errors that callers branch on. An engine wraps them with what happened and where; use errors.Is.
var (
	// ErrNotFound means that the key is absent.
	ErrNotFound = errors.New("store: key not found")
	// ErrClosed means that the store or the snapshot was closed before.
	ErrClosed = errors.New("store: closed")
	// ErrFull means that there is no room: the disk, the browser's quota or the low-water mark. Nothing of the batch
	// was kept, reading goes on.
	ErrFull = errors.New("store: full")
	// ErrLocked means that another process or tab has the store open for writing.
	ErrLocked = errors.New("store: in use by another process")
	// ErrNewer means that a newer version of the program wrote the store. It was left untouched.
	ErrNewer = errors.New("store: written by a newer version")
	// ErrReadOnly means that the store refuses writes for good, until it is opened again: an earlier write failed in
	// a way that leaves open what is on disk, or another writer took over. Reading goes on.
	ErrReadOnly = errors.New("store: read only")
	// ErrCorrupt means that stored bytes fail their checksum or cannot be decoded.
	ErrCorrupt = errors.New("store: damaged")
	// ErrKey means that a batch holds a key that is empty, too long, or in the range of the engines (0x00).
	ErrKey = errors.New("store: key not allowed")
	// ErrTooLarge means that a value or a batch is over MaxValue or MaxBatch.
	ErrTooLarge = errors.New("store: too large")
)

// KV is one key with its value, as a Scan yields it.
type KV struct{ Key, Value []byte }

// Reader reads one consistent state. It may be used by many goroutines at once.
type Reader interface {
	// Get returns a copy of the value at key, which the caller owns, or ErrNotFound. The value of a key stored with
	// an empty value is an empty, non-nil slice.
	Get(key []byte) ([]byte, error)
	// Scan yields the pairs with lo <= key < hi in order of their keys, or in reverse order. A nil lo means from the
	// first key, a nil hi to the last; if lo >= hi there are none. The pair is valid, and must not be changed, until
	// the next step: a caller that keeps any of it makes a copy. An error is yielded once, with an empty pair, and
	// ends the iteration.
	Scan(lo, hi []byte, reverse bool) iter.Seq2[KV, error]
}

// Fetcher is a Reader that reads many keys for less than it reads them one by one.
type Fetcher interface {
	// Fetch calls found for each of the keys that is there, in their order. They are ascending and each is there once.
	// The value is valid, and must not be changed, during the call; found calls nothing of the store. An error ends it.
	Fetch(keys [][]byte, found func(i int, value []byte)) error
}

// Snapshot is a Reader of the state at one moment: it shows everything acknowledged before it was taken and nothing
// applied later. It holds resources until Close. Close is idempotent; reading afterwards gives ErrClosed. Close, of
// the snapshot or of its store, waits for Scans to reach their next step, so it is not called from inside one.
type Snapshot interface {
	Reader
	Close() error
}

// Durability says when Apply may acknowledge. It changes nothing about atomicity or order: what survives a crash is
// always a prefix of the applied batches.
type Durability int

const (
	// Synced is the default: acknowledged means that the batch, and every one before it, is on disk and survives a
	// loss of power as far as the operating system and the drive keep their word about fsync.
	Synced Durability = iota
	// Written does not wait for the disk: the batch survives Close, and the end of a process that does not Close may
	// take the last ones with it, never one from the middle. Applying an empty batch with Synced settles all of them.
	Written
	// Memory promises visibility only. Engines may treat it as Written.
	Memory
)

// Store is an ordered map that outlives its callers. It may be used by many goroutines at once.
type Store interface {
	// Snapshot returns the state of this moment. It fails with ErrClosed, or with the engine's error if the store
	// cannot be read at all.
	Snapshot() (Snapshot, error)
	// Apply makes all operations of b visible at once, in the order in which they were added, or none of them. When it
	// returns nil the batch is as durable as d says, and every later Snapshot shows it. When it returns an error,
	// nothing of b is visible or will become visible (an engine that cannot know whether bytes reached the disk
	// turns read-only and says so: ErrReadOnly). The context is honoured until the write begins; after that Apply
	// waits for its outcome, so a context error always means that nothing was written. Applying an empty batch
	// with Synced makes everything acknowledged before durable. The engine keeps no reference to b.
	Apply(ctx context.Context, b *Batch, d Durability) error
	// Close releases everything; it waits for writes and scans in flight, and snapshots still open are closed. It is
	// idempotent. Afterwards everything fails with ErrClosed.
	Close() error
}
