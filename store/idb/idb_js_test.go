package idb

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"syscall/js"
	"testing"

	"github.com/hyperhyperspace/hhs-go/store"
	"github.com/hyperhyperspace/hhs-go/store/storetest"
)

var names atomic.Int64

// newName returns a database name for one test and deletes the database in the end.
func newName(t testing.TB) string {
	name := fmt.Sprintf("%s-%d", t.Name(), names.Add(1))
	t.Cleanup(func() {
		if err := Delete(context.Background(), name); err != nil {
			t.Error(err)
		}
	})
	return name
}

func mustOpen(t testing.TB, name string) *DB {
	t.Helper()
	d, err := Open(t.Context(), name, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func mustClose(t testing.TB, d *DB) {
	t.Helper()
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
}

func put(d *DB, key, value string) error {
	var b store.Batch
	b.Put([]byte(key), []byte(value))
	return d.Apply(context.Background(), &b, store.Synced)
}

// small sizes make runs and merges of what a test writes quickly.
var small = sizes{memorySize: 64 << 10, blockSize: 4 << 10, tableSize: 32 << 10, writeSize: 16 << 10, cacheSize: 64 << 10, inlineSize: 60 << 10}

func mustOpenSmall(t testing.TB, name string) *DB {
	t.Helper()
	d, err := open(t.Context(), name, Options{}, small)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestSuite(t *testing.T) {
	storetest.Run(t, func(t testing.TB) store.Store { return mustOpen(t, newName(t)) })
}

// TestSuiteTiny has runs and merges all the time.
func TestSuiteTiny(t *testing.T) {
	storetest.Run(t, func(t testing.TB) store.Store {
		d, err := open(t.Context(), newName(t), Options{}, tiny)
		if err != nil {
			t.Fatal(err)
		}
		return d
	})
}

func TestReopen(t *testing.T) {
	storetest.RunReopen(t, func(t testing.TB) func() (store.Store, error) {
		name := newName(t)
		return func() (store.Store, error) { return Open(t.Context(), name, Options{}) }
	})
}

// raw runs one transaction on a database that no DB has open.
func raw(t *testing.T, name string, issue func(*transaction)) {
	t.Helper()
	conn, err := connect(t.Context(), name, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Call("close")
	if err := transact(conn, "readwrite", "default", []any{"meta", "journal", "blocks"}, issue); err != nil {
		t.Fatal(err)
	}
}

// fill writes until there are runs of several tables, and a journal.
func fill(t *testing.T, name string) string {
	t.Helper()
	d := mustOpenSmall(t, name)
	value := strings.Repeat("v", 5<<10)
	for i := range 30 {
		if err := put(d, fmt.Sprintf("k%02d", i), value); err != nil {
			t.Fatal(err)
		}
	}
	settle(d.engine)
	for i := range 3 {
		if err := put(d, fmt.Sprintf("after%d", i), "1"); err != nil {
			t.Fatal(err)
		}
	}
	if runs := d.version.runs; len(runs) < 2 || len(runs[0].tables) < 2 || d.mem.size == 0 {
		t.Fatalf("%d runs, %d bytes in memory", len(runs), d.mem.size)
	}
	if err := d.Health(); err != nil {
		t.Fatal(err)
	}
	dump := storetest.Dump(t, d)
	mustClose(t, d)
	return dump
}

// TestRuns: what is in runs is there after each start, and the database keeps what the manifest names.
func TestRuns(t *testing.T) {
	name := newName(t)
	want := fill(t, name)
	for range 2 {
		d := mustOpenSmall(t, name)
		if got := storetest.Dump(t, d); got != want {
			t.Fatalf("%d bytes after opening again, want %d", len(got), len(want))
		}
		mustClose(t, d)
	}
	named, stored := 0, 0
	raw(t, name, func(tr *transaction) {
		tr.then(tr.store("meta").Call("get", "manifest"), func(v js.Value) {
			m, err := openManifest(toGo(v))
			if err != nil {
				t.Error(err)
				return
			}
			for _, r := range m.runs {
				for _, tab := range r.tables {
					named += int(tab.blocks) + 1
				}
			}
		})
		tr.then(tr.store("blocks").Call("count"), func(v js.Value) { stored = v.Int() })
	})
	if named != stored || named == 0 {
		t.Fatalf("%d blocks are stored, %d are named", stored, named)
	}
}

func TestNewerUntouched(t *testing.T) {
	name := newName(t)
	d := mustOpen(t, name)
	if err := put(d, "a", "1"); err != nil {
		t.Fatal(err)
	}
	mustClose(t, d)
	openRaw(t, name, Format+1, func(js.Value) {}).Call("close")
	if _, err := Open(t.Context(), name, Options{}); !errors.Is(err, store.ErrNewer) {
		t.Fatalf("open: %v", err)
	}
}

// TestDamage changes or removes each kind of record: opening or reading names it.
func TestDamage(t *testing.T) {
	// flip changes a bit of the nth value.
	flip := func(tr *transaction, objects string, n int) {
		s := tr.store(objects)
		tr.then(s.Call("getAllKeys"), func(keys js.Value) {
			key := keys.Index(n)
			tr.then(s.Call("get", key), func(v js.Value) {
				i := v.Length() / 2
				v.SetIndex(i, v.Index(i).Int()^1)
				s.Call("put", v, key)
			})
		})
	}
	drop := func(tr *transaction, objects string) {
		s := tr.store(objects)
		tr.then(s.Call("getAllKeys"), func(keys js.Value) { s.Call("delete", keys.Index(0)) })
	}
	for _, c := range []struct {
		name, want string
		damage     func(*transaction)
	}{
		{"journal bit", "journal entry", func(tr *transaction) { flip(tr, "journal", 0) }},
		{"journal gap", "journal entry", func(tr *transaction) { drop(tr, "journal") }},
		{"block bit", "block", func(tr *transaction) { flip(tr, "blocks", 0) }},
		{"block missing", "block", func(tr *transaction) { drop(tr, "blocks") }},
		{"blocks missing", "missing", func(tr *transaction) { tr.store("blocks").Call("clear") }},
		{"manifest bit", "manifest", func(tr *transaction) { tr.store("meta").Call("put", toJS(make([]byte, 30)), "manifest") }},
		{"manifest missing", "manifest", func(tr *transaction) { tr.store("meta").Call("delete", "manifest") }},
		{"not bytes", "manifest", func(tr *transaction) { tr.store("meta").Call("put", "text", "manifest") }},
	} {
		t.Run(c.name, func(t *testing.T) {
			name := newName(t)
			fill(t, name)
			raw(t, name, c.damage)
			d, err := open(t.Context(), name, Options{}, small)
			if err == nil {
				snap, _ := d.Snapshot()
				for _, failed := range snap.Scan(nil, nil, false) {
					err = failed
				}
				mustClose(t, d)
			}
			if !errors.Is(err, store.ErrCorrupt) || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("open: %v, want %q", err, c.want)
			}
		})
	}
}

// patch replaces a method of a browser's prototype for one test. The replacement gets this, the arguments, and the
// original.
func patch(t *testing.T, class, method string, f func(this js.Value, args []js.Value, original js.Value) any) (restore func()) {
	proto := js.Global().Get(class).Get("prototype")
	original := proto.Get(method)
	fn := js.FuncOf(func(this js.Value, args []js.Value) any { return f(this, args, original) })
	proto.Set(method, fn)
	restore = func() { proto.Set(method, original) }
	t.Cleanup(func() { restore(); fn.Release() })
	return restore
}

// call invokes an original method from a replacement.
func call(original, this js.Value, args []js.Value) js.Value {
	list := []any{this}
	for _, a := range args {
		list = append(list, a)
	}
	return original.Call("call", list...)
}

// TestAborted: the browser aborts a transaction after its requests were made. Nothing is kept, and the same batch can
// be applied again.
func TestAborted(t *testing.T) {
	name := newName(t)
	d := mustOpen(t, name)
	if err := put(d, "a", "1"); err != nil {
		t.Fatal(err)
	}
	aborted := 0
	restore := patch(t, "IDBObjectStore", "add", func(this js.Value, args []js.Value, original js.Value) any {
		request := call(original, this, args)
		aborted++
		this.Get("transaction").Call("abort")
		return request
	})
	if err := put(d, "b", "2"); err == nil || errors.Is(err, store.ErrReadOnly) || aborted != 1 {
		t.Fatalf("aborted %d times: %v", aborted, err)
	}
	if d.Health() == nil {
		t.Fatal("health is good after a failed write")
	}
	restore()
	if got := storetest.Dump(t, d); got != "a=1" {
		t.Fatalf("holds %s", got)
	}
	if err := put(d, "b", "3"); err != nil {
		t.Fatal(err)
	}
	if err := d.Health(); err != nil {
		t.Fatal(err)
	}
	mustClose(t, d)
	d = mustOpen(t, name)
	defer mustClose(t, d)
	if got := storetest.Dump(t, d); got != "a=1 b=3" {
		t.Fatalf("holds %s after opening again", got)
	}
}

// TestQuota: a write that throws for lack of room, and a run that does, keep nothing and leave the store readable.
func TestQuota(t *testing.T) {
	name := newName(t)
	d := mustOpenSmall(t, name)
	if err := put(d, "a", "1"); err != nil {
		t.Fatal(err)
	}
	proto := js.Global().Get("IDBObjectStore").Get("prototype")
	full := js.Global().Get("Function").New("throw new DOMException('no room', 'QuotaExceededError')")
	add, original := proto.Get("add"), proto.Get("put")
	proto.Set("add", full)
	if err := put(d, "b", "2"); !errors.Is(err, store.ErrFull) {
		t.Errorf("full: %v", err)
	}
	proto.Set("add", add)
	proto.Set("put", full) // blocks are put, journal entries are added
	kept, err := 0, error(nil)
	for ; err == nil && kept < 100; kept++ {
		err = put(d, fmt.Sprint("k", kept), strings.Repeat("v", 10<<10))
	}
	if !errors.Is(err, store.ErrFull) || kept < 10 || kept > 20 {
		t.Errorf("after %d writes without room for a run: %v", kept, err)
	}
	if err := d.Health(); !errors.Is(err, store.ErrFull) {
		t.Errorf("health: %v", err)
	}
	proto.Set("put", original)
	want := storetest.Dump(t, d)
	if strings.Contains(want, "b=2") || strings.Count(want, "k") != kept-1 {
		t.Fatal("holds what was refused, or lacks what was not")
	}
	if err := put(d, "b", "3"); err != nil {
		t.Fatal(err)
	}
	settle(d.engine)
	if err := d.Health(); err != nil || len(d.version.runs) == 0 {
		t.Fatalf("with room again: %d runs, %v", len(d.version.runs), err)
	}
	want = storetest.Dump(t, d)
	mustClose(t, d)
	d = mustOpenSmall(t, name)
	defer mustClose(t, d)
	if got := storetest.Dump(t, d); got != want {
		t.Fatal("differs after opening again")
	}
}

// limited makes databases opened from now on live in a storage bucket of the browser with a quota in bytes.
func limited(t *testing.T, quota int) {
	t.Helper()
	var cb callbacks
	answer := make(chan opening, 1)
	settle := func(result, err js.Value) {
		if err.Truthy() {
			answer <- opening{err: domError(err)}
			return
		}
		answer <- opening{result: result}
	}
	ok := js.FuncOf(func(_ js.Value, args []js.Value) any { settle(args[0], js.Undefined()); return nil })
	bad := js.FuncOf(func(_ js.Value, args []js.Value) any { settle(js.Undefined(), args[0]); return nil })
	cb = append(cb, ok, bad)
	buckets := js.Global().Get("navigator").Get("storageBuckets")
	buckets.Call("open", "small", map[string]any{"quota": quota}).Call("then", ok, bad)
	a := <-answer
	if a.err != nil {
		t.Fatal(a.err)
	}
	object := js.Global().Get("Object")
	object.Call("defineProperty", js.Global(), "indexedDB", map[string]any{"value": a.result.Get("indexedDB"), "configurable": true})
	t.Cleanup(func() {
		js.Global().Get("Reflect").Call("deleteProperty", js.Global(), "indexedDB") // the browser's own is on the prototype
		buckets.Call("delete", "small").Call("then", ok, bad)
		<-answer
		cb.release()
	})
}

// TestRealQuota fills a real quota of the browser: writes fail with store.ErrFull, what was acknowledged stays readable
// and is there after opening again (RELIABILITY G8-73).
func TestRealQuota(t *testing.T) {
	limited(t, 3_000_000)
	name := newName(t)
	d := mustOpenSmall(t, name)
	value := make([]byte, 200<<10)
	rand.NewChaCha8([32]byte{}).Read(value) // the browser compresses what can be
	kept, err := 0, error(nil)
	for err == nil && kept < 100 {
		if err = put(d, fmt.Sprintf("k%03d", kept), string(value)); err == nil {
			kept++
		}
	}
	if !errors.Is(err, store.ErrFull) || kept == 0 {
		t.Fatalf("after %d writes: %v", kept, err)
	}
	check := func(what string) {
		t.Helper()
		snap, err := d.Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		defer snap.Close()
		n := 0
		for kv, err := range snap.Scan([]byte("k"), []byte("l"), false) {
			if err != nil || len(kv.Value) != len(value) {
				t.Fatalf("%s: %d bytes, %v", what, len(kv.Value), err)
			}
			n++
		}
		if n != kept {
			t.Fatalf("%s: %d entries, acknowledged were %d", what, n, kept)
		}
	}
	check("full")
	mustClose(t, d)
	d = mustOpenSmall(t, name)
	defer mustClose(t, d)
	check("opened again")
}

// TestOpenFull: a store without room for a byte opens and is read; the first write that has room takes over, and is
// refused when somebody has written since.
func TestOpenFull(t *testing.T) {
	proto := js.Global().Get("IDBObjectStore").Get("prototype")
	room := func() {}
	noRoom := func() {
		add, put := proto.Get("add"), proto.Get("put")
		full := js.Global().Get("Function").New("throw new DOMException('no room', 'QuotaExceededError')")
		proto.Set("add", full)
		proto.Set("put", full)
		room = func() { proto.Set("add", add); proto.Set("put", put) }
	}
	name := newName(t)
	d := mustOpen(t, name)
	if err := put(d, "a", "1"); err != nil {
		t.Fatal(err)
	}
	mustClose(t, d)
	noRoom()
	d, other := mustOpen(t, name), mustOpen(t, name)
	defer mustClose(t, d)
	defer mustClose(t, other)
	for range 2 {
		if err := put(d, "b", "2"); !errors.Is(err, store.ErrFull) {
			t.Errorf("a write without room: %v", err)
		}
	}
	if got := storetest.Dump(t, d); got != "a=1" {
		t.Errorf("a full store holds %q", got)
	}
	if err := d.Health(); !errors.Is(err, store.ErrFull) {
		t.Errorf("health: %v", err)
	}
	room()
	for _, key := range []string{"b", "c"} {
		if err := put(d, key, "2"); err != nil {
			t.Errorf("with room again: %v", err)
		}
	}
	if err := put(other, "d", "3"); !errors.Is(err, store.ErrReadOnly) {
		t.Errorf("the other opener writes over what it has not read: %v", err)
	}
	again := mustOpen(t, name)
	defer mustClose(t, again)
	if got := storetest.Dump(t, again); got != "a=1 b=2 c=2" {
		t.Errorf("opened again it holds %q", got)
	}
}

// TestFenced: whoever opens last writes; the one before notices at its next write, is told once, and can read on.
func TestFenced(t *testing.T) {
	name := newName(t)
	lost := make(chan error, 2)
	first, err := Open(t.Context(), name, Options{OnLost: func(err error) { lost <- err }})
	if err != nil {
		t.Fatal(err)
	}
	defer mustClose(t, first)
	if err := put(first, "a", "1"); err != nil {
		t.Fatal(err)
	}
	second := mustOpen(t, name)
	for range 2 {
		if err := put(first, "b", "lost"); !errors.Is(err, store.ErrReadOnly) {
			t.Fatalf("the first writer: %v", err)
		}
	}
	if err := <-lost; !errors.Is(err, store.ErrReadOnly) || !errors.Is(first.Health(), store.ErrReadOnly) {
		t.Fatalf("told %v, health %v", err, first.Health())
	}
	if err := put(second, "b", "2"); err != nil {
		t.Fatal(err)
	}
	if got := storetest.Dump(t, first); got != "a=1" {
		t.Fatalf("the first holds %s", got)
	}
	mustClose(t, second)
	third := mustOpen(t, name)
	if got := storetest.Dump(t, third); got != "a=1 b=2" {
		t.Fatalf("stored: %s", got)
	}
	mustClose(t, third)
	select {
	case err := <-lost:
		t.Fatalf("told twice: %v", err)
	default:
	}
}

// TestUpgradeElsewhere: another tab with a newer program takes the database; this one lets go and says so.
func TestUpgradeElsewhere(t *testing.T) {
	name := newName(t)
	lost := make(chan error, 1)
	d, err := Open(t.Context(), name, Options{OnLost: func(err error) { lost <- err }})
	if err != nil {
		t.Fatal(err)
	}
	defer mustClose(t, d)
	if err := put(d, "a", "1"); err != nil {
		t.Fatal(err)
	}
	openRaw(t, name, Format+1, func(js.Value) {}).Call("close")
	if err := <-lost; !errors.Is(err, store.ErrReadOnly) {
		t.Fatalf("told %v", err)
	}
	if err := put(d, "b", "2"); !errors.Is(err, store.ErrReadOnly) {
		t.Fatalf("apply: %v", err)
	}
	if got := storetest.Dump(t, d); got != "a=1" {
		t.Fatalf("holds %s", got)
	}
}

func BenchmarkApply(b *testing.B) {
	for _, writers := range []int{1, 16} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			d := mustOpen(b, newName(b))
			defer d.Close()
			jobs, done := make(chan int), make(chan error, writers)
			for range writers {
				go func() {
					var batch store.Batch
					for i := range jobs {
						batch.Reset()
						batch.Put(fmt.Appendf(nil, "key%d", i), make([]byte, 250))
						if err := d.Apply(context.Background(), &batch, store.Synced); err != nil {
							done <- err
							return
						}
					}
					done <- nil
				}()
			}
			for i := range b.N {
				jobs <- i
			}
			close(jobs)
			for range writers {
				if err := <-done; err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
