package idb

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall/js"

	"github.com/hyperhyperspace/hhs-go/store"
	"github.com/hyperhyperspace/hhs-go/store/internal/group"
)

// Options of Open. The zero value works.
type Options struct {
	// OnLost is called once, on a goroutine of its own, when the store can write no more: another tab took over, wants
	// to upgrade or delete the database, or the browser removed it (storage cleared, eviction). The error wraps
	// store.ErrReadOnly. Reading goes on from memory.
	OnLost func(error)
}

// DB is an open store.
type DB struct {
	name  string
	o     Options
	conn  js.Value
	cb    callbacks // of conn, released by Close
	mem   *store.Mem
	queue *group.Committer
	epoch uint64
	// waiting: the database was full when it was opened, and epoch is still that of the writer before. Only the queue
	// changes it.
	waiting bool

	mu   sync.Mutex // guards what follows
	lost error
	// Outcome of the last write and of the last snapshot.
	failed, failedSnap error
	next               uint64 // number of the next journal entry
	journal            int    // bytes of entries that the snapshot does not cover
	snap               snapshotInfo
	compact            int // size of the journal at which the next snapshot is taken
	busy               bool
	work               sync.WaitGroup // the snapshot being taken
}

var _ store.Store = (*DB)(nil)

// Open opens the database name of this origin, creates it if there is none, and makes every earlier opener unable to
// write; a database that is full takes over with its first write that has room, and is readable until then. It fails with store.ErrNewer, having changed nothing, if a newer version of this program made it, and with
// store.ErrCorrupt, naming the record, if any of it is damaged. While another tab holds the database open under an
// older version and does not let go, Open waits; ctx bounds it.
func Open(ctx context.Context, name string, o Options) (*DB, error) {
	conn, err := connect(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("open store %s: %w", name, err)
	}
	d := &DB{name: name, o: o, conn: conn, mem: store.NewMem()}
	d.queue = group.New(maxGroup, d.commit)
	d.cb.on(conn, "versionchange", func(js.Value) {
		conn.Call("close") // else the other one waits for ever
		d.lose(fmt.Errorf("%w: another tab upgrades or deletes the database", store.ErrReadOnly))
	})
	d.cb.on(conn, "close", func(js.Value) {
		d.lose(fmt.Errorf("%w: the browser removed the database", store.ErrReadOnly))
	})
	if err := d.load(ctx); err != nil {
		return nil, fmt.Errorf("open store %s: %w", name, errors.Join(err, d.Close()))
	}
	return d, nil
}

// opening is the answer to a request outside any transaction.
type opening struct {
	result js.Value
	err    error
}

// connect opens the database, and closes it again if ctx ended meanwhile.
func connect(ctx context.Context, name string) (js.Value, error) {
	var cb callbacks
	answer := make(chan opening, 1)
	err := factory(func(f js.Value) {
		request := f.Call("open", name, Format)
		cb.on(request, "upgradeneeded", func(js.Value) {
			conn := request.Get("result")
			for _, name := range []string{"journal", "chunks", "meta"} {
				conn.Call("createObjectStore", name)
			}
		})
		cb.on(request, "success", func(js.Value) { answer <- opening{result: request.Get("result")} })
		cb.on(request, "error", func(js.Value) { answer <- opening{err: domError(request.Get("error"))} })
	})
	if err != nil {
		return js.Value{}, err
	}
	select {
	case a := <-answer:
		cb.release()
		return a.result, a.err
	case <-ctx.Done():
		go func() {
			if a := <-answer; a.err == nil {
				a.result.Call("close")
			}
			cb.release()
		}()
		return js.Value{}, ctx.Err()
	}
}

// factory calls f with the browser's indexedDB.
func factory(f func(js.Value)) error {
	v := js.Global().Get("indexedDB")
	if !v.Truthy() {
		return errors.New("this browser, or its private mode, has no IndexedDB")
	}
	return try(func() { f(v) })
}

// Delete removes a database with everything in it. Openers lose it. It waits until they have let go or ctx ends.
func Delete(ctx context.Context, name string) error {
	var cb callbacks
	answer := make(chan error, 1)
	err := factory(func(f js.Value) {
		request := f.Call("deleteDatabase", name)
		cb.on(request, "success", func(js.Value) { answer <- nil })
		cb.on(request, "error", func(js.Value) { answer <- domError(request.Get("error")) })
	})
	if err == nil {
		select {
		case err = <-answer:
			cb.release()
		case <-ctx.Done():
			err = ctx.Err()
			go func() { <-answer; cb.release() }()
		}
	}
	if err != nil {
		return fmt.Errorf("delete store %s: %w", name, err)
	}
	return nil
}

// lose makes the store read-only for good.
func (d *DB) lose(err error) {
	d.mu.Lock()
	first := d.lost == nil
	if first {
		d.lost = err
	}
	d.mu.Unlock()
	if first && d.o.OnLost != nil {
		go d.o.OnLost(err)
	}
}

// Health returns nil while the store takes writes, why it cannot any more, or the error of the last write or snapshot
// if it failed.
func (d *DB) Health() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.lost != nil {
		return d.lost
	}
	return cmp.Or(d.failed, d.failedSnap)
}

// Snapshot implements store.Store.
func (d *DB) Snapshot() (store.Snapshot, error) { return d.mem.Snapshot() }

// Apply implements store.Store. Written and Memory ask the browser for relaxed durability: it has the bytes when Apply
// returns, the disk may not.
func (d *DB) Apply(ctx context.Context, b *store.Batch, dur store.Durability) error {
	return d.queue.Apply(ctx, b, dur)
}

// Close implements store.Store.
func (d *DB) Close() error {
	if !d.queue.Close() {
		return nil
	}
	d.work.Wait()
	d.conn.Call("close")
	for _, event := range []string{"versionchange", "close"} {
		d.conn.Set("on"+event, js.Null())
	}
	d.cb.release()
	return d.mem.Close()
}
