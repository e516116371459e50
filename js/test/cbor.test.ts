import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DecodeError, Float, type Value, decode, encode } from '../src/cbor.js'
import { HhsError } from '../src/errors.js'
import { Link } from '../src/link.js'
import { fromDagJSON, fromHex, idOf, toHex, vectors } from './vectors.js'

interface Block {
  name: string
  hex?: string
  build?: { prefix: string; repeat: string; times: number }
}

interface ObjectVectors {
  accept: (Block & { id: string; json?: string; value?: unknown })[]
  reject: (Block & { reason: string; offset: number })[]
  badIDs: { name: string; text: string }[]
}

const all = vectors<ObjectVectors>('object.json')

function block(v: Block): Uint8Array {
  if (v.build) return fromHex(v.build.prefix + v.build.repeat.repeat(v.build.times))
  return fromHex(v.hex ?? '')
}

/** The vectors' own notation of values. */
function value(v: unknown): Value {
  if (Array.isArray(v)) return v.map(value)
  if (typeof v !== 'object' || v === null) return v as Value
  const o = v as { int?: string; float?: string; bytes?: string; link?: string; map?: [string, unknown][] }
  if (o.int !== undefined) return BigInt(o.int)
  if (o.float !== undefined) return new Float(Number(o.float))
  if (o.bytes !== undefined) return fromHex(o.bytes)
  if (o.link !== undefined) return Link.parse(o.link)
  return Object.fromEntries(o.map!.map(([k, x]) => [k, value(x)]))
}

test('every canonical block is read and written as it was', () => {
  assert.ok(all.accept.length > 40)
  for (const v of all.accept) {
    const bytes = block(v)
    assert.equal(toHex(encode(decode(bytes, { floats: 'Float' }))), toHex(bytes), v.name)
    assert.equal(idOf(bytes), v.id, v.name)
    if (v.value !== undefined && v.value !== null) {
      // A property called __proto__ cannot be made by Object.fromEntries' input notation in all engines alike: it can.
      assert.equal(toHex(encode(value(v.value))), toHex(bytes), `${v.name}: from its value`)
    }
    if (v.json !== undefined && v.json.length < 10000 && !v.json.includes('__proto__')) {
      assert.equal(toHex(encode(fromDagJSON(v.json))), toHex(bytes), `${v.name}: from its DAG-JSON`)
    }
  }
})

test('every other block is refused for the same reason at the same place', () => {
  assert.ok(all.reject.length > 60)
  for (const v of all.reject) {
    assert.throws(() => decode(block(v)), (e: unknown) => {
      assert.ok(e instanceof DecodeError, `${v.name}: ${String(e)}`)
      assert.deepEqual([e.reason, e.offset, e.code], [v.reason, v.offset, 'invalid'], v.name)
      return true
    })
  }
})

test('texts that name no object are refused', () => {
  for (const v of all.badIDs) assert.throws(() => Link.parse(v.text), { code: 'value' }, v.name)
})

class Point {
  x = 1
}

test('what cannot be stored is refused by name and path', () => {
  const cycle: { self?: unknown } = {}
  cycle.self = cycle
  const cases: [string, unknown, RegExp][] = [
    ['NaN', NaN, /NaN/],
    ['infinity', -Infinity, /Infinity/],
    ['undefined', undefined, /undefined/],
    ['Date', new Date(), /a Date/],
    ['Error', new Error('x'), /an Error/],
    ['function', () => 1, /a function/],
    ['Map', new Map(), /a Map/],
    ['Set', new Set(), /a Set/],
    ['class instance', new Point(), /a Point/],
    ['object with another prototype', Object.create({ a: 1 }), /class instance|an? /],
    ['symbol', Symbol('s'), /a symbol/],
    ['boxed number', new Number(1), /a Number/],
    ['typed array that is not bytes', new Float32Array(2), /Float32Array/],
    ['array buffer', new ArrayBuffer(2), /ArrayBuffer/],
    ['promise', Promise.resolve(1), /Promise/],
    ['regular expression', /x/, /RegExp/],
    ['lone surrogate', 'a\ud800b', /lone surrogate/],
    ['lone low surrogate', '\udc00', /lone surrogate/],
    ['cycle', cycle, /cycle/],
    ['integer beyond 2^53', 2 ** 53, /beyond 2\^53/],
    ['negative integer beyond 2^53', -(2 ** 60), /beyond 2\^53/],
    ['bigint beyond 64 bits', 2n ** 63n, /64 bits/],
    ['float object of NaN', new Float(NaN), /NaN/],
    ['hole in a list', [, 1], /undefined/],
    ['symbol key', { [Symbol('k')]: 1 }, /symbol/],
    ['lone surrogate in a key', { '\ud800': 1 }, /lone surrogate/],
    ['too deep', Array.from({ length: 33 }).reduce(x => [x], 1), /32 levels/],
    ['too large', new Uint8Array(1 << 20), /1048576 bytes/],
    ['too many lists', Array.from({ length: 16384 }, () => []), /16384/],
  ]
  for (const [name, v, message] of cases) {
    assert.throws(() => encode({ list: [0, { inner: v }] }, 'messages'), (e: unknown) => {
      assert.ok(e instanceof HhsError && e.code === 'value', name)
      assert.match(e.message, message, name)
      if (!/large|many|deep/.test(name)) assert.match(e.path, /^messages\.list\[1\]\.inner/, name)
      return true
    })
  }
})

test('the same object twice is no cycle', () => {
  const shared = { a: 1 }
  assert.equal(toHex(encode([shared, shared])), '82a1616101a1616101')
})

test('numbers come back as they went in', () => {
  for (const n of [0, -1, 1.5, 2 ** 53 - 1, -(2 ** 53 - 1), 1e-300, 0.1]) assert.equal(decode(encode(n)), n)
  assert.equal(decode(encode(2n ** 62n)), 2n ** 62n)
  assert.equal(decode(encode(-(2n ** 63n))), -(2n ** 63n))
  assert.equal(decode(encode(5n)), 5)
  assert.equal(toHex(encode(-0)), '00')
  assert.equal(toHex(encode(new Float(-0))), 'fb0000000000000000')
  assert.equal(decode(encode(new Float(2))), 2)
})

test('a property called __proto__ is data', () => {
  const v = decode(encode(JSON.parse('{"__proto__": {"polluted": true}}'))) as object
  assert.ok(Object.hasOwn(v, '__proto__'))
  assert.equal((v as { polluted?: boolean }).polluted, undefined)
})

test('objects of other realms and without a prototype are plain', async () => {
  const { runInNewContext } = await import('node:vm')
  assert.equal(toHex(encode(runInNewContext('({a: [1]})'))), 'a161618101')
  assert.equal(toHex(encode(Object.assign(Object.create(null) as object, { a: 1 }))), 'a1616101')
})
