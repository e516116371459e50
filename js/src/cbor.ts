/**
 * The canonical form of values: DAG-CBOR, byte for byte as Go's package object writes and accepts it.
 *
 * | TypeScript                     | DAG-CBOR                                             |
 * |--------------------------------|------------------------------------------------------|
 * | null, boolean, string          | the same                                             |
 * | number without a fraction      | integer (up to 2^53; beyond: bigint)                 |
 * | number with a fraction         | 64-bit float                                         |
 * | Float                          | 64-bit float, also without a fraction                |
 * | bigint                         | integer, within 64 bits signed                       |
 * | Uint8Array                     | bytes                                                |
 * | Link                           | tag 42                                               |
 * | array, plain object            | list, map with keys sorted by length, then bytes     |
 *
 * Anything else is refused by name and path: a value that would come back as something else is worse than an error.
 */
import { HhsError } from './errors.js'
import { maxBlock, maxContainers, maxDepth } from './limits.js'
import { Link } from './link.js'

/** Any value that can be stored. */
export type Value = null | boolean | number | bigint | string | Uint8Array | Link | Float | Value[] | { [key: string]: Value }

/** A number that is a float even when it has no fraction; a schema's `float()` makes them without being asked. */
export class Float {
  constructor(readonly value: number) {}

  valueOf(): number {
    return this.value
  }
}

const utf8 = new TextEncoder()
const strictText = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Says what a value is, for messages: "a Date", "NaN", "an integer beyond 2^53". */
export function describe(v: unknown): string {
  if (v === null) return 'null'
  if (v === undefined) return 'undefined'
  switch (typeof v) {
    case 'number':
      if (!Number.isFinite(v)) return String(v)
      if (!Number.isInteger(v)) return 'a number with a fraction'
      return Number.isSafeInteger(v) ? 'an integer' : 'an integer beyond 2^53, which must be a bigint'
    case 'bigint': return BigInt.asIntN(64, v) === v ? 'an integer' : 'an integer beyond 64 bits'
    case 'string': return 'a string'
    case 'boolean': return 'a boolean'
    case 'function': return 'a function'
    case 'symbol': return 'a symbol'
  }
  if (v instanceof Uint8Array) return 'bytes'
  if (v instanceof Link) return 'a link'
  if (v instanceof Float) return 'a float'
  if (Array.isArray(v)) return 'a list'
  if (isPlain(v)) return 'an object'
  const name = (v as object).constructor?.name
  return name ? `${/^[AEIO]/i.test(name) ? 'an' : 'a'} ${name}` : 'a class instance'
}

/** Whether v is an object literal's object, also of another realm. */
export function isPlain(v: unknown): v is Record<string, unknown> {
  if (typeof v !== 'object' || v === null) return false
  if (Object.prototype.toString.call(v) !== '[object Object]') return false
  const proto: unknown = Object.getPrototypeOf(v)
  return proto === null || (Object.getPrototypeOf(proto) === null && Object.hasOwn(proto as object, 'isPrototypeOf'))
}

/** Appends a property name to a path: `a.b`, `a["odd key"]`. */
export function joinPath(path: string, key: string | number): string {
  if (typeof key === 'number') return `${path}[${key}]`
  if (!/^[A-Za-z_$][\w$]*$/.test(key)) return `${path}[${JSON.stringify(key)}]`
  return path ? `${path}.${key}` : key
}

/** Whether text has no lone surrogate: such text has no UTF-8 form. */
export function isWellFormed(text: string): boolean {
  return !/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/.test(text)
}

/** The order of map keys: shorter first, then by bytes. */
export function compareKeys(a: Uint8Array, b: Uint8Array): number {
  if (a.length !== b.length) return a.length - b.length
  for (let i = 0; i < a.length; i++) {
    const d = a[i]! - b[i]!
    if (d !== 0) return d
  }
  return 0
}

/** Encodes v canonically. Throws `value`, with the path of what cannot be stored. `root` names v in that path. */
export function encode(v: unknown, root = ''): Uint8Array {
  const w = new Writer()
  w.value(v, root, 0)
  return w.finish()
}

