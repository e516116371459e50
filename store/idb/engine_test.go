package idb

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"github.com/hyperhyperspace/hhs-go/internal/pace"
	"github.com/hyperhyperspace/hhs-go/store"
	"github.com/hyperhyperspace/hhs-go/store/storetest"
)

func TestEngineSuite(t *testing.T) {
	storetest.Run(t, func(t testing.TB) store.Store { return mustOpenDisk(t, newDisk()) })
}

func TestEngineReopen(t *testing.T) {
	storetest.RunReopen(t, func(t testing.TB) func() (store.Store, error) {
		d := newDisk()
		return func() (store.Store, error) { return openDisk(t.Context(), d) }
	})
}

// randomBatch fills a batch from few keys, so that operations meet.
func randomBatch(r *rand.Rand, n int) *store.Batch {
	b := new(store.Batch)
	key := func() []byte { return fmt.Appendf(nil, "%c/%0*x", 'a'+r.IntN(3), 1+r.IntN(4), r.IntN(40)) }
	for range n {
		switch k := r.IntN(40); {
		case k == 0:
			b.DeleteRange(key(), nil)
		case k < 4:
			b.DeleteRange(key(), key())
		case k < 12:
			b.Delete(key())
		default:
			b.Put(key(), []byte(strings.Repeat("v", r.IntN(60))+fmt.Sprint(r.IntN(1000))))
		}
	}
	return b
}

// sameRange compares scans of two snapshots with random bounds, both ways, and a few keys.
func sameRange(r *rand.Rand, got, want store.Reader) error {
	bound := func() []byte {
		if r.IntN(5) == 0 {
			return nil
		}
		return fmt.Appendf(nil, "%c/%0*x", 'a'+r.IntN(3), 1+r.IntN(4), r.IntN(40))
	}
	lo, hi, reverse := bound(), bound(), r.IntN(2) == 0
	a, b := list(got, lo, hi, reverse), list(want, lo, hi, reverse)
	if a != b {
		return fmt.Errorf("scan %q to %q, reverse %v:\n got %s\nwant %s", lo, hi, reverse, a, b)
	}
	for range 5 {
		key := append(bound(), "x"[:r.IntN(2)]...)
		v, err := got.Get(key)
		w, wanted := want.Get(key)
		if string(v) != string(w) || errors.Is(err, store.ErrNotFound) != errors.Is(wanted, store.ErrNotFound) {
			return fmt.Errorf("get %q: %q, %v; want %q, %v", key, v, err, w, wanted)
		}
	}
	return nil
}

func list(s store.Reader, lo, hi []byte, reverse bool) string {
	var out strings.Builder
	for kv, err := range s.Scan(lo, hi, reverse) {
		if err != nil {
			return err.Error()
		}
		fmt.Fprintf(&out, "%s=%s ", kv.Key, kv.Value)
	}
	return out.String()
}

// twins are snapshots of the same state in two stores.
type twins struct{ got, want store.Snapshot }

func (p twins) check(t *testing.T, r *rand.Rand) {
	t.Helper()
	if err := sameRange(r, p.got, p.want); err != nil {
		t.Fatal(err)
	}
}

// TestAgainstMem runs random scripts on the engine and on store.Mem, with snapshots held over runs, merges and new
// starts of the engine.
func TestAgainstMem(t *testing.T) {
	seeds := uint64(12)
	if runtime.GOOS == "js" {
		seeds = 3 // the same code on the same fake: here for the platform only
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			d, mem := newDisk(), store.NewMem()
			e := mustOpenDisk(t, d)
			var held []twins
			runs := 0
			for range 200 {
				b := randomBatch(r, 1+r.IntN(6))
				if err := errors.Join(e.Apply(t.Context(), b, store.Memory), mem.Apply(t.Context(), b, store.Memory)); err != nil {
					t.Fatal(err)
				}
				got, err := e.Snapshot()
				want, err2 := mem.Snapshot()
				if err := errors.Join(err, err2); err != nil {
					t.Fatal(err)
				}
				held = append(held, twins{got, want})
				held[r.IntN(len(held))].check(t, r)
				held[len(held)-1].check(t, r)
				if i := r.IntN(len(held)); r.IntN(3) > 0 {
					if err := held[i].got.Close(); err != nil {
						t.Fatal(err)
					}
					held = append(held[:i], held[i+1:]...)
				}
				if r.IntN(40) == 0 {
					closeEngine(t, e)
					e, held = mustOpenDisk(t, d), nil
				}
				e.mu.Lock()
				runs = max(runs, len(e.version.runs))
				e.mu.Unlock()
			}
			if runs == 0 {
				t.Fatal("no run was written")
			}
			for _, p := range held {
				p.check(t, r)
				if err := p.got.Close(); err != nil {
					t.Fatal(err)
				}
			}
			settle(e)
			if err := e.Health(); err != nil {
				t.Fatal(err)
			}
			closeEngine(t, e)
			checkNoGarbage(t, d)
		})
	}
}

