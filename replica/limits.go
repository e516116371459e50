package replica

import (
	"time"

	"github.com/hyperhyperspace/hhs-go/history"
)

// Limits of a replica. None of them is part of a format: a node may be given
// other ones, except where the comment says that peers rely on it.
const (
	// MaxPayload bounds one op's value, in bytes. Larger values are blobs.
	// Every peer checks the same bound (history checks it on arrival).
	MaxPayload = 64 << 10
	// MaxAttachObjects and MaxAttachBytes bound what one commit may bring
	// along, so that a commit always fits one message of a session.
	MaxAttachObjects = 1000
	MaxAttachBytes   = 1 << 20
	// MaxUndone and MaxUndoneBytes bound the ops, and the bytes of their values,
	// of all commits that one undo names: a short op must not make peers work for
	// long. Any one commit can be taken back. They are part of the format.
	MaxUndone      = history.MaxOps
	MaxUndoneBytes = 2 * history.MaxCommit
	// flipSize and opSize are about how much is written when one op is taken back, for each byte of its value and for the op.
	flipSize = 5
	opSize   = 100
	// maxUndoReach is how many of its own commits a device looks at for the next
	// step to take back or make again: some 10 ms. Every step taken back is two.
	maxUndoReach = 2048
	// maxTx bounds the values and attached objects of one transaction, in
	// bytes: with its envelope a commit stays within history.MaxCommit, which
	// every peer holds it to.
	maxTx = history.MaxCommit - history.MaxEnvelope
	// maxSigning bounds the signatures asked for and not answered: a signer
	// that never answers must not pile up goroutines.
	maxSigning = 64
	// maxLane bounds the Updates waiting for the lane: past it callers are
	// told at once instead of piling up behind a signer that does not answer.
	maxLane = 1024
	// maxGroup and maxGroupBytes bound how many waiting Updates share one
	// attestation and one store transaction.
	maxGroup      = 256
	maxGroupBytes = 512 << 10
	// undoSize is what an undo or redo counts there: two of the largest fit into one transaction, and their one
	// attestation allows no parts.
	undoSize = maxGroupBytes / 2
	// maxOpen bounds the commits made on one version of the space while others
	// write all the time: after them what is there is looked at anew, so that
	// reads inside an edit see what peers wrote, and the version is let go.
	maxOpen = 4 * maxGroup
	// lingering is how long an edit acknowledged in memory waits for others to
	// share its signature and transaction: less than a person notices, more than
	// a program takes to write a few hundred.
	lingering = 20 * time.Millisecond
	// maxPendingChanges bounds what one slow subscriber may keep waiting;
	// past it its changes are replaced by one that says "read again".
	maxPendingChanges = 4096
	// maxPendingBytes bounds their keys and values likewise: values of 64 KiB
	// would be a quarter of a gigabyte otherwise.
	maxPendingBytes = 4 << 20
	// maxRecent bounds each generation of a node's recently admitted ids: some
	// 2 MB in all, and twice the commits of a large batch.
	maxRecent = 8192
	// maxChains bounds each generation of the authors a space remembers, some
	// 250 bytes each: a thousand spaces with twice as many hold 32 MB. The
	// others are a scan away.
	maxChains = 64
	// maxBranches bounds the branches of those in a generation, some 400 bytes
	// each: only an attacker has more than a few.
	maxBranches = 1 << 17
	// maxRejects is how many refusals are remembered with their reason.
	maxRejects = 64
	// maxAckHeads bounds the heads remembered per device that acknowledged.
	maxAckHeads = 64
	// maxDevices bounds the devices whose acknowledgements are counted.
	maxDevices = 4096
	// readmitBatch is what a rebuild puts through the door at once: enough for
	// the signatures of a batch to be checked together.
	readmitBatch = 4 << 20
	// maxDamage bounds the damaged commits that are named one by one, and the
	// missing ones that are waited for; past it they are only counted.
	maxDamage = 256
	// maxLost bounds the damaged commits whose ids are looked for: a copy with
	// more of them is to be fetched as a whole.
	maxLost = 1 << 16
	// maxLogScan is how many commits one page of Space.Log looks at, when few of
	// them are about what is asked for: some ten milliseconds.
	maxLogScan = 20_000
	// maxLogBytes is after how many bytes, values included, a page of Space.Log ends,
	// whatever was asked for: a page is held in memory, and a screen shows less.
	maxLogBytes = 1 << 20
	// maxUndoneBy bounds the undos that are told of one commit: one of them matters, and a person
	// can take back any number of own commits any number of times.
	maxUndoneBy = 16
	// maxFindLooks is how many values one page of a query looks at, when most of them
	// are not shown any more: some ten milliseconds for a thousand.
	maxFindLooks = 4096
	// maxFindRead is after how many bytes of commits and attached objects a page of a query ends,
	// shown or not: one of each is less, so that a page always comes further.
	maxFindRead = 2 * history.MaxCommit
	// maxFindBytes is after how many bytes of values a page of a query ends, whatever was
	// asked for: it and one value more fit into one answer of the engine in a browser.
	maxFindBytes = 1 << 18
	// maxTypes bounds the types by which one op can be found. Only what inserts into a list
	// brings more than one, and facts must not take much more room than what they are about. The
	// facts of links need no bound: of 36 bytes there is one for a link, which takes 41 in a value,
	// and two for a reference, which takes 62 and more.
	maxTypes = 256
	// maxTouches bounds what the journal keeps of one value, some 100 bytes each:
	// past it two neighbours become one, and a reader goes back further than needed.
	maxTouches = 256
	// maxTouched bounds the values of a space that a journal is kept of.
	maxTouched = 256
	// maxKept bounds what is kept beside a space for the layer above: states of
	// folds, of which a screen shows a few, and each may hold 30 MB (internal/fold).
	maxKept = 32
	// MaxDiff bounds the changes that one Diff tells.
	MaxDiff = 10_000
	// maxNodesKept bounds the nodes of blobs that are kept decoded, 42 KiB each.
	maxNodesKept = 32
	// maxPuts bounds the puts that ended before their blob was whole and can be resumed: past it the oldest is dropped.
	maxPuts = 16
	// putPatience and blobGrace are how long such a put, and a blob that nothing names yet, are left alone.
	putPatience = 24 * time.Hour
	blobGrace   = time.Hour
	// putBatch is about how many bytes of chunks are written at once: a few chunks, of which a page's store makes one
	// value of its journal.
	putBatch = 1 << 20
	// maxAsides bounds the damaged copies of one space that are kept beside it.
	maxAsides = 4
	// maxBuild is after how many writes those of a past version are put into its state: some
	// milliseconds' work in a page, whose events have their turn in between.
	maxBuild = 2048
	// maxTidy is how many bytes of such a state are copied at once: they stay together in memory as long as any of them.
	maxTidy = 64 << 10
	// maxNumsApart is how many numbers of a numSet are looked through one by one.
	maxNumsApart = 256
)