class Writer {
  private buf = new Uint8Array(256)
  private view = new DataView(this.buf.buffer)
  private n = 0
  private readonly open = new Set<object>()
  private containers = 0

  finish(): Uint8Array {
    if (this.n > maxBlock) throw new HhsError('value', `larger than ${maxBlock} bytes; split it`)
    return this.buf.slice(0, this.n)
  }

  value(v: unknown, path: string, depth: number): void {
    switch (typeof v) {
      case 'string': return this.text(v, path)
      case 'boolean': return this.byte(v ? 0xf5 : 0xf4)
      case 'number': return this.number(v, path)
      case 'bigint': return this.integer(v, path)
      case 'object': return v === null ? this.byte(0xf6) : this.object(v, path, depth)
      case 'undefined': throw new HhsError('value', 'undefined cannot be stored; leave the property out, or use null', path)
      default: throw new HhsError('value', `${describe(v)} cannot be stored`, path)
    }
  }

  private number(v: number, path: string): void {
    if (!Number.isFinite(v)) throw new HhsError('value', `${v} cannot be stored`, path)
    if (!Number.isInteger(v)) return this.float(v)
    if (!Number.isSafeInteger(v)) {
      throw new HhsError('value', `${v} is an integer beyond 2^53, where numbers lose digits; use a bigint, or new Float(...)`, path)
    }
    if (v >= 0) this.head(0, v)
    else this.head(1, -1 - v)
  }

  private integer(v: bigint, path: string): void {
    if (BigInt.asIntN(64, v) !== v) throw new HhsError('value', `${v} does not fit in 64 bits`, path)
    const major = v >= 0n ? 0 : 1
    const n = v >= 0n ? v : -1n - v
    if (n <= BigInt(Number.MAX_SAFE_INTEGER)) return this.head(major, Number(n))
    this.room(9)
    this.buf[this.n] = (major << 5) | 27
    this.view.setBigUint64(this.n + 1, n)
    this.n += 9
  }

  private float(v: number): void {
    this.room(9)
    this.buf[this.n] = 0xfb
    this.view.setFloat64(this.n + 1, v)
    this.n += 9
  }

  private text(v: string, path: string): void {
    if (!isWellFormed(v)) throw new HhsError('value', 'text with a lone surrogate (half of a character) cannot be stored', path)
    this.chunk(3, utf8.encode(v))
  }

  private object(v: object, path: string, depth: number): void {
    if (v instanceof Uint8Array) return this.chunk(2, v)
    if (v instanceof Link) return this.link(v)
    if (v instanceof Float) {
      if (!Number.isFinite(v.value)) throw new HhsError('value', `${v.value} cannot be stored`, path)
      return this.float(v.value === 0 ? 0 : v.value)
    }
    const isList = Array.isArray(v)
    if (!isList && !isPlain(v)) {
      throw new HhsError('value', `${describe(v)} cannot be stored; use plain objects, lists, text, numbers, bytes`, path)
    }
    if (this.open.has(v)) throw new HhsError('value', 'contains itself (a cycle) and cannot be stored', path)
    if (depth >= maxDepth) throw new HhsError('value', `nested deeper than ${maxDepth} levels`, path)
    if (++this.containers > maxContainers) throw new HhsError('value', `more than ${maxContainers} lists and objects in one value; split it`, path)
    this.open.add(v)
    if (isList) this.list(v, path, depth)
    else this.map(v, path, depth)
    this.open.delete(v)
  }

  private list(v: unknown[], path: string, depth: number): void {
    this.head(4, v.length)
    for (let i = 0; i < v.length; i++) this.value(v[i], joinPath(path, i), depth + 1)
  }

  private map(v: Record<string, unknown>, path: string, depth: number): void {
    const odd = Object.getOwnPropertySymbols(v)[0]
    if (odd) throw new HhsError('value', `a property named by a symbol (${String(odd)}) cannot be stored`, path)
    const keys = Object.keys(v).map(name => {
      if (!isWellFormed(name)) throw new HhsError('value', 'a property name with a lone surrogate cannot be stored', joinPath(path, name))
      return { name, bytes: utf8.encode(name) }
    })
    keys.sort((a, b) => compareKeys(a.bytes, b.bytes))
    this.head(5, keys.length)
    for (const { name, bytes } of keys) {
      this.chunk(3, bytes)
      this.value(v[name], joinPath(path, name), depth + 1)
    }
  }

