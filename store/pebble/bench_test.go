//go:build !js

package pebble

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/sstable/block"

	"github.com/hyperhyperspace/hhs-go/store"
)

// record is what a small commit leaves: about 250 bytes, of which the ids, keys and signature cannot be compressed.
func record(i int) (key, value []byte) {
	var n [8]byte
	binary.BigEndian.PutUint64(n[:], uint64(i))
	h := sha256.Sum256(n[:])
	key = fmt.Appendf(nil, "space/0001/c/%s", n)
	value = append(value, h[:]...)
	h = sha256.Sum256(h[:])
	value = append(value, h[:]...)
	value = append(value, []byte("messages append example.org/chat text hello, this is message ")...)
	for range 3 {
		h = sha256.Sum256(h[:])
		value = append(value, h[:]...)
	}
	return key, fmt.Appendf(value, "%d", i)
}

func BenchmarkApply(b *testing.B) {
	for _, c := range []struct {
		name string
		dur  store.Durability
	}{{"synced", store.Synced}, {"written", store.Written}} {
		b.Run(c.name, func(b *testing.B) {
			d, err := Open(b.TempDir(), Options{Ballast: -1})
			if err != nil {
				b.Fatal(err)
			}
			defer d.Close()
			var batch store.Batch
			for i := 0; b.Loop(); i++ {
				batch.Reset()
				batch.Put(record(i))
				if err := d.Apply(b.Context(), &batch, c.dur); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkGroupCommit compares 64 writers, whose batches share syncs, with one writer, who has each to itself: batches and
// syncs in a second.
func BenchmarkGroupCommit(b *testing.B) {
	for _, writers := range []int{1, 64} {
		b.Run(fmt.Sprint(writers), func(b *testing.B) {
			d, err := Open(b.TempDir(), Options{Ballast: -1})
			if err != nil {
				b.Fatal(err)
			}
			defer d.Close()
			groups := d.group
			var next atomic.Int64
			var wg sync.WaitGroup
			b.ResetTimer()
			for range writers {
				wg.Go(func() {
					var batch store.Batch
					for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
						batch.Reset()
						batch.Put(record(int(i)))
						if err := d.Apply(b.Context(), &batch, store.Synced); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "batches/s")
			b.ReportMetric(float64(d.group-groups)/b.Elapsed().Seconds(), "syncs/s")
		})
	}
}

// BenchmarkClose opens a store, writes so many records and closes it: the time of opening and of closing.
func BenchmarkClose(b *testing.B) {
	for _, records := range []int{0, 1, 1000} {
		b.Run(fmt.Sprint(records), func(b *testing.B) {
			var opening, closing time.Duration
			dir := b.TempDir()
			for i := 0; b.Loop(); i++ {
				start := time.Now()
				d, err := Open(dir, Options{Ballast: -1})
				if err != nil {
					b.Fatal(err)
				}
				opening += time.Since(start)
				var batch store.Batch
				for j := range records {
					batch.Put(record(i*records + j))
				}
				if err := d.Apply(b.Context(), &batch, store.Synced); err != nil {
					b.Fatal(err)
				}
				start = time.Now()
				if err := d.Close(); err != nil {
					b.Fatal(err)
				}
				closing += time.Since(start)
			}
			b.ReportMetric(float64(opening.Microseconds())/float64(b.N)/1000, "open-ms")
			b.ReportMetric(float64(closing.Microseconds())/float64(b.N)/1000, "close-ms")
		})
	}
}

// BenchmarkCompression writes 200,000 records, merges them and reads them all: time per record and bytes on disk.
func BenchmarkCompression(b *testing.B) {
	const records = 200_000
	for _, p := range []*sstable.CompressionProfile{block.NoCompression, block.SnappyCompression, block.ZstdCompression, block.BalancedCompression} {
		b.Run(p.Name, func(b *testing.B) {
			for b.Loop() {
				o := Options{Ballast: -1, tune: func(po *pebble.Options) {
					for i := range po.Levels {
						po.Levels[i].Compression = func() *sstable.CompressionProfile { return p }
					}
				}}
				b.ReportMetric(float64(compressionRound(b, o, records))/records, "disk-B/record")
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/records, "ns/record")
		})
	}
}

func compressionRound(b *testing.B, o Options, records int) uint64 {
	d, err := Open(b.TempDir(), o)
	if err != nil {
		b.Fatal(err)
	}
	defer d.Close()
	var batch store.Batch
	for i := range records {
		batch.Put(record(i))
		if batch.Size() > 1<<20 || i == records-1 {
			if err := d.Apply(b.Context(), &batch, store.Written); err != nil {
				b.Fatal(err)
			}
			batch.Reset()
		}
	}
	if err := d.db.Flush(); err != nil {
		b.Fatal(err)
	}
	if err := d.db.Compact(b.Context(), []byte{0}, []byte{0xff}, false); err != nil {
		b.Fatal(err)
	}
	snap, err := d.Snapshot()
	if err != nil {
		b.Fatal(err)
	}
	defer snap.Close()
	n := 0
	for _, err := range snap.Scan(nil, nil, false) {
		if err != nil {
			b.Fatal(err)
		}
		n++
	}
	if n != records {
		b.Fatalf("%d records", n)
	}
	return d.Usage()
}
