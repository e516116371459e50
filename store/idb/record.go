// Package idb keeps a store in a database of the browser's IndexedDB. All of it is also in memory, so that reads never
// wait; what is written is packed, because IndexedDB takes a few hundred small values a second but a few thousand
// transactions' worth of packed ones. It runs in a worker or a page, with GOOS=js only; this file, which holds the
// stored form, is compiled everywhere so that it can be tested everywhere.
//
//	db, err := idb.Open(ctx, "hhs", idb.Options{OnLost: func(err error) { ... }})
//
// # What is stored
//
// The version of the database is Format. A browser refuses to open a database of a higher version than asked for, and
// does not touch it: that is store.ErrNewer. There are three object stores:
//
//	journal  number of the entry (1, 2, ...) -> record 'J'(number, 0): the operations of one group of batches
//	chunks   number of the chunk (0, 1, ...) -> record 'C'(generation, number): a piece of the snapshot, as puts
//	meta     "epoch" -> number; "snapshot" -> record 'S'(0, 0): generation, chunks, last entry covered, as uvarints
//
// The state is the chunks in order and then the journal entries that the snapshot does not cover. A record is a
// Uint8Array: kind (1 byte), two numbers (8 bytes each, big endian), the payload, and the CRC-32C of all before it
// (4 bytes, big endian). Kind and numbers are in the checksum, so that a record in the wrong place is noticed. Operations
// are stored as store.Batch encodes them. None of this may change without a new Format.
//
// # Invariants
//
//  1. A journal entry is one put in one readwrite transaction, acknowledged at its complete event, under strict
//     durability if one of its batches asks for store.Synced. A group is there as a whole or not at all.
//  2. The first request of each such transaction reads the epoch. Open raises it; a writer that finds another one than
//     its own aborts, and never writes again (store.ErrReadOnly). Where Open finds no room for that, the first write
//     raises the epoch, if neither epoch nor journal nor snapshot has changed since they were read.
//  3. All requests of a transaction are issued in one go, or each in the success event of the one before: a transaction
//     ends by itself as soon as nothing is asked of it.
//  4. A snapshot replaces the journal entries that it covers in one transaction.
//  5. A batch becomes visible after it is stored. If the browser refuses (quota: store.ErrFull), nothing of it is kept
//     in either place, and reading goes on.
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
	kindChunk    = 'C'
	kindSnapshot = 'S'
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
	switch kind {
	case kindJournal:
		return fmt.Sprintf("journal entry %d", major)
	case kindChunk:
		return fmt.Sprintf("chunk %d of snapshot %d", minor, major)
	}
	return "snapshot record"
}

// snapshotInfo is the payload of the snapshot record. The zero value is a store that has no snapshot yet.
type snapshotInfo struct {
	generation uint64
	chunks     uint64
	covered    uint64 // journal entries up to this one are in the snapshot
}

func (s snapshotInfo) record() []byte {
	rec := beginRecord(kindSnapshot, 0, 0, 3*binary.MaxVarintLen64)
	for _, n := range []uint64{s.generation, s.chunks, s.covered} {
		rec = binary.AppendUvarint(rec, n)
	}
	return endRecord(rec)
}

func openSnapshotInfo(rec []byte) (snapshotInfo, error) {
	payload, err := openRecord(kindSnapshot, 0, 0, rec)
	if err != nil {
		return snapshotInfo{}, err
	}
	var s snapshotInfo
	for _, n := range []*uint64{&s.generation, &s.chunks, &s.covered} {
		v, size := binary.Uvarint(payload)
		if size <= 0 || v > maxNumber || (size > 1 && payload[size-1] == 0) {
			return snapshotInfo{}, damaged(kindSnapshot, 0, 0, "number")
		}
		*n, payload = v, payload[size:]
	}
	if len(payload) > 0 {
		return snapshotInfo{}, damaged(kindSnapshot, 0, 0, "trailing bytes")
	}
	return s, nil
}
