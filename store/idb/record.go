// Package idb keeps a store in a database of the browser's IndexedDB, by key: what is in memory is what was written
// last and a cache of what was read. It is a small log-structured merge tree (O'Neil et al., 1996) over a store of
// values, because IndexedDB takes some hundreds of small values a second but megabytes of packed ones. DB runs in a
// worker or a page, with GOOS=js only; all but the few functions that talk to the browser is plain Go, compiled and
// tested everywhere.
//
//	db, err := idb.Open(ctx, "hhs", idb.Options{OnLost: func(err error) { ... }})
//
// # How it works
//
// A batch becomes an entry of the journal and is then applied to the memory. When the memory is large enough it is
// written as a run: tables of blocks in order of their keys. The manifest names the runs; the change that adds one to it
// drops the journal entries that the run covers. Runs are merged, newest first, so that each from the fourth on is
// larger than all newer ones together. Reading goes from new to old: the memory, then the runs, whose filters tell which
// blocks are worth reading. A snapshot is a copy on write of the memory and the list of runs at that moment.
//
// # What is stored
//
// The version of the database is Format. A browser refuses to open a database of a higher version than asked for, and
// does not touch it: that is store.ErrNewer. The object stores:
//
//	journal  number of the entry (1, 2, ...) -> record 'J'(number, 0): the operations of one group of batches
//	blocks   number -> record 'B'(number, 0): a block (block.go), or 'I'(number, 0): the index of a table (index.go)
//	meta     "epoch" -> number; "manifest" -> record 'M'(0, 0) (manifest.go)
//	chunks   of format 1: number -> record 'C'(generation, number): a piece of a snapshot; empty once migrated
//
// A record is a Uint8Array: kind (1 byte), two numbers (8 bytes each, big endian), the payload, and the CRC-32C of all
// before it (4 bytes, big endian). Kind and numbers are in the checksum, so that a record in the wrong place is noticed;
// so is a block that does not begin with the key that its index gives. Operations are stored as store.Batch encodes
// them. The number of a block is the epoch of who wrote it times 2^epochShift and a count. None of this may change
// without a new Format.
//
// A database of format 1 held a snapshot in chunks ("snapshot" in meta) and the same journal. Opening it turns the
// chunks into a run; until that is done the manifest says that they are there, and each start begins again.
//
// # Invariants
//
//  1. A journal entry is one value in one transaction, acknowledged at its complete event, under strict durability if
//     one of its batches asks for store.Synced. A group is there as a whole or not at all.
//  2. The first request of each transaction that changes journal or manifest reads the epoch. Open raises it; a writer
//     that finds another one than its own aborts, and never writes again (store.ErrReadOnly). Where Open finds no room
//     for that, the first write raises the epoch, if neither epoch nor journal nor manifest has changed since.
//  3. All requests of a transaction are issued in one go, or each in the success event of the one before: a transaction
//     ends by itself as soon as nothing is asked of it.
//  4. Blocks are never changed. They are on disk before a manifest names their table, and are dropped after none does
//     and no snapshot reads them; what no manifest names is dropped by Open.
//  5. There is always a manifest: a database without one is damaged, never empty.
//  6. A batch becomes visible after it is stored. If the browser refuses (quota: store.ErrFull), nothing of it is kept
//     in either place, and reading goes on. An error that leaves open whether it was stored ends all writing.
//  7. Memory: at most twice memorySize of operations, the cache, and the manifest.
package idb

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/hyperhyperspace/hhs-go/store"
)

// Kinds of records.
const (
	kindJournal  = 'J'
	kindBlock    = 'B'
	kindIndex    = 'I'
	kindManifest = 'M'
	kindChunk    = 'C' // format 1
	kindSnapshot = 'S' // format 1: generation, chunks and last entry covered, as uvarints
)

const (
	headerSize = 1 + 8 + 8
	sumSize    = 4
)

// castagnoli is the polynomial of iSCSI and ext4. It finds damage, it does not stop anyone who wants to forge.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// beginRecord returns a buffer with the header and room for size bytes of payload, to which the caller appends.
func beginRecord(kind byte, major, minor uint64, size int) []byte {
	rec := make([]byte, 0, headerSize+size+sumSize)
	rec = append(rec, kind)
	rec = binary.BigEndian.AppendUint64(rec, major)
	return binary.BigEndian.AppendUint64(rec, minor)
}

// endRecord appends the checksum.
func endRecord(rec []byte) []byte {
	return binary.BigEndian.AppendUint32(rec, crc32.Checksum(rec, castagnoli))
}

// openRecord checks a record and returns its payload, which aliases it. The error names the record.
func openRecord(kind byte, major, minor uint64, rec []byte) ([]byte, error) {
	if len(rec) < headerSize+sumSize {
		return nil, damaged(kind, major, minor, fmt.Sprintf("%d bytes", len(rec)))
	}
	body, sum := rec[:len(rec)-sumSize], rec[len(rec)-sumSize:]
	if crc32.Checksum(body, castagnoli) != binary.BigEndian.Uint32(sum) {
		return nil, damaged(kind, major, minor, "checksum")
	}
	if body[0] != kind || binary.BigEndian.Uint64(body[1:]) != major || binary.BigEndian.Uint64(body[9:]) != minor {
		return nil, damaged(kind, major, minor, "another record in its place")
	}
	return body[headerSize:], nil
}

// openBatch checks a record of operations.
func openBatch(kind byte, major, minor uint64, rec []byte) (*store.Batch, error) {
	payload, err := openRecord(kind, major, minor, rec)
	if err != nil {
		return nil, err
	}
	b, err := store.DecodeBatch(payload)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", recordName(kind, major, minor), err)
	}
	return b, nil
}

func damaged(kind byte, major, minor uint64, what string) error {
	return fmt.Errorf("%w: %s: %s", store.ErrCorrupt, recordName(kind, major, minor), what)
}

func recordName(kind byte, major, minor uint64) string {
	name := "record"
	switch kind {
	case kindJournal:
		name = "journal entry"
	case kindBlock:
		name = "block"
	case kindIndex:
		name = "index"
	case kindManifest:
		return "manifest"
	case kindChunk:
		name, major = "chunk", minor
	}
	return fmt.Sprint(name, " ", major)
}

// openSnapshot reads the record of a snapshot of format 1 as a manifest that says that it is to be migrated.
func openSnapshot(rec []byte) (*manifest, error) {
	payload, err := openRecord(kindSnapshot, 0, 0, rec)
	if err != nil {
		return nil, err
	}
	d := decoder{data: payload, ok: true}
	m := &manifest{generation: d.number(maxNumber), chunks: d.number(maxNumber), covered: d.number(maxNumber)}
	if !d.ok || d.at < len(payload) {
		return nil, damaged(kindSnapshot, 0, 0, "number")
	}
	return m, nil
}
