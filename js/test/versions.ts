/** An old and a new program in one space, as two tabs of one browser have them: before, during and after the change of the schema. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { Client } from '../src/client.js'
import { type SpaceKind, defineSpace } from '../src/define.js'
import { HhsError } from '../src/errors.js'
import type { HhsNode } from '../src/node.js'
import { integer, object, optional, string } from '../src/schema.js'
import { type Fields, counter, list, log, map, record, register, set } from '../src/shapes.js'
import { type SchemaInfo, type Space, SpaceBase } from '../src/space.js'
import { collector } from './collector.js'

export const Room1 = defineSpace('example.org/room', 1, {
  posts: log({ text: string() }),
  style: register({ color: string(), frame: object({ width: integer() }) }),
  cards: map(record({ title: register(string()) })),
  marks: map(register({ text: string() })),
  steps: list({ text: string() }),
})

export const Room2 = defineSpace('example.org/room', 2, {
  posts: log({ text: string(), reply: optional(string()) }),
  style: register({ color: string(), font: optional(string()), frame: object({ width: integer(), dash: optional(integer()) }) }),
  cards: map(record({ title: register(string()), votes: counter(), tags: set(string()) })),
  marks: map(register({ text: string(), reply: optional(string()) })),
  steps: list({ text: string(), reply: optional(string()) }),
  due: register(string()),
})

const Room3 = defineSpace('example.org/room', 3, {
  style: register({ color: string(), font: optional(string({ max: 3 })), frame: object({ width: integer() }) }),
})

/** Another tab's view of a space, by a program of another version. */
async function tab<F extends Fields>(node: HhsNode, id: string, kind: SpaceKind<F>, upgrades = false): Promise<Space<F>> {
  const s = new SpaceBase((node as unknown as { client: Client }).client, id, kind, upgrades) as Space<F>
  await SpaceBase.begin(s)
  return s
}

const code = (want: string) => (e: unknown) => e instanceof HhsError && e.code === want

/** Runs the tests; `open` opens a node that knows the kind `Room1`. */
export function versions(open: () => Promise<HhsNode>): void {
  let node: HhsNode
  before(async () => { node = await open() })
  after(() => node.close())

  test('an old and a new program share a space that changes', async () => {
    const old = await node.create(Room1)
    await old.update(r => {
      r.style.set({ color: 'red', frame: { width: 1 } })
      r.cards.make('milk', { title: 'Milk' })
      r.marks.at('m').set({ text: 'mark' })
      r.steps.push({ text: 'step' })
    })
    const young = await tab(node, old.id, Room2)
    assert.deepEqual([await young.due.get(), await young.cards.at('milk').votes.get(), (await young.cards.get('milk'))!.tags], [undefined, 0, []])
    await assert.rejects(young.update(r => r.due.set('x')), code('old_schema'))
    await assert.rejects(young.update(r => r.cards.at('milk').votes.add(1)), code('old_schema'))
    await assert.rejects(young.update(r => r.posts.append({ text: 'x', reply: 'y' })), code('schema'))
    await young.update(r => r.posts.append({ text: 'early' }))

    const told = collector<SchemaInfo>()
    old.subscribeSchema(told.fn)
    await told.until(s => s.version === 1)
    assert.deepEqual((await young.upgrade({ dry: true })).sort(), ['cards', 'due', 'marks', 'posts', 'steps', 'style'])
    assert.equal((await young.schema()).changes.length, 0)
    await young.upgrade()
    const known = await told.until(s => s.version === 2)
    assert.deepEqual([known.founder, known.changes.length, known.changes[0]!.author], [true, 1, node.identity])
    assert.deepEqual(await young.upgrade(), [])

    await young.update(r => {
      r.due.set('friday')
      r.cards.at('milk').votes.add(2)
      r.posts.append({ text: 'two', reply: 'early' })
      r.style.set({ color: 'red', font: 'mono', frame: { width: 1, dash: 3 } })
      r.marks.at('m').set({ text: 'mark', reply: 'r' })
      r.steps.set(0, { text: 'step', reply: 'r' })
    })
    await old.update(r => {
      r.style.set({ color: 'blue', frame: { width: 2 } })
      r.marks.at('m').set({ text: 'remark' })
      r.steps.set(0, { text: 'stride' })
      r.posts.append({ text: 'after' })
    })
    assert.deepEqual(await young.style.get(), { color: 'blue', font: 'mono', frame: { width: 2, dash: 3 } })
    assert.deepEqual(await young.marks.get('m'), { text: 'remark', reply: 'r' })
    assert.deepEqual(await young.steps.list(), [{ text: 'stride', reply: 'r' }])
    assert.deepEqual((await old.posts.list()).map(e => e.value.text), ['early', 'two', 'after'])
    // What an old program read it may write, and what it leaves out of what it knows is gone.
    const style = (await old.style.get())!
    await old.update(r => r.style.set({ ...style, color: 'green' }))
    assert.deepEqual(await young.style.get(), { color: 'green', font: 'mono', frame: { width: 2, dash: 3 } })
    await young.update(r => r.style.set({ color: 'green', frame: { width: 2 } }))
    assert.deepEqual(await young.style.get(), { color: 'green', frame: { width: 2 } })
    SpaceBase.end(young)
  })

  test('what an old program keeps and the space accepts no more is named', async () => {
    const old = await node.create(Room1)
    const young = await tab(node, old.id, Room2, true)
    await young.update(r => r.style.set({ color: 'red', font: 'mono', frame: { width: 1 } }))
    const strict = await tab(node, old.id, Room3, true)
    const write = () => old.update(r => r.style.set({ color: 'blue', frame: { width: 2 } }))
    await assert.rejects(write(), e => code('schema')(e) && (e as HhsError).path === 'style.font' && /at most 3.*update the program/.test((e as Error).message))
    await strict.update(r => r.style.set({ color: 'red', font: 'ed', frame: { width: 1 } }))
    await write()
    assert.deepEqual(await strict.style.get(), { color: 'blue', font: 'ed', frame: { width: 2 } })
    SpaceBase.end(young)
    SpaceBase.end(strict)
  })

  test("a founder's newer program upgrades a space that it opens", async () => {
    const old = await node.create(Room1)
    const young = await tab(node, old.id, Room2, true)
    assert.equal((await old.schema()).version, 2)
    await young.update(r => r.due.set('now'))
    SpaceBase.end(young)
    const again = await tab(node, old.id, Room1, true)
    assert.equal((await again.schema()).version, 2)
    SpaceBase.end(again)
  })

  test('a program whose types are others is refused by field', async () => {
    const old = await node.create(Room1)
    const link = await old.link()
    const Other = defineSpace('example.org/room', 3, { steps: log({ text: string() }) })
    await assert.rejects(node.join(Other, link), e => code('kind_mismatch')(e) && /steps.*list.*log/.test((e as Error).message))
  })
}