// checkNoGarbage checks that the database holds the blocks that the manifest names, and no others.
func checkNoGarbage(t *testing.T, d *disk) {
	t.Helper()
	m, err := openManifest(d.now.manifest)
	if err != nil {
		t.Fatal(err)
	}
	n := uint64(0)
	for _, r := range m.runs {
		for _, tab := range r.tables {
			for i := tab.first; i <= tab.index(); i++ {
				if d.now.places[blocksPlace][i] == nil {
					t.Errorf("block %d of a table is missing", i)
				}
				n++
			}
		}
	}
	if have := len(d.now.places[blocksPlace]); uint64(have) != n {
		t.Errorf("%d blocks are stored, %d are named", have, n)
	}
}

// TestFlippedBits damages every record, one at a time: opening or reading everything says so, and names a record.
func TestFlippedBits(t *testing.T) {
	d := newDisk()
	e := mustOpenDisk(t, d)
	for i := range 150 {
		if err := putPair(e, fmt.Sprintf("k%03d", i), "some value"); err != nil {
			t.Fatal(err)
		}
	}
	settle(e)
	end := e.next - 1 // the journal's last entry: without it nothing seems to be missing
	closeEngine(t, e)
	look := func(d *disk) (string, error) {
		e, err := openDisk(t.Context(), d)
		if err != nil {
			return "", err
		}
		defer closeEngine(t, e)
		snap, err := e.Snapshot()
		if err != nil {
			return "", err
		}
		for _, err := range snap.Scan(nil, nil, false) {
			if err != nil {
				return "", err
			}
		}
		return storetest.Dump(t, e), nil
	}
	r := rand.New(rand.NewPCG(1, 2))
	damaged := 0
	for p := range d.now.places {
		for n, rec := range d.now.places[p] {
			bad := d.restart(100)
			rec = append([]byte(nil), rec...)
			rec[r.IntN(len(rec))] ^= 1 << r.IntN(8)
			bad.now.places[p][n] = rec
			if got, err := look(bad); !errors.Is(err, store.ErrCorrupt) || !strings.Contains(err.Error(), fmt.Sprint(n)) {
				t.Fatalf("value %d of place %d: %q, %v", n, p, got, err)
			}
			gone := d.restart(100)
			delete(gone.now.places[p], n)
			if got, err := look(gone); !errors.Is(err, store.ErrCorrupt) && (place(p) != journalPlace || n != end) {
				t.Fatalf("value %d of place %d is missing: %q, %v", n, p, got, err)
			}
			damaged++
		}
	}
	if damaged < 20 {
		t.Fatalf("%d records", damaged)
	}
	d.now.manifest = nil
	if _, err := look(d); !errors.Is(err, store.ErrCorrupt) {
		t.Fatalf("without a manifest: %v", err)
	}
}

// TestFull: without room nothing of a batch is kept, memory does not grow beyond its limit, and all goes on with room.
func TestFull(t *testing.T) {
	d := newDisk()
	e := mustOpenDisk(t, d)
	if err := putPair(e, "a", "1"); err != nil {
		t.Fatal(err)
	}
	closeEngine(t, e)
	d.full = true
	e = mustOpenDisk(t, d)
	other := mustOpenDisk(t, d)
	if err := putPair(e, "b", "2"); !errors.Is(err, store.ErrFull) {
		t.Fatalf("a write without room: %v", err)
	}
	if got := storetest.Dump(t, e); got != "a=1" {
		t.Fatalf("holds %q", got)
	}
	d.full = false
	for i := range 50 {
		if err := putPair(e, fmt.Sprint("k", i), "some value of some length"); err != nil {
			t.Fatal(err)
		}
	}
	if err := putPair(other, "c", "3"); !errors.Is(err, store.ErrReadOnly) {
		t.Fatalf("another opener writes over what it has not read: %v", err)
	}
	settle(e)
	if err := e.Health(); err != nil || len(e.version.runs) == 0 {
		t.Fatalf("%d runs, %v", len(e.version.runs), err)
	}
	closeEngine(t, other)
	closeEngine(t, e)
}

// TestNoRoomForRuns: journal entries fit, runs do not. Writing ends when the memory is at its limit.
func TestNoRoomForRuns(t *testing.T) {
	d := newDisk()
	o := &noBlocks{opener: opener{d: d}}
	e, err := openEngine(t.Context(), o, tiny, nil)
	if err != nil {
		t.Fatal(err)
	}
	kept := 0
	for ; err == nil && kept < 1000; kept++ {
		err = putPair(e, fmt.Sprintf("k%03d", kept), "some value")
	}
	size := e.mem.size + e.full.size
	if !errors.Is(err, store.ErrFull) || size > 3*tiny.memorySize {
		t.Fatalf("after %d writes, %d bytes in memory: %v", kept, size, err)
	}
	o.room = true
	if err := putPair(e, "z", "1"); err != nil {
		t.Fatal(err)
	}
	settle(e)
	if err := e.Health(); err != nil {
		t.Fatal(err)
	}
	closeEngine(t, e)
	e = mustOpenDisk(t, d)
	defer closeEngine(t, e)
	if got := storetest.Dump(t, e); strings.Count(got, "=") != kept {
		t.Fatalf("%d of %d pairs", strings.Count(got, "="), kept)
	}
}

