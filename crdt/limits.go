package crdt

import "github.com/hyperhyperspace/hhs-go/history"

const (
	// MaxValue is the largest value one op may write, in bytes of canonical CBOR. What is larger belongs into a blob,
	// which is fetched lazily and verified by chunk; an op travels and is stored whole.
	MaxValue = 64 << 10

	// MaxRefs is how many ops one op may name. Each is an edge of its commit, so the door's work grows with it; a removal
	// that covers more adds is written as several ops (SetRemove).
	MaxRefs = history.MaxRefs

	// MaxInlineKey is the longest canonical value that serves as its own key in a set. Longer values are keyed by their
	// SHA-256, so that a key is never long and a removal of a long value is short. It is part of the format.
	MaxInlineKey = 128

	// MaxBundle is how many bytes of live ops of one key are kept together. Most keys have one live op of a hundred bytes;
	// a value rewritten with each concurrent op must not grow with their number, which a writer with many keys controls.
	MaxBundle = 4 << 10

	// MaxKey is the longest key of a map, in bytes: as long as any name or path people use. It stands in the path of every
	// op below it and in the key of every state entry.
	MaxKey = 1024

	// maxSteps is how many steps a path has at most: eight shapes inside each other (authority.MaxDepth), and a record
	// that is made counts twice.
	maxSteps = 16

	// MaxPathBytes is more than any path takes in an op, in bytes.
	MaxPathBytes = maxSteps * (MaxKey + 4)

	// MaxClear is how many elements one transaction takes out of a set at once: each takes an op, of which a commit has
	// at most 4,096.
	MaxClear = 2048

	// maxShownKey is how much of a key stands in a reason, in bytes.
	maxShownKey = 40

	// MaxReason bounds the text kept for an ignored op: anyone who may write can make ignored ops, so they must be small.
	MaxReason = 160
)

const (
	// MaxEdits is how many insertions and deletions one op on a sequence may carry. A keystroke that goes on where the one
	// before it stopped is no edit of its own; a program that changes many places writes several ops.
	MaxEdits = 256

	// MaxDeleted is how many elements one op may delete: what it deletes is kept with it, so that a change of verdict finds
	// it, and a few bytes must not make a state of megabytes.
	MaxDeleted = 16 << 10

	// MaxStretches is how many stretches one op may delete: elements that one op inserted one after the other. Each is kept
	// with the op, and found again when its verdict changes: a deletion is a few bytes, and must cost about what as many bytes
	// cost that insert. A writer who deletes more writes several ops (SeqWriter).
	MaxStretches = MaxEdits

	// MaxErased is how many elements the ops of one commit may say they delete, each op counted with MaxStretches at most, and
	// how many all commits that one undo names: what is kept of them, and looked for when they are taken back, is as much.
	// With it a commit keeps some 300 kB, and an undo of it takes less than a second. Whoever deletes more uses several
	// transactions. It is part of the format.
	MaxErased = 64 << 10

	// MaxTold is how much one change of a list tells, in bytes: a few bytes may delete MaxDeleted values of 64 KiB each, or
	// bring them back, and who watches must not need memory for all of them.
	MaxTold = 3 << 20

	// maxSaid and maxSaidLooks bound what a history tells of the elements an op deleted, in bytes and in places they are read
	// from: a page of it is read for people.
	maxSaid      = 16 << 10
	maxSaidLooks = 256

	// maxPage and maxKids bound a page of a sequence: an edit reads and writes a leaf and its ancestors.
	maxPage = 4 << 10
	maxKids = 64

	// maxPiece is the longest stretch of one insertion that is kept together, in bytes of text or values: a quarter of a page.
	maxPiece = 1 << 10

	// maxPagesKept bounds the pages an Env keeps decoded from one op to the next, about 1 MiB.
	maxPagesKept = 64

	// maxWriters bounds the ops an Env keeps decoded for what they inserted, in bytes: those of some screens of a list, a few
	// where they are large.
	maxWriters = 4 << 20

	// maxListed is how many elements of a list are read at once at most, in the order of the ops that wrote them: whoever
	// reads many goes through fewer ops than elements, and holds some megabytes if each value is as large as it can be.
	maxListed = 256

	// maxViews is how many pasts of concurrent ops an Env knows how to look from: one for each author who types at once.
	maxViews = 4
)
