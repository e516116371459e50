package signalling

import "time"

const (
	// Version is the protocol version in hello; a client of another version
	// closes. It changes with every incompatible change of a message.
	Version = 1

	// MaxMessage bounds every message in bytes: what an unauthenticated
	// connection may make us buffer. It may not grow without a new Version.
	MaxMessage = 16 << 10

	// MaxBody bounds what Send carries, so that the message around it stays
	// within MaxMessage (topic 34, handle 17, heads and kind under 16 bytes).
	MaxBody = MaxMessage - 128

	// MaxName bounds a server name: the longest DNS name, a colon and a port.
	MaxName = 253 + 6

	// maxText bounds the explanation in an error message: one line for people.
	maxText = 256

	// maxCode bounds an error code: all of ours are short words.
	maxCode = 32

	// MaxLifetime bounds how long one proof keeps a topic: a dead listener's
	// traces and a stolen connection are gone after it. Clients renew.
	MaxLifetime = time.Hour

	// DefaultLifetime is what clients ask for: 4 signatures an hour per topic.
	DefaultLifetime = 20 * time.Minute

	// DefaultPing and DefaultSilent make a client notice a server that stopped
	// without closing (SIGSTOP, a pulled cable) after 6 s, and be done with the
	// connection (transport.CloseLinger) within the 8 s promised, while two late
	// answers in a row are forgiven.
	DefaultPing   = 2 * time.Second
	DefaultSilent = 6 * time.Second

	// DefaultQueue is how many events a client holds for a slow reader before
	// it stops reading from the server.
	DefaultQueue = 256

	// helloTimeout bounds the wait for the server's first message.
	helloTimeout = 10 * time.Second
)
