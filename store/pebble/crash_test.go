//go:build !js

package pebble

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/hyperhyperspace/hhs-go/internal/log"
	"github.com/hyperhyperspace/hhs-go/store"
	"github.com/hyperhyperspace/hhs-go/store/storetest"
	"github.com/hyperhyperspace/hhs-go/store/storetest/crashfs"
)

// ledger is what a workload knows of its own writes: batch i puts key i and overwrites "last" with i.
type ledger struct {
	mu     sync.Mutex
	synced int // batches up to this one were acknowledged as synced
	acked  int // or at all
	begun  int // or handed in
}

func (l *ledger) set(f func(*ledger)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f(l)
}

func (l *ledger) copy() (synced, acked, begun int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.synced, l.acked, l.begun
}

func entry(i int) string { return fmt.Sprintf("k%06d", i) }

// workload applies batches up to the nth, going on after what the ledger has; it stops at the first error and returns it.
func workload(d *DB, l *ledger, n int) error {
	filler := strings.Repeat("x", 700)
	_, first, _ := l.copy()
	for i := first + 1; i <= n; i++ {
		var b store.Batch
		b.Put([]byte(entry(i)), []byte(fmt.Sprint(i, filler)))
		b.Put([]byte("last"), []byte(fmt.Sprint(i)))
		if i%10 == 0 {
			b.DeleteRange([]byte("m"), []byte("n"))
		}
		dur := store.Synced
		if i%3 == 0 {
			dur = store.Written
		}
		l.set(func(l *ledger) { l.begun = i })
		if err := d.Apply(context.Background(), &b, dur); err != nil {
			return err
		}
		l.set(func(l *ledger) {
			l.acked = i
			if dur == store.Synced {
				l.synced = i
			}
		})
	}
	return nil
}

// checkPrefix fails the test unless the store holds batches 1..n for one n with low <= n <= high.
func checkPrefix(t *testing.T, what string, d *DB, low, high int) {
	t.Helper()
	snap, err := d.Snapshot()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	defer snap.Close()
	n := 0
	for kv, err := range snap.Scan([]byte("k"), []byte("l"), false) {
		if err != nil {
			t.Fatalf("%s: scan: %v", what, err)
		}
		if n++; string(kv.Key) != entry(n) {
			t.Fatalf("%s: key %s at place %d: not a prefix", what, kv.Key, n)
		}
	}
	last, err := snap.Get([]byte("last"))
	if n > 0 && (err != nil || string(last) != fmt.Sprint(n)) {
		t.Fatalf("%s: last is %s, %v, but there are %d", what, last, err, n)
	}
	if n < low || n > high {
		t.Fatalf("%s: %d batches, want %d to %d", what, n, low, high)
	}
}

// atWrite calls f before the nth write-side operation, counting from 1, and adds up how many there were.
func atWrite(count *atomic.Int64, n int64, f func() error) errorfs.Injector {
	return errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind.ReadOrWrite() != errorfs.OpIsWrite || op.Kind == errorfs.OpFileClose {
			return nil
		}
		if count.Add(1) < n {
			return nil
		}
		return f()
	})
}

const batches = 60

// writes counts the write-side operations of the workload, open and close included.
func writes(t *testing.T) int64 {
	var count atomic.Int64
	fsys := errorfs.Wrap(vfs.NewCrashableMem(), atWrite(&count, 1<<62, nil))
	d := mustOpen(t, "db", memory(fsys))
	if err := workload(d, new(ledger), batches); err != nil {
		t.Fatal(err)
	}
	mustClose(t, d)
	return count.Load()
}

// script is a workload that overwrites, deletes and deletes ranges, and what the store holds after each of its batches.
type script struct {
	batches []store.Batch // [i] is the ith, from 1
	states  []string
}

