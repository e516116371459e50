package idb

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall/js"

	"github.com/hyperhyperspace/hhs-go/store"
)

// Options of Open. The zero value works.
type Options struct {
	// OnLost is called once, on a goroutine of its own, when the store can write no more: another tab took over, wants
	// to upgrade or delete the database, or the browser removed it (storage cleared, eviction). The error wraps
	// store.ErrReadOnly. What is in memory can still be read.
	OnLost func(error)
	// OnBlocked is called, on a goroutine of its own, when Open has to wait because another tab holds the database open
	// under an older version of this program and does not let go.
	OnBlocked func()
	// Beside is the name of a database of this origin that is only ever made after this one. If it is there and this one
	// is not, the browser, or somebody, has removed this one: Open fails with ErrEvicted and makes nothing.
	Beside string
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
// where the browser keeps nothing, and with ErrEvicted (see Options). While another tab holds the database open under
// an older version and does not let go, Open waits; ctx bounds it, and the error is then store.ErrLocked too.
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
	conn, err := connect(ctx, name, o)
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

// checkEvicted looks for the database beside, if the browser lists databases.
func checkEvicted(f js.Value, name, beside string) error {
	if beside == "" || f.Get("databases").Type() != js.TypeFunction {
		return nil
	}
	answer := make(chan js.Value, 1)
	fn := js.FuncOf(func(_ js.Value, args []js.Value) any {
		answer <- args[0]
		return nil
	})
	defer fn.Release()
	f.Call("databases").Call("then", fn, fn)
	var there, besideThere bool
	for i, list := 0, <-answer; i < list.Length(); i++ { // a rejection has no length
		found := list.Index(i).Get("name").String()
		there, besideThere = there || found == name, besideThere || found == beside
	}
	if besideThere && !there {
		return ErrEvicted
	}
	return nil
}

// opening is the answer to a request outside any transaction.
type opening struct {
	result js.Value
	err    error
}

// connect opens the database, and closes it again if ctx ended meanwhile.
func connect(ctx context.Context, name string, o Options) (js.Value, error) {
	t := new(transaction) // that of the upgrade, if there is one
	answer, blocked := make(chan opening, 1), make(chan struct{}, 1)
	err := factory(func(f js.Value) {
		if t.reason = checkEvicted(f, name, o.Beside); t.reason != nil {
			return
		}
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
			blocked <- struct{}{}
			if o.OnBlocked != nil {
				go o.OnBlocked()
			}
		})
	})
	if err = errors.Join(err, t.reason); err != nil {
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
		if len(blocked) > 0 {
			return js.Value{}, fmt.Errorf("%w: another tab holds an older version open: %w", store.ErrLocked, ctx.Err())
		}
		return js.Value{}, ctx.Err()
	}
}

// upgrade makes the object stores and the manifest of this format, in the transaction of a change of version.
func upgrade(t *transaction, conn js.Value, version int) {
	conn.Call("createObjectStore", "blocks")
	if version == 0 {
		conn.Call("createObjectStore", "journal")
		conn.Call("createObjectStore", "meta").Call("put", toJS(new(manifest).record()), "manifest")
		return
	}
	meta := t.store("meta")
	t.then(meta.Call("get", "snapshot"), func(v js.Value) {
		m, err := new(manifest), error(nil)
		if !v.IsUndefined() {
			if m, err = openSnapshot(toGo(v)); err != nil {
				t.abort(err)
				return
			}
		}
		meta.Call("put", toJS(m.record()), "manifest")
		meta.Call("delete", "snapshot")
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
