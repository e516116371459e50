package idb

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"testing"

	"github.com/hyperhyperspace/hhs-go/store"
)

func sampleRecord() []byte {
	var b store.Batch
	b.Put([]byte("key"), []byte("value"))
	b.Delete([]byte("other"))
	return endRecord(append(beginRecord(kindJournal, 7, 0, b.Size()), b.Bytes()...))
}

// TestRecordDamage flips every bit and cuts at every byte: nothing is accepted.
func TestRecordDamage(t *testing.T) {
	rec := sampleRecord()
	if b, err := openBatch(kindJournal, 7, 0, rec); err != nil || b.Len() != 2 {
		t.Fatalf("undamaged: %v", err)
	}
	for i := range len(rec) * 8 {
		bad := bytes.Clone(rec)
		bad[i/8] ^= 1 << (i % 8)
		if _, err := openBatch(kindJournal, 7, 0, bad); !errors.Is(err, store.ErrCorrupt) {
			t.Fatalf("bit %d flipped: %v", i, err)
		}
	}
	for n := range rec {
		if _, err := openBatch(kindJournal, 7, 0, rec[:n]); !errors.Is(err, store.ErrCorrupt) {
			t.Fatalf("cut to %d bytes: %v", n, err)
		}
	}
	for _, place := range []struct {
		kind         byte
		major, minor uint64
	}{{kindJournal, 8, 0}, {kindJournal, 7, 1}, {kindChunk, 7, 0}} {
		if _, err := openRecord(place.kind, place.major, place.minor, rec); !errors.Is(err, store.ErrCorrupt) {
			t.Fatalf("at the place of %v: %v", place, err)
		}
	}
}

// snapshotRecord is the record of a snapshot of format 1.
func snapshotRecord(generation, chunks, covered uint64) []byte {
	rec := beginRecord(kindSnapshot, 0, 0, 0)
	for _, n := range []uint64{generation, chunks, covered} {
		rec = binary.AppendUvarint(rec, n)
	}
	return endRecord(rec)
}

func TestOpenSnapshot(t *testing.T) {
	m, err := openSnapshot(snapshotRecord(1, 2, maxNumber))
	if err != nil || m.generation != 1 || m.chunks != 2 || m.covered != maxNumber {
		t.Fatalf("%+v, %v", m, err)
	}
	for _, payload := range []string{"", "\x01\x02", "\x01\x02\x03\x04", "\x81\x00\x01\x01", "\x01\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"} {
		rec := endRecord(append(beginRecord(kindSnapshot, 0, 0, len(payload)), payload...))
		if _, err := openSnapshot(rec); !errors.Is(err, store.ErrCorrupt) {
			t.Fatalf("payload %x: %v", payload, err)
		}
	}
}

// FuzzRecord: what is accepted is exactly what writing gives again.
func FuzzRecord(f *testing.F) {
	f.Add(byte(kindJournal), uint64(7), uint64(0), sampleRecord())
	f.Add(byte(kindSnapshot), uint64(0), uint64(0), snapshotRecord(1, 2, 3))
	f.Add(byte(kindChunk), uint64(1), uint64(2), []byte("C"))
	f.Add(byte(kindJournal), uint64(1), uint64(0), make([]byte, headerSize+sumSize))
	f.Fuzz(func(t *testing.T, kind byte, major, minor uint64, rec []byte) {
		payload, err := openRecord(kind, major, minor, rec)
		if err != nil {
			if !errors.Is(err, store.ErrCorrupt) {
				t.Fatalf("error is not ErrCorrupt: %v", err)
			}
			return
		}
		again := endRecord(append(beginRecord(kind, major, minor, len(payload)), payload...))
		if !bytes.Equal(again, rec) {
			t.Fatalf("%x is written as %x", rec, again)
		}
		if m, err := openSnapshot(rec); err == nil && !bytes.Equal(snapshotRecord(m.generation, m.chunks, m.covered), rec) {
			t.Fatalf("%x is snapshot %+v, which is written differently", rec, m)
		}
	})
}

// sampleBlock has n pairs, every fifth a deletion.
func sampleBlock(n int) []byte {
	var w blockWriter
	for i := range n {
		value := fmt.Appendf(nil, "value %d", i)[:i%8]
		if i%5 == 4 {
			value = nil
		}
		w.add(fmt.Appendf(nil, "key/%05d", i*i), value)
	}
	return w.buf
}

