package idb

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync/atomic"
	"syscall/js"
	"testing"

	"github.com/hyperhyperspace/hhs-go/store"
	"github.com/hyperhyperspace/hhs-go/store/storetest"
)

func TestMain(m *testing.M) {
	if name := os.Getenv("HHS_TEST_WRITE"); name != "" {
		writeForever(name)
	}
	os.Exit(m.Run())
}

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

func TestSuite(t *testing.T) {
	storetest.Run(t, func(t testing.TB) store.Store { return mustOpen(t, newName(t)) })
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
	conn, err := connect(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Call("close")
	if err := transact(conn, "readwrite", "default", []any{"meta", "journal", "chunks"}, issue); err != nil {
		t.Fatal(err)
	}
}

// count returns how many records an object store holds.
func count(t *testing.T, name, objects string) (n int) {
	t.Helper()
	raw(t, name, func(tr *transaction) {
		tr.then(tr.store(objects).Call("count"), func(v js.Value) { n = v.Int() })
	})
	return n
}

// fillSnapshot writes until a snapshot of several chunks was taken, and a few entries more.
func fillSnapshot(t *testing.T, name string) string {
	t.Helper()
	d := mustOpen(t, name)
	value := strings.Repeat("v", 100<<10)
	for i := range 50 {
		if err := put(d, fmt.Sprintf("k%02d", i), value); err != nil {
			t.Fatal(err)
		}
	}
	d.work.Wait()
	if d.snap.generation != 1 || d.snap.chunks < 3 {
		t.Fatalf("no snapshot of several chunks: %+v", d.snap)
	}
	if err := d.Health(); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if err := put(d, fmt.Sprintf("after%d", i), "1"); err != nil {
			t.Fatal(err)
		}
	}
	dump := storetest.Dump(t, d)
	mustClose(t, d)
	return dump
}

