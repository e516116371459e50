import { HhsError } from './errors.js'

/** A link's codec: an object (DAG-CBOR) or raw bytes (a blob's chunk). */
export type LinkCodec = 'dag-cbor' | 'raw'

const alphabet = 'abcdefghijklmnopqrstuvwxyz234567'

/** Multibase base32, lower case, no padding, without the leading `b`. */
function base32(bytes: Uint8Array): string {
  let out = ''
  let bits = 0
  let acc = 0
  for (const b of bytes) {
    acc = ((acc << 8) | b) & 0xffff
    bits += 8
    while (bits >= 5) {
      bits -= 5
      out += alphabet[(acc >> bits) & 31]
    }
  }
  if (bits > 0) out += alphabet[(acc << (5 - bits)) & 31]
  return out
}

function fromBase32(text: string): Uint8Array | undefined {
  const out: number[] = []
  let bits = 0
  let acc = 0
  for (const c of text) {
    const v = alphabet.indexOf(c)
    if (v < 0) return undefined
    acc = ((acc << 5) | v) & 0xfff
    bits += 5
    if (bits >= 8) {
      bits -= 8
      out.push((acc >> bits) & 0xff)
    }
  }
  // Bits left over must be zero, or two texts would name one link.
  return bits >= 5 || (acc & ((1 << bits) - 1)) !== 0 ? undefined : Uint8Array.from(out)
}

/**
 * A link: the CIDv1 (sha2-256) of an immutable object, the only form of reference inside values.
 * Two links are the same when their `text` is.
 */
export class Link {
  /** The multibase text form, `bafy...`. */
  readonly text: string
  readonly codec: LinkCodec

  private constructor(private readonly cid: Uint8Array) {
    this.text = 'b' + base32(cid)
    this.codec = cid[1] === 0x55 ? 'raw' : 'dag-cbor'
  }

  /** The 36 bytes of the CID: version 1, codec, sha2-256, 32 bytes of digest. */
  get bytes(): Uint8Array {
    return this.cid.slice()
  }

  /** Reads the text form; throws `value` when it is not one of this system's links. */
  static parse(text: string): Link {
    const bytes = text.startsWith('b') ? fromBase32(text.slice(1)) : undefined
    if (!bytes) throw new HhsError('value', `${JSON.stringify(text)} is not a link (expected base32 text starting with b)`)
    return Link.fromBytes(bytes)
  }

  /** Reads the 36 bytes; throws `value` on another version, codec or hash. */
  static fromBytes(bytes: Uint8Array): Link {
    const ok = bytes.length === 36 && bytes[0] === 1 && (bytes[1] === 0x71 || bytes[1] === 0x55) && bytes[2] === 0x12 && bytes[3] === 0x20
    if (!ok) throw new HhsError('value', 'not a link: expected CIDv1, dag-cbor or raw, sha2-256')
    return new Link(bytes.slice())
  }

  equals(other: Link): boolean {
    return this.text === other.text
  }

  toString(): string {
    return this.text
  }

  /** The DAG-JSON form. */
  toJSON(): { '/': string } {
    return { '/': this.text }
  }
}
