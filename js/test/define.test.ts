import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encode } from '../src/cbor.js'
import { Lot } from '../../examples/auction/auction.js'
import { type SpaceKind, defineSpace } from '../src/define.js'
import type { LogHandle, RegisterHandle, SetHandle } from '../src/fields.js'
import { type Infer, any, array, bool, float, identity, integer, literal, object, oneOf, optional, string, union } from '../src/schema.js'
import { list, log, map, record, register, set, text } from '../src/shapes.js'
import type { Space } from '../src/space.js'
import type { Writers } from '../src/tx.js'
import { type Described, fieldsOf } from './shapes.js'
import { fromDagJSON, idOf, toHex, vectors } from './vectors.js'

/** The kinds of testdata/vectors/manifest.json; Go defines the same ones. */
const Chat = defineSpace('example.org/chat', 1, {
  topic: register(string()),
  participants: set(identity()),
  messages: log({ text: string({ max: 4000 }) }),
})

const Item = object({
  name: string({ min: 1, max: 100 }),
  count: integer({ min: 1, max: 999 }),
  unit: oneOf('piece', 'gram', 'litre'),
  price: optional(float({ min: 0 })),
  tags: optional(array(string({ max: 20 }), { max: 5 })),
})

const Shopping = defineSpace('example.org/shopping-list', 2, {
  title: register(string({ max: 200 })),
  items: set(Item),
  shared: register(bool()),
  entries: log({ note: string({ max: 500 }), item: optional(string()) }),
})

const Board = defineSpace('example.org/board', 1, {
  title: register(string({ max: 200 })),
  cards: map(record({
    text: register(string({ max: 4000 })),
    labels: set(string({ max: 40 })),
    marks: map(register(bool())),
  })),
  colours: map(register(string({ max: 20 }))),
  layout: record({
    columns: register(integer({ min: 1, max: 9 })),
    hidden: map(set(string())),
  }),
})

const Notes = defineSpace('example.org/notes', 1, {
  body: text(),
  tags: list(string({ max: 40 })),
  pages: map(record({
    title: register(string({ max: 200 })),
    text: text(),
    rows: list({ name: string({ max: 100 }), done: bool() }),
  })),
})

const kinds: { [name: string]: SpaceKind<any> } = { chat: Chat, 'shopping list': Shopping, board: Board, notes: Notes, auction: Lot }

interface ManifestVectors {
  accept: { name: string; json: string; hex: string; id: string }[]
  reject: { name: string; json: string; path: string }[]
}

test('kinds have the manifests of the vectors', () => {
  const { accept } = vectors<ManifestVectors>('manifest.json')
  for (const v of accept) {
    const kind = kinds[v.name]
    assert.ok(kind, v.name)
    assert.equal(toHex(kind.bytes), v.hex, v.name)
    assert.equal(idOf(kind.bytes), v.id, v.name)
    assert.equal(toHex(encode(fromDagJSON(v.json))), v.hex, `${v.name}: from its DAG-JSON`)
  }
  assert.deepEqual(accept.map(v => v.name).sort(), Object.keys(kinds).sort())
})

test('what the vectors refuse is refused here, unless it cannot be said at all', () => {
  const { reject } = vectors<ManifestVectors>('manifest.json')
  // Names twice, unknown types and keys, schemas where there is no place for one: no call says that.
  const cannotBeSaid = /twice|unknown|beside|without a name|holds a name|of nothing|of a text|of something|with fields|with a schema/
  let tried = 0
  for (const v of reject) {
    if (!/^kind|^fields/.test(v.path) || cannotBeSaid.test(v.name)) continue
    const m = JSON.parse(v.json) as { kind: string; version: number; fields: Described[] }
    assert.throws(() => defineSpace(m.kind, m.version, fieldsOf(m.fields)), { code: 'invalid' }, v.name)
    tried++
  }
  assert.ok(tried > 45, String(tried))
})

test('a mistake in a kind is refused by name', () => {
  const f = { a: register(string()) }
  for (const [make, message] of [
    [() => defineSpace('chat', 1, f), /domain/],
    [() => defineSpace('example.org/chat', 0, f), /version/],
    [() => defineSpace('example.org/chat', 1.5, f), /version/],
    [() => defineSpace('example.org/chat', 1, {}), /at least one field/],
    [() => defineSpace('example.org/chat', 1, { update: f.a }), /own/],
    [() => defineSpace('example.org/chat', 1, { 'a b': f.a }), /letters/],
    [() => defineSpace('example.org/chat', 1, { cfg: record({ ok: f.a, 'a b': f.a }) }), /^cfg\["a b"\]: /],
    [() => defineSpace('example.org/chat', 1, { cfg: map(record({ then: f.a })) }), /^cfg\[...\]\.then: .*own/],
    [() => defineSpace('example.org/chat', 1, { cfg: map(record({})) }), /^cfg\[...\]: .*one property/],
    // @ts-expect-error nor does a map of it compile
    [() => defineSpace('example.org/chat', 1, { lines: map(log(string())) }), /^lines\[...\]: a map holds no log/],
    // @ts-expect-error a schema is not a shape
    [() => defineSpace('example.org/chat', 1, { lines: string() }), /^lines: is not made by/],
  ] as const) {
    assert.throws(make, (e: Error) => message.test(e.message), String(message))
  }
})

// Type tests: these lines do not compile when a type is wrong.
type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true : false
function is<_ extends true>(): void {}

const Shape = union('kind', { circle: object({ r: float() }), box: object({ w: integer(), h: integer() }) })
type Room = Space<typeof Chat.fields>

test('types are those of the schema', () => {
  is<Equal<Infer<typeof Item>,
    { name: string; count: number; unit: 'piece' | 'gram' | 'litre'; price?: number; tags?: string[] }>>()
  is<Equal<Infer<typeof Shape>, { kind: 'circle'; r: number } | { kind: 'box'; w: number; h: number }>>()
  const one = literal(1)
  is<Equal<Infer<typeof one>, 1>>()
  is<Equal<Room['topic'], RegisterHandle<string>>>()
  is<Equal<Room['participants'], SetHandle<string>>>()
  is<Equal<Room['messages'], LogHandle<{ text: string }>>>()
  const anything = any()
  is<Equal<Infer<typeof anything>, any>>()
  const write = (w: Writers<typeof Chat.fields>) => {
    w.topic.set('t')
    w.messages.append({ text: 'm' })
    // @ts-expect-error a number is no text
    w.topic.set(1)
    // @ts-expect-error a property the schema does not have
    w.messages.append({ text: 'm', extra: 1 })
    // @ts-expect-error a log has no remove
    w.messages.remove({ text: 'm' })
    // @ts-expect-error no such field
    w.other.set(1)
  }
  assert.equal(typeof write, 'function')
})