func TestSnapshots(t *testing.T) {
	name := newName(t)
	want := fillSnapshot(t, name)
	if n := count(t, name, "journal"); n > 20 {
		t.Fatalf("%d journal entries after a snapshot", n)
	}
	for range 2 {
		d := mustOpen(t, name)
		if got := storetest.Dump(t, d); got != want {
			t.Fatalf("%d bytes after opening again, want %d", len(got), len(want))
		}
		mustClose(t, d)
	}
	d := mustOpen(t, name) // deleting makes the next snapshot smaller than the last
	var b store.Batch
	b.DeleteRange([]byte("k01"), nil)
	if err := d.Apply(t.Context(), &b, store.Synced); err != nil {
		t.Fatal(err)
	}
	for i := range 60 {
		if err := put(d, "k00", strings.Repeat("w", 100<<10)+fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	d.work.Wait()
	want = storetest.Dump(t, d)
	mustClose(t, d)
	if d.snap.generation != 2 || d.snap.chunks != 1 || count(t, name, "chunks") != 1 {
		t.Fatalf("second snapshot: %+v, %d chunks", d.snap, count(t, name, "chunks"))
	}
	d = mustOpen(t, name)
	if got := storetest.Dump(t, d); got != want {
		t.Fatal("the second snapshot differs")
	}
	mustClose(t, d)
}

func TestNewerUntouched(t *testing.T) {
	name := newName(t)
	d := mustOpen(t, name)
	if err := put(d, "a", "1"); err != nil {
		t.Fatal(err)
	}
	mustClose(t, d)
	upgrade(t, name, Format+1)
	if _, err := Open(t.Context(), name, Options{}); !errors.Is(err, store.ErrNewer) {
		t.Fatalf("open: %v", err)
	}
}

// upgrade opens and closes a database as a newer program would.
func upgrade(t *testing.T, name string, version int) {
	t.Helper()
	var cb callbacks
	defer cb.release()
	answer := make(chan opening, 1)
	request := js.Global().Get("indexedDB").Call("open", name, version)
	cb.on(request, "success", func(js.Value) { answer <- opening{result: request.Get("result")} })
	cb.on(request, "error", func(js.Value) { answer <- opening{err: domError(request.Get("error"))} })
	a := <-answer
	if a.err != nil {
		t.Fatal(a.err)
	}
	a.result.Call("close")
}

// TestDamage changes, removes or swaps each kind of record: Open names it.
func TestDamage(t *testing.T) {
	flip := func(tr *transaction, objects string, key any) {
		s := tr.store(objects)
		tr.then(s.Call("get", key), func(v js.Value) {
			i := v.Length() / 2
			v.SetIndex(i, v.Index(i).Int()^1)
			s.Call("put", v, key)
		})
	}
	for _, c := range []struct {
		name, want string
		damage     func(*transaction)
	}{
		{"journal bit", "journal entry", func(tr *transaction) {
			s := tr.store("journal")
			tr.then(s.Call("getAllKeys"), func(keys js.Value) { flip(tr, "journal", keys.Index(0)) })
		}},
		{"journal gap", "journal entry", func(tr *transaction) {
			s := tr.store("journal")
			tr.then(s.Call("getAllKeys"), func(keys js.Value) { s.Call("delete", keys.Index(0)) })
		}},
		{"chunk bit", "chunk 1 of snapshot 1", func(tr *transaction) { flip(tr, "chunks", 1) }},
		{"chunk missing", "chunk 1 of snapshot 1", func(tr *transaction) { tr.store("chunks").Call("delete", 1) }},
		{"chunks swapped", "chunk 0 of snapshot 1", func(tr *transaction) {
			s := tr.store("chunks")
			tr.then(s.Call("get", 1), func(v js.Value) { s.Call("put", v, 0) })
		}},
		{"no chunks", "chunk 0 of snapshot 1", func(tr *transaction) { tr.store("chunks").Call("clear") }},
		{"snapshot bit", "snapshot record", func(tr *transaction) { flip(tr, "meta", "snapshot") }},
		{"not bytes", "chunk 2 of snapshot 1", func(tr *transaction) { tr.store("chunks").Call("put", "text", 2) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			name := newName(t)
			fillSnapshot(t, name)
			raw(t, name, c.damage)
			_, err := Open(t.Context(), name, Options{})
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

// TestQuota: a write that throws for lack of room, and a snapshot that does, keep nothing and leave the store readable.
func TestQuota(t *testing.T) {
	name := newName(t)
	d := mustOpen(t, name)
	if err := put(d, "a", "1"); err != nil {
		t.Fatal(err)
	}
	proto := js.Global().Get("IDBObjectStore").Get("prototype")
	full := js.Global().Get("Function").New("throw new DOMException('no room', 'QuotaExceededError')")
	for _, method := range []string{"add", "put"} {
		original := proto.Get(method)
		proto.Set(method, full)
		switch method {
		case "add":
			if err := put(d, "b", "2"); !errors.Is(err, store.ErrFull) {
				t.Errorf("full: %v", err)
			}
		case "put": // snapshots put, journal entries are added
			for i := range 5 {
				if err := put(d, fmt.Sprint("k", i), strings.Repeat("v", 1<<20)); err != nil {
					t.Errorf("a failed snapshot stops writes: %v", err)
				}
			}
			d.work.Wait()
			if d.snap.generation != 0 {
				t.Error("a snapshot without room")
			}
			if err := d.Health(); !errors.Is(err, store.ErrFull) {
				t.Errorf("health: %v", err)
			}
		}
		proto.Set(method, original)
	}
	want := storetest.Dump(t, d)
	if strings.Contains(want, "b=2") || !strings.HasPrefix(want, "a=1 k0=") {
		t.Fatal("holds what was refused, or lacks what was not")
	}
	mustClose(t, d)
	d = mustOpen(t, name)
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
	d := mustOpen(t, name)
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
	d = mustOpen(t, name)
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
	upgrade(t, name, Format+1)
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

// TestOpenCancelled: an Open that waits for another tab ends with its context and leaves no connection behind.
func TestOpenCancelled(t *testing.T) {
	name := newName(t)
	upgrade(t, name, Format)
	var cb callbacks
	defer cb.release()
	blocker := make(chan js.Value, 1) // a tab of an older program that does not let go
	request := js.Global().Get("indexedDB").Call("open", name+"x", 1)
	cb.on(request, "success", func(js.Value) { blocker <- request.Get("result") })
	conn := <-blocker
	defer conn.Call("close")
	ctx, cancel := context.WithCancel(t.Context())
	deleted := make(chan error, 1)
	go func() { deleted <- Delete(context.Background(), name+"x") }()
	opened := make(chan error, 1)
	go func() {
		_, err := Open(ctx, name+"x", Options{})
		opened <- err
	}()
	cancel()
	if err := <-opened; !errors.Is(err, context.Canceled) {
		t.Fatalf("open: %v", err)
	}
	conn.Call("close")
	if err := <-deleted; err != nil {
		t.Fatal(err)
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
