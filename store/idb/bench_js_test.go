package idb

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/hyperhyperspace/hhs-go/store"
)

// heap returns how many bytes are in use.
func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// ingest applies n records of 200 bytes, under keys in no order, in batches of 64.
func ingest(t testing.TB, d *DB, n int, dur store.Durability) {
	t.Helper()
	var b store.Batch
	for i := 0; i < n; i += 64 {
		b.Reset()
		for j := i; j < min(i+64, n); j++ {
			b.Put(record(j), make([]byte, 168))
		}
		if err := d.Apply(context.Background(), &b, dur); err != nil {
			t.Fatal(err)
		}
	}
}

// record is the key of 32 bytes of a record.
func record(i int) []byte {
	return fmt.Appendf(nil, "%016x%016x", hashKey(fmt.Append(nil, i)), i)
}

// TestMemory opens a store of 100,000 records of 200 bytes: what that takes does not grow with what is stored, also after
// all of it was read.
func TestMemory(t *testing.T) {
	const n = 100_000
	name := newName(t)
	empty := heap()
	d := mustOpen(t, name)
	began := time.Now()
	ingest(t, d, n, store.Synced)
	t.Logf("ingest: %.0f records/s", n/time.Since(began).Seconds())
	settle(d.engine)
	t.Logf("settled after %v, %d runs", time.Since(began).Round(time.Millisecond), len(d.version.runs))
	mustClose(t, d)
	began = time.Now()
	d = mustOpen(t, name)
	defer mustClose(t, d)
	opened := time.Since(began)
	snap, err := d.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	for range snap.Scan(nil, nil, false) {
		break
	}
	first := time.Since(began)
	before := heap() - empty
	began = time.Now()
	got := 0
	for _, err := range snap.Scan(nil, nil, false) {
		if err != nil {
			t.Fatal(err)
		}
		got++
	}
	scanned := time.Since(began)
	began = time.Now()
	const gets = 1000
	for i := range gets {
		if _, err := snap.Get(record(i * 97)); err != nil {
			t.Fatal(err)
		}
	}
	read := time.Since(began) / gets
	began = time.Now()
	for i := range gets {
		if _, err := snap.Get(record(n + i)); err == nil {
			t.Fatal("found what is not there")
		}
	}
	absent := time.Since(began) / gets
	if err := snap.Close(); err != nil {
		t.Fatal(err)
	}
	after := heap() - empty
	t.Logf("open %v, first key %v, %d bytes; all %d keys %v, get %v, absent %v, %d bytes then", opened, first, before, got, scanned, read, absent, after)
	if got != n {
		t.Errorf("%d records", got)
	}
	// The journal in memory, twice its size with the tree, and the cache.
	if limit := uint64(2*standard.memorySize + standard.cacheSize + 1<<20); before > limit/2 || after > limit {
		t.Errorf("%d bytes in memory after opening and %d after reading all, at most %d", before, after, limit)
	}
}
