/** What holds of composed values whatever engine is behind them: the tests of the stand-in and of the engine itself. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { compareText } from '../src/composed.js'
import { defineSpace } from '../src/define.js'
import { HhsError } from '../src/errors.js'
import type { HhsNode } from '../src/node.js'
import { bool, integer, object, string } from '../src/schema.js'
import { counter, growset, log, map, once, record, register, set } from '../src/shapes.js'
import { collector } from './collector.js'

export const List = defineSpace('example.org/list', 1, {
  title: register(string()),
  items: map(record({
    title: register(string({ max: 20 })),
    done: register(bool()),
    count: counter(),
    tags: set(string()),
    by: once(string()),
    notes: map(register(string())),
    size: record({ w: register(integer()), h: register(integer()) }),
  })),
  votes: map(counter()),
  prices: map(register(object({ cents: integer({ big: true }) }))),
  seen: growset(string()),
  rooms: map(set(string())),
  visits: counter(),
  cfg: record({ colour: register(string()), lines: log(string()) }),
})

/** A record in which nothing was written. */
const empty = { title: undefined, done: undefined, count: 0, tags: [], by: undefined, notes: {}, size: { w: undefined, h: undefined } }

/** Runs the tests; `open` opens a node that knows the kind `List`. */
export function composed(open: () => Promise<HhsNode>): void {
  let node: HhsNode
  before(async () => { node = await open() })
  after(() => node.close())

  test('records are made, written, read as plain objects and removed', async () => {
    const s = await node.create(List)
    assert.equal(await s.items.get('milk'), undefined)
    assert.equal(await s.items.at('milk').get(), undefined)
    assert.equal(await s.items.at('milk').title.get(), undefined)
    const made = await s.update(r => {
      const milk = r.items.make('milk', { title: 'Milk', tags: ['cold', 'white'], notes: { shop: 'corner' }, size: { w: 2 } })
      milk.done.set(false)
      milk.count.add(2)
      r.items.make('bread')
    })
    await s.update(r => {
      r.items.at('milk').title.set('Oat milk')
      r.items.at('milk').count.add(-1)
      r.items.at('milk').tags.remove('white')
      r.items.at('milk').by.set('Ana')
    })
    const milk = { title: 'Oat milk', done: false, count: 1, tags: ['cold'], by: 'Ana', notes: { shop: 'corner' }, size: { w: 2, h: undefined } }
    const [bread, entry] = await s.items.entries()
    assert.deepEqual(bread!.value, empty)
    assert.deepEqual([entry!.key, entry!.id, entry!.author, entry!.value], ['milk', `${made.commit}/0`, node.identity, milk])
    assert.deepEqual(await s.items.get('milk'), milk)
    assert.equal((await s.items.at('milk').entry())!.id, entry!.id)
    assert.deepEqual([await s.items.at('milk').title.get(), await s.items.at('milk').count.get(), await s.items.at('milk').notes.get('shop')], ['Oat milk', 1, 'corner'])
    assert.equal(await s.items.at('milk').size.w.get(), 2)
    await s.update(r => r.items.remove('milk'))
    assert.deepEqual([await s.items.has('milk'), await s.items.keys(), await s.items.size()], [false, ['bread'], 1])
    await assert.rejects(s.update(r => r.items.at('milk').title.set('x')), { code: 'not_found' })
  })

  test('keys are read in order, in ranges and from both ends', async () => {
    const s = await node.create(List)
    const keys = ['\u{10000}', 'é', 'b', 'a', 'ab', '__proto__', '\ufffd']
    await s.update(r => { for (const k of keys) r.votes.at(k).add(1) })
    const sorted = ['__proto__', 'a', 'ab', 'b', 'é', '\ufffd', '\u{10000}']
    assert.deepEqual(await s.votes.keys(), sorted)
    assert.deepEqual([...keys].sort(compareText), sorted)
    assert.deepEqual(await s.votes.keys({ reverse: true }), [...sorted].reverse())
    assert.deepEqual(await s.votes.keys({ from: 'a', to: 'é' }), ['a', 'ab', 'b'])
    assert.deepEqual((await s.votes.entries({ from: 'a', limit: 3, reverse: true })).map(e => e.key), ['\u{10000}', '\ufffd', 'é'])
    const page = await s.votes.page({ limit: 2 })
    assert.deepEqual([page.entries, page.size, page.next], [[{ key: '__proto__', value: 1 }, { key: 'a', value: 1 }], 7, 'a'])
    assert.deepEqual((await s.votes.page({ limit: 2, after: 'a' })).entries.map(e => e.key), ['ab', 'b'])
    await s.update(r => r.votes.at('z'.repeat(1024)).add(1))
    assert.deepEqual(await s.votes.keys({ after: 'z'.repeat(1024), limit: 1 }), ['é'])
    sorted.splice(4, 0, 'z'.repeat(1024))
    const all: string[] = []
    for await (const e of s.votes) all.push(e.key)
    assert.deepEqual(all, sorted)
    assert.deepEqual(await s.votes.list(), sorted.map(() => 1))
  })

  test('counters are numbers while those are exact, and bigints beyond', async () => {
    const s = await node.create(List)
    assert.equal(await s.visits.get(), 0)
    await s.update(r => r.visits.add(Number.MAX_SAFE_INTEGER))
    assert.equal(await s.visits.get(), Number.MAX_SAFE_INTEGER)
    await s.update(r => r.visits.add(1n))
    assert.equal(await s.visits.get(), 2n ** 53n)
    await s.update(r => r.visits.add(2n ** 63n - 1n))
    assert.equal(await s.visits.get(), 2n ** 63n + 2n ** 53n - 1n)
    await s.update(r => { for (let i = 0; i < 2; i++) r.visits.add(-(2n ** 63n)) })
    assert.equal(await s.visits.get(), 2n ** 53n - 1n - 2n ** 63n)
  })

  test('maps of sets and registers, and a record of the kind', async () => {
    const s = await node.create(List)
    assert.deepEqual(await s.cfg.get(), { colour: undefined, lines: [] })
    await s.update(r => {
      r.rooms.at('lake').add('Ana')
      r.rooms.at('lake').add('Ben')
      r.prices.at('milk').set({ cents: 2n ** 60n })
      r.cfg.colour.set('blue')
      r.cfg.lines.append('one')
      r.seen.add('x')
    })
    assert.deepEqual(await s.rooms.entries(), [{ key: 'lake', value: ['Ana', 'Ben'] }])
    assert.equal(await s.rooms.at('lake').has('Ben'), true)
    const price = (await s.prices.entry('milk'))!
    assert.deepEqual([price.value, price.author], [{ cents: 2n ** 60n }, node.identity])
    assert.deepEqual(await s.cfg.get(), { colour: 'blue', lines: ['one'] })
    assert.deepEqual(await s.seen.list(), ['x'])
    await s.update(r => { r.rooms.remove('lake'); r.prices.remove('milk') })
    assert.deepEqual([await s.rooms.keys(), await s.prices.keys()], [[], []])
  })

  test('what cannot be written is refused by name and path, and writes nothing', async () => {
    const s = await node.create(List)
    await s.update(r => r.items.make('milk'))
    const { commits } = await s.info()
    const bad: [(r: any) => void, string, string, RegExp][] = [
      [r => r.items.at('milk').title.set('longer than twenty characters'), 'schema', 'items["milk"].title', /at most 20/],
      [r => r.items.at('a b').done.set('yes'), 'schema', 'items["a b"].done', /true or false/],
      [r => r.items.at('milk').title.set(new Date()), 'schema', 'items["milk"].title', /a Date/],
      [r => r.items.at('milk').count.add(2 ** 53), 'value', 'items["milk"].count', /beyond 2\^53, which must be a bigint/],
      [r => r.items.at('milk').count.add(1.5), 'value', 'items["milk"].count', /fraction/],
      [r => r.votes.at('yes').add(2n ** 63n), 'value', 'votes["yes"]', /beyond 64 bits/],
      [r => r.votes.at('yes').add(undefined), 'value', 'votes["yes"]', /undefined/],
      [r => r.items.at('milk').size.w.set(2 ** 60), 'schema', 'items["milk"].size.w', /beyond 2\^53, which must be a bigint/],
      [r => r.items.at('').title.set('x'), 'value', 'items[""]', /1 to 1024 bytes/],
      [r => r.items.make('é'.repeat(513)), 'value', `items["${'é'.repeat(40)}"]`, /not 1026/],
      [r => r.items.remove('\ud800'), 'value', 'items["\\ud800"]', /surrogate/],
      [r => r.items.at(5), 'value', 'items', /number/],
      [r => r.items.make('x', { colour: 'red' }), 'schema', 'items["x"].colour', /not a property/],
      [r => r.items.make('x', { size: { w: 1, depth: 2 } }), 'schema', 'items["x"].size.depth', /not a property/],
      [r => r.items.make('x', { tags: 'cold' }), 'schema', 'items["x"].tags', /a list/],
      [r => r.items.make('x', { tags: ['a', 1] }), 'schema', 'items["x"].tags', /a string/],
      [r => r.items.make('x', { notes: { a: 1 } }), 'schema', 'items["x"].notes["a"]', /a string/],
      [r => r.items.make('x', { notes: new Map([['a', 'b']]) }), 'schema', 'items["x"].notes', /a Map/],
      [r => r.items.make('x', [1]), 'schema', 'items["x"]', /a list/],
    ]
    for (const [fn, code, path, says] of bad) {
      await assert.rejects(s.update(fn), (e: unknown) => {
        assert.ok(e instanceof HhsError)
        assert.deepEqual([e.code, e.path], [code, path])
        assert.match(e.message, says)
        return true
      })
    }
    assert.equal((await s.info()).commits, commits)
    for (const key of ['', '\ud800', 'x'.repeat(1025)]) {
      assert.throws(() => s.items.at(key), { code: 'value' })
      await assert.rejects(s.items.get(key), { code: 'value' })
      await assert.rejects(s.items.keys({ from: key }), { code: 'value' })
    }
    // Who goes on after a refusal writes the rest, not half of what was refused.
    await s.update(r => {
      assert.throws(() => r.items.make('half', { title: 'ok', done: 'no' as unknown as boolean }), { code: 'schema' })
      r.title.set('whole')
    })
    assert.deepEqual([await s.title.get(), await s.items.has('half')], ['whole', false])
  })

  test('what does not fit one answer is read in several', async () => {
    const s = await node.create(List)
    await s.update(r => r.items.make('x'))
    const want = Array.from({ length: 25 }, (_, i) => `${i + 100} ${'x'.repeat(60_000)}`)
    for (const text of want) {
      await s.update(r => {
        r.cfg.lines.append(text)
        r.seen.add(text)
        r.items.at('x').notes.at(text.slice(0, 3)).set(text)
      })
    }
    assert.deepEqual((await s.cfg.lines.list()).map(e => e.value), want)
    assert.deepEqual((await s.cfg.lines.list({ first: 20 })).map(e => e.value), want.slice(0, 20))
    assert.deepEqual(await s.seen.list(), want)
    assert.deepEqual(await s.items.at('x').notes.list({ reverse: true, limit: 22 }), [...want].reverse().slice(0, 22))
    const [whole] = await s.items.entries()
    assert.equal(whole!.more, true)
    const notes = Object.fromEntries(want.slice(0, 3).map(text => [text.slice(0, 3), text]))
    for (const key of ['y', 'z']) await s.update(r => r.items.make(key, { notes }))
    assert.deepEqual(await s.items.entries({ from: 'y' }).then(all => all.map(e => [e.value.notes, e.more])), [[notes, undefined], [notes, undefined]])
  })

  test('own updates are taken back and given again, and buttons know', async () => {
    const s = await node.create(List)
    assert.deepEqual([await s.undo(), await s.redo(), await s.undoState()], [undefined, undefined, { undo: [], redo: [] }])
    const states = collector<{ undo: string[]; redo: string[] }>()
    s.subscribeUndo(states.fn)
    await states.until(u => u.undo.length === 0)
    const one = await s.update(r => { r.items.make('milk', { title: 'Milk' }); r.visits.add(2) })
    const two = await s.update(r => { r.items.at('milk').title.set('Oat milk'); r.items.at('milk').count.add(3) })
    await states.until(u => u.undo[0] === two.commit)
    const back = (await s.undo())!
    assert.deepEqual(back.commits, [two.commit])
    assert.equal(await back.held(), 0)
    const milk = { ...empty, title: 'Milk' }
    assert.deepEqual(await s.items.get('milk'), milk)
    await states.until(u => u.redo.length === 1 && u.undo[0] === one.commit)
    await s.undo()
    assert.deepEqual([await s.items.keys(), await s.visits.get()], [[], 0])
    assert.equal(await s.undo(), undefined)
    await s.redo()
    await s.redo()
    assert.equal(await s.redo(), undefined)
    assert.deepEqual([await s.items.get('milk'), await s.visits.get()], [{ ...milk, title: 'Oat milk', count: 3 }, 2])
    await s.undo()
    await s.update(r => r.visits.add(1))
    await states.until(u => u.redo.length === 0)
    assert.equal(await s.redo(), undefined)
  })

  test('who subscribes to a value inside others is told of its changes', async () => {
    const s = await node.create(List)
    const [title, milk, notes, votes] = [collector<string | undefined>(), collector<{ title: string | undefined } | undefined>(), collector<string[]>(), collector<number | bigint>()]
    s.items.at('milk').title.subscribe(title.fn)
    s.items.at('milk').subscribe(milk.fn)
    s.items.at('milk').notes.subscribe(all => notes.fn(all.map(e => e.key)), { from: 'b' })
    s.votes.at('yes').subscribe(votes.fn)
    await Promise.all([title.until(t => t === undefined), milk.until(m => m === undefined), notes.until(n => n.length === 0), votes.until(n => n === 0)])
    await s.update(r => { r.items.make('milk', { title: 'Milk' }); r.votes.at('yes').add(1) })
    await Promise.all([title.until(t => t === 'Milk'), milk.until(m => m?.title === 'Milk'), votes.until(n => n === 1)])
    await s.update(r => { r.items.at('milk').title.set('Oat milk'); r.items.at('milk').notes.at('b').set('x') })
    await Promise.all([title.until(t => t === 'Oat milk'), milk.until(m => m?.title === 'Oat milk'), notes.until(n => n[0] === 'b')])
    await s.update(r => r.items.remove('milk'))
    await Promise.all([title.until(t => t === undefined), milk.until(m => m === undefined), notes.until(n => n.length === 0)])
  })

  test('watching goes on with each change', async () => {
    const s = await node.create(List)
    const seen: (number | bigint)[] = []
    for await (const n of s.votes.at('yes').watch()) {
      seen.push(n)
      if (seen.length === 3) break
      await s.update(r => r.votes.at('yes').add(1))
    }
    assert.deepEqual(seen, [0, 1, 2])
    for await (const all of s.votes.watch({ limit: 1 })) {
      assert.deepEqual(all, [{ key: 'yes', value: 2 }])
      break
    }
    for await (const v of s.cfg.watch()) {
      assert.deepEqual(v, { colour: undefined, lines: [] })
      break
    }
  })

  test('a key has one handle', async () => {
    const s = await node.create(List)
    assert.equal(s.items.at('milk'), s.items.at('milk'))
    assert.equal(s.items.at('milk').title, s.items.at('milk').title)
    assert.notEqual(s.items.at('milk'), s.items.at('tea'))
    const kept = s.votes.at('kept')
    for (let i = 0; i < 1000; i++) s.votes.at(`key ${i}`)
    assert.equal(s.votes.at('kept'), kept)
  })
}
