package history

// The wire form of a batch, docs/spec/history.md. Its first byte is its version: the form may change
// with a new one, the envelopes and parts it rebuilds may not.
const batchFormat = 1

// Flags of a commit, its first byte. Bit 7 is not used and is 0.
const (
	flagSameAuthor = 1 << 0 // the author is that of the commit before it in the batch
	flagChained    = 1 << 1 // prev is the author's last commit in the batch, seq the next
	maskParents    = 3 << 2 // one of the parents* values
	flagGrant      = 1 << 4 // another grant than the commit before it (the first: than the manifest's 0)
	flagEpoch      = 1 << 5 // another epoch than the commit before it (the first: than 0)
	flagShort      = 1 << 6 // one op, with a payload and no refs, in one present part that attaches nothing
	flagUnused     = 1 << 7
)

const (
	parentsNone = 0 << 2
	parentsLast = 1 << 2 // one: the commit before it in the batch
	parentsList = 2 << 2
)

// How a part is sent.
const (
	partAbsent = 0 // its digest
	partRaw    = 1 // its bytes: one that is not what its ops describe
	partFields = 2 // salt, payloads and attached objects; lengths are those of the ops
)

// How a grant is sent, from 2 on the manifest's grant less 2.
const (
	grantNone  = 0
	grantOp    = 1
	grantIndex = 2
)

// smallestCommit is the least a commit takes: flags, time, number of ops, number of parts.
const smallestCommit = 4

// name is what an op does, as the table of names has it.
type name struct{ field, action string }
