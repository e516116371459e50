package ws

import "time"

const (
	// browserInbox is what a connection holds until it is received. A browser's
	// network cannot be made to wait: beyond it the connection is closed. The
	// mesh's flow control keeps an honest peer far below.
	browserInbox = 4 << 20

	// sendBuffer is how much may be queued in the browser before Send waits.
	sendBuffer = 1 << 20

	// sendPoll is how often a waiting Send looks whether the browser's queue has
	// shrunk; there is no event for it.
	sendPoll = 10 * time.Millisecond
)
