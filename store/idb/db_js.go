package idb

import (
	"context"
	"fmt"
	"sync"
	"syscall/js"
	"time"

	"github.com/hyperhyperspace/hhs-go/store"
)

// Options of Open. The zero value works.
type Options struct {
	// OnLost is called once, on a goroutine of its own, when the store can write no more: another tab took over, wants
	// to upgrade or delete the database, or the browser removed it (storage cleared, eviction). The error wraps
	// store.ErrReadOnly. What is in memory can still be read.
	OnLost func(error)
}

// DB is an open store.
type DB struct {
	*engine
	conn  js.Value
	cb    callbacks // of conn, released by Close
	close sync.Once
}

var _ store.Store = (*DB)(nil)

// Open opens the database name of this origin, creates it if there is none, and makes every earlier opener unable to
// write; a database that is full takes over with its first write that has room, and is readable until then. Of what is
// stored it reads the manifest and the journal. It fails with store.ErrNewer, having changed nothing, if a newer version
// of this program made it, with store.ErrCorrupt, naming the record, if what it reads is damaged, with ErrUnavailable
// where the browser keeps nothing, and with store.ErrLocked if another tab holds the database open under an older
// version and does not let go within 10 s.
func Open(ctx context.Context, name string, o Options) (*DB, error) {
	return open(ctx, name, o, standard)
}

func open(ctx context.Context, name string, o Options, limits sizes) (*DB, error) {
	d, err := openDB(ctx, name, o, limits)
	if err != nil {
		return nil, fmt.Errorf("open store %s: %w", name, err)
	}
	return d, nil
}

func openDB(ctx context.Context, name string, o Options, limits sizes) (*DB, error) {
	conn, err := connect(ctx, name, limits.patience)
	if err != nil {
		return nil, err
	}
	d := &DB{conn: conn}
	var early error // before there was an engine to tell
	lose := func(why string) {
		err := fmt.Errorf("%w: %s", store.ErrReadOnly, why)
		if d.engine != nil {
			d.lose(err)
		} else if early == nil {
			early = err
		}
	}
	d.cb.on(conn, "versionchange", func(js.Value) {
		conn.Call("close") // else the other one waits for ever
		lose("another tab upgrades or deletes the database")
	})
	d.cb.on(conn, "close", func(js.Value) { lose("the browser removed the database") })
	e, err := openEngine(ctx, &connection{conn: conn}, limits, o.OnLost)
	if err != nil {
		d.disconnect()
		if early != nil {
			err = early
		}
		return nil, err
	}
	if d.engine = e; early != nil {
		e.lose(early)
	}
	return d, nil
}

// errBlocked is what a tab of an older version makes of Open.
var errBlocked = fmt.Errorf("%w: another tab or window of this site has an older version open: close it", store.ErrLocked)

// opening is the answer to a request outside any transaction.
type opening struct {
	result js.Value
	err    error
}

// connect opens the database, and closes it again if that was given up meanwhile.
func connect(ctx context.Context, name string, patience time.Duration) (js.Value, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	t := new(transaction) // that of the upgrade, if there is one
	answer := make(chan opening, 1)
	err := factory(func(f js.Value) {
		request := f.Call("open", name, Format)
		t.on(request, "upgradeneeded", func(event js.Value) {
			t.tx = request.Get("transaction")
			t.guard(func() { upgrade(t, request.Get("result"), event.Get("oldVersion").Int()) })
		})
		t.on(request, "success", func(js.Value) { answer <- opening{result: request.Get("result")} })
		t.on(request, "error", func(js.Value) {
			if t.reason == nil {
				t.reason = domError(request.Get("error"))
			}
			answer <- opening{err: t.reason}
		})
		t.on(request, "blocked", func(js.Value) {
			time.AfterFunc(patience, func() { cancel(errBlocked) })
		})
	})
	if err != nil {
		return js.Value{}, err
	}
	select {
	case a := <-answer:
		t.release()
		return a.result, a.err
	case <-ctx.Done():
		go func() {
			if a := <-answer; a.err == nil {
				a.result.Call("close")
			}
			t.release()
		}()
		return js.Value{}, context.Cause(ctx)
	}
}

// upgrade makes the object stores and the manifest of this format, in the transaction of a change of version.
func upgrade(t *transaction, conn js.Value, version int) {
	conn.Call("createObjectStore", "blocks")
	if version == 0 {
		conn.Call("createObjectStore", "journal")
		conn.Call("createObjectStore", "meta")
		t.put("manifest", toJS(new(manifest).record()))
		return
	}
	t.get("snapshot", func(v js.Value) {
		m, err := new(manifest), error(nil)
		if !v.IsUndefined() {
			if m, err = openSnapshot(toGo(v)); err != nil {
				t.abort(err)
				return
			}
		}
		t.put("manifest", toJS(m.record()))
		t.store("meta").Call("delete", "snapshot")
	})
}

// factory calls f with the browser's indexedDB.
func factory(f func(js.Value)) error {
	v := js.Global().Get("indexedDB")
	if !v.Truthy() {
		return fmt.Errorf("%w: it has no IndexedDB", ErrUnavailable)
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

// Close implements store.Store.
func (d *DB) Close() error {
	err := d.engine.Close()
	d.close.Do(d.disconnect)
	return err
}

func (d *DB) disconnect() {
	d.conn.Call("close")
	for _, event := range []string{"versionchange", "close"} {
		d.conn.Set("on"+event, js.Null())
	}
	d.cb.release()
}
