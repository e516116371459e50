package export

import "github.com/hyperhyperspace/hhs-go/history"

const (
	// Version is the only one there is of the format. Another one is refused.
	Version = 1

	// maxHeads is how many heads are listed as roots, a few fewer than a header holds; a space with more is listed
	// without them.
	maxHeads = 1024

	// proofsPerBlock is how many attestations one block holds: at 120 bytes each half of the longest block.
	proofsPerBlock = 4096

	// maxCount bounds the counts that a file announces: more of anything than a machine holds.
	maxCount = 1 << 40

	// MaxRuns is how many stretches of chunks one part of a blob lists: 80 KiB of a block at most. What is here in more is
	// written as several parts.
	MaxRuns = 4096

	// maxBatch bounds one batch in memory, as history.Batch.Size counts it: the most that a door takes at once.
	maxBatch = history.MaxBatchSize
)
