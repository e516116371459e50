/**
 * schema/1: the closed language in which a kind says what its values may be, as in Go's package schema. A schema is plain data
 * (`Schema.value`, part of the manifest); the functions here build that data and carry the TypeScript type of what it accepts.
 *
 *     const Item = object({ name: string({ max: 100 }), count: integer({ min: 1 }), note: optional(string()) })
 *     type Item = Infer<typeof Item>   // { name: string; count: number; note?: string }
 */
import { Float, type Value, compareKeys, describe, encode, isPlain, isWellFormed, joinPath } from './cbor.js'
import { HhsError } from './errors.js'
import { blobChunk, maxBlob, maxConst, maxEnum, maxIdentityBytes, maxKey, maxRefPath, maxSchemaDepth, maxSchemaName, maxSchemaNodes } from './limits.js'
import { Link } from './link.js'

/** The keyword a value breaks, the same words as in Go and in testdata/vectors/schema.json. */
export type Rule = 'type' | 'min' | 'max' | 'maxBytes' | 'const' | 'enum' | 'required' | 'unknown' | 'tag' | 'identity' | 'blob' | 'ref'

/** A value that its schema refuses: which keyword, where. */
export class Violation extends HhsError {
  constructor(readonly rule: Rule, why: string, path: string) {
    super('schema', why, path)
    this.name = 'Violation'
  }
}

type Data = { [key: string]: Value }

/** A schema and, for the compiler, the type T of the values it accepts. Made by the functions below, read back by `parseSchema`. */
export class Schema<T> {
  /** Never present at run time: carries T. */
  declare readonly type: T

  private constructor(readonly value: Data) {}

  /** Checks the form of a schema read from anywhere; an unknown keyword is refused by name (`invalid`). */
  static parse<T = unknown>(v: unknown, path = 'schema'): Schema<T> {
    parse(v, path, 1, { nodes: 0 })
    return new Schema<T>(v as Data)
  }

  /** Judges one decoded value (floats as `Float`); throws `schema` with the path of the first offence. */
  check(v: unknown, path = ''): void {
    walk(this.value, v, path, true)
  }

  /** Checks an application's value and returns what is to be encoded: numbers where the schema says float become `Float`. */
  fit(v: unknown, path = ''): Value {
    return walk(this.value, v, path, false)
  }
}

/** The TypeScript type of the values a schema accepts. */
export type Infer<S> = S extends Schema<infer T> ? T : never

/** A property that may be absent; made by `optional`. */
export class Optional<T> {
  constructor(readonly schema: Schema<T>) {}
}

/** The properties of an object schema. */
export type Props = { [name: string]: Schema<unknown> | Optional<unknown> }

type Flat<T> = { [K in keyof T]: T[K] }
type PropType<P> = P extends Optional<infer T> ? T : P extends Schema<infer T> ? T : never
type OptionalNames<P extends Props> = { [K in keyof P]: P[K] extends Optional<unknown> ? K : never }[keyof P]

/** The TypeScript type of an object with these properties. */
export type ObjectType<P extends Props> = Flat<
  { [K in Exclude<keyof P, OptionalNames<P>>]: PropType<P[K]> } & { [K in OptionalNames<P>]?: PropType<P[K]> }
>

function make<T>(type: string, options: object = {}): Schema<T> {
  const value: Data = { type }
  for (const [k, v] of Object.entries(options)) if (v !== undefined) value[k] = v as Value
  return Schema.parse<T>(value, type)
}

/** Text; `min` and `max` count code points, `maxBytes` counts bytes of UTF-8. */
export function string(options: { min?: number; max?: number; maxBytes?: number } = {}): Schema<string> {
  return make('string', options)
}

interface IntegerOptions {
  min?: number | bigint
  max?: number | bigint
}

/**
 * A whole number of 64 bits. Beyond 2^53, where numbers lose digits, values are read as bigint and must be written as such; with
 * `big` the types say so.
 */
