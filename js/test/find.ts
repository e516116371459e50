/** What is found by type and by link. The stand-in for the engine finds nothing, so these tests need the engine. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { defineSpace } from '../src/define.js'
import type { HhsError } from '../src/errors.js'
import type { FoundPage, Query } from '../src/find.js'
import { Link } from '../src/link.js'
import type { HhsNode } from '../src/node.js'
import { literal, object, optional, ref, string } from '../src/schema.js'
import { log, map, record, register } from '../src/shapes.js'

const remark = object({ $type: literal('example.org/remark'), text: string(), on: optional(ref()) })

export const Wiki = defineSpace('example.org/wiki', 1, {
  pages: map(record({ title: register(string()) })),
  remarks: log(remark),
  pinned: register(remark),
})

type Remark = { $type: 'example.org/remark'; text: string }

/** What was found, for people. */
const texts = (page: FoundPage<any>) => page.entries.map(e => [e.field, ...e.path, e.value?.text ?? e.value?.title].join(' '))

/** The pages that a query gives one after the other. */
function pages(q: Query<any>): { next: () => Promise<string[]>; stop: () => Promise<void> } {
  const it = q.watch()
  return { next: async () => texts((await it.next()).value as FoundPage), stop: async () => { await it.return() } }
}

/** Runs the tests; `open` opens a node that knows the kind `Wiki`. */
export function finds(open: () => Promise<HhsNode>): void {
  let node: HhsNode
  before(async () => { node = await open() })
  after(() => node.close())

  test('values of a type, records of a map and what refers to a page are found, with who wrote them', async () => {
    const s = await node.create(Wiki)
    const home = { $type: 'hhs/ref', space: Link.parse(s.id), path: ['pages', 'home'] } as const
    const { commit } = await s.update(r => {
      r.pages.make('home', { title: 'Home' })
      r.remarks.append({ $type: 'example.org/remark', text: 'one', on: { ...home, path: ['pages', 'home'] } })
      r.pinned.set({ $type: 'example.org/remark', text: 'two' })
    })
    const remarks = s.byType<Remark>('example.org/remark')
    const page = await remarks.get()
    const text: string = page.entries[0]!.value!.text
    assert.deepEqual([text, texts(page), page.next], ['one', ['remarks one', 'pinned two'], undefined])
    const [first] = page.entries
    assert.deepEqual([first!.commit, first!.id, first!.author, first!.path, first!.record], [commit, `${commit}/2`, node.identity, [], undefined])
    const [record] = (await s.byType('#pages').get()).entries
    assert.deepEqual([record!.field, record!.path, record!.value, typeof record!.record], ['pages', ['home'], { title: 'Home' }, 'string'])
    const back = s.backlinks({ ...home, path: ['pages', 'home'] })
    assert.deepEqual(texts(await back.get()), ['remarks one'])
    assert.deepEqual(texts(await s.backlinks(Link.parse(s.id), { type: 'example.org/remark' }).get()), ['remarks one'])
    assert.deepEqual(texts(await s.backlinks(Link.parse(s.id), { type: 'none' }).get()), [])
    await s.undo()
    assert.deepEqual([texts(await remarks.get()), texts(await back.get()), texts(await s.byType('#pages').get())], [[], [], []])
  })

  test('pages go on from either end', async () => {
    const s = await node.create(Wiki)
    for (const text of ['a', 'b', 'c', 'd', 'e']) await s.update(r => r.remarks.append({ $type: 'example.org/remark', text }))
    for (const newest of [false, true]) {
      const all: string[][] = []
      for (let from: Uint8Array | undefined; ;) {
        const page = await s.byType('example.org/remark', { limit: 2, newest, ...(from && { from }) }).get()
        all.push(texts(page).map(t => t.slice(-1)))
        if (!(from = page.next)) break
      }
      assert.deepEqual(all, newest ? [['e', 'd'], ['c', 'b'], ['a']] : [['a', 'b'], ['c', 'd'], ['e']])
    }
    await assert.rejects(s.byType('t', { limit: 1001 }).get(), { code: 'invalid' })
    await assert.rejects(s.byType('').get(), { code: 'invalid' })
    await assert.rejects(s.byType('t', { from: new Uint8Array(3) }).get(), { code: 'invalid' })
    assert.throws(() => s.backlinks({} as never), (e: HhsError) => e.code === 'invalid')
  })

  test('who watches is told the page when it is another one, and not otherwise', async () => {
    const s = await node.create(Wiki)
    const seen = pages(s.byType('example.org/remark'))
    assert.deepEqual(await seen.next(), [])
    await s.update(r => r.pinned.set({ $type: 'example.org/remark', text: 'a' }))
    assert.deepEqual(await seen.next(), ['pinned a'])
    await s.update(r => r.pages.make('home', { title: 'Home' }))
    await s.update(r => r.pinned.set({ $type: 'example.org/remark', text: 'b' }))
    assert.deepEqual(await seen.next(), ['pinned b'])
    await s.undo()
    assert.deepEqual(await seen.next(), ['pinned a'])
    const object = await node.put({ $type: 'example.org/remark', text: 'an object' })
    await s.update(r => r.attach(object))
    assert.deepEqual(await seen.next(), ['pinned a', ' an object'])
    await seen.stop()
  })
}
