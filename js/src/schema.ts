/**
 * schema/1: the closed language in which a kind says what its values may be, as in Go's package schema. A schema is plain data
 * (`Schema.value`, part of the manifest); the functions here build that data and carry the TypeScript type of what it accepts.
 *
 *     const Item = object({ name: string({ max: 100 }), count: integer({ min: 1 }), note: optional(string()) })
 *     type Item = Infer<typeof Item>   // { name: string; count: number; note?: string }
 */
import { Float, type Value, compareKeys, describe, encode, isPlain, isWellFormed, joinPath } from './cbor.js'
import { HhsError } from './errors.js'
import { maxDepth, maxIdentityBytes } from './limits.js'
import { Link } from './link.js'

type Data = { [key: string]: Value }

/** A schema and, for the compiler, the type T of the values it accepts. Made by the functions below, read back by `parseSchema`. */
export class Schema<T> {
  /** Never present at run time: carries T. */
  declare readonly type: T

  private constructor(readonly value: Data) {}

  /** Checks the form of a schema read from anywhere; an unknown keyword is refused by name (`invalid`). */
  static parse<T = unknown>(v: unknown, path = 'schema'): Schema<T> {
    parse(v, path, 0)
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

/** A whole number. Beyond 2^53 values are read as bigint and may be written as such. */
export function integer(options: { min?: number | bigint; max?: number | bigint } = {}): Schema<number> {
  return make('integer', options)
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

/** Bytes, at most `max` of them. */
export function bytes(options: { max?: number } = {}): Schema<Uint8Array> {
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

/** Exactly this value. */
export function literal<const T extends Value>(value: T): Schema<T> {
  return Schema.parse<T>({ const: value }, 'literal')
}

/** One of these values. */
export function oneOf<const T extends readonly Value[]>(...values: T): Schema<T[number]> {
  return Schema.parse<T[number]>({ enum: [...values] }, 'oneOf')
}

/** A list of values, at most `max` of them. */
export function list<T>(items: Schema<T>, options: { max?: number } = {}): Schema<T[]> {
  return make('list', { items: items.value, ...options })
}

/** An object with these properties and, unless `open`, no others. */
export function object<P extends Props>(props: P, options: { open?: boolean } = {}): Schema<ObjectType<P>> {
  const value: Data = { type: 'object', props: {} }
  const required: string[] = []
  for (const [name, p] of Object.entries(props)) {
    const optional = p instanceof Optional
    ;(value.props as Data)[name] = (optional ? p.schema : p).value
    if (!optional) required.push(name)
  }
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

/** Text order of manifests: by the bytes of UTF-8, as Go sorts. */
function byText(a: string, b: string): number {
  const [x, y] = [utf8.encode(a), utf8.encode(b)]
  for (let i = 0; i < Math.min(x.length, y.length); i++) if (x[i] !== y[i]) return x[i]! - y[i]!
  return x.length - y.length
}

const keywords: { [type: string]: string[] } = {
  string: ['min', 'max', 'maxBytes'],
  integer: ['min', 'max'],
  float: ['min', 'max'],
  bool: [],
  bytes: ['max'],
  link: [],
  identity: [],
  list: ['items', 'max'],
  object: ['props', 'required', 'open'],
  union: ['tag', 'of'],
  any: [],
}

function refuse(path: string, why: string): never {
  throw new HhsError('invalid', why, path)
}

/** Checks the form of a schema's data. */
function parse(v: unknown, path: string, depth: number): void {
  if (!isPlain(v)) refuse(path, `a schema is an object, not ${describe(v)}`)
  if (depth > maxDepth / 2) refuse(path, 'nested too deeply')
  if (Object.hasOwn(v, 'const') || Object.hasOwn(v, 'enum')) return parseConstant(v, path)
  const type = v.type
  if (typeof type !== 'string' || !Object.hasOwn(keywords, type)) refuse(joinPath(path, 'type'), `unknown type ${JSON.stringify(type)}`)
  for (const k of Object.keys(v)) {
    if (k !== 'type' && !keywords[type]!.includes(k)) refuse(joinPath(path, k), `unknown keyword ${k} for ${type}`)
  }
  parseBounds(v, type, path)
  if (type === 'list') parse(v.items, joinPath(path, 'items'), depth + 1)
  if (type === 'object') parseObject(v, path, depth)
  if (type === 'union') parseUnion(v, path, depth)
}

function parseConstant(v: Record<string, unknown>, path: string): void {
  for (const k of Object.keys(v)) {
    if (k !== 'const' && k !== 'enum') refuse(joinPath(path, k), `unknown keyword ${k} beside const or enum`)
  }
  if (Object.hasOwn(v, 'const') && Object.hasOwn(v, 'enum')) refuse(path, 'const and enum exclude each other')
  if (Object.hasOwn(v, 'enum') && (!Array.isArray(v.enum) || v.enum.length === 0)) refuse(joinPath(path, 'enum'), 'must be a list of at least one value')
  if (Array.isArray(v.enum)) {
    const seen = new Set(v.enum.map((x, i) => String(encode(x, joinPath(joinPath(path, 'enum'), i)))))
    if (seen.size !== v.enum.length) refuse(joinPath(path, 'enum'), 'a value occurs twice')
  } else {
    encode(v.const, joinPath(path, 'const'))
  }
}

function parseBounds(v: Record<string, unknown>, type: string, path: string): void {
  const signed = type === 'integer' || type === 'float'
  for (const k of ['min', 'max', 'maxBytes']) {
    const n = v[k]
    if (n === undefined) continue
    const ok = type === 'float' ? isFloat(n) : isInteger(n) && (signed || n >= 0)
    if (!ok) refuse(joinPath(path, k), `must be ${type === 'float' ? 'a float' : signed ? 'an integer' : 'an integer of at least 0'}, not ${describe(n)}`)
  }
  if (v.min !== undefined && v.max !== undefined && order(v.min) > order(v.max)) refuse(joinPath(path, 'min'), 'is above max')
}

function parseObject(v: Record<string, unknown>, path: string, depth: number): void {
  const props = v.props === undefined ? {} : v.props
  if (!isPlain(props)) refuse(joinPath(path, 'props'), 'must be an object')
  for (const [name, s] of Object.entries(props)) parse(s, joinPath(joinPath(path, 'props'), name), depth + 1)
  if (v.open !== undefined && v.open !== true) refuse(joinPath(path, 'open'), 'is true or absent')
  if (v.required === undefined) return
  const at = joinPath(path, 'required')
  if (!Array.isArray(v.required) || v.required.length === 0) refuse(at, 'must be a list of names, absent when empty')
  v.required.forEach((name: unknown, i: number, all: unknown[]) => {
    if (typeof name !== 'string' || !Object.hasOwn(props, name)) refuse(joinPath(at, i), 'must name a property')
    if (i > 0 && byText(all[i - 1] as string, name) >= 0) refuse(at, 'must be sorted and without repetition')
  })
}

function parseUnion(v: Record<string, unknown>, path: string, depth: number): void {
  if (typeof v.tag !== 'string' || v.tag === '') refuse(joinPath(path, 'tag'), 'must be the name of a property')
  const of = v.of
  if (!isPlain(of) || Object.keys(of).length === 0) refuse(joinPath(path, 'of'), 'must be an object of at least one schema')
  for (const [name, s] of Object.entries(of)) {
    const at = joinPath(joinPath(path, 'of'), name)
    parse(s, at, depth + 1)
    const it = s as Record<string, unknown>
    if (it.type !== 'object') refuse(at, 'must be an object schema')
    if (isPlain(it.props) && Object.hasOwn(it.props, v.tag)) refuse(at, `must not name the tag ${v.tag} as a property`)
  }
}

/** Checks v against a parsed schema and returns it, floats marked. In one pass over the value: work is linear in its size. */
function walk(s: Data, v: unknown, path: string, strict: boolean): Value {
  if (Object.hasOwn(s, 'const')) return among([s.const!], v, path)
  if (Object.hasOwn(s, 'enum')) return among(s.enum as Value[], v, path)
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
      if (s.max !== undefined && v.length > bound(s.max)) broken(`${v.length} bytes, at most ${String(s.max)} allowed`, path)
      return v
    case 'link': return v instanceof Link ? v : wrong('a link', v, path)
    case 'identity': return did(v, path)
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
  let points = 0
  for (const _ of v) points++
  if (s.min !== undefined && points < bound(s.min)) broken(`${points} characters, at least ${String(s.min)} needed`, path)
  if (s.max !== undefined && points > bound(s.max)) broken(`${points} characters, at most ${String(s.max)} allowed`, path)
  if (s.maxBytes !== undefined) {
    const n = utf8.encode(v).length
    if (n > bound(s.maxBytes)) broken(`${n} bytes of text, at most ${String(s.maxBytes)} allowed`, path)
  }
  return v
}

function bounded(s: Data, v: number | bigint | Float, path: string): number | bigint | Float {
  if (s.min !== undefined && order(v) < order(s.min)) broken(`${String(order(v))} is below the minimum ${String(order(s.min))}`, path)
  if (s.max !== undefined && order(v) > order(s.max)) broken(`${String(order(v))} is above the maximum ${String(order(s.max))}`, path)
  return v
}

function did(v: unknown, path: string): string {
  if (typeof v !== 'string') wrong('an identity (did:key:...)', v, path)
  if (!/^did:key:z[1-9A-HJ-NP-Za-km-z]+$/.test(v)) broken(`${JSON.stringify(v.slice(0, 40))} is not an identity (did:key:...)`, path)
  if (v.length > maxIdentityBytes) broken(`identity of ${v.length} bytes, at most ${maxIdentityBytes} allowed`, path)
  return v
}

function items(s: Data, v: unknown, path: string, strict: boolean): Value[] {
  if (!Array.isArray(v)) wrong('a list', v, path)
  if (s.max !== undefined && v.length > bound(s.max)) broken(`${v.length} items, at most ${String(s.max)} allowed`, path)
  const out: Value[] = []
  // By index: a hole must be seen as undefined and refused.
  for (let i = 0; i < v.length; i++) out.push(walk(s.items as Data, v[i], joinPath(path, i), strict))
  return out
}

function properties(s: Data, v: unknown, path: string, strict: boolean, tag?: string): Data {
  if (!isPlain(v)) wrong('an object', v, path)
  const odd = Object.getOwnPropertySymbols(v)[0]
  if (odd) throw new HhsError('value', `a property named by a symbol (${String(odd)}) cannot be stored`, path)
  const props = (s.props ?? {}) as Data
  const out: Data = {}
  for (const name of Object.keys(v)) {
    const at = joinPath(path, name)
    const x = v[name]
    if (Object.hasOwn(props, name)) define(out, name, walk(props[name] as Data, x, at, strict))
    else if (name === tag || s.open === true) define(out, name, any().fit(x, at))
    else broken('is not a property of this schema', at)
  }
  for (const name of (s.required ?? []) as string[]) {
    if (!Object.hasOwn(v, name)) broken('is missing', joinPath(path, name))
  }
  return out
}

function variant(s: Data, v: unknown, path: string, strict: boolean): Data {
  if (!isPlain(v)) wrong('an object', v, path)
  const tag = s.tag as string
  const at = joinPath(path, tag)
  if (!Object.hasOwn(v, tag)) broken('is missing', at)
  const name = v[tag]
  if (typeof name !== 'string') wrong('a string', name, at)
  if (!Object.hasOwn(s.of as Data, name)) broken(`${JSON.stringify(name)} is not one of ${Object.keys(s.of as Data).join(', ')}`, at)
  return properties((s.of as Data)[name] as Data, v, path, strict, tag)
}

function among(allowed: Value[], v: unknown, path: string): Value {
  const own = encode(v, path)
  const hit = allowed.find(a => compareKeys(encode(a), own) === 0)
  if (hit === undefined) broken(`not the value allowed here (${allowed.map(show).join(', ')})`, path)
  return hit
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
  throw new HhsError('schema', `expected ${expected}, not ${describe(v)}`, path)
}

function broken(why: string, path: string): never {
  throw new HhsError('schema', why, path)
}
