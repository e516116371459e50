//go:build !js

package signalling

import "time"

// What a Server allows, unless ServerOptions say otherwise. A connection costs
// at most outboxBytes and a few messages, so the defaults bound the server's
// memory to about 200 MiB under attack.
const (
	// DefaultMaxConns bounds connections in all.
	DefaultMaxConns = 2048

	// DefaultPerAddress bounds connections of one address group.
	DefaultPerAddress = 64

	// DefaultTopics bounds the topics of one connection: a node with many spaces
	// open listens for the ones it wants peers for.
	DefaultTopics = 256

	// DefaultListenings bounds listeners on topics in all, at about 400 bytes.
	DefaultListenings = 65536

	// DefaultTopicListeners bounds the listeners of one topic. Members of larger
	// groups find each other through the mesh.
	DefaultTopicListeners = 1024

	// DefaultIntroductions is how many others, chosen at random, a new listener
	// is introduced to: as many as a peer takes connections (RELIABILITY 5). A
	// listener is never known to more than introduceMax times as many.
	DefaultIntroductions = 24
	introduceMax         = 8

	// A connection that has proven no key yet, and one that has, may send so many
	// messages a second, and so many at once (RELIABILITY 5); the server reads
	// no faster, so nothing is lost.
	freshRate, freshBurst   = 10, 20
	provenRate, provenBurst = 50, 200

	// The same for signatures the server checks, at about 50 microseconds each.
	freshChecks, freshChecksBurst   = 2, 10
	provenChecks, provenChecksBurst = 20, DefaultTopics

	// outboxBytes bounds what is queued for a connection that reads slowly:
	// three bodies of the largest size, and room for news. Beyond it messages
	// for it are refused, and it is closed when news does not fit.
	outboxBytes = 64 << 10
	outboxBody  = outboxBytes * 3 / 4
	// outboxCost is what a queued message costs beyond its bytes.
	outboxCost = 48

	// DefaultServerPing is how often the server asks a connection it has not
	// heard for a sign of life, and DefaultServerSilent when it gives up. It is
	// slower than a client: a gone listener only costs a failed offer.
	DefaultServerPing   = 5 * time.Second
	DefaultServerSilent = 20 * time.Second

	// DefaultIdle is how long a connection may listen to nothing.
	DefaultIdle = 30 * time.Second

	// sendTimeout bounds one write to a connection; it is over when TCP has taken
	// nothing for so long.
	sendTimeout = 10 * time.Second

	// renewSlack forgives that a client's idea of our clock drifts.
	renewSlack = 5 * time.Second

	// maxNames bounds the names in ServerOptions.
	maxNames = 16
)
