/**
 * Shapes: of what a field of a kind is made. A leaf holds values of a schema (or, a counter, a number); a map and a record hold
 * further shapes. A shape carries the TypeScript types of all that is inside it.
 */
import type { Value } from './cbor.js'
import { encode, isWellFormed, joinPath } from './cbor.js'
import { HhsError } from './errors.js'
import type { FoldDefinition, FoldOp, Ignored } from './foldrun.js'
import { maxFieldName, maxKey, maxKind, maxKindVersion, maxShapeDepth } from './limits.js'
import { type ObjectType, type Props, Schema, object } from './schema.js'

/** The replicated types this version knows. */
export type FieldType = 'register' | 'once' | 'set' | 'growset' | 'log' | 'counter' | 'list' | 'text' | 'fold' | 'map' | 'record'

/** What a shape is made of, apart from its type. */
interface Inside {
  /** Of a leaf, but a counter and a text: the schema of its values. */
  schema?: Schema<any>
  /** Of a fold: its function. */
  fold?: FoldDefinition
  /** Of a map: what stands at each key. */
  of?: Shape
  /** Of a record: its properties. */
  fields?: Fields
}

/** One field of a kind, or what is inside one: a replicated type. T is the type of a leaf's values, the shape in a map, the properties of a record. */
export class Field<K extends FieldType, T> {
  declare readonly type: T

  constructor(readonly name: K, readonly inside: Inside) {}

  /** The shape as data, without a name. */
  get value(): { [key: string]: Value } {
    const { schema, of, fields, fold } = this.inside
    const out: { [key: string]: Value } = { type: this.name }
    if (fold) Object.assign(out, { fold: fold.name, version: fold.version })
    if (schema) out.schema = schema.value
    if (of) out.of = of.value
    if (fields) out.fields = listed(fields)
    return out
  }
}

/** Any shape. */
export type Shape = Field<FieldType, any>

/** The fields of a kind, or the properties of a record, by name, in the order of declaration, which is part of the manifest. */
export type Fields = { [name: string]: Shape }

/** Fields as the list that a manifest has. */
export function listed(fields: Fields): Value[] {
  return Object.entries(fields).map(([name, f]) => ({ name, ...f.value }))
}

/** A schema, or the properties of an object schema as a shorthand. */
export type SchemaOrProps = Schema<any> | Props
type TypeOf<S> = S extends Schema<infer T> ? T : S extends Props ? ObjectType<S> : never

function leaf<K extends FieldType, S extends SchemaOrProps>(name: K, s: S): Field<K, TypeOf<S>> {
  return new Field(name, { schema: s instanceof Schema ? s : object(s) })
}

/** One value; the last write wins, and concurrent writes are both kept until someone writes again. */
export function register<S extends SchemaOrProps>(schema: S): Field<'register', TypeOf<S>> {
  return leaf('register', schema)
}

/** One value that is set once and then stays; of concurrent ones the same one is shown everywhere. */
export function once<S extends SchemaOrProps>(schema: S): Field<'once', TypeOf<S>> {
  return leaf('once', schema)
}

/** A set of values; an add wins over a concurrent remove. */
export function set<S extends SchemaOrProps>(schema: S): Field<'set', TypeOf<S>> {
  return leaf('set', schema)
}

/** A set of values from which nothing is removed. */
export function growset<S extends SchemaOrProps>(schema: S): Field<'growset', TypeOf<S>> {
  return leaf('growset', schema)
}

/** A list that only grows, in causal order, each entry with its author and time. */
export function log<S extends SchemaOrProps>(schema: S): Field<'log', TypeOf<S>> {
  return leaf('log', schema)
}

/** A number to which everybody adds: the sum is exact, also of what is added at the same time. */
export function counter(): Field<'counter', number | bigint> {
  return new Field('counter', {})
}

/** Values in an order that their writers choose: insert, delete, set. What is inserted at the same time in one place is never mixed. For lists inside a value see `array`. */
export function list<S extends SchemaOrProps>(schema: S): Field<'list', TypeOf<S>> {
  return leaf('list', schema)
}

/** Plain text that many people write at once. */
export function text(): Field<'text', string> {
  return new Field('text', {})
}

/** What a fold's field carries for the compiler: the type of its state, and that of its ops. */
export interface FoldTypes<S, Op> {
  state: S
  op: Op
}

/**
 * A type of your own: a state that a function makes of ops, one after another, in one order everywhere.
 *
 *     const auction = fold({ name: 'example.org/auction', version: 1, op: { bid: integer({ min: 0 }) }, initial: { best: 0 },
 *       step: (a, op) => op.value.bid > a.best ? { best: op.value.bid } : ignored('not more than the best bid') })
 *
 * The function must give the same for the same state and op, always and everywhere: no clock, no random numbers, nothing kept between calls.
 * It runs in the page's own thread: one that never ends stops the page. A state is a value as others are, of whole numbers where it counts. Another
 * function, or another state, is another `version`.
 */