func newScript(n int) *script {
	s := &script{batches: make([]store.Batch, n+1), states: make([]string, n+1)}
	model := store.NewMem()
	r := rand.New(rand.NewPCG(5, 6))
	for i := range n + 1 {
		b := &s.batches[i]
		b.Put([]byte("last"), []byte(strconv.Itoa(i)))
		b.Put([]byte(entry(r.IntN(100))), []byte(strings.Repeat(fmt.Sprint(i), 100)))
		b.Delete([]byte(entry(r.IntN(100))))
		if i%7 == 0 {
			from := r.IntN(90)
			b.DeleteRange([]byte(entry(from)), []byte(entry(from+r.IntN(10))))
		}
		if i == 0 {
			b.Reset()
		}
		if err := model.Apply(context.Background(), b, store.Memory); err != nil {
			panic(err) // there is nothing that could fail
		}
		s.states[i] = state(model)
	}
	return s
}

// state is all that a store holds; an error becomes part of it.
func state(s store.Store) string {
	snap, err := s.Snapshot()
	if err != nil {
		return err.Error()
	}
	defer snap.Close()
	var all strings.Builder
	for kv, err := range snap.Scan(nil, nil, false) {
		fmt.Fprintf(&all, "%s=%s %v\n", kv.Key, kv.Value, err)
	}
	return all.String()
}

// run applies batches up to the nth, every third one without waiting for the disk.
func (s *script) run(d *DB, l *ledger, n int) error {
	_, first, _ := l.copy()
	for i := first + 1; i <= n; i++ {
		dur := store.Synced
		if i%3 == 0 {
			dur = store.Written
		}
		l.set(func(l *ledger) { l.begun = i })
		if err := d.Apply(context.Background(), &s.batches[i], dur); err != nil {
			return err
		}
		l.set(func(l *ledger) {
			l.acked = i
			if dur == store.Synced {
				l.synced = i
			}
		})
	}
	return nil
}

