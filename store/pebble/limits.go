//go:build !js

package pebble

import (
	"runtime"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/sstable/block"

	"github.com/hyperhyperspace/hhs-go/store"
)

// Numbers of this engine. None is part of the stored format but formatMajorVersion, and that only moves forward.
const (
	// DefaultLowWater is the free disk space in bytes under which writes are refused. Until a flush has finished
	// its bytes exist twice, in the write-ahead log and in the table: maxMemTables of memTableSize.
	DefaultLowWater = maxMemTables * memTableSize
	// DefaultBallast is the size in bytes of the file that is given back when the disk is full in spite of the mark,
	// because another program filled it: enough for the group of batches being written and for a flush.
	DefaultBallast = 16 << 20

	// verifyCache is for reading a whole store once.
	verifyCache = 4 << 20
	// maxCleanFile bounds what is read of cleanFile: some 40 bytes for each of a hundred thousand tables.
	maxCleanFile = 4 << 20
	// compactRange is what Compact merges at a time: it can be ended between two, and says then how far it is.
	compactRange = 64 << 20
	// salvageBatch is what Salvage writes at a time.
	salvageBatch = 1 << 20
	// groupRoom is what a group takes beside its batches: Pebble's header and the number.
	groupRoom = 64
	// replaySlack is what opening writes beside the log that it turns into tables: manifest, options and an empty log.
	replaySlack = 1 << 20

	// cacheSize holds the blocks of tables that were read lately, 16 MiB of them while much is written: Pebble takes the
	// memory of its memtables, of which one is filled while another is flushed, from the cache. Without that a bulk
	// of writes would leave no room for the filters and indexes that tell which keys are absent.
	cacheSize = 16<<20 + 2*memTableSize
	// memTableSize bounds a replay at open to a fraction of a second and the tables of a flush to one file. Pebble
	// begins with 256 KiB and doubles up to it, so small nodes do not pay for it.
	memTableSize = 16 << 20
	// maxMemTables is how many may wait for their flush before writers wait: 64 MiB of memory, and a group, at worst.
	maxMemTables = 4
	// maxOpenFiles leaves half of the usual limit of 1,024 descriptors to sockets.
	maxOpenFiles = 500
	// checkEvery is how many bytes may be written between two looks at both: looking costs as much as a small group.
	checkEvery = 1 << 20
	// mergePause is how long writers wait at most, for each checkEvery, while tables are merged too slowly.
	mergePause = time.Second
	// never is a threshold at which Pebble would let writers wait; they wait before they reach it.
	never = 1 << 20
	// l0Compaction and l0Stop: begin to merge at 8 files, make writers wait at 24 (a burst of 24 flushes, 384 MiB). A merge
	// of flushes rewrites all that is below them, since ids lie everywhere, so half as many of them are a sixth of the CPU of
	// 200,000 commits that are received; 12 saved nothing more. Reading does not suffer: a filter answers for
	// each file, and a scan of all values took the same CPU.
	l0Compaction, l0Stop = 8, 24
	// bloomBits per key give one wrong answer in a hundred. "Is this commit here?" is asked of every link received,
	// mostly in vain, so that the bottom level has a filter too.
	bloomBits = 10
	// blockSize: envelopes and index entries are 50 to 500 bytes and are read alone as often as in runs.
	blockSize = 8 << 10
	// maxGroup bounds the batches committed with one sync, in bytes: a waiting small one is not held up by many large
	// ones, and a group fits a memtable. One batch may be larger (store.MaxBatch).
	maxGroup = 4 << 20
	// formatMajorVersion of Pebble's files. A fixed one: with "newest" an update of the library would change the
	// files of an existing store behind the back of an older program. From this one on Pebble tells a
	// damaged record from the end of the log, where later blocks of it show that more was synced.
	formatMajorVersion = pebble.FormatWALSyncChunks
	// spaceSlack is kept free beyond a group's own bytes when the mark is checked: records carry headers.
	spaceSlack = 1 << 20
)

// compression is Snappy in all tables. A commit carries hashes and values that repeat letters and not words: of those only
// an entropy coder saves anything, 257 bytes for a commit that adds a text of 100 characters instead of 290 (hhs-bench -run
// set-write), and undoing it was half the CPU of reading 100,000 values after opening. Without any compression nothing more
// was saved.
var compression = block.SnappyCompression

// engineOptions returns Pebble's options, all of those set that matter here.
func engineOptions(g *guard, cache *pebble.Cache) *pebble.Options {
	o := &pebble.Options{
		FS:                          g,
		Logger:                      g,
		EventListener:               g.events(),
		Cache:                       cache,
		MemTableSize:                memTableSize,
		MemTableStopWritesThreshold: maxMemTables + 1 + store.MaxBatch/memTableSize,
		MaxOpenFiles:                maxOpenFiles,
		FormatMajorVersion:          formatMajorVersion,
		L0CompactionThreshold:       l0Compaction,
		L0StopWritesThreshold:       never,
		CompactionConcurrencyRange:  func() (int, int) { return 1, max(1, min(2, runtime.GOMAXPROCS(0)-1)) },
	}
	for i := range o.Levels {
		o.Levels[i] = pebble.LevelOptions{
			BlockSize:      blockSize,
			IndexBlockSize: 4 * blockSize, // fewer, larger index blocks: one read finds the data block
			FilterPolicy:   bloom.FilterPolicy(bloomBits),
			FilterType:     sstable.TableFilter,
			Compression:    func() *sstable.CompressionProfile { return compression },
		}
	}
	return o
}
