//go:build !js

package ws

import "time"

const (
	// inboxBytes is what a connection holds before it stops reading from the
	// network: the budget of a connection nobody has authenticated. One whole
	// message fits beyond it.
	inboxBytes = 64 << 10

	// DefaultMaxConns bounds the connections of a Handler: 64 KiB of inbox each
	// make 64 MiB.
	DefaultMaxConns = 1024

	// DefaultPerAddress bounds the connections of one address group: a household
	// or an office behind one address, not a botnet member.
	DefaultPerAddress = 64

	// DefaultHandshakes, DefaultHandshakesPerAddress and DefaultRate bound
	// connections that have not yet sent their first message (RELIABILITY 5:
	// 64 at once, 8 per address, 32 a second, here per address as well: a shared
	// rate would let one address keep all others out).
	DefaultHandshakes           = 64
	DefaultHandshakesPerAddress = 8
	DefaultRate                 = 32

	// DefaultFirstMessage is the time a new connection has to send something.
	DefaultFirstMessage = 10 * time.Second
)
