/** Kinds: what a space holds, said once, in the manifest that every replica of every language shares. */
import { type Value, encode } from './cbor.js'
import { HhsError } from './errors.js'
import { maxFields, maxKindVersion } from './limits.js'
import { type Fields, checkFields, isKindName, listed } from './shapes.js'

/** Names a field cannot have, because a space has them itself. */
const reserved: ReadonlySet<string> = new Set([
  'id', 'kind', 'update', 'link', 'words', 'status', 'subscribeStatus', 'ready', 'setName', 'names', 'peers', 'info', 'held', 'receipt',
  'addServers', 'leave', 'then', 'constructor', 'attach', 'get', 'toString', 'valueOf', 'toJSON', 'node', '__proto__',
  'undo', 'redo', 'undoState', 'subscribeUndo', 'schema', 'upgrade', 'subscribeSchema',
  'version', 'history', 'at', 'atJudgedNow', 'diff', 'openBlob', 'byType', 'backlinks',
  'subscribeHeld', 'subscribeErrors', 'subscribeNames', 'subscribePeers', 'invitation',
])

/** A kind of space. `kind` is a name its author owns (`example.org/chat`); a higher `version` adds to what spaces of it have. */
export class SpaceKind<F extends Fields = Fields> {
  /** The manifest as a value, the same in every language. */
  readonly manifest: { [key: string]: Value }
  /** The manifest's canonical bytes. */
  readonly bytes: Uint8Array

  constructor(readonly kind: string, readonly version: number, readonly fields: F) {
    if (!isKindName(kind)) {
      throw new HhsError('invalid', `${JSON.stringify(kind)} is not a kind's name; use a domain you own and a path, such as example.org/chat`)
    }
    if (!Number.isInteger(version) || version < 1 || version > maxKindVersion) throw new HhsError('invalid', `version ${version} of ${kind} must be a whole number from 1`)
    const n = checkFields(fields, '', reserved)
    if (n > maxFields) throw new HhsError('invalid', `${kind} has ${n} fields; a kind has at most ${maxFields}, those inside maps and records included`)
    this.manifest = {
      $type: 'hhs/manifest',
      kind,
      version,
      fields: listed(fields),
      policy: 'open',
    }
    this.bytes = encode(this.manifest, 'manifest')
  }
}

/**
 * Defines a kind of space:
 *
 *     const Chat = defineSpace('example.org/chat', 1, {
 *       topic: register(string()),
 *       participants: set(identity()),
 *       messages: log({ text: string({ max: 4000 }) }),
 *     })
 */
export function defineSpace<F extends Fields>(kind: string, version: number, fields: F): SpaceKind<F> {
  return new SpaceKind(kind, version, fields)
}
