package history

// Limits of the format. They are part of it: a commit over one of them is refused by every replica
// for ever, so none may be lowered, and raising one needs a new format version.
const (
	// Version is the only envelope format there is. Another one is refused, never guessed at.
	Version = 1

	// MaxParents bounds the edges a merge can have. A writer with more heads first writes empty
	// merge commits; 64 makes one of 10^5 concurrent heads in three layers.
	MaxParents = 64

	// MaxOps is how many ops one commit holds: a transaction over a few thousand values, and with
	// MaxEnvelope a bound on what judging one commit costs.
	MaxOps = 4096

	// MaxRefs is how many ops one op names: clearing a set of a thousand elements is one op.
	MaxRefs = 1024

	// MaxField is the longest field name, in bytes: as long as any name people use, short enough
	// for the key of every stored value.
	MaxField = 128

	// MaxAction is the longest name of an action, in bytes.
	MaxAction = 64

	// MaxParts is how many payload parts a commit has: one for each key or place its payloads go to.
	MaxParts = 16

	// MaxPayload is the longest payload or inline body of one op, in bytes. Larger values are blobs.
	MaxPayload = 64 << 10

	// MaxPart is the longest encoded part, in bytes: the largest block of the object format.
	MaxPart = 1 << 20

	// MaxAttached is how many objects one part brings: an attach takes a closure of at most 1,000.
	MaxAttached = 1024

	// MaxEnvelope is the longest encoded envelope, in bytes. Envelopes are kept for ever and by
	// everybody, so they stay well below the size of a block.
	MaxEnvelope = 256 << 10

	// MaxCommit is the most a commit may take with its parts and the attached objects that travel
	// with it, in bytes: it fits into one message of a stream (4 MiB) with room for others.
	MaxCommit = 2 << 20
)

// Limits of a batch. They are about memory and messages, not about validity, and may change.
const (
	// MaxBatchWire is the longest encoded batch, in bytes: one message of a stream holds 4 MiB, less
	// what a session puts around it.
	MaxBatchWire = 4<<20 - 4096

	// MaxBatchSize is the most a batch may occupy once decoded, as Batch.Size counts it: canonical
	// bytes rebuilt from tables and the structures around them. It holds the largest commit and
	// MaxBatchWire of ordinary ones, and makes an expanding batch stop here.
	MaxBatchSize = 16 << 20
)

// maxRedundancyWork is how many runs Graph.Add looks at, besides four for each edge, to learn that an
// edge is an ancestor of another one. In histories whose writers merge now and then one is enough.
const maxRedundancyWork = 256

// paging is how much of a stored graph is in memory, in runs of about 100 bytes.
type paging struct {
	block  int // read at once: beginning a scan costs as much as reading a few dozen
	blocks int // kept: a walk goes from newer to older runs and reads a block once, so that a few do
	tail   int // of the newest, which are kept in any case; the older half of them goes when there are as many
}

// graphPaging lets a thousand spaces with much diverged histories take 100 MB at most.
var graphPaging = paging{block: 128, blocks: 6, tail: 256}

// saltSize is the length of a part's salt, in bytes: nobody who knows a digest can test guesses of a short payload.
const saltSize = 16

// maxGrants bounds the index of a manifest's grant: a manifest is one inline body, which holds no more.
const maxGrants = 4096
