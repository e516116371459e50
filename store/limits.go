package store

// Limits of every engine. They bound what one caller can make an engine hold at once; none of them is part of a stored
// format, so they may grow.
const (
	// MaxKey is the longest key in bytes. Keys are space id, section and a name or id, well under 1 KiB; engines keep
	// keys in memory in several places, hence the modest bound.
	MaxKey = 16 << 10
	// MaxValue is the largest value in bytes: a block is at most 1 MiB, and bookkeeping kept beside blocks stays below
	// a few of these.
	MaxValue = 8 << 20
	// MaxBatch is the largest encoded batch in bytes. A batch of commits from a peer is at most 4 MiB and becomes a few
	// times that with its indexes. IndexedDB and Pebble both take it in one transaction.
	MaxBatch = 64 << 20
)

// treeDegree is the branching of the in-memory tree: 16 keeps copied nodes (on writes after a snapshot) at about 1 KiB
// while a million keys stay five levels deep.
const treeDegree = 16

// opOverhead is about what an operation adds to its key and value in a Batch.
const opOverhead = 5
