//go:build !js

package idb

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/hyperhyperspace/hhs-go/store"
	"github.com/hyperhyperspace/hhs-go/store/storetest"
)

// errAbort is what the browser gives for a transaction that it aborts.
var errAbort = errors.New("aborted")

// script is a workload: what is on the disk at first, and the batches.
type script struct {
	disk    func() *disk
	first   *store.Batch // what the disk holds
	batches []*store.Batch
}

// newScript makes random batches, with a barrier here and there.
func newScript(n int, make func() (*disk, *store.Batch)) *script {
	r := rand.New(rand.NewPCG(7, 7))
	_, first := make()
	s := &script{first: first, disk: func() *disk { d, _ := make(); return d }}
	for i := range n {
		if i%9 == 8 {
			s.batches = append(s.batches, new(store.Batch))
			continue
		}
		s.batches = append(s.batches, randomBatch(r, 1+r.IntN(6)))
	}
	return s
}

// states are dumps of what there must be after the first n batches.
func (s *script) states(t *testing.T) (states []string) {
	mem := store.NewMem()
	for _, b := range append([]*store.Batch{s.first}, s.batches...) {
		if err := mem.Apply(t.Context(), b, store.Memory); err != nil {
			t.Fatal(err)
		}
		states = append(states, storetest.Dump(t, mem))
	}
	return states
}

// durability of the ith batch: barriers are synced.
func (s *script) durability(i int) store.Durability {
	if s.batches[i].Len() == 0 {
		return store.Synced
	}
	return store.Durability(i * 5 % 3)
}

// outcome is how far a run of a script came.
type outcome struct {
	applied, synced int // batches acknowledged, and of them the last whose durability was or implies synced
}

// run performs the script on d, with a new start in the middle. What was aborted is done again once; a crash ends it.
func (s *script) run(ctx context.Context, d *disk) (o outcome, err error) {
	var e *engine
	open := func() error {
		e, err = openDisk(ctx, d)
		if errors.Is(err, errAbort) {
			e, err = openDisk(ctx, d)
		}
		return err
	}
	if err := open(); err != nil {
		return o, err
	}
	defer func() {
		if e != nil {
			_ = e.Close() // the next opener tells what there is
		}
	}()
	for i, b := range s.batches {
		if i == len(s.batches)/2 {
			settle(e)
			if err := errors.Join(e.Close(), open()); err != nil {
				return o, err
			}
		}
		err := e.Apply(ctx, b, s.durability(i))
		if errors.Is(err, errAbort) {
			err = e.Apply(ctx, b, s.durability(i))
		}
		if err != nil {
			return o, err
		}
		o.applied = i + 1
		if s.durability(i) == store.Synced {
			o.synced = i + 1
		}
	}
	settle(e)
	return o, nil
}

// TestCrash lets every transaction of a workload be aborted, and the machine crash before and after it, with none, half
// and all of what was not synced kept. Afterwards the store holds the first batches, at least all that were acknowledged
// as synced, it can be written, and nothing is left over. The workloads are a new store, and one of format 1.
func TestCrash(t *testing.T) {
	for name, s := range map[string]*script{
		"new":      newScript(100, func() (*disk, *store.Batch) { return newDisk(), new(store.Batch) }),
		"format 1": newScript(30, oldDisk),
	} {
		t.Run(name, func(t *testing.T) {
			states, points := s.states(t), 0
			for n, more := 1, true; more; n++ {
				for _, failure := range []error{errAbort, errCrashBefore, errCrashAfter} {
					d := s.disk()
					d.fail, d.failure = n, failure
					o, err := s.run(t.Context(), d)
					if more = d.transactions >= n; !more {
						break
					}
					what := fmt.Sprintf("transaction %d: %v", n, failure)
					if !d.crashed && (err != nil || o.applied != len(s.batches)) {
						t.Fatalf("%s: after %d batches: %v", what, o.applied, err)
					}
					for _, percent := range []int{0, 50, 100} {
						points++
						checkCrash(t, fmt.Sprintf("%s, %d%% kept", what, percent), d.restart(percent), states, o)
					}
				}
			}
			if points < 300 {
				t.Fatalf("%d points", points)
			}
			t.Logf("%d points", points)
		})
	}
}

func checkCrash(t *testing.T, what string, d *disk, states []string, o outcome) {
	t.Helper()
	e, err := openDisk(t.Context(), d)
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	dump := storetest.Dump(t, e)
	most := min(o.applied+1, len(states)-1)
	if !slices.Contains(states[o.synced:most+1], dump) {
		t.Fatalf("%s: holds %q, which is none of states %d to %d", what, dump, o.synced, most)
	}
	settle(e)
	if err := errors.Join(putPair(e, "z", "after"), e.Health()); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	settle(e)
	want := storetest.Dump(t, e)
	closeEngine(t, e)
	checkNoGarbage(t, d)
	e = mustOpenDisk(t, d)
	if got := storetest.Dump(t, e); got != want {
		t.Fatalf("%s: opened again it holds %q, want %q", what, got, want)
	}
	closeEngine(t, e)
}

// oldDisk is a disk as format 1 left it, after the upgrade of the database: a snapshot in chunks, and a journal.
func oldDisk() (*disk, *store.Batch) {
	d, all := newDisk(), new(store.Batch)
	m := &manifest{covered: 3, generation: 5, chunks: 4}
	d.now.manifest = m.record()
	record := func(kind byte, major, minor uint64, b *store.Batch) []byte {
		return endRecord(append(beginRecord(kind, major, minor, b.Size()), b.Bytes()...))
	}
	for i := range m.chunks {
		var b store.Batch
		for j := range 10 {
			for _, to := range []*store.Batch{&b, all} {
				to.Put(fmt.Appendf(nil, "a/%02d", i*10+uint64(j)), fmt.Appendf(nil, "value %d", j))
			}
		}
		d.now.places[chunksPlace][i] = record(kindChunk, m.generation, i, &b)
	}
	for i := range uint64(3) {
		var b store.Batch
		for _, to := range []*store.Batch{&b, all} {
			to.Delete(fmt.Appendf(nil, "a/%02d", 7*i))
			to.Put(fmt.Appendf(nil, "b/%02d", i), nil)
		}
		d.now.places[journalPlace][m.covered+1+i] = record(kindJournal, m.covered+1+i, 0, &b)
	}
	d.synced = d.now.clone()
	return d, all
}

// TestMigrate: what format 1 held is there, its chunks are gone, and damage of them is named.
func TestMigrate(t *testing.T) {
	d, all := oldDisk()
	mem := store.NewMem()
	if err := mem.Apply(t.Context(), all, store.Memory); err != nil {
		t.Fatal(err)
	}
	want := storetest.Dump(t, mem)
	for range 2 {
		e := mustOpenDisk(t, d)
		if got := storetest.Dump(t, e); got != want {
			t.Fatalf("holds %q, want %q", got, want)
		}
		closeEngine(t, e)
	}
	if n := len(d.now.places[chunksPlace]); n != 0 {
		t.Fatalf("%d chunks are left", n)
	}
	for n := range uint64(4) {
		for _, damage := range []func(*disk){
			func(d *disk) { delete(d.now.places[chunksPlace], n) },
			func(d *disk) { d.now.places[chunksPlace][n][20] ^= 1 },
			func(d *disk) { d.now.places[chunksPlace][n] = d.now.places[chunksPlace][(n+1)%4] },
		} {
			d, _ := oldDisk()
			damage(d)
			if _, err := openDisk(t.Context(), d); !errors.Is(err, store.ErrCorrupt) {
				t.Fatalf("chunk %d: %v", n, err)
			}
		}
	}
}
