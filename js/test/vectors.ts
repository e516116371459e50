/** Reads the vectors shared with Go. */
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { type Value, encode } from '../src/cbor.js'
import { Link } from '../src/link.js'

export { fromDagJSON } from './dagjson.js'

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

/** Whether two values have the same canonical bytes. */
export function same(a: Value, b: Value): boolean {
  return toHex(encode(a)) === toHex(encode(b))
}