// older makes a store of format 1, in an older format of Pebble, with the first n batches of a script.
func (s *script) older(t *testing.T, fsys vfs.FS, dir string, l *ledger, n int) {
	t.Helper()
	o := memory(fsys)
	o.tune = func(po *pebble.Options) {
		small(po)
		po.FormatMajorVersion = pebble.FormatColumnarBlocks
	}
	if err := fsys.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	po := engineOptions(newGuard(fsys, newSpace(fsys, dir, o), log.Discard), nil)
	o.tune(po)
	db, err := pebble.Open(dir, po)
	if err != nil {
		t.Fatal(err)
	}
	for i := 1; i <= n; i++ {
		b := db.NewBatch()
		if err := errors.Join(fill(b, &s.batches[i]), b.Commit(pebble.Sync)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(db.Close(), writeFormat(fsys, dir, 1)); err != nil {
		t.Fatal(err)
	}
	l.set(func(l *ledger) { l.synced, l.acked, l.begun = n, n, n })
}

// TestCrashes loses power before every write, sync, renaming and removal of a workload, in every way that crashfs knows:
// the migration of a store of format 1, transactions that overwrite, delete and delete ranges, flushes, merges, a clean
// close and a second opening. What is left opens, and holds what the workload had written after one of its batches, the
// last synced one at least (RELIABILITY G6-62).
func TestCrashes(t *testing.T) {
	const migrated, merged, all = 20, 240, 400
	s := newScript(all)
	var l ledger
	var points, moments atomic.Int64
	check := make(chan func(), 4)
	var checkers sync.WaitGroup
	for range 2 {
		checkers.Go(func() {
			for f := range check {
				f()
			}
		})
	}
	old := false
	disk := crashfs.New(func(m crashfs.Moment) {
		if !old { // that store was made by an earlier version
			return
		}
		moments.Add(1)
		synced, _, begun := l.copy() // what was promised before the moment
		for _, image := range m.Images() {
			points.Add(1)
			check <- func() {
				s.check(t, fmt.Sprintf("before moment %d, %s, %s", m.N, m.What, image.Kept), image.MemFS, synced, begun)
			}
		}
	})
	s.older(t, disk, "db", &l, migrated)
	old = true
	d := mustOpen(t, "db", memory(disk))
	if err := s.run(d, &l, merged); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Compact(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	mustClose(t, d)
	d = mustOpen(t, "db", memory(disk))
	if err := s.run(d, &l, all); err != nil {
		t.Fatal(err)
	}
	mustClose(t, d)
	close(check)
	checkers.Wait()
	t.Logf("%d moments, %d crash points", moments.Load(), points.Load())
	if points.Load() < 3000 {
		t.Error("fewer than 3000")
	}
}

// check opens what a loss of power has left.
func (s *script) check(t *testing.T, what string, image vfs.FS, synced, begun int) {
	d, err := open("db", memory(image))
	if err != nil {
		t.Errorf("%s: open: %v", what, err)
		return
	}
	if err := d.Health(); err != nil {
		t.Errorf("%s: %v", what, err)
	}
	got := state(d)
	n := slices.Index(s.states[synced:begun+1], got)
	if n < 0 {
		t.Errorf("%s: holds what is no state from batch %d to %d (batch %d)", what, synced, begun, slices.Index(s.states, got))
	}
	if err := d.Close(); err != nil {
		t.Errorf("%s: close: %v", what, err)
	}
}

// TestFailingDisk makes the nth write-side operation fail, alone or with all after it, for every n: with an I/O error,
// a full disk and a right that is lost. The store survives it or says so, answers reads with what it acknowledged, closes, and has all of
// it when opened again (RELIABILITY G6-63, 64).
func TestFailingDisk(t *testing.T) {
	total, step := writes(t), int64(3)
	if testing.Short() {
		step = 31
	}
	for _, cause := range []error{syscall.EIO, syscall.ENOSPC, syscall.EACCES} {
		for n := int64(1); n <= total; n += step {
			failFrom(t, n, cause, false)
			failFrom(t, n+1, cause, true)
		}
	}
}

func failFrom(t *testing.T, n int64, cause error, once bool) {
	var (
		mem   = vfs.NewCrashableMem()
		l     ledger
		count atomic.Int64
		done  atomic.Bool
		what  = fmt.Sprintf("%v at write %d, once %v", cause, n, once)
	)
	fsys := errorfs.Wrap(mem, atWrite(&count, n, func() error {
		if done.Swap(once) {
			return nil
		}
		return cause
	}))
	d, err := open("db", memory(fsys))
	if err == nil {
		if err = workload(d, &l, batches); err != nil {
			if !errors.Is(err, store.ErrReadOnly) && !errors.Is(err, store.ErrFull) {
				t.Fatalf("%s: %v", what, err)
			}
			if cause == syscall.ENOSPC && !errors.Is(err, store.ErrFull) {
				t.Fatalf("%s: the error does not say that the disk is full: %v", what, err)
			}
			if err := put(d, "k999999", "more", store.Written); err == nil {
				t.Fatalf("%s: a write after the failure was acknowledged", what)
			}
		}
		_, acked, _ := l.copy()
		checkPrefix(t, what+", still open", d, acked, acked)
		_ = d.Close() // may report the failure again; what counts is what is left
	}
	synced, _, begun := l.copy()
	for _, kept := range []int{0, 100} {
		clone := mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: kept, RNG: rand.New(rand.NewPCG(uint64(n), 0))})
		again, err := open("db", memory(clone))
		if err != nil {
			t.Fatalf("%s: open again: %v", what, err)
		}
		checkPrefix(t, what+", opened again", again, synced, begun)
		mustClose(t, again)
	}
}

// TestBallast fills the disk once: the ballast is given back, the write in progress succeeds, the next ones are
// refused, and when there is room everything works again without opening anew (RELIABILITY G6-63).
func TestBallast(t *testing.T) {
	mem := vfs.NewMem()
	var full, room atomic.Bool
	room.Store(true)
	fsys := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind != errorfs.OpFileWrite || !full.Load() {
			return nil
		}
		if _, err := mem.Stat("db/" + ballastFile); err == nil {
			return syscall.ENOSPC
		}
		return nil
	}))
	d := mustOpen(t, "db", Options{FS: fsys, Ballast: 1 << 20, Free: func(string) (uint64, error) {
		if room.Load() {
			return 1 << 40, nil
		}
		return DefaultLowWater + 2<<20, nil // over the mark, but not once the ballast is gone
	}})
	defer mustClose(t, d)
	storetest.Apply(t, d, "a", "1")
	room.Store(false)
	full.Store(true)
	if err := put(d, "b", "2", store.Synced); err != nil {
		t.Fatalf("the write that met the full disk: %v", err)
	}
	if _, err := mem.Stat("db/" + ballastFile); err == nil {
		t.Fatal("the ballast is still there")
	}
	if err := put(d, "c", "3", store.Synced); !errors.Is(err, store.ErrFull) {
		t.Fatalf("after the ballast is gone: %v", err)
	}
	full.Store(false)
	room.Store(true)
	storetest.Apply(t, d, "d", "4")
	if got := storetest.Dump(t, d); got != "a=1 b=2 d=4" {
		t.Fatalf("holds %s", got)
	}
	if _, err := mem.Stat("db/" + ballastFile); err != nil {
		t.Fatalf("the ballast was not written again: %v", err)
	}
}

