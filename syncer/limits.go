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

	// haveRate and haveBurst bound how many receipts of a peer are looked at: each
	// costs a lookup per head. Faster ones wait in the stream, whose flow control
	// then slows the peer down. All other messages are bounded by their protocol.
	haveRate  = 500 // per second
	haveBurst = 1000

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
	// closed. askRate and askBurst bound how many are looked at, as haveRate does.
	maxAsked = 16
	askRate  = 500 // per second
	askBurst = 1000

	// maxLacks bounds what is remembered of what a peer does not have; past it all is
	// asked again.
	maxLacks = 1024

	// maxLiars bounds the devices remembered because they sent wrong blocks.
	maxLiars = 1024

	// maxRelayed is how many ids of relayed commits are remembered for RelayDelay.
	maxRelayed = 4096
)
