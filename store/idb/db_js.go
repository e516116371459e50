package idb

import (
	"cmp"
	"context"
	"fmt"
	"slices"
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
	if err := checkEvicted(ctx, name, o.Beside); err != nil {
		return nil, err
	}
	conn, err := connect(ctx, name, Format, o.OnBlocked)
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
		return nil, cmp.Or(early, err)
	}
	if d.engine = e; early != nil {
		e.lose(early)
	}
	return d, nil
}

// checkEvicted looks for the database beside, if the browser lists databases.
func checkEvicted(ctx context.Context, name, beside string) error {
	var there []string
	err := factory(func(f js.Value) {
		if beside == "" || f.Get("databases").Type() != js.TypeFunction {
			return
		}
		list, err := await(ctx, f.Call("databases"))
		for i := 0; err == nil && i < list.Length(); i++ {
			there = append(there, list.Index(i).Get("name").String())
		}
	})
	if err == nil && slices.Contains(there, beside) && !slices.Contains(there, name) {
		err = ErrEvicted
	}
	return err
}

// opening is the answer to a request outside any transaction.
type opening struct {
	result js.Value
	err    error
}

// connect opens the database, and closes it again if ctx ended meanwhile.
func connect(ctx context.Context, name string, version int, onBlocked func()) (js.Value, error) {
	var cb callbacks
	answer, blocked := make(chan opening, 1), make(chan struct{}, 1)
	err := factory(func(f js.Value) {
		request := f.Call("open", name, version)
		var why error // of an upgrade that was given up
		cb.on(request, "upgradeneeded", func(event js.Value) { upgradeFrom(&cb, request, event.Get("oldVersion").Int(), &why) })
		cb.on(request, "success", func(js.Value) { answer <- opening{result: request.Get("result")} })
		cb.on(request, "error", func(js.Value) {
			if why == nil {
				why = openError(request.Get("error"))
			}
			answer <- opening{err: why}
		})
		cb.on(request, "blocked", func(js.Value) {
			blocked <- struct{}{}
			if onBlocked != nil {
				go onBlocked()
			}
		})
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
		if len(blocked) > 0 {
			return js.Value{}, fmt.Errorf("%w: another tab holds an older version open: %w", store.ErrLocked, ctx.Err())
		}
		return js.Value{}, ctx.Err()
	}
}

// openError names a browser that refuses databases on principle, as some do in private windows.
func openError(v js.Value) error {
	if v.Truthy() && slices.Contains([]string{"InvalidStateError", "SecurityError"}, v.Get("name").String()) {
		return fmt.Errorf("%w: %w", ErrUnavailable, domError(v))
	}
	return domError(v)
}

// upgradeFrom makes the object stores and the manifest of this format, in the transaction of the upgrade.
func upgradeFrom(cb *callbacks, request js.Value, version int, why *error) {
	tx := request.Get("transaction")
	guard := func(f func()) {
		if err := try(f); err != nil && *why == nil {
			*why = err
			tx.Call("abort")
		}
	}
	guard(func() {
		conn := request.Get("result")
		conn.Call("createObjectStore", "blocks")
		if version == 0 {
			conn.Call("createObjectStore", "journal")
			conn.Call("createObjectStore", "meta").Call("put", toJS(new(manifest).record()), "manifest")
			return
		}
		meta := tx.Call("objectStore", "meta")
		old := meta.Call("get", "snapshot")
		cb.on(old, "success", func(js.Value) {
			guard(func() {
				m := new(manifest)
				if v := old.Get("result"); !v.IsUndefined() {
					if m, *why = openSnapshot(toGo(v)); *why != nil {
						tx.Call("abort")
						return
					}
				}
				meta.Call("put", toJS(m.record()), "manifest")
				meta.Call("delete", "snapshot")
			})
		})
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