// TestCreationCutShort: a store whose first open did not succeed begins again, one that has been open never does.
func TestCreationCutShort(t *testing.T) {
	for _, creating := range []bool{true, false} {
		mem := vfs.NewMem()
		d := mustOpen(t, "db", memory(mem))
		storetest.Apply(t, d, "a", "1")
		mustClose(t, d)
		if creating {
			if err := writeSynced(mem, "db/"+creatingFile, nil); err != nil {
				t.Fatal(err)
			}
			d := mustOpen(t, "db", memory(mem)) // what can be opened is not thrown away
			if got := storetest.Dump(t, d); got != "a=1" {
				t.Fatalf("holds %s", got)
			}
			mustClose(t, d)
			if err := writeSynced(mem, "db/"+creatingFile, nil); err != nil {
				t.Fatal(err)
			}
		}
		names, err := mem.List("db")
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if strings.HasPrefix(name, "MANIFEST-") {
				if err := mem.Remove("db/" + name); err != nil {
					t.Fatal(err)
				}
			}
		}
		d, err = open("db", memory(mem))
		if creating != (err == nil) {
			t.Fatalf("creating %v: open: %v", creating, err)
		}
		if err == nil {
			storetest.Apply(t, d, "b", "2")
			mustClose(t, d)
		}
	}
}

// TestFrozen: after a failure nothing on the disk changes any more (invariant 3).
func TestFrozen(t *testing.T) {
	mem := vfs.NewMem()
	g := newGuard(mem, newSpace(mem, "", Options{}), slog.New(slog.DiscardHandler))
	table, err := g.Create("1.sst", vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	wal, err := g.Create("2.log", vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	g.fail("test", syscall.EIO)
	g.close() // no pauses
	if _, err := table.Write([]byte("x")); !errors.Is(err, store.ErrReadOnly) || !errors.Is(err, syscall.EIO) {
		t.Errorf("write table: %v", err)
	}
	if err := errors.Join(table.Sync(), g.Rename("1.sst", "3.sst"), g.Link("1.sst", "3.sst")); err == nil {
		t.Error("sync, rename and link succeed")
	}
	if _, err := wal.Write([]byte("x")); err != nil {
		t.Errorf("write log: %v", err)
	}
	if _, err := g.Create("4.log", vfs.WriteCategoryUnspecified); err != nil {
		t.Errorf("create log: %v", err)
	}
	if _, err := g.Create("4.sst", vfs.WriteCategoryUnspecified); err == nil {
		t.Error("a table is created")
	}
	if err := g.Remove("1.sst"); err != nil {
		t.Errorf("remove: %v", err)
	}
	names, err := mem.List("")
	slices.Sort(names)
	if err != nil || fmt.Sprint(names) != "[1.sst 2.log HHS-LOG]" {
		t.Errorf("files %v, %v", names, err)
	}
	if info, err := mem.Stat("2.log"); err != nil || info.Size() != 0 {
		t.Errorf("the log has grown: %v, %v", info, err)
	}
}