export function integer(options?: IntegerOptions): Schema<number>
export function integer(options: IntegerOptions & { big: true }): Schema<number | bigint>
export function integer(options: IntegerOptions & { big?: true } = {}): Schema<any> {
  const { big: _, ...bounds } = options
  return make('integer', bounds)
}

/** A 64-bit float. */
export function float(options: { min?: number; max?: number } = {}): Schema<number> {
  const wrap = (n: number | undefined) => (n === undefined ? undefined : new Float(n))
  return make('float', { min: wrap(options.min), max: wrap(options.max) })
}

/** true or false. */
export function bool(): Schema<boolean> {
  return make('bool')
}

/** Bytes, from `min` to `max` of them. */
export function bytes(options: { min?: number; max?: number } = {}): Schema<Uint8Array> {
  return make('bytes', options)
}

/** A link to an object. */
export function link(): Schema<Link> {
  return make('link')
}

/** A person: the `did:key:...` of an identity. */
export function identity(): Schema<string> {
  return make('identity')
}

/**
 * What stands for bytes of any size in a value: the root of their tree, which is the same for equal bytes, and how many they are. Made by
 * `node.putBlob`. Media type and name are what somebody said of them, and prove nothing.
 */
export interface BlobValue {
  $type: 'hhs/blob'
  root: Link
  size: number
  media?: string
  name?: string
}

/** Bytes of any size: a file, a picture. They are fetched when read, through `space.openBlob(value)`. */
export function blob(): Schema<BlobValue> {
  return make('blob')
}

/** A value in another space. It is shown as something outside this one, and nothing follows it over the network. */
export interface RefValue {
  $type: 'hhs/ref'
  space: Link
  /** The field, then keys and names of properties; absent: the space itself. */
  path?: string[]
}

/** A reference to a value in another space. */
export function ref(): Schema<RefValue> {
  return make('ref')
}

/** Exactly this value. */
export function literal<const T extends Value>(value: T): Schema<T> {
  return Schema.parse<T>({ const: value }, 'literal')
}

/** One of these values. */
export function oneOf<const T extends readonly Value[]>(...values: T): Schema<T[number]> {
  return Schema.parse<T[number]>({ enum: [...values] }, 'oneOf')
}

/** A list of values inside a value, from `min` to `max` of them, which is written whole. For a list that many people edit see the shape `list`. */
export function array<T>(items: Schema<T>, options: { min?: number; max?: number } = {}): Schema<T[]> {
  return make('list', { items: items.value, ...options })
}

/** An object with these properties and, unless `open`, no others. */
export function object<P extends Props>(props: P, options: { open?: boolean } = {}): Schema<ObjectType<P>> {
  const value: Data = { type: 'object' }
  const inner: Data = {}
  const required: string[] = []
  for (const [name, p] of Object.entries(props)) {
    const absent = p instanceof Optional
    inner[name] = (absent ? p.schema : p).value
    if (!absent) required.push(name)
  }
  if (Object.keys(inner).length > 0) value.props = inner
  if (required.length > 0) value.required = required.sort(byText)
  if (options.open) value.open = true
  return Schema.parse<ObjectType<P>>(value, 'object')
}

/** Marks a property of `object` as one that may be absent. */
export function optional<T>(schema: Schema<T>): Optional<T> {
  return new Optional(schema)
}

/** An object whose property `tag` says which of these it is: `union('kind', { circle: object({ r: float() }), ... })`. */
export function union<K extends string, M extends { [name: string]: Schema<object> }>(tag: K, of: M):
  Schema<{ [N in keyof M & string]: Flat<{ [P in K]: N } & Infer<M[N]>> }[keyof M & string]> {
  const value: Data = { type: 'union', tag, of: {} }
  for (const [name, s] of Object.entries(of)) (value.of as Data)[name] = s.value
  return Schema.parse(value, 'union')
}

/** Any value that can be stored. */
export function any(): Schema<any> {
  return make('any')
}

const utf8 = new TextEncoder()

