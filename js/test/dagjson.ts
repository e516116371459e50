/** DAG-JSON, as test data has it. */
import { Float, type Value } from '../src/cbor.js'
import { Link } from '../src/link.js'

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
    if (typeof inner === 'string') return Uint8Array.from(atob(inner), c => c.charCodeAt(0))
  }
  return Object.fromEntries(keys.map(k => [k, unmark(o[k])]))
}
