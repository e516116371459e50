package fold

import "time"

const (
	// StepLimit is how long one step may take: the application waits for it, and a page stands still. It is part of what
	// docs/spec/fold.md says, as are MaxState, MaxIgnored and MaxReason.
	StepLimit = 2 * time.Second

	// MaxState is the longest state, in bytes: as an object may be.
	MaxState = 1 << 20

	// MaxIgnored is how many ignored ops are kept, the latest: they are for people to see.
	MaxIgnored = 256

	// MaxReason is the longest reason, in code points.
	MaxReason = 200

	// every is how many ops lie between two snapshots: making one costs about as much as a few steps.
	every = 16

	// maxSnapshots bounds the snapshots of one fold, in bytes of the states and of the ignored ops that they keep, which are
	// what anybody chooses to write. The last one stays, whatever it holds: at most MaxState and MaxIgnored ops.
	maxSnapshots = 8 << 20

	// chunk is how many ops a goroutine is given at once.
	chunk = 256
)
