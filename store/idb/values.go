package idb

// values is what the engine needs of a database: numbered values in three places, one record in a fourth, and an epoch
// that tells who writes. Each method is one transaction. Errors have the identities of package store; a change that
// failed has had no effect, unless the error is errUnsettled. It is safe for concurrent use.
type values interface {
	// takeOver raises the epoch, so that changes of every earlier opener fail from now on, and returns the manifest.
	// Where there is no room for that, the first change that succeeds takes over, if nobody has changed anything since.
	takeOver() (manifest []byte, err error)
	// epoch returns the number of this opener; ok is false while it has not taken over for lack of room.
	epoch() (n uint64, ok bool)
	// owned reports whether the epoch is still this opener's.
	owned() bool
	// read returns up to count values with numbers of at least first, in order of their numbers. A value that is not
	// bytes is nil.
	read(p place, first uint64, count int) ([][]byte, error)
	// apply performs one change, all of it or nothing.
	apply(c *change) error
}

// place is one object store.
type place uint8

const (
	journalPlace place = iota
	blocksPlace
	chunksPlace // of format 1; empty after migration
)

// span is a range of numbers, both ends included.
type span struct{ first, last uint64 }

// change is one readwrite transaction. What writes or drops anything but blocks is fenced by the epoch; blocks need no
// fence, because their numbers begin with the epoch of who writes them.
type change struct {
	entry    []byte   // journal entry to add
	next     uint64   // its number
	first    uint64   // number of the first of blocks
	blocks   [][]byte // values to put
	manifest []byte   // replaces the manifest and drops the journal entries up to covered
	covered  uint64
	chunks   bool   // drops the snapshot of format 1
	free     []span // blocks to drop
	strict   bool   // acknowledged when it is on disk
}

// fenced reports whether the change is only for the latest opener.
func (c *change) fenced() bool { return len(c.blocks) == 0 && len(c.free) == 0 }