  private link(v: Link): void {
    this.byte(0xd8)
    this.byte(42)
    const bytes = new Uint8Array(37)
    bytes.set(v.bytes, 1)
    this.chunk(2, bytes)
  }

  private byte(b: number): void {
    this.room(1)
    this.buf[this.n++] = b
  }

  private chunk(major: number, bytes: Uint8Array): void {
    this.head(major, bytes.length)
    this.room(bytes.length)
    this.buf.set(bytes, this.n)
    this.n += bytes.length
  }

  private head(major: number, n: number): void {
    this.room(9)
    const m = major << 5
    if (n < 24) {
      this.buf[this.n++] = m | n
    } else if (n < 0x100) {
      this.buf[this.n++] = m | 24
      this.buf[this.n++] = n
    } else if (n < 0x10000) {
      this.buf[this.n] = m | 25
      this.view.setUint16(this.n + 1, n)
      this.n += 3
    } else if (n < 0x100000000) {
      this.buf[this.n] = m | 26
      this.view.setUint32(this.n + 1, n)
      this.n += 5
    } else {
      this.buf[this.n] = m | 27
      this.view.setBigUint64(this.n + 1, BigInt(n))
      this.n += 9
    }
  }

  private room(extra: number): void {
    const need = this.n + extra
    // A head asks for the longest form's room.
    if (need > maxBlock + 9) throw new HhsError('value', `larger than ${maxBlock} bytes; split it`)
    if (need <= this.buf.length) return
    const next = new Uint8Array(Math.max(need, this.buf.length * 2))
    next.set(this.buf.subarray(0, this.n))
    this.buf = next
    this.view = new DataView(next.buffer)
  }
}

/** How `decode` shows floats: as numbers, or as `Float` so that encoding again gives the same bytes. */
export interface DecodeOptions {
  floats?: 'number' | 'Float'
}

/** Decodes one canonical value; anything that is not a value's only form is refused with a `DecodeError`. */
export function decode(block: Uint8Array, options: DecodeOptions = {}): Value {
  if (block.length > maxBlock) throw new DecodeError('size', maxBlock)
  const r = new Reader(block, options.floats === 'Float')
  const v = r.value(0)
  r.end()
  return v
}

/** Why a block is refused, the same words as in Go and in testdata/vectors/object.json. */
export type DecodeReason =
  | 'truncated' | 'trailing' | 'not-minimal' | 'int-range' | 'indefinite' | 'reserved' | 'simple' | 'float' | 'utf8'
  | 'key-type' | 'key-order' | 'tag' | 'link' | 'depth' | 'containers' | 'size'

/** A block that is not the canonical form of any value. */
export class DecodeError extends HhsError {
  constructor(readonly reason: DecodeReason, readonly offset: number) {
    super('invalid', `not a canonical block: ${reason} at byte ${offset}`)
    this.name = 'DecodeError'
  }
}

class Reader {
  private readonly view: DataView
  private n = 0
  /** Where the value being read begins: what errors name. */
  private at = 0
  private containers = 0

  constructor(private readonly buf: Uint8Array, private readonly wrap: boolean) {
    this.view = new DataView(buf.buffer, buf.byteOffset, buf.byteLength)
  }

  end(): void {
    if (this.n !== this.buf.length) throw new DecodeError('trailing', this.n)
  }

  value(depth: number): Value {
    this.at = this.n
    const first = this.byte()
    switch (first >> 5) {
      case 0: return this.integer(this.argument(first), false)
      case 1: return this.integer(this.argument(first), true)
      case 2: return this.bytes(this.length(first, 1)).slice()
      case 3: return this.text(this.length(first, 1))
      case 4: return this.list(this.container(first, 1, depth), depth)
      case 5: return this.map(this.container(first, 2, depth), depth)
      case 6: return this.link(first)
    }
    switch (first) {
      case 0xf4: return false
      case 0xf5: return true
      case 0xf6: return null
      case 0xfb: return this.float()
      case 0xf9: case 0xfa: return this.fail('float')
      case 0xfc: case 0xfd: case 0xfe: return this.fail('reserved')
      case 0xff: return this.fail('indefinite')
    }
    return this.fail('simple')
  }

