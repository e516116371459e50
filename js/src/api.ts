/** What applications import, apart from `open`, which depends on where it runs. */
export type { BlobHandle, PutBlobOptions, ReadBlobOptions } from './blobs.js'
export { DecodeError, type DecodeReason, Float, type Value, decode, encode } from './cbor.js'
export type { EngineState, Phase } from './client.js'
export type { Handle, HandleAt, Handles, MapEntry, MapHandle, MapPage, MapRange, Plain, RecordHandle } from './composed.js'
export { SpaceKind, defineSpace } from './define.js'
export { type ErrorCode, HhsError } from './errors.js'
export type { CounterHandle, Entry, LogHandle, LogPage, LogRange, RegisterHandle, SetHandle } from './fields.js'
export type { FileOptions, FileProgress, FileSource, Imported } from './files.js'
export { Link, type LinkCodec } from './link.js'
export type { FoldHandle, Folded } from './fold.js'
export { type FoldDefinition, FoldError, type FoldOp, type Ignored, type IgnoredOp, ignored } from './foldrun.js'
export type { SubscribeOptions, Unsubscribe } from './live.js'
export type { Candidate, CreateOptions, HhsNode, JoinOptions } from './node.js'
export type { OpenOptions } from './options.js'
export type { Difference, HistoryEntry, HistoryOp, HistoryPage, HistoryQuery, Past } from './past.js'
export {
  type BlobValue, type Infer, type RefValue, type Rule, Schema, Violation, any, array, blob, bool, bytes, float, identity, integer, link, literal, object, oneOf,
  optional, ref, string, union,
} from './schema.js'
export { type Field, type FieldType, type Fields, type FoldTypes, counter, fold, growset, list, log, map, once, record, register, set, text } from './shapes.js'
export type { ListHandle, ListRange, Side, TextEdit, TextHandle, TextNews } from './sequences.js'
export type { Invitation, Peer, Receipt, SchemaChange, SchemaInfo, Space, SpaceInfo, Status, UndoOptions, UndoState, Undone, UpdateOptions } from './space.js'
export type { CounterWriter, FoldWriter, GrowSetWriter, Initial, ListWriter, LogWriter, MapWriter, RegisterWriter, SetWriter, TextWriter, Writer, Writers } from './tx.js'