// partSize is after how many bytes the door ends a transaction of the store and goes on with the batch in another: the
// last undo of one may add some 25 MB, and store.MaxBatch is what all may take.
var partSize = 16 << 20

// maxPast is how many bytes of memory reading one past version may take: some
// hundred thousand entries of logs and sets.
var maxPast = 128 << 20

// readmitCut bounds what a rebuild holds of one space when nothing vouches for
// its last commits: the door has let them in, in a batch of history.MaxBatchSize at
// most, so that many bytes of them are worth carrying on.
var readmitCut = readmitLimits{commits: 8192, size: history.MaxBatchSize, tail: history.MaxBatchSize}

// readmitLimits say where a list of commits ends.
type readmitLimits struct {
	commits, size int // read since the one before
	tail          int // of what is carried on, as history.CommitSize counts it
}

// What is remembered of changes of the schema, so that a commit in a space where it changed costs no more than its own part.
const (
	// maxKinds is of how many combinations of changes what was put together is kept: the versions that people are at while
	// they write at the same time. One may have 256 fields of each founder.
	maxKinds = 16

	// maxChangesKept is how much memory changes that were read are to take, bodies counted: more than counts of sixteen
	// founders. Once its fields were asked for, a change takes up to fifteen times its body.
	maxChangesKept = 3 << 20

	// changeSize is what one takes besides its body and its past.
	changeSize = 512
)
