/** An object's canonical bytes: as package object, so that a block fits one message of the mesh. Part of the format. */
export const maxBlock = 1 << 20

/** Nesting of lists and maps: as package object; keeps recursion shallow on hostile input. Part of the format. */
export const maxDepth = 32

/** Lists and maps in one block: as package object, bounds what a small block costs in memory. Part of the format. */
export const maxContainers = 1 << 14

/** Schemas inside each other, and in one schema: as package schema. Part of the format. */
export const maxSchemaDepth = 12
export const maxSchemaNodes = 1024

/** Bytes of the name of a property, tag or variant: as package schema. Part of the format. */
export const maxSchemaName = 128

/** Alternatives of an enum, and bytes of text in one: as package schema. Part of the format. */
export const maxEnum = 256
export const maxConst = 1024

/** Bytes of a kind's name, and its highest version: as package authority. Part of the format. */
export const maxKind = 128
export const maxKindVersion = 2 ** 31

/** Fields of a kind, those inside maps and records included, and bytes of the name of one: as package authority. Part of the format. */
export const maxFields = 256
export const maxFieldName = 128

/** Shapes inside each other: as package authority. Part of the format. */
export const maxShapeDepth = 8

/** Bytes of a key of a map: as package crdt. Part of the format. */
export const maxKey = 1024

/** Bytes of a chunk of a blob, and of the largest blob: as package blob. Part of the format. */
export const blobChunk = 256 << 10
export const maxBlob = 2 ** 38

/** Steps of the path of a reference: as package object. Part of the format. */
export const maxRefPath = 16

/** Text of one `did:key`: as package schema; Ed25519 takes 56, the rest is room for larger keys. Part of the format. */
export const maxIdentityBytes = 128

/** Entries one read of a log, set or map returns at most: keeps one message between worker and page under a few milliseconds. */
export const maxEntries = 1000

/** Entries a log shows when the caller names no number. */
export const defaultEntries = 100

/** Times a text longer than one answer is begun to be read: who writes meanwhile makes it begin again. */
export const maxReadTries = 20

/** Bytes of a file that the engine takes in at once. */
export const filePiece = 256 << 10

/** Units of text that one update of an editor inserts: it travels whole. */
export const maxInsert = 200_000

/** Milliseconds between two updates of an editor up to which one undo takes back both: it then takes back what was typed in one go. */
export const undoWithin = 1000

/** Ticks of a second without a sign of life after which the page closes the worker's direct connections. */
export const heartbeatsUntilClosed = 5

/** Ticks of a second without a sign of life after which the page replaces the worker. */
export const heartbeatsUntilRestart = 20

/** Engine starts allowed within `restartWindow`, without a write stored in between, before the page stops trying and says so. */
export const maxRestarts = 4

/** Times a put is begun: once, and again after each of the restarts that a page makes in a minute. */
export const maxPutTries = 1 + maxRestarts

/** Milliseconds in which `maxRestarts` are counted. */
export const restartWindow = 60_000

/** Milliseconds one step of a fold may take, ignored ops of a fold that are kept, and code points of a reason. As in Go; docs/spec/fold.md. */
export const maxFoldStep = 2000
export const maxFoldIgnored = 256
export const maxFoldReason = 200

/** Ops between two snapshots of a fold, and bytes of the snapshots of one, with the ignored ops that they keep. */
export const foldEvery = 16
export const maxFoldSnapshots = 8 << 20

/** Milliseconds another tab may stay silent while a call waits for it. */
export const otherTabSilence = 5_000

/** Bytes in flight between page and worker for one pumped data channel, in each direction. */
export const pumpCredit = 1 << 20
