package object

// The limits are part of the format: all replicas must agree on which blocks exist. Raising one is a new
// format version; lowering one is not possible.
const (
	// MaxBlock is the size of the largest block, in bytes. It is what bitswap and other IPLD tools accept as a
	// block, small enough to be verified and held whole on a phone. Larger values are blobs, trees of blocks.
	MaxBlock = 1 << 20

	// MaxDepth is how many lists and maps may be inside each other, the outermost counted as 1. People's data is
	// rarely deeper than 10; a bound lets every implementation use plain recursion without risking its stack.
	MaxDepth = 32

	// MaxContainers is how many lists and maps one block may hold. A Go map with one short entry takes about 80
	// times the memory of its 4 bytes on the wire; with this bound the worst block costs 22 MiB and not 90.
	// 16,384 is what fits into 64 KiB of one-entry maps: a value small enough not to be a blob never meets it.
	MaxContainers = 1 << 14

	// MaxJSON is the longest DAG-JSON text that [FromJSON] reads, in bytes: a full block can grow by a factor of
	// 6 when every byte of a string is written as \u00xx, and a little for indentation.
	MaxJSON = 8 << 20
)
