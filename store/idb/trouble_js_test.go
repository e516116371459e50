package idb

import (
	"context"
	"errors"
	"fmt"
	"syscall/js"
	"testing"

	"github.com/hyperhyperspace/hhs-go/store"
	"github.com/hyperhyperspace/hhs-go/store/storetest"
)

// openRaw opens a database of any version; fill makes what an upgrade makes.
func openRaw(t *testing.T, name string, version int, fill func(conn js.Value)) js.Value {
	t.Helper()
	var cb callbacks
	defer cb.release()
	answer := make(chan opening, 1)
	request := js.Global().Get("indexedDB").Call("open", name, version)
	cb.on(request, "upgradeneeded", func(js.Value) { fill(request.Get("result")) })
	cb.on(request, "success", func(js.Value) { answer <- opening{result: request.Get("result")} })
	cb.on(request, "error", func(js.Value) { answer <- opening{err: domError(request.Get("error"))} })
	a := <-answer
	if a.err != nil {
		t.Fatal(a.err)
	}
	return a.result
}

// oldFormat makes a database of format 1 with a snapshot of some chunks, if it has one, and a journal; it returns what
// is in it.
func oldFormat(t *testing.T, name string, chunks, generation, covered uint64) string {
	t.Helper()
	mem := store.NewMem()
	record := func(kind byte, major, minor uint64, b *store.Batch) js.Value {
		if err := mem.Apply(t.Context(), b, store.Memory); err != nil {
			t.Fatal(err)
		}
		return toJS(endRecord(append(beginRecord(kind, major, minor, b.Size()), b.Bytes()...)))
	}
	openRaw(t, name, 1, func(conn js.Value) {
		journal := conn.Call("createObjectStore", "journal")
		pieces := conn.Call("createObjectStore", "chunks")
		meta := conn.Call("createObjectStore", "meta")
		meta.Call("put", 3, "epoch")
		for i := range chunks {
			var b store.Batch
			for j := range 500 {
				b.Put(fmt.Appendf(nil, "a/%d/%04d", i, j), make([]byte, 200))
			}
			pieces.Call("put", record(kindChunk, generation, i, &b), float64(i))
		}
		if generation > 0 {
			meta.Call("put", toJS(snapshotRecord(generation, chunks, covered)), "snapshot")
		}
		for i := covered + 1; i <= covered+3; i++ {
			var b store.Batch
			b.Delete([]byte("a/0/0001"))
			b.Put(fmt.Appendf(nil, "b/%d", i), []byte("x"))
			journal.Call("put", record(kindJournal, i, 0, &b), float64(i))
		}
	}).Call("close")
	return storetest.Dump(t, mem)
}

// TestOldFormat opens databases of format 1, with a snapshot and without.
func TestOldFormat(t *testing.T) {
	for _, c := range []struct{ chunks, generation, covered uint64 }{{0, 0, 0}, {3, 2, 9}} {
		name := newName(t)
		want := oldFormat(t, name, c.chunks, c.generation, c.covered)
		for range 2 {
			d := mustOpenSmall(t, name)
			if got := storetest.Dump(t, d); got != want {
				t.Fatalf("%+v: %d bytes, want %d", c, len(got), len(want))
			}
			if runs := len(d.version.runs); (runs > 0) != (c.chunks > 0) {
				t.Fatalf("%d runs", runs)
			}
			mustClose(t, d)
		}
		conn := openRaw(t, name, Format, nil)
		left := -1
		err := transact(conn, "readonly", "default", []any{"chunks"}, func(tr *transaction) {
			tr.then(tr.store("chunks").Call("count"), func(v js.Value) { left = v.Int() })
		})
		conn.Call("close")
		if err != nil || left != 0 {
			t.Fatalf("%d chunks are left, %v", left, err)
		}
	}
}

// TestOldFormatDamaged: a damaged snapshot record of format 1 is named, and the database stays what it was.
func TestOldFormatDamaged(t *testing.T) {
	name := newName(t)
	openRaw(t, name, 1, func(conn js.Value) {
		conn.Call("createObjectStore", "journal")
		conn.Call("createObjectStore", "chunks")
		conn.Call("createObjectStore", "meta").Call("put", "text", "snapshot")
	}).Call("close")
	for range 2 {
		if _, err := Open(t.Context(), name, Options{}); !errors.Is(err, store.ErrCorrupt) {
			t.Fatalf("open: %v", err)
		}
	}
	openRaw(t, name, 1, nil).Call("close") // it would fail with a higher version
}

// TestBlocked: a tab of an older program that does not let go is in the error; once it has let go all is there.
func TestBlocked(t *testing.T) {
	name := newName(t)
	want := oldFormat(t, name, 0, 0, 0)
	holder := openRaw(t, name, 1, nil)
	if _, err := open(t.Context(), name, Options{}, tiny); !errors.Is(err, store.ErrLocked) {
		t.Fatalf("open: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Open(ctx, name, Options{}); !errors.Is(err, context.Canceled) {
		t.Fatalf("open: %v", err)
	}
	holder.Call("close")
	d := mustOpen(t, name)
	defer mustClose(t, d)
	if got := storetest.Dump(t, d); got != want {
		t.Fatalf("holds %q", got)
	}
}

// TestUnavailable: a browser without IndexedDB, and one that refuses it here.
func TestUnavailable(t *testing.T) {
	object, reflect := js.Global().Get("Object"), js.Global().Get("Reflect")
	refuse := js.Global().Get("Function").New("return { open() { throw new DOMException('not here', 'SecurityError') } }").Invoke()
	for _, v := range []any{js.Undefined(), refuse} {
		object.Call("defineProperty", js.Global(), "indexedDB", map[string]any{"value": v, "configurable": true})
		_, err := Open(t.Context(), "none", Options{})
		reflect.Call("deleteProperty", js.Global(), "indexedDB") // the browser's own is on the prototype
		if !errors.Is(err, ErrUnavailable) {
			t.Errorf("open: %v", err)
		}
	}
}

// TestDiskError: what the browser calls an unknown error may have been stored or not. Nothing more is written, and the
// next start reads what there is.
func TestDiskError(t *testing.T) {
	name := newName(t)
	lost := make(chan error, 1)
	d, err := Open(t.Context(), name, Options{OnLost: func(err error) { lost <- err }})
	if err != nil {
		t.Fatal(err)
	}
	if err := put(d, "a", "1"); err != nil {
		t.Fatal(err)
	}
	proto := js.Global().Get("IDBObjectStore").Get("prototype")
	add := proto.Get("add")
	proto.Set("add", js.Global().Get("Function").New("throw new DOMException('disk', 'UnknownError')"))
	err = put(d, "b", "2")
	proto.Set("add", add)
	if !errors.Is(err, store.ErrReadOnly) || !errors.Is(<-lost, store.ErrReadOnly) {
		t.Fatalf("apply: %v", err)
	}
	if err := put(d, "c", "3"); !errors.Is(err, store.ErrReadOnly) {
		t.Fatalf("apply after it: %v", err)
	}
	mustClose(t, d)
	d = mustOpen(t, name)
	defer mustClose(t, d)
	if got := storetest.Dump(t, d); got != "a=1" {
		t.Fatalf("holds %q", got)
	}
}
