import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Float, type Value, decode } from '../src/cbor.js'
import { HhsError } from '../src/errors.js'
import {
  Schema, Violation, any, array, blob, bool, bytes, float, identity, integer, link, literal, object, oneOf, optional, ref, string, union,
} from '../src/schema.js'
import { fromHex, same, vectors } from './vectors.js'

interface SchemaVectors {
  schemas: { name: string; hex: string; cases: { hex: string; json: string; rule?: string; path?: string }[] }[]
  bad: { name: string; hex: string; path: string }[]
}

const all = vectors<SchemaVectors>('schema.json')
const read = (hex: string) => decode(fromHex(hex), { floats: 'Float' })

test('values are accepted and refused as in Go, for the same reason at the same place', () => {
  assert.ok(all.schemas.length > 20)
  for (const v of all.schemas) {
    const s = Schema.parse(read(v.hex), '')
    for (const c of v.cases) {
      let found: { rule?: string; path?: string } = {}
      try {
        s.check(read(c.hex))
      } catch (e) {
        assert.ok(e instanceof Violation, `${v.name}: ${c.json}: ${String(e)}`)
        found = { rule: e.rule, path: e.path }
      }
      const expected = c.rule === undefined ? {} : { rule: c.rule, path: c.path }
      assert.deepEqual(found, expected, `${v.name}: ${c.json}`)
    }
  }
})

test('what is no schema is refused as in Go, at the same place', () => {
  assert.ok(all.bad.length > 20)
  for (const v of all.bad) {
    assert.throws(() => Schema.parse(read(v.hex), ''), (e: unknown) => {
      assert.ok(e instanceof HhsError && e.code === 'invalid', `${v.name}: ${String(e)}`)
      assert.equal(e.path, v.path, v.name)
      return true
    })
  }
})

test('builders write the forms of schema/1', () => {
  const cases: [Schema<any>, Value][] = [
    [string({ min: 1, max: 4000, maxBytes: 9000 }), { type: 'string', min: 1, max: 4000, maxBytes: 9000 }],
    [string(), { type: 'string' }],
    [integer({ min: -1 }), { type: 'integer', min: -1 }],
    [float({ max: 2 }), { type: 'float', max: new Float(2) }],
    [bool(), { type: 'bool' }],
    [bytes({ max: 32 }), { type: 'bytes', max: 32 }],
    [link(), { type: 'link' }],
    [identity(), { type: 'identity' }],
    [blob(), { type: 'blob' }],
    [ref(), { type: 'ref' }],
    [literal('x'), { const: 'x' }],
    [oneOf('a', 'b'), { enum: ['a', 'b'] }],
    [array(string(), { max: 3 }), { type: 'list', items: { type: 'string' }, max: 3 }],
    [object({ b: string(), a: optional(integer()) }), { type: 'object', props: { a: { type: 'integer' }, b: { type: 'string' } }, required: ['b'] }],
    [object({}, { open: true }), { type: 'object', open: true }],
    [union('kind', { circle: object({ r: float() }) }),
      { type: 'union', tag: 'kind', of: { circle: { type: 'object', props: { r: { type: 'float' } }, required: ['r'] } } }],
    [any(), { type: 'any' }],
  ]
  for (const [s, v] of cases) assert.ok(same(s.value as Value, v), JSON.stringify(s.value))
})

test('a mistake in a schema is refused where it is', () => {
  const cases: [() => unknown, string][] = [
    [() => string({ min: 3, max: 2 }), 'string.min'],
    [() => string({ max: 1.5 }), 'string.max'],
    [() => integer({ min: 0.5 }), 'integer.min'],
    [() => oneOf(), 'oneOf.enum'],
    [() => oneOf('a', 'a'), 'oneOf.enum[1]'],
    [() => literal({ a: 1 }), 'literal.const'],
    [() => union('kind', { a: object({ kind: string() }) }), 'union.of.a'],
    [() => Schema.parse({ type: 'text' }), 'schema.type'],
    [() => Schema.parse({ type: 'string', pattern: '.*' }), 'schema.pattern'],
    [() => Schema.parse({ type: 'object', props: { a: { type: 'string', not: 1 } } }), 'schema.props.a.not'],
    [() => Schema.parse('string'), 'schema'],
  ]
  for (const [f, path] of cases) assert.throws(f, (e: unknown) => e instanceof HhsError && e.code === 'invalid' && e.path === path, path)
})

test('numbers become floats where the schema says so', () => {
  const s = object({ x: float(), list: array(float()), n: integer(), free: any() })
  const v = s.fit({ x: 1, list: [2, 2.5], n: 3, free: 4 }) as { x: Value; list: Value[]; n: Value; free: Value }
  assert.ok(v.x instanceof Float && v.list[0] instanceof Float && v.list[1] instanceof Float)
  assert.equal(v.n, 3)
  assert.equal(v.free, 4)
  assert.throws(() => float().check(1), { code: 'schema' })
})

test('unions choose by tag', () => {
  const s = union('kind', { circle: object({ r: float() }), box: object({ w: integer() }) })
  s.fit({ kind: 'circle', r: 1 })
  assert.throws(() => s.fit({ kind: 'circle', w: 1 }), { path: 'r', rule: 'required' })
  assert.throws(() => s.fit({ kind: 'line' }), { path: 'kind', rule: 'tag' })
})

test('an offence has its path and rule', () => {
  const s = object({ text: string({ max: 3 }), who: array(identity()), note: optional(string()) })
  const cases: [unknown, string, string][] = [
    [{ text: 'four', who: [] }, 'm.text', 'max'],
    [{ text: '\u{1f600}\u{1f600}\u{1f600}\u{1f600}', who: [] }, 'm.text', 'max'],
    [{ text: 'a', who: ['did:web:x'] }, 'm.who[0]', 'identity'],
    [{ text: 'a', who: [], extra: 1 }, 'm.extra', 'unknown'],
    [{ who: [] }, 'm.text', 'required'],
    [{ text: 'a', who: [], note: null }, 'm.note', 'type'],
    [{ text: new Date(), who: [] }, 'm.text', 'type'],
    [{ text: 'a', who: [,] }, 'm.who[0]', 'type'],
  ]
  for (const [v, path, rule] of cases) {
    assert.throws(() => s.fit(v, 'm'), (e: unknown) => e instanceof Violation && e.path === path && e.rule === rule, path)
  }
  s.fit({ text: '\u{1f600}\u{1f600}\u{1f600}', who: ['did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK'] })
})

test('what cannot be stored is refused inside any()', () => {
  assert.throws(() => object({ v: any() }).fit({ v: { when: new Date() } }, 'x'), { code: 'value', path: 'x.v.when' })
  assert.throws(() => string().fit('\ud800', 'x'), { code: 'value', path: 'x' })
})
