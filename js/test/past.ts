/** What was: history, past versions, differences. The stand-in for the engine has none, so these tests need the engine. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { HhsError } from '../src/errors.js'
import type { HhsNode } from '../src/node.js'
import { List } from './composed.js'

/** Runs the tests; `open` opens a node that knows the kind `List`. */
export function past(open: () => Promise<HhsNode>): void {
  let node: HhsNode
  before(async () => { node = await open() })
  after(() => node.close())

  test('a past version reads as the space does and never changes', async () => {
    const s = await node.create(List)
    const empty = await s.version()
    const one = await s.update(r => { r.title.set('one'); r.items.make('milk', { title: 'Milk', tags: ['cold'] }); r.visits.add(2); r.cfg.lines.append('a') })
    const version = await s.version()
    assert.equal(version, one.commit)
    await s.update(r => { r.title.set('two'); r.items.remove('milk'); r.visits.add(1); r.cfg.lines.append('b') })
    const then = await s.at(version)
    const title: string | undefined = await then.title.get()
    assert.equal(title, 'one')
    assert.equal((await then.title.entry())!.commit, one.commit)
    assert.deepEqual([await then.items.keys(), await then.items.at('milk').tags.list(), (await then.items.get('milk'))!.title], [['milk'], ['cold'], 'Milk'])
    assert.deepEqual([await then.visits.get(), (await then.cfg.lines.list()).map(e => e.value), await then.cfg.lines.size()], [2, ['a'], 1])
    assert.deepEqual([then.version, then.info, then.id], [version, { commits: 2, judgedNow: false }, s.id])
    const first = await s.at(empty)
    assert.deepEqual([await first.title.get(), await first.items.size(), await first.items.get('milk')], [undefined, 0, undefined])
    const told = await new Promise(resolve => then.title.subscribe(resolve))
    assert.equal(told, 'one')
  })

  test('more versions are read at once than are kept', async () => {
    const s = await node.create(List)
    const versions: string[] = []
    for (let v = 1; v <= 4; v++) {
      await s.update(r => { for (let i = 0; i < 100; i++) r.cfg.lines.append(`${v} ${i}`) })
      versions.push(await s.version())
    }
    const past = await Promise.all([...versions, ...versions].map(v => s.at(v)))
    assert.deepEqual(await Promise.all(past.map(p => p.cfg.lines.size())), [100, 200, 300, 400, 100, 200, 300, 400])
  })

  test('judged now, what was taken back since is not there', async () => {
    const s = await node.create(List)
    await s.update(r => r.cfg.lines.append('kept'))
    const { commit } = await s.update(r => r.cfg.lines.append('undone'))
    const read = async () => (await (await s.atJudgedNow(commit)).cfg.lines.list()).map(e => e.value)
    const held = await s.atJudgedNow(commit)
    assert.deepEqual(await read(), ['kept', 'undone'])
    await s.undo()
    assert.deepEqual([await read(), (await held.cfg.lines.list()).length], [['kept'], 1])
    assert.equal((await (await s.at(commit)).cfg.lines.list()).length, 2)
    await s.redo()
    assert.deepEqual(await read(), ['kept', 'undone'])
  })

  test('history says who wrote what, in pages, and what became of it', async () => {
    const s = await node.create(List)
    await s.setName('Ana')
    const one = await s.update(r => r.title.set('one'))
    const two = await s.update(r => { r.title.set('two'); r.items.make('milk', { title: 'Milk' }) })
    const undone = (await s.undo())!
    const all = await s.history()
    assert.equal(all.before, undefined)
    const [top, edit, before] = all.entries
    assert.deepEqual([top!.commit, top!.ops[0]!.field, top!.ops[0]!.action, top!.ops[0]!.commits], [undone.commit, '$undo', 'undo', [two.commit]])
    assert.deepEqual([edit!.commit, edit!.author, edit!.device, edit!.name, edit!.undoneBy], [two.commit, node.identity, node.device, 'Ana', [undone.commit]])
    assert.deepEqual(edit!.ops.map(o => [o.field, o.path, o.action, o.value, o.effect]), [
      ['title', [], 'set', 'two', 'undone'], ['items', ['milk'], 'make', undefined, 'undone'], ['items', ['milk', 'title'], 'set', 'Milk', 'undone'],
    ])
    assert.deepEqual([before!.commit, before!.undoneBy, before!.ops[0]!.effect], [one.commit, [], 'effective'])
    assert.ok(Math.abs(before!.time - Date.now()) < 60_000)

    const titles = await s.history({ field: 'title', limit: 1 })
    assert.deepEqual([titles.entries.map(e => e.commit), (await s.history({ field: 'title', before: titles.before! })).entries.map(e => e.commit)], [[two.commit], [one.commit]])
    const inside = async (...path: string[]) => (await s.history({ field: 'items', path })).entries.map(e => e.commit)
    assert.deepEqual([await inside('milk', 'title'), await inside('bread')], [[two.commit], []])
    assert.deepEqual((await s.history({ version: one.commit, field: 'title' })).entries.map(e => e.commit), [one.commit])
    // @ts-expect-error a kind has only the fields it has
    await assert.rejects(s.history({ field: 'nothing' }), (e: HhsError) => e.code === 'invalid' && e.message.includes('"nothing"'))
    await assert.rejects(s.history({ limit: 1001 }), { code: 'invalid' })
  })

  test('a page ends before it is too large for an answer, and nothing is left out', async () => {
    const s = await node.create(List)
    const long = 'x'.repeat(60_000)
    for (let i = 0; i < 12; i++) await s.update(r => { r.cfg.lines.append(`${i}a${long}`); r.cfg.lines.append(`${i}b${long}`) })
    const seen: string[] = []
    let pages = 0
    for (let before: string | undefined, more = true; more; pages++) {
      const page = await s.history({ field: 'cfg', limit: 1000, ...(before ? { before } : {}) })
      for (const e of page.entries) seen.push(...e.ops.map(o => String(o.value).slice(0, 3)))
      before = page.before
      more = before !== undefined
    }
    assert.equal(seen.length, 24)
    assert.ok(pages > 1)
    // One commit that is too large for an answer is there, and says that something was left out.
    const { commit } = await s.update(r => { for (let i = 0; i < 12; i++) r.seen.add(`${i}${long}`) })
    const [huge] = (await s.history({ limit: 1 })).entries
    assert.deepEqual([huge!.commit, huge!.ops.length, huge!.ops[0]!.value !== undefined, huge!.ops.at(-1)!.more], [commit, 12, true, true])
    const from = (await s.history({ limit: 1, before: commit })).entries[0]!.commit
    assert.equal((await s.diff(from, commit)).length, 12)
  })

  test('what two versions show differently', async () => {
    const s = await node.create(List)
    const empty = await s.version()
    await s.update(r => { r.title.set('one'); r.items.make('milk', { title: 'Milk' }); r.seen.add('a') })
    const one = await s.version()
    const { commit } = await s.update(r => { r.title.set('two'); r.items.at('milk').title.set('Oat'); r.votes.at('yes').add(3) })
    const list = await s.diff(one)
    assert.deepEqual(list.map(d => [d.field, d.path, d.before, d.after, d.commit, d.author]), [
      ['title', [], 'one', 'two', commit, node.identity], ['items', ['milk', 'title'], 'Milk', 'Oat', commit, node.identity], ['votes', ['yes'], undefined, 3, commit, node.identity],
    ])
    assert.deepEqual((await s.diff(commit, one)).map(d => [d.before, d.after]), [['two', 'one'], ['Oat', 'Milk'], [3, undefined]])
    assert.deepEqual(await s.diff(await s.version()), [])
    assert.deepEqual((await s.diff(empty, one)).map(d => d.field).sort(), ['items', 'items', 'seen', 'title'])
  })

  test('what is no version, or not here, is refused by code', async () => {
    const s = await node.create(List)
    await assert.rejects(s.at('yesterday'), { code: 'invalid' })
    await assert.rejects(s.at((await node.put('elsewhere')).toString()), { code: 'not_found' })
    await assert.rejects(s.diff('yesterday'), { code: 'invalid' })
  })
}
