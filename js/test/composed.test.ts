import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { ProcessHost } from '../src/inprocess.js'
import type { HhsNode } from '../src/node.js'
import { openOn } from '../src/options.js'
import type { useValue } from '../src/react.js'
import type { Space } from '../src/space.js'
import type { Writers } from '../src/tx.js'
import { List, composed } from './composed.js'
import { collector } from './collector.js'
import { type FakeEngine, emptyModule, fakeEngine } from './fake-engine.js'

const open = () => openOn(new ProcessHost(() => WebAssembly.compile(emptyModule)), { kinds: [List] }, true)

describe('with a stand-in for the engine', () => composed(open))

describe('what the engine is asked for', () => {
  let node: HhsNode
  let engine: FakeEngine
  before(async () => {
    node = await open()
    engine = fakeEngine()
  })
  after(() => node.close())

  test('a record that is made is reached by the index of its op, another as the one shown', async () => {
    const s = await node.create(List)
    await s.update(r => {
      const milk = r.items.make('milk', { title: 'Milk', tags: ['cold', 'white'], notes: { shop: 'corner' }, size: { w: 2 } })
      milk.done.set(false)
      milk.count.add(2)
      r.items.make('bread')
      r.items.at('milk').by.set('Ana')
    })
    assert.deepEqual(engine.lastOps, [
      { field: 'items', path: ['milk'], action: 'make' },
      { field: 'items', path: ['milk', 0, 'title'], action: 'set', value: 'Milk' },
      { field: 'items', path: ['milk', 0, 'tags'], action: 'add', value: 'cold' },
      { field: 'items', path: ['milk', 0, 'tags'], action: 'add', value: 'white' },
      { field: 'items', path: ['milk', 0, 'notes', 'shop'], action: 'set', value: 'corner' },
      { field: 'items', path: ['milk', 0, 'size', 'w'], action: 'set', value: 2 },
      { field: 'items', path: ['milk', 0, 'done'], action: 'set', value: false },
      { field: 'items', path: ['milk', 0, 'count'], action: 'add', value: 2 },
      { field: 'items', path: ['bread'], action: 'make' },
      { field: 'items', path: ['milk', null, 'by'], action: 'set', value: 'Ana' },
    ])
  })

  test('subscribers are told of what is inside or around their value, and of nothing else', async () => {
    const s = await node.create(List)
    await s.update(r => { r.items.make('milk', { title: 'Milk' }); r.items.make('tea', { title: 'Tea' }) })
    const [titles, milk, range, count] = [collector<string | undefined>(), collector<{ title: string | undefined } | undefined>(), collector<string[]>(), collector<number | bigint>()]
    s.items.at('milk').title.subscribe(titles.fn)
    s.items.at('milk').subscribe(milk.fn)
    s.items.subscribe(all => range.fn(all.map(e => e.key)), { from: 'n' })
    s.visits.subscribe(count.fn)
    await Promise.all([titles.until(t => t === 'Milk'), milk.until(m => m?.title === 'Milk'), range.until(k => k.length === 1), count.until(n => n === 0)])
    engine.reads.length = 0
    await s.update(r => { r.items.at('tea').title.set('Green tea'); r.visits.add(1) })
    await Promise.all([count.until(n => n === 1), range.until(() => range.seen.length === 2)])
    await s.update(r => { r.items.at('milk').done.set(true) })
    await milk.until(m => (m as { done?: boolean } | undefined)?.done === true)
    assert.deepEqual(engine.reads.map(r => r.join('/')).sort(), ['items', 'items/milk/', 'visits'])
    await s.update(r => r.items.remove('milk'))
    await Promise.all([titles.until(t => t === undefined), milk.until(m => m === undefined)])
    assert.equal(range.seen.length, 2)
  })
})

// Type tests: these lines do not compile when a type is wrong.
type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true : false
function is<_ extends true>(): void {}
type Lists = Space<typeof List.fields>
interface Item {
  title: string | undefined
  done: boolean | undefined
  count: number | bigint
  tags: string[]
  by: string | undefined
  notes: { [key: string]: string }
  size: { w: number | undefined; h: number | undefined }
}

test('types go all the way in', () => {
  const read = async (s: Lists, w: Writers<typeof List.fields>) => {
    const title = await s.items.at('milk').title.get()
    is<Equal<typeof title, string | undefined>>()
    const entry = (await s.items.entries())[0]!
    const value: Item = entry.value
    is<Equal<keyof typeof value, keyof Item>>()
    is<Equal<typeof entry.id, string>>()
    is<Equal<typeof entry.value.size.w, number | undefined>>()
    is<Equal<typeof entry.value.count, number | bigint>>()
    const cents = (await s.prices.get('milk'))!.cents
    is<Equal<typeof cents, number | bigint>>()
    const votes = (await s.votes.entries())[0]!
    is<Equal<typeof votes.value, number | bigint>>()
    const cfg = await s.cfg.get()
    is<Equal<typeof cfg.colour, string | undefined>>()
    is<Equal<typeof cfg.lines, string[]>>()
    const item = await s.items.at('milk').get()
    is<Equal<undefined extends typeof item ? true : false, true>>()
    // @ts-expect-error a counter has no author
    void votes.author
    // @ts-expect-error no such property
    void s.items.at('milk').colour
    w.items.make('milk', { title: 'Milk', size: { w: 1 } }).count.add(1n)
    // @ts-expect-error a number is no text
    w.items.make('milk', { title: 1 })
    // @ts-expect-error no such property
    w.items.make('milk', { colour: 'red' })
    // @ts-expect-error counters are not made
    w.votes.make('yes')
    // @ts-expect-error nor removed
    w.votes.remove('yes')
    // @ts-expect-error nothing is taken out of it
    w.seen.remove('x')
    // @ts-expect-error not text
    w.items.at('milk').done.set('yes')
  }
  const draw = (s: Lists, use: typeof useValue) => {
    const title = use(s.items.at('milk').title)
    is<Equal<typeof title, string | undefined>>()
    const list = use(s.items)
    is<Equal<Exclude<typeof list, undefined>[0]['value']['title'], string | undefined>>()
    const votes = use(s.votes.at('yes'))
    is<Equal<typeof votes, number | bigint | undefined>>()
  }
  assert.equal(typeof read, typeof draw)
})
