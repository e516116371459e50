package car

import "github.com/hyperhyperspace/hhs-go/object"

const (
	// maxHeader is the longest header that is read or written, in bytes.
	maxHeader = 64 << 10

	// MaxRoots is how many roots fit into a header, at 41 bytes each.
	MaxRoots = 1500

	// maxSection is the longest section that is read: a block, and room for any CID before it, so that one which hhs
	// does not have can be named.
	maxSection = object.MaxBlock + 256

	// maxVarint is how many bytes the varint of a length has: seven bits in each.
	maxVarint = 4
)
