package idb

import "time"

const (
	// Format is the version of the stored form and of the database. Raising it makes older programs refuse the
	// database untouched.
	Format = 2

	// maxNumber is the largest integer that a JavaScript number holds exactly.
	maxNumber = 1<<53 - 1
	// epochShift and tableShift divide the numbers of blocks: 2^25 epochs, one for each start, of 2^18 tables of up to
	// 2^10 records. Part of the stored form.
	epochShift, tableShift = 28, 10
	// maxTableBlocks leaves a number for the index.
	maxTableBlocks = 1<<tableShift - 1
	// maxTableKeys bounds what is kept of keys while a table is written (8 bytes each), and with it the filter: 160 KiB.
	maxTableKeys = 128 << 10

	// maxGroup bounds what one transaction writes, in bytes, so that a small batch does not wait behind many large
	// ones. A single batch may be larger.
	maxGroup = 4 << 20
	// maxRuns is how many runs there may be before writing them waits for merging them. Merged in time there are
	// 3 + log2(size of the store / memorySize), 12 for 2 GiB.
	maxRuns = 16
	// minMerge is how many runs a merge takes at least: with fewer, each byte is rewritten more often.
	minMerge = 4
	// journalAtOnce is how many journal entries are read at once when the store is opened: they are small as a rule, and
	// at most as large as the memory.
	journalAtOnce = 64
	// readAhead is how many blocks a long scan reads at once: 256 KiB, a few milliseconds of work.
	readAhead = 8
	// pauseWork is how many bytes of pairs a loop handles between two looks at the clock, pairWork what a pair counts for
	// in addition to its bytes: under a millisecond in WASM.
	pauseWork, pairWork = 16 << 10, 64
	// memoryFirst and memoryMost are how many pairs of the memory a scan takes at once, growing from one to the other:
	// short scans take few, long ones seldom search again.
	memoryFirst, memoryMost = 8, 256
	// treeDegree is that of store.Mem, whose code this shares.
	treeDegree = 64
	// deleteCost is how many times as long it takes in WASM to delete a pair of the memory as to pass one on to a new tree.
	deleteCost = 32
)

// sizes are the limits that tests make smaller, in bytes where nothing else is said.
type sizes struct {
	memorySize int // operations in memory before they are written as a run; twice that before writing waits
	blockSize  int // at which a block ends
	tableSize  int // at which a table ends
	writeSize  int // blocks written in one transaction
	cacheSize  int // blocks and indexes kept
	inlineSize int // from which a value is written in a strict transaction
	patience   time.Duration
}

// standard sizes. Memory: 4 MiB of operations are read and applied in some 100 ms when the store is opened, and make
// runs large enough that a byte is rewritten log2(size of the store / 4 MiB) times at most. Blocks: below inlineSize, so
// that Chromium keeps them in its log-structured store, and half a millisecond to read. Tables: their indexes and
// filters stay below 200 KiB, so that reading one is short and the cache holds many. Writes: what others wait for.
// Cache: the blocks of some rooms being read and written; indexes and filters, which take 3 % of what is stored, fit
// for half a gigabyte. Inline: Chromium keeps a value from 64 KiB on in a file of its own, which only a strict transaction
// syncs, so that a barrier after a relaxed one would not hold. Patience, with a tab of an older version that is asked to let
// go of the database: it does at once unless it is busy or frozen.
var standard = sizes{
	memorySize: 4 << 20, blockSize: 32 << 10, tableSize: 8 << 20, writeSize: 512 << 10, cacheSize: 16 << 20, inlineSize: 60 << 10,
	patience: 10 * time.Second,
}