// noBlocks has no room for blocks at first.
type noBlocks struct {
	opener
	room bool
}

func (o *noBlocks) apply(c *change) error {
	if len(c.blocks) > 0 && !o.room {
		return store.ErrFull
	}
	return o.opener.apply(c)
}

// TestUnsettled: after an error that leaves open what is stored, nothing is written any more; the next start tells.
func TestUnsettled(t *testing.T) {
	d := newDisk()
	lost := make(chan error, 1)
	e, err := openEngine(t.Context(), &opener{d: d}, tiny, func(err error) { lost <- err })
	if err != nil {
		t.Fatal(err)
	}
	d.fail, d.failure = d.transactions+1, errUnsettled
	for range 2 {
		if err := putPair(e, "a", "1"); !errors.Is(err, store.ErrReadOnly) {
			t.Fatalf("apply: %v", err)
		}
	}
	if err := <-lost; !errors.Is(err, store.ErrReadOnly) {
		t.Fatalf("told %v", err)
	}
	closeEngine(t, e)
}

// TestOvertaken: who was overtaken says so when it reads what the new writer has dropped, and writes no more.
func TestOvertaken(t *testing.T) {
	d := newDisk()
	first := mustOpenDisk(t, d)
	for i := range 30 {
		if err := putPair(first, fmt.Sprintf("k%02d", i), "some value"); err != nil {
			t.Fatal(err)
		}
	}
	settle(first)
	second := mustOpenDisk(t, d)
	for i := range 200 {
		if err := putPair(second, fmt.Sprintf("k%02d", i%30), fmt.Sprint("other value", i)); err != nil {
			t.Fatal(err)
		}
	}
	settle(second)
	closeEngine(t, second)
	snap, err := first.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	first.cache = newCache(tiny.cacheSize)
	for _, failed := range snap.Scan(nil, nil, false) {
		err = failed
	}
	if !errors.Is(err, store.ErrReadOnly) {
		t.Fatalf("scan: %v", err)
	}
	if err := putPair(first, "a", "1"); !errors.Is(err, store.ErrReadOnly) {
		t.Fatalf("apply: %v", err)
	}
	closeEngine(t, first)
}

// TestDeleteRangeMakesRoom: deleting most of a store drops its blocks soon, without anything more being written, but not
// while a snapshot reads them.
func TestDeleteRangeMakesRoom(t *testing.T) {
	d := newDisk()
	e := mustOpenDisk(t, d)
	for i := range 200 {
		if err := putPair(e, fmt.Sprintf("%c/%03d", "ab"[i%2], i), "some value"); err != nil {
			t.Fatal(err)
		}
	}
	settle(e)
	snap, err := e.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	d.mu.Lock()
	before := len(d.now.places[blocksPlace])
	d.mu.Unlock()
	want := list(snap, nil, nil, false)
	var b store.Batch
	b.DeleteRange([]byte("a/"), []byte("a0"))
	if err := e.Apply(t.Context(), &b, store.Synced); err != nil {
		t.Fatal(err)
	}
	settle(e)
	if got := list(snap, nil, nil, false); got != want {
		t.Fatalf("the snapshot shows %q", got)
	}
	if err := snap.Close(); err != nil {
		t.Fatal(err)
	}
	closeEngine(t, e) // waits for what is being dropped
	if after := len(d.now.places[blocksPlace]); after > before*2/3 {
		t.Fatalf("%d blocks before, %d after", before, after)
	}
	checkNoGarbage(t, d)
	e = mustOpenDisk(t, d)
	defer closeEngine(t, e)
	if got := storetest.Dump(t, e); strings.Count(got, "=") != 100 || strings.Contains(got, "a/") {
		t.Fatalf("holds %q", got)
	}
}

// TestLargeBatch: a batch that takes many steps to apply is seen whole or not at all.
func TestLargeBatch(t *testing.T) {
	e, err := openEngine(t.Context(), &opener{d: newDisk()}, standard, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer closeEngine(t, e)
	done := make(chan error, 1)
	const n, batches = 4000, 60
	go func() {
		for i := range batches {
			var b store.Batch
			for j := range n {
				b.Put(fmt.Appendf(nil, "%04d", j), fmt.Append(nil, i))
			}
			if err := e.Apply(context.Background(), &b, store.Memory); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	for looked := 0; ; looked++ {
		select {
		case err := <-done:
			if err != nil || looked == 0 {
				t.Fatalf("looked %d times: %v", looked, err)
			}
			return
		default:
		}
		snap, err := e.Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		first, _ := snap.Get([]byte("0000"))
		for _, j := range []int{1, n / 2, n - 1} {
			if v, _ := snap.Get(fmt.Appendf(nil, "%04d", j)); string(v) != string(first) {
				t.Fatalf("the first key has %q, key %d has %q", first, j, v)
			}
		}
		if err := snap.Close(); err != nil {
			t.Fatal(err)
		}
		pace.Point()
		runtime.Gosched()
	}
}