/** Text order of `required`: by the bytes of UTF-8, as Go sorts. */
function byText(a: string, b: string): number {
  const [x, y] = [utf8.encode(a), utf8.encode(b)]
  for (let i = 0; i < Math.min(x.length, y.length); i++) if (x[i] !== y[i]) return x[i]! - y[i]!
  return x.length - y.length
}

/** Keys in the order of maps: shorter first, then by bytes. */
function sortedKeys(...maps: object[]): string[] {
  const names = new Set(maps.flatMap(m => Object.keys(m)))
  const keyed = [...names].map(name => ({ name, bytes: utf8.encode(name) }))
  return keyed.sort((a, b) => compareKeys(a.bytes, b.bytes)).map(k => k.name)
}

const keywords: { [type: string]: string[] } = {
  string: ['min', 'max', 'maxBytes'],
  integer: ['min', 'max'],
  float: ['min', 'max'],
  bool: [],
  bytes: ['min', 'max'],
  link: [],
  identity: [],
  blob: [],
  ref: [],
  list: ['items', 'min', 'max'],
  object: ['props', 'required', 'open'],
  union: ['tag', 'of'],
  any: [],
}

function refuse(path: string, why: string): never {
  throw new HhsError('invalid', why, path)
}

interface Count {
  nodes: number
}

/** Checks the form of a schema's data. */
function parse(v: unknown, path: string, depth: number, count: Count): void {
  if (!isPlain(v)) refuse(path, `a schema is an object, not ${describe(v)}`)
  if (depth > maxSchemaDepth) refuse(path, `more than ${maxSchemaDepth} schemas inside each other`)
  if (++count.nodes > maxSchemaNodes) refuse(path, `more than ${maxSchemaNodes} schemas in one`)
  if (Object.hasOwn(v, 'const')) return parseConstant(v, path)
  if (Object.hasOwn(v, 'enum')) return parseEnum(v, path)
  const type = v.type
  if (typeof type !== 'string' || !Object.hasOwn(keywords, type)) refuse(joinPath(path, 'type'), `not a type of schema/1, which are ${Object.keys(keywords).join(', ')}`)
  onlyKeys(v, path, ['type', ...keywords[type]!])
  parseBounds(v, type, path)
  if (type === 'list') parse(v.items, joinPath(path, 'items'), depth + 1, count)
  if (type === 'object') parseObject(v, path, depth, count)
  if (type === 'union') parseUnion(v, path, depth, count)
}

function onlyKeys(v: object, path: string, allowed: string[]): void {
  for (const k of sortedKeys(v)) if (!allowed.includes(k)) refuse(joinPath(path, k), `not a keyword here, where there are ${allowed.join(', ')}`)
}

function parseConstant(v: Record<string, unknown>, path: string): void {
  onlyKeys(v, path, ['const'])
  scalar(v.const, joinPath(path, 'const'))
}

function parseEnum(v: Record<string, unknown>, path: string): void {
  onlyKeys(v, path, ['enum'])
  const at = joinPath(path, 'enum')
  if (!Array.isArray(v.enum) || v.enum.length === 0 || v.enum.length > maxEnum) refuse(at, `a list of 1 to ${maxEnum} alternatives`)
  const seen = new Set<string>()
  v.enum.forEach((x: unknown, i) => {
    scalar(x, joinPath(at, i))
    const form = String(encode(x))
    if (seen.has(form)) refuse(joinPath(at, i), 'an alternative that stands there twice')
    seen.add(form)
  })
}

function scalar(v: unknown, path: string): void {
  if (Array.isArray(v) || isPlain(v)) refuse(path, 'not a single value: lists and maps have no place here')
  const size = typeof v === 'string' ? utf8.encode(v).length : v instanceof Uint8Array ? v.length : 0
  if (size > maxConst) refuse(path, `longer than ${maxConst} bytes`)
  encode(v, path)
}

