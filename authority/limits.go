package authority

import "github.com/hyperhyperspace/hhs-go/history"

// Limits that decide whether a space's first commit is one. They are part of the format.
const (
	// MaxFields is how many fields a kind declares, those inside maps and records counted: more than a person
	// keeps in mind, and every one is an entry in each replica's tables.
	MaxFields = 256

	// MaxDepth is how many shapes stand inside each other, the field itself and the innermost value counted: the
	// key of a value in a replica's state grows with it.
	MaxDepth = 8

	// MaxFieldName is the longest field name, in bytes.
	MaxFieldName = history.MaxField

	// MaxKind is the longest kind, in bytes: a domain and a short path.
	MaxKind = 128

	// MaxKindVersion is the highest version of a kind, so that it fits any integer type.
	MaxKindVersion = 1 << 31

	// MaxFounders is how many identities found a space: they are copied into every replica's memory.
	MaxFounders = 16

	// MaxChanges is how many changes of the schema count of each founder: one a month for five years. Each founder has room of
	// their own, so that one who floods the space takes none from the others.
	MaxChanges = 64

	// MaxChangesBytes is how long the bodies of a founder's changes are before the one that is the last to count: a thousand
	// bytes for each one, which is a dozen fields. Whoever may write can bring any of them together anew in
	// each commit, so they bound what a replica does for one commit: to put 80 KiB of declarations together and join those
	// of twenty fields takes it two milliseconds.
	MaxChangesBytes = 64 << 10

	// MaxChange is the longest body of a change, in bytes: what a program adds at once.
	MaxChange = 16 << 10

	// SaltSize is the length of the first commit's salt, in bytes: two spaces made of equal parts at
	// the same moment still have different ids.
	SaltSize = 16

	// MaxProofPath is how many commits lie between an attested commit and the fork in a proof of equivocation.
	// Past it the proof waits for a nearer attestation. 256 envelopes of usual size are 64 KiB.
	MaxProofPath = 256

	// MaxProof is the longest encoded proof of equivocation, in bytes: it fits into one message of a stream.
	MaxProof = 2 << 20
)
