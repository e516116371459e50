package syncer

import (
	"time"

	"github.com/hyperhyperspace/hhs-go/history"
)

// Limits of the protocol. A peer that exceeds one is closed, so none may be
// lowered without a new Version; times are local and may change.
const (
	// Version is the protocol spoken here. Another one is refused.
	Version = 1

	// MaxMessage is the longest message: a batch of the longest wire form with
	// room for what stands around it. Streams carry 4 MiB.
	MaxMessage = history.MaxBatchWire + 256

	// MaxHeads is how many heads a message lists, 32 bytes each. Where there are
	// more, the hash still covers all of them.
	MaxHeads = 1024

	// MaxChains is how many author branches one message lists, about 70 bytes
	// each. Branches left out are sent whole from what is known to be common.
	MaxChains = 4096

	// MaxInFlight is how many batches are sent before the first is acknowledged:
	// one is being stored while the next travels.
	MaxInFlight = 2

	// MaxRetries is how many times one side may ask for everything again.
	MaxRetries = 1
)

const (
	// DefaultBatch is how many bytes of commits are gathered into one batch. Each
	// costs the receiver one durable write and the sender one round trip of
	// window; at 256 KiB both are small against the signatures inside.
	DefaultBatch = 256 << 10

	// HelloTimeout is how long a peer has for its first message.
	HelloTimeout = 15 * time.Second

	// ProgressTimeout is how long a peer may take for the next step it owes: an
	// acknowledgement or a batch. It covers the largest batch over 70 kB/s and a
	// browser that stores it.
	ProgressTimeout = time.Minute

	// RelayDelay is how long commits that came from one peer wait before they go
	// on to another: by then the other has mostly said that it has them too, since
	// their author pushed them to it at the same time.
	RelayDelay = 25 * time.Millisecond

	// byeTimeout is how long a closing session waits for its last words to go out.
	byeTimeout = time.Second

	// lookRate and lookBurst bound what of a device's messages is looked up in a space,
	// over all its sessions: a receipt is one and one more for looksEach heads, and chains
	// likewise. A hello is helloLooks, because it may have a history compared and its
	// first batches read: who comes again and again is let in twice a second. What comes
	// faster waits in the stream, whose flow control then slows the peer down.
	lookRate   = 500 // per second
	lookBurst  = 1000
	looksEach  = 4
	helloLooks = 250

	// maxOutbox bounds what waits to be sent: hello, two chains, MaxInFlight
	// batches, bye, and have messages between them, which replace each other.
	maxOutbox = 16

	// maxCount is the largest number of commits to come that is believed: a peer may
	// tell any, and no space has as many. More is shown as not known.
	maxCount = 1_000_000_000

	// BlockTimeout is how long a peer may send nothing of the blocks it was asked for
	// before others are asked for them: all of the window over 140 kB/s.
	BlockTimeout = 15 * time.Second

	// lackDelay is how long a peer is not asked again for what it said it does not have.
	lackDelay = 2 * time.Second

	// blockWindow is how many blocks one peer is asked for at once: 2 MiB, which keeps a
	// connection of 20 MB/s busy over 100 ms.
	blockWindow = 8

	// maxAsked is how many asks of a peer wait to be answered; one that sends more is
	// closed. askRate and askBurst bound how many are looked at, as lookRate does.
	maxAsked = 16
	askRate  = 500 // per second
	askBurst = 1000

	// maxLacks bounds what is remembered of what a peer does not have; past it all is
	// asked again.
	maxLacks = 1024

	// maxLiars bounds the devices remembered because they sent wrong blocks.
	maxLiars = 1024

	// maxDecoded is the most a batch of a peer may occupy once decoded, in bytes, and
	// maxBatchCommits how many commits it may have: what a replica signs at once has up to
	// 6 MiB and 6,000 in the worst case (512 KiB of commits and a largest one). A batch
	// past these would hold up all others, edits made here included.
	maxDecoded      = 8 << 20
	maxBatchCommits = 8192

	// maxDoors is how many batches of peers are unpacked and admitted at once, of
	// different spaces: each takes some 50 MB at worst.
	maxDoors = 2

	// smallBatch is the length, unpacked, of a batch that is an edit or a few: at worst
	// it has a thousand commits. turnCost is what a batch costs beside its length, in
	// bytes that take as long.
	smallBatch = 4 << 10
	turnCost   = 1 << 10

	// A door rests for a leastRest-th of the time that a large batch took, and for those
	// that lag behind up to mostRest times that, or maxRest: a peer that takes in slowly on
	// purpose slows others' large batches down to a fifth, and no edit. lagPatience is after
	// how long a peer that takes nothing is not waited for.
	leastRest   = 4
	mostRest    = 4
	maxRest     = 2 * time.Second
	lagPatience = 5 * time.Second

	// maxMisses is after how many heads of a peer that are not here the others are not
	// looked up: that is done anew with every change, and it may tell any.
	maxMisses = 64

	// maxRelayed is how many ids of relayed commits are remembered for RelayDelay.
	maxRelayed = 4096
)
