//go:build !js

package rtc

import "time"

const (
	// inboxBytes is what a connection holds before it stops reading from the
	// channel; SCTP makes the other end wait.
	inboxBytes = 256 << 10

	// sendLow is where a waiting Send goes on.
	sendLow = 64 << 10

	// How long ICE goes without an answer before it says so, before it gives up
	// (the mesh's keep-alive is faster: this only frees what nobody watches), and
	// how often it asks.
	iceDisconnected = 5 * time.Second
	iceFailed       = 15 * time.Second
	iceKeepAlive    = 2 * time.Second
)
