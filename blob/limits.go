package blob

// ChunkSize, Fanout and MaxSize are part of the format: they decide the tree of given bytes, and so its id.
const (
	// ChunkSize is how many bytes a chunk has; the last one of a blob has what is left. It is what is fetched, verified and
	// written at once: a few milliseconds of hashing in a page, and eight of them on the way fill most connections.
	ChunkSize = 256 << 10

	// Fanout is how many links a node has at most: 42 KiB of them, a sixth of a chunk, so that reading one byte of a large blob
	// costs little more than its chunk.
	Fanout = 1024

	// maxHeight is how many nodes are above a chunk at most.
	maxHeight = 2

	// MaxSize is the size of the largest blob in bytes, 256 GiB: what two levels of nodes reach.
	MaxSize = ChunkSize * Fanout * Fanout

	// MaxName and MaxMedia bound the texts of a descriptor, in bytes: what file systems take for a name, and what RFC 6838
	// allows for a type with its subtype.
	MaxName  = 255
	MaxMedia = 255

	// maxFound bounds the descriptors looked for in one value: as many as fit into one op.
	maxFound = 1024
)
