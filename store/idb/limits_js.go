package idb

import "time"

const (
	// maxGroup bounds what one transaction writes, in bytes, so that a small batch does not wait behind many large
	// ones. A single batch may be larger.
	maxGroup = 4 << 20
	// chunkSize of snapshots in bytes: large enough that a hundred make a big store, small enough that cloning one
	// into the database takes about a millisecond.
	chunkSize = 1 << 20
	// minJournal is the journal size in bytes at which a snapshot is worth its writes; above it one is taken when the
	// journal is as large as the last snapshot, so that at most as much again is written and kept.
	minJournal = 4 << 20
	// slice is how long a loop over stored data works before it gives way to other tasks of the thread.
	slice = 8 * time.Millisecond
	// stepSize is how many bytes of operations are worked on between two looks at the clock: under 2 ms in WASM.
	stepSize = 64 << 10
	// journalAtOnce and chunksAtOnce are how many records one getAll reads: entries are small as a rule, chunks are
	// chunkSize, and either way a few MiB are held twice for a moment.
	journalAtOnce, chunksAtOnce = 128, 4
)