function parseBounds(v: Record<string, unknown>, type: string, path: string): void {
  const least: { [k: string]: number } = { min: 1, max: 0, maxBytes: 1 }
  for (const k of ['min', 'max', 'maxBytes']) {
    const n = v[k]
    const at = joinPath(path, k)
    if (n === undefined && !Object.hasOwn(v, k)) continue
    if (type === 'float' ? !isFloat(n) : !isInteger(n)) refuse(at, `must be ${type === 'float' ? 'a float' : 'an integer'}, not ${describe(n)}`)
    if (type !== 'float' && type !== 'integer' && order(n) < least[k]!) refuse(at, `not an integer of at least ${least[k]}`)
  }
  if (v.min !== undefined && v.max !== undefined && order(v.min) > order(v.max)) refuse(joinPath(path, 'min'), 'greater than max')
}

function isName(name: string): boolean {
  const n = utf8.encode(name).length
  return n > 0 && n <= maxSchemaName
}

function parseObject(v: Record<string, unknown>, path: string, depth: number, count: Count): void {
  const props = Object.hasOwn(v, 'props') ? v.props : undefined
  if (Object.hasOwn(v, 'props')) {
    const at = joinPath(path, 'props')
    if (!isPlain(props) || Object.keys(props).length === 0) refuse(at, 'a map of at least one property')
    parseNamed(props, at, depth, count)
  }
  if (Object.hasOwn(v, 'open') && v.open !== true) refuse(joinPath(path, 'open'), 'is true or absent')
  if (!Object.hasOwn(v, 'required')) return
  const at = joinPath(path, 'required')
  if (!Array.isArray(v.required) || v.required.length === 0) refuse(at, 'a list of at least one name')
  v.required.forEach((name: unknown, i: number, all: unknown[]) => {
    if (typeof name !== 'string') refuse(joinPath(at, i), 'not a name')
    if (i > 0 && byText(all[i - 1] as string, name) >= 0) refuse(joinPath(at, i), 'names are sorted bytewise and stand there once')
    if (!Object.hasOwn(props ?? {}, name)) refuse(joinPath(at, i), 'not among props')
  })
}

function parseNamed(schemas: Record<string, unknown>, path: string, depth: number, count: Count): void {
  for (const name of sortedKeys(schemas)) {
    if (!isName(name)) refuse(joinPath(path, name), `a name has 1 to ${maxSchemaName} bytes`)
    parse(schemas[name], joinPath(path, name), depth + 1, count)
  }
}

function parseUnion(v: Record<string, unknown>, path: string, depth: number, count: Count): void {
  if (typeof v.tag !== 'string' || !isName(v.tag)) refuse(joinPath(path, 'tag'), `a name of 1 to ${maxSchemaName} bytes`)
  const of = v.of
  const at = joinPath(path, 'of')
  if (!isPlain(of) || Object.keys(of).length === 0) refuse(at, 'a map of at least one variant')
  parseNamed(of, at, depth, count)
  for (const name of sortedKeys(of)) {
    const it = of[name] as Record<string, unknown>
    if (it.type !== 'object') refuse(joinPath(at, name), 'a variant is an object')
    if (Object.hasOwn((it.props as object | undefined) ?? {}, v.tag)) {
      refuse(joinPath(at, name), 'names the tag, which the union adds by itself')
    }
  }
}

