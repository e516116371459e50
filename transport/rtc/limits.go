package rtc

import "time"

const (
	// DefaultTimeout bounds Dial and Answer from call to open channel. Two
	// browsers on a slow network need about 5 s, a lost message a resend.
	DefaultTimeout = 20 * time.Second

	// DefaultGather bounds how long candidates are gathered before the
	// description goes out; later ones follow. Host candidates take
	// milliseconds, an unreachable STUN server seconds.
	DefaultGather = time.Second

	// maxSignal bounds a message of the exchange; it must fit, sealed, into one
	// signalling message (16,256 bytes).
	maxSignal = 15 << 10

	// maxSDP bounds a description: ours and browsers' have under 1 KiB.
	maxSDP = 8 << 10

	// maxCandidate bounds one candidate as JSON: they have about 250 bytes.
	maxCandidate = 1 << 10

	// maxCandidates bounds the candidates of one peer: each may make us send
	// packets to an address the other end chose.
	maxCandidates = 40

	// maxBatch bounds the candidates in one message, so that it stays within
	// maxSignal.
	maxBatch = 10

	// sendBuffer is how much may be queued in the channel before Send waits (it
	// goes on at 64 KiB): a slow reader shows within a second or so, and a fast
	// one never waits.
	sendBuffer = 1 << 20
)
