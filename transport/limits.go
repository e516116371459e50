package transport

import "time"

const (
	// MaxMessage is the largest message in bytes. WebRTC implementations agree
	// on 64 KiB without negotiation, and one message may never occupy a slow
	// connection for long. Both ends refuse more; it may not change.
	MaxMessage = 64 << 10

	// CloseLinger bounds how long Close waits for queued messages to leave. A
	// last word ("bye") should arrive on a working connection; a dead one must
	// not hold up its owner.
	CloseLinger = time.Second

	// PipeBuffer is how many messages a direction of a Pipe holds before Send
	// waits: enough that two ends may both send first, small enough that
	// backpressure is met in tests.
	PipeBuffer = 16
)
