/** Reads the vectors shared with Go. */
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { Float, type Value, encode } from '../src/cbor.js'
import { Link } from '../src/link.js'

/** Where the vectors are; set when the tests are bundled. */
declare const HHS_VECTORS: string

export function vectors<T>(name: string): T {
  const file = `${HHS_VECTORS}/${name}`
  if (!existsSync(file)) throw new Error(`${file} is missing`)
  return JSON.parse(readFileSync(file, 'utf8')) as T
}

export function fromHex(hex: string): Uint8Array {
  return Uint8Array.from(hex.match(/../g) ?? [], h => parseInt(h, 16))
}

export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

/** The id of a block. */
export function idOf(block: Uint8Array): string {
  const digest = createHash('sha256').update(block).digest()
  return Link.fromBytes(Uint8Array.from([1, 0x71, 0x12, 0x20, ...digest])).text
}

/** DAG-JSON as values. Numbers written with a point or exponent are floats; JSON.parse cannot see them, so they are marked first. */
export function fromDagJSON(text: string): Value {
  const marked = text.replace(/("(?:[^"\\]|\\.)*")|(-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)/g, (_, quoted: string, n: string) =>
    quoted ?? (/[.eE]/.test(n) ? `{"/float":"${n}"}` : Number.isSafeInteger(Number(n)) ? n : `{"/int":"${n}"}`))
  return unmark(JSON.parse(marked))
}

function unmark(v: unknown): Value {
  if (Array.isArray(v)) return v.map(unmark)
  if (typeof v !== 'object' || v === null) return v as Value
  const keys = Object.keys(v)
  const o = v as Record<string, unknown>
  if (keys.length === 1 && typeof o['/float'] === 'string') return new Float(Number(o['/float']))
  if (keys.length === 1 && typeof o['/int'] === 'string') return BigInt(o['/int'])
  if (keys.length === 1 && typeof o['/'] === 'string') return Link.parse(o['/'])
  if (keys.length === 1 && typeof o['/'] === 'object' && o['/'] !== null) {
    const inner = (o['/'] as { bytes?: unknown }).bytes
    if (typeof inner === 'string') return new Uint8Array(Buffer.from(inner, 'base64'))
  }
  return Object.fromEntries(keys.map(k => [k, unmark(o[k])]))
}

/** Whether two values have the same canonical bytes. */
export function same(a: Value, b: Value): boolean {
  return toHex(encode(a)) === toHex(encode(b))
}