/** Checks v against a parsed schema and returns it, floats marked. In one pass over the value: work is linear in its size. */
function walk(s: Data, v: unknown, path: string, strict: boolean): Value {
  if (Object.hasOwn(s, 'const')) return among([s.const!], v, path, 'const')
  if (Object.hasOwn(s, 'enum')) return among(s.enum as Value[], v, path, 'enum')
  switch (s.type) {
    case 'string': return text(s, v, path)
    case 'integer':
      if (!isInteger(v)) wrong('an integer', v, path)
      return bounded(s, v, path)
    case 'float': {
      const x = !strict && typeof v === 'number' && Number.isFinite(v) ? new Float(v) : v
      if (!isFloat(x)) wrong('a float', v, path)
      return bounded(s, x, path)
    }
    case 'bool': return typeof v === 'boolean' ? v : wrong('true or false', v, path)
    case 'bytes':
      if (!(v instanceof Uint8Array)) wrong('bytes', v, path)
      sized(s, v.length, 'bytes', path)
      return v
    case 'link': return v instanceof Link ? v : wrong('a link', v, path)
    case 'identity': return did(v, path)
    case 'blob':
    case 'ref': return form(s.type, v, path)
    case 'list': return items(s, v, path, strict)
    case 'object': return properties(s, v, path, strict)
    case 'union': return variant(s, v, path, strict)
  }
  encode(v, path)
  return v as Value
}

function text(s: Data, v: unknown, path: string): string {
  if (typeof v !== 'string') wrong('a string', v, path)
  if (!isWellFormed(v)) throw new HhsError('value', 'text with a lone surrogate (half of a character) cannot be stored', path)
  if (s.maxBytes !== undefined) {
    const n = utf8.encode(v).length
    if (n > bound(s.maxBytes)) broken('maxBytes', `${n} bytes of text, at most ${String(s.maxBytes)} allowed`, path)
  }
  let points = 0
  for (const _ of v) points++
  sized(s, points, 'characters', path)
  return v
}

function sized(s: Data, n: number, unit: string, path: string): void {
  if (s.min !== undefined && n < bound(s.min)) broken('min', `${n} ${unit}, at least ${String(s.min)} needed`, path)
  if (s.max !== undefined && n > bound(s.max)) broken('max', `${n} ${unit}, at most ${String(s.max)} allowed`, path)
}

function bounded(s: Data, v: number | bigint | Float, path: string): number | bigint | Float {
  if (s.min !== undefined && order(v) < order(s.min)) broken('min', `${String(order(v))} is below the minimum ${String(order(s.min))}`, path)
  if (s.max !== undefined && order(v) > order(s.max)) broken('max', `${String(order(v))} is above the maximum ${String(order(s.max))}`, path)
  return v
}

function did(v: unknown, path: string): string {
  if (typeof v !== 'string') wrong('an identity (did:key:...)', v, path)
  if (v.length > maxIdentityBytes || !/^did:key:z[1-9A-HJ-NP-Za-km-z]+$/.test(v)) {
    broken('identity', `${JSON.stringify(v.slice(0, 40))} is not an identity (did:key:...)`, path)
  }
  return v
}

/** Text of so many bytes of UTF-8. */
function isText(v: unknown, max: number): v is string {
  return typeof v === 'string' && isWellFormed(v) && v !== '' && utf8.encode(v).length <= max
}

function isRef(v: Record<string, unknown>): boolean {
  const { $type, space, path, ...rest } = v
  const steps = path === undefined || (Array.isArray(path) && path.length > 0 && path.length <= maxRefPath && path.every(s => isText(s, maxKey)))
  return $type === 'hhs/ref' && space instanceof Link && space.codec === 'dag-cbor' && steps && Object.keys(rest).length === 0
}

function isBlob(v: Record<string, unknown>): boolean {
  const { $type, root, size, media, name, ...rest } = v
  const sized = isInteger(size) && size >= 0 && size <= maxBlob
  const rooted = sized && root instanceof Link && root.codec === (size > blobChunk ? 'dag-cbor' : 'raw')
  const typed = media === undefined || (typeof media === 'string' && media.length <= 255 && /^[ -.0-~]+\/[ -~]+$/.test(media))
  const named = name === undefined || (isText(name, 255) && !/[\u0000-\u001f\u007f/\\]|^\.\.?$/.test(name))
  return $type === 'hhs/blob' && rooted && typed && named && Object.keys(rest).length === 0
}