// FuzzBlock: what is accepted is exactly what writing its pairs gives again, and each pair is found.
func FuzzBlock(f *testing.F) {
	for _, n := range []int{1, interval, interval + 1, 3 * interval} {
		f.Add(sampleBlock(n))
	}
	f.Add([]byte{})
	f.Add([]byte("\x00\x01\x01b\x00\x01\x01a"))   // in the wrong order
	f.Add([]byte("\x00\x02\x01ab\x00\x02\x01ac")) // with a prefix that is not said to be shared
	f.Fuzz(func(t *testing.T, data []byte) {
		b, why := openBlock(data)
		if why != "" {
			return
		}
		var w blockWriter
		var all batch
		for i := range b.starts {
			b.read(i, &all)
		}
		for i := range all.ends {
			w.add(all.key(i), all.values[i])
			v, found := b.get(all.key(i))
			if !found || (v == nil) != (all.values[i] == nil) || !bytes.Equal(v, all.values[i]) {
				t.Fatalf("%q: %q, %v", all.key(i), v, found)
			}
			if _, found := b.get(append(bytes.Clone(all.key(i)), 0)); found && (i+1 == len(all.ends) || !bytes.HasSuffix(all.key(i+1), []byte{0})) {
				t.Fatalf("finds what is not there after %q", all.key(i))
			}
		}
		if !bytes.Equal(w.buf, data) {
			t.Fatalf("%x is written as %x", data, w.buf)
		}
	})
}

func FuzzIndex(f *testing.F) {
	var w blockWriter
	w.add([]byte("a"), []byte{})
	w.add([]byte("b"), []byte{})
	f.Add(indexBytes(newFilter([]uint64{1, 2, 3}), w.buf))
	f.Add(indexBytes(nil, sampleBlock(3)))
	f.Fuzz(func(t *testing.T, data []byte) {
		x, why := openIndex(data)
		if why != "" {
			return
		}
		var w blockWriter
		for i := range x.blocks() {
			w.add(x.firsts.key(i), []byte{})
			if n := x.find(x.firsts.key(i)); n != i {
				t.Fatalf("block %d is found as %d", i, n)
			}
		}
		if again := indexBytes(x.filter, w.buf); !bytes.Equal(again, data) {
			t.Fatalf("%x is written as %x", data, again)
		}
		x.filter.may(hashKey(data))
	})
}

func sampleManifest() *manifest {
	ranges := newTree()
	addRange(ranges, "a", []byte("b"))
	addRange(ranges, "c", nil)
	return &manifest{covered: 7, generation: 1, chunks: 2, runs: []*run{
		{ranges, []*table{{first: 3, blocks: 2, size: 100, low: []byte("a"), high: []byte("a")}, {first: 9, blocks: 1, size: 5, low: []byte("b"), high: []byte("c")}}},
		{newTree(), nil},
	}}
}

func FuzzManifest(f *testing.F) {
	payload := func(m *manifest) []byte { rec := m.record(); return rec[headerSize : len(rec)-sumSize] }
	f.Add(payload(sampleManifest()))
	f.Add(payload(new(manifest)))
	f.Add([]byte("\x01\x00\x00\x01\x01a\x00\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		rec := endRecord(append(beginRecord(kindManifest, 0, 0, len(data)), data...))
		m, err := openManifest(rec)
		if err != nil {
			if !errors.Is(err, store.ErrCorrupt) {
				t.Fatalf("error is not ErrCorrupt: %v", err)
			}
			return
		}
		if !bytes.Equal(m.record(), rec) {
			t.Fatalf("%x is written as %x", rec, m.record())
		}
	})
}

func TestFilter(t *testing.T) {
	key := func(i int) uint64 { return hashKey(fmt.Appendf(nil, "key %d", i)) }
	const n = 10_000
	var hashes []uint64
	for i := range n {
		hashes = append(hashes, key(i))
	}
	f, passed := newFilter(hashes), 0
	for i := range 2 * n {
		switch may := f.may(key(i)); {
		case i < n && !may:
			t.Fatalf("key %d is not let through", i)
		case i >= n && may:
			passed++
		}
	}
	if passed > n/50 {
		t.Fatalf("%d of %d absent keys are let through", passed, n)
	}
}