export function fold<S, O extends SchemaOrProps>(fold: {
  name: string
  version: number
  op: O
  initial: S
  step(state: S, op: FoldOp<TypeOf<O>>): NoInfer<S> | Ignored
}): Field<'fold', FoldTypes<S, TypeOf<O>>> {
  const { op, ...definition } = fold
  return new Field('fold', { ...leaf('log', op).inside, fold: definition })
}

/** What a map may hold. */
export type InMap = Field<'register' | 'once' | 'counter' | 'set' | 'growset' | 'record', any>
const inMap: readonly FieldType[] = ['register', 'once', 'counter', 'set', 'growset', 'record']

/** Values by key, in the order of the keys. Records in a map are made and removed; of a concurrent make and remove the make wins. */
export function map<V extends InMap>(of: V): Field<'map', V> {
  return new Field('map', { of })
}

/** Several values under names, each written by itself. */
export function record<F extends Fields>(fields: F): Field<'record', F> {
  return new Field('record', { fields })
}

/** Names a property of a record cannot have: the members of a record's handle, and what every JavaScript object has. */
const reserved = new Set(['get', 'entry', 'subscribe', 'watch', 'then', 'constructor', 'toString', 'valueOf', 'toJSON', '__proto__'])

/** Checks a shape and those inside it, as Go's package authority does, and returns how many they are. */
function checkShape(f: unknown, path: string, depth: number): number {
  if (!(f instanceof Field)) throw new HhsError('invalid', 'is not made by register, set, map or the like', path)
  if (depth > maxShapeDepth) throw new HhsError('invalid', `deeper than ${maxShapeDepth} maps and records`, path)
  const { of, fields, fold } = f.inside
  if (fold) checkFold(fold, path)
  if (of) {
    const at = `${path}[...]`
    const n = checkShape(of, at, depth + 1)
    if (!inMap.includes(of.name)) throw new HhsError('invalid', `a map holds no ${of.name}; put it into a record`, at)
    return 1 + n
  }
  return 1 + (fields ? checkFields(fields, path, reserved, depth + 1) : 0)
}

function checkFold(f: FoldDefinition, path: string): void {
  if (!isKindName(f.name)) throw new HhsError('invalid', `${JSON.stringify(f.name)} is not a fold's name; use a domain you own and a path, such as example.org/auction`, path)
  if (!Number.isInteger(f.version) || f.version < 1 || f.version > maxKindVersion) throw new HhsError('invalid', `version ${f.version} of ${f.name} must be a whole number from 1`, path)
  if (typeof f.step !== 'function') throw new HhsError('invalid', `${f.name} has no function step`, path)
  encode(f.initial, `${path}: the initial state of ${f.name}`)
}

/** The names of kinds and folds: a domain in lower case, then steps of a path. */
export function isKindName(name: string): boolean {
  return /^[a-z0-9][a-z0-9.-]*(\/[A-Za-z0-9._-]+)+$/.test(name) && name.length <= maxKind
}

/** Checks names and shapes of a kind or record, and returns how many shapes there are, those inside others included. */
export function checkFields(fields: Fields, path: string, taken: ReadonlySet<string>, depth = 1): number {
  const all = Object.entries(fields)
  if (all.length === 0) throw new HhsError('invalid', path ? 'a record has at least one property' : 'a kind has at least one field', path)
  let n = 0
  for (const [name, f] of all) {
    const at = joinPath(path, name)
    if (!/^[A-Za-z_]\w*$/.test(name) || name.length > maxFieldName) throw new HhsError('invalid', 'a name has letters, digits and _ only, and starts with no digit', at)
    if (taken.has(name)) throw new HhsError('invalid', `its handle has a member ${name} of its own; choose another name`, at)
    n += checkShape(f, at, depth)
  }
  return n
}

const utf8 = new TextEncoder()

/** The path of a map's key in messages: `items["milk"]`. */
export function keyPath(path: string, key: string): string {
  return `${path}[${JSON.stringify(key)}]`
}

/** Checks a key of a map; text that could not come back as it is is refused. */
export function checkKey(key: unknown, path: string): string {
  if (typeof key !== 'string') throw new HhsError('value', `a key is text, not ${typeof key}`, path)
  if (!isWellFormed(key)) throw new HhsError('value', 'text with a lone surrogate (half of a character) cannot be a key', keyPath(path, key))
  const n = utf8.encode(key).length
  if (n === 0 || n > maxKey) throw new HhsError('value', `a key has 1 to ${maxKey} bytes, not ${n}`, keyPath(path, key.slice(0, 40)))
  return key
}
