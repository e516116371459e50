/** Kinds: what a space holds, said once, in the manifest that every replica of every language shares. */
import { type Value, encode } from './cbor.js'
import { HhsError } from './errors.js'
import { maxFields, maxKind, maxKindVersion } from './limits.js'
import { type ObjectType, type Props, Schema, object } from './schema.js'

/** The replicated types this version knows. */
export type FieldType = 'register' | 'set' | 'log'

/** One field of a kind: a replicated type and the schema of the values in it. */
export class Field<K extends FieldType, T> {
  declare readonly type: T

  constructor(readonly name: K, readonly schema: Schema<T>) {}
}

/** The fields of a kind by name, in the order of declaration, which is part of the manifest. */
export type Fields = { [name: string]: Field<FieldType, any> }

/** A schema, or the properties of an object schema as a shorthand. */
export type SchemaOrProps = Schema<any> | Props
type TypeOf<S> = S extends Schema<infer T> ? T : S extends Props ? ObjectType<S> : never

function schemaOf(s: SchemaOrProps): Schema<any> {
  return s instanceof Schema ? s : object(s)
}

/** One value; the last write wins, and concurrent writes are both kept until someone writes again. */
export function register<S extends SchemaOrProps>(schema: S): Field<'register', TypeOf<S>> {
  return new Field('register', schemaOf(schema))
}

/** A set of values; an add wins over a concurrent remove. */
export function set<S extends SchemaOrProps>(schema: S): Field<'set', TypeOf<S>> {
  return new Field('set', schemaOf(schema))
}

/** A list that only grows, in causal order, each entry with its author and time. */
export function log<S extends SchemaOrProps>(schema: S): Field<'log', TypeOf<S>> {
  return new Field('log', schemaOf(schema))
}

/** Names a field cannot have, because a space has them itself. */
const reserved = new Set([
  'id', 'kind', 'update', 'link', 'words', 'status', 'subscribeStatus', 'ready', 'setName', 'names', 'peers', 'info', 'held', 'receipt',
  'addServers', 'leave', 'then', 'constructor', 'attach', 'get', 'toString', 'valueOf', 'toJSON', 'node', '__proto__',
])

/** A kind of space. `kind` is a name its author owns (`example.org/chat`); another `version` is another kind. */
export class SpaceKind<F extends Fields = Fields> {
  /** The manifest as a value, the same in every language. */
  readonly manifest: { [key: string]: Value }
  /** The manifest's canonical bytes. */
  readonly bytes: Uint8Array

  constructor(readonly kind: string, readonly version: number, readonly fields: F) {
    if (!/^[a-z0-9][a-z0-9.-]*(\/[A-Za-z0-9._-]+)+$/.test(kind) || kind.length > maxKind) {
      throw new HhsError('invalid', `${JSON.stringify(kind)} is not a kind's name; use a domain you own and a path, such as example.org/chat`)
    }
    if (!Number.isInteger(version) || version < 1 || version > maxKindVersion) throw new HhsError('invalid', `version ${version} of ${kind} must be a whole number from 1`)
    const names = Object.keys(fields)
    if (names.length === 0 || names.length > maxFields) throw new HhsError('invalid', `${kind} has ${names.length} fields; a kind has 1 to ${maxFields}`)
    for (const name of names) {
      if (!/^[A-Za-z_][A-Za-z0-9_]{0,127}$/.test(name)) throw new HhsError('invalid', 'a field name has letters, digits and _ only, and starts with no digit', name)
      if (reserved.has(name)) throw new HhsError('invalid', `a space has a member ${name} of its own; choose another name`, name)
    }
    this.manifest = {
      $type: 'hhs/manifest',
      kind,
      version,
      fields: names.map(name => ({ name, type: fields[name]!.name, schema: fields[name]!.schema.value })),
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
