package identity

const (
	// KeySize is the length of a public key's bytes: two of suite tag, 32 of
	// key. It is part of the wire format and cannot change for this suite.
	KeySize = 34

	// SignatureSize is the length of an Ed25519 signature.
	SignatureSize = 64

	// MaxKeyText is the longest text form of a key that is looked at. An
	// Ed25519 did:key has 56 characters; the rest is room for other suites.
	MaxKeyText = 128

	// MaxLabel is the longest device label in bytes: a name for a person to
	// recognize ("kitchen laptop"), stored once per device and space.
	MaxLabel = 64

	// maxPurpose bounds a purpose so that its length fits the statement's one
	// byte with room; the longest in use has nine.
	maxPurpose = 32

	// chunk is how many checks a worker takes at a time: about a millisecond
	// of work, so that handing out costs nothing and a bad signature stops
	// the rest soon.
	chunk = 16

	// pauseEvery is how many checks Serial does between two calls of Pause.
	// One costs about 1.2 ms in WASM, and loops there give way every 8 ms.
	pauseEvery = 6

	// DefaultCache is how many checks a Cache remembers when it is not told:
	// 32 bytes of hash each and the same again for the index, about 1 MiB.
	DefaultCache = 8192
)
