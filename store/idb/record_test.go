package idb

import (
	"bytes"
	"errors"
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

func TestSnapshotInfo(t *testing.T) {
	for _, s := range []snapshotInfo{{}, {1, 2, 3}, {maxNumber, maxNumber, maxNumber}} {
		got, err := openSnapshotInfo(s.record())
		if err != nil || got != s {
			t.Fatalf("%v: %v, %v", s, got, err)
		}
	}
	for _, payload := range []string{"", "\x01\x02", "\x01\x02\x03\x04", "\x81\x00\x01\x01", "\x01\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"} {
		rec := endRecord(append(beginRecord(kindSnapshot, 0, 0, len(payload)), payload...))
		if _, err := openSnapshotInfo(rec); !errors.Is(err, store.ErrCorrupt) {
			t.Fatalf("payload %x: %v", payload, err)
		}
	}
}

// FuzzRecord: what is accepted is exactly what writing gives again.
func FuzzRecord(f *testing.F) {
	f.Add(byte(kindJournal), uint64(7), uint64(0), sampleRecord())
	f.Add(byte(kindSnapshot), uint64(0), uint64(0), snapshotInfo{1, 2, 3}.record())
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
		if s, err := openSnapshotInfo(rec); err == nil && !bytes.Equal(s.record(), rec) {
			t.Fatalf("%x is snapshot %v, which is written as %x", rec, s, s.record())
		}
	})
}