  private integer(n: number | bigint, negative: boolean): number | bigint {
    if (typeof n === 'bigint' && n > 0x7fffffffffffffffn) this.fail('int-range')
    if (!negative) return n
    const v = -1n - BigInt(n)
    return v >= BigInt(Number.MIN_SAFE_INTEGER) ? Number(v) : v
  }

  private float(): number | Float {
    this.room(8)
    const v = this.view.getFloat64(this.n)
    if (!Number.isFinite(v) || Object.is(v, -0)) this.fail('float')
    this.n += 8
    return this.wrap ? new Float(v) : v
  }

  private text(n: number): string {
    const bytes = this.bytes(n)
    try {
      return strictText.decode(bytes)
    } catch {
      return this.fail('utf8')
    }
  }

  private container(first: number, each: number, depth: number): number {
    const n = this.length(first, each)
    if (depth >= maxDepth) this.fail('depth')
    if (++this.containers > maxContainers) this.fail('containers')
    return n
  }

  private list(n: number, depth: number): Value[] {
    const out: Value[] = []
    for (let i = 0; i < n; i++) out.push(this.value(depth + 1))
    return out
  }

  private map(n: number, depth: number): { [key: string]: Value } {
    const out: { [key: string]: Value } = {}
    let last: Uint8Array | undefined
    for (let i = 0; i < n; i++) {
      this.at = this.n
      const first = this.byte()
      if (first >> 5 !== 3) this.fail('key-type')
      const size = this.length(first, 1)
      const start = this.n
      const name = this.text(size)
      const key = this.buf.subarray(start, start + size)
      if (last && compareKeys(last, key) >= 0) this.fail('key-order')
      last = key
      const v = this.value(depth + 1)
      // Assignment would call the setter of a property named __proto__.
      if (name === '__proto__') Object.defineProperty(out, name, { value: v, enumerable: true, writable: true, configurable: true })
      else out[name] = v
    }
    return out
  }

  private link(first: number): Link {
    if (this.argument(first) !== 42) this.fail('tag')
    const head = this.byte()
    if (head >> 5 !== 2) this.fail('link')
    const bytes = this.bytes(this.length(head, 1))
    if (bytes[0] !== 0) this.fail('link')
    try {
      return Link.fromBytes(bytes.subarray(1))
    } catch {
      return this.fail('link')
    }
  }

  private bytes(n: number): Uint8Array {
    const out = this.buf.subarray(this.n, this.n + n)
    this.n += n
    return out
  }

  /** A length or count, of which the rest of the block must hold at least `each` bytes per one. */
  private length(first: number, each: number): number {
    const n = this.argument(first)
    if (typeof n === 'bigint' || n * each > this.buf.length - this.n) return this.fail('truncated')
    return n
  }

  /** The argument of a head, which must be in its shortest form; a bigint beyond 2^53. */
  private argument(first: number): number | bigint {
    const info = first & 31
    if (info < 24) return info
    if (info === 31) return this.fail('indefinite')
    if (info > 27) return this.fail('reserved')
    const size = 1 << (info - 24)
    this.room(size)
    const at = this.n
    this.n += size
    if (size === 8) {
      const big = this.view.getBigUint64(at)
      if (big < 0x100000000n) this.fail('not-minimal')
      return big <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(big) : big
    }
    const n = size === 1 ? this.buf[at]! : size === 2 ? this.view.getUint16(at) : this.view.getUint32(at)
    if (n < (size === 1 ? 24 : size === 2 ? 0x100 : 0x10000)) this.fail('not-minimal')
    return n
  }

  private byte(): number {
    this.room(1)
    return this.buf[this.n++]!
  }

  private room(n: number): void {
    if (this.buf.length - this.n < n) this.fail('truncated')
  }

  private fail(reason: DecodeReason): never {
    throw new DecodeError(reason, this.at)
  }
}