function form(type: 'blob' | 'ref', v: unknown, path: string): Value {
  if (!isPlain(v)) wrong(type === 'blob' ? 'a blob (made by putBlob)' : 'a reference into a space', v, path)
  if (type === 'blob' && !isBlob(v)) broken('blob', 'not a blob: { $type, root, size, media?, name? } as putBlob gives it', path)
  if (type === 'ref' && !isRef(v)) broken('ref', "not a reference: { $type: 'hhs/ref', space, path? }", path)
  return v as Value
}

function items(s: Data, v: unknown, path: string, strict: boolean): Value[] {
  if (!Array.isArray(v)) wrong('a list', v, path)
  sized(s, v.length, 'items', path)
  const out: Value[] = []
  // By index: a hole must be seen as undefined and refused.
  for (let i = 0; i < v.length; i++) out.push(walk(s.items as Data, v[i], joinPath(path, i), strict))
  return out
}

/** Judges properties in key order, so that every implementation names the same first offence. */
function properties(s: Data, v: unknown, path: string, strict: boolean, tag?: string): Data {
  if (!isPlain(v)) wrong('an object', v, path)
  const odd = Object.getOwnPropertySymbols(v)[0]
  if (odd) throw new HhsError('value', `a property named by a symbol (${String(odd)}) cannot be stored`, path)
  const props = (s.props ?? {}) as Data
  const required = (s.required ?? []) as string[]
  const out: Data = {}
  for (const name of sortedKeys(props, v)) {
    const at = joinPath(path, name)
    if (!Object.hasOwn(v, name)) {
      if (required.includes(name)) broken('required', 'is missing', at)
    } else if (Object.hasOwn(props, name)) {
      define(out, name, walk(props[name] as Data, v[name], at, strict))
    } else if (name === tag || s.open === true) {
      encode(v[name], at)
      define(out, name, v[name] as Value)
    } else {
      broken('unknown', 'is not a property of this schema', at)
    }
  }
  return out
}

function variant(s: Data, v: unknown, path: string, strict: boolean): Data {
  if (!isPlain(v)) wrong('an object', v, path)
  const tag = s.tag as string
  const name = Object.hasOwn(v, tag) ? v[tag] : undefined
  if (typeof name !== 'string' || !Object.hasOwn(s.of as Data, name)) {
    broken('tag', `${name === undefined ? 'is missing' : 'is not the name of a variant'} (${Object.keys(s.of as Data).join(', ')})`, joinPath(path, tag))
  }
  return properties((s.of as Data)[name] as Data, v, path, strict, tag)
}

function among(allowed: Value[], v: unknown, path: string, rule: Rule): Value {
  const own = encode(v, path)
  const hit = allowed.find(a => sameBytes(encode(a), own))
  if (hit === undefined) broken(rule, `not a value allowed here (${allowed.map(show).join(', ')})`, path)
  return hit
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return compareKeys(a, b) === 0
}

function show(v: Value): string {
  return typeof v === 'string' || typeof v === 'number' || typeof v === 'boolean' || v === null ? JSON.stringify(v) : describe(v)
}

function define(out: Data, name: string, v: Value): void {
  if (name === '__proto__') Object.defineProperty(out, name, { value: v, enumerable: true, writable: true, configurable: true })
  else out[name] = v
}

function isInteger(v: unknown): v is number | bigint {
  return typeof v === 'bigint' ? BigInt.asIntN(64, v) === v : Number.isSafeInteger(v)
}

function isFloat(v: unknown): v is number | Float {
  if (v instanceof Float) return Number.isFinite(v.value)
  return typeof v === 'number' && Number.isFinite(v) && !Number.isInteger(v)
}

/** A count in a parsed schema; counts are small enough for numbers. */
function bound(v: Value | undefined): number {
  return Number(v)
}

function order(v: unknown): number | bigint {
  return v instanceof Float ? v.value : (v as number | bigint)
}

function wrong(expected: string, v: unknown, path: string): never {
  throw new Violation('type', `expected ${expected}, not ${describe(v)}`, path)
}

function broken(rule: Rule, why: string, path: string): never {
  throw new Violation(rule, why, path)
}
