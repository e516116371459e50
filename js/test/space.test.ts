import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { HhsError } from '../src/errors.js'
import { ProcessHost } from '../src/inprocess.js'
import { defineSpace } from '../src/define.js'
import { identity, integer, object, string } from '../src/schema.js'
import type { HhsNode } from '../src/node.js'
import { openOn } from '../src/options.js'
import { log, record, register, set } from '../src/shapes.js'
import { RecordHandle } from '../src/composed.js'
import { PastBase } from '../src/past.js'
import { SpaceBase } from '../src/space.js'
import type { Client, Data } from '../src/client.js'
import { collector } from './collector.js'
import { emptyModule, fakeEngine } from './fake-engine.js'

const Chat = defineSpace('example.org/chat', 1, {
  topic: register(string({ max: 20 })),
  participants: set(identity()),
  messages: log({ text: string({ max: 10 }) }),
  numbers: set(object({ n: integer() })),
})

const open = () => openOn(new ProcessHost(() => WebAssembly.compile(emptyModule)), { kinds: [Chat] }, true)
const fake = fakeEngine

let node: HhsNode
before(async () => { node = await open() })
after(() => node.close())

test('values are written and read', async () => {
  const room = await node.create(Chat)
  assert.equal(await room.topic.get(), undefined)
  const receipt = await room.update(r => {
    r.topic.set('hiking')
    r.participants.add(node.identity)
    r.messages.append({ text: 'one' })
    r.messages.append({ text: 'two' })
    r.messages.append({ text: 'three' })
  })
  assert.equal(await room.topic.get(), 'hiking')
  assert.equal((await room.topic.entry())?.author, node.identity)
  assert.deepEqual(await room.participants.list(), [node.identity])
  assert.equal(await room.participants.has(node.identity), true)
  assert.deepEqual((await room.messages.list({ last: 2 })).map(m => m.value.text), ['two', 'three'])
  assert.deepEqual((await room.messages.list()).map(m => m.value.text), ['one', 'two', 'three'])
  const page = await room.messages.page({ first: 3 })
  assert.deepEqual([page.entries.map(m => m.value.text), page.size, page.after], [['one', 'two', 'three'], 3, undefined])
  assert.equal(await room.messages.size(), 3)
  const all: string[] = []
  for await (const m of room.messages) all.push(m.value.text)
  assert.deepEqual(all, ['one', 'two', 'three'])
  for (let n = 0; n < 5; n++) await room.update(r => r.numbers.add({ n }))
  assert.deepEqual((await room.numbers.list()).map(x => x.n), [0, 1, 2, 3, 4])
  await room.update(r => r.participants.remove(node.identity))
  assert.equal(await room.participants.has(node.identity), false)
  assert.equal(await receipt.held(), 0)
})

test('fields and properties may have any name that is not reserved', async () => {
  const names = ['event', 'access', 'failed', 'current', 'client', 'stop', 'turn', 'heard', 'writes', 'shape', 'begin', 'end', 'open']
  const fields = () => Object.fromEntries(names.map(name => [name, register(string())]))
  const Taken = defineSpace('example.org/taken', 1, { ...fields(), all: record(fields()) })
  const room = await node.create(Taken)
  assert.deepEqual(Object.keys(room).sort(), [...names, 'all', 'id', 'kind'].sort(), 'no members but these')
  const seen: unknown[] = []
  const stop = room.all.subscribe(v => { seen.push(v) })
  await room.update((r: any) => { for (const name of names) { r[name].set(name); r.all[name].set(name) } })
  for (const name of names) assert.equal(await (room as any)[name].get(), name)
  assert.deepEqual(await room.all.get(), Object.fromEntries(names.map(name => [name, name])))
  stop()
  assert.ok(room.status.ready && (await room.undo()) && (await room.redo()) && (await room.link()) && (await room.peers()))
  const read: unknown[] = []
  const engine = { call: async (method: string, args: Data) => (method === 'version' ? { version: 'v', commits: 1 } : (read.push(args.field), {})) }
  const past = await PastBase.open(engine as unknown as Client, room.id, Taken, 'v', false)
  for (const name of names) await (past as any)[name].get()
  assert.deepEqual(read, names)
  await room.leave()

  // Whatever a space has itself is reserved, and said by name.
  for (const name of new Set([SpaceBase, PastBase].flatMap(c => Object.getOwnPropertyNames(c.prototype)).concat(Object.keys(room), Object.keys(past)))) {
    if (Object.hasOwn(Taken.fields, name)) continue
    assert.throws(() => defineSpace('example.org/x', 1, { [name]: register(string()) }), { code: 'invalid', path: name, message: /own/ }, name)
  }
  for (const name of Object.getOwnPropertyNames(RecordHandle.prototype)) {
    assert.throws(() => defineSpace('example.org/x', 1, { a: record({ [name]: register(string()) }) }), { code: 'invalid', message: /own/ }, name)
  }
})

test('an update that may not be written writes nothing', async () => {
  const room = await node.create(Chat)
  const calls = fake().calls.length
  const bad: [(r: any) => void, string, string][] = [
    [r => r.messages.append({ text: 'longer than ten' }), 'schema', 'messages.text'],
    [r => { r.topic.set('ok'); r.messages.append({ text: 1 }) }, 'schema', 'messages.text'],
    [r => r.messages.append({ text: 'ok', when: new Date() }), 'schema', 'messages.when'],
    [r => r.topic.set(undefined), 'schema', 'topic'],
    [r => r.topic.set('\ud800'), 'value', 'topic'],
    [() => {}, 'invalid', ''],
  ]
  for (const [fn, code, path] of bad) {
    await assert.rejects(room.update(fn), (e: unknown) => e instanceof HhsError && e.code === code && e.path === path, path)
  }
  let later: (() => void) | undefined
  await room.update(r => { r.topic.set('ok'); later = () => r.topic.set('too late') })
  assert.throws(later!, { code: 'closed' })
  assert.equal(fake().calls.slice(calls).filter(m => m === 'update').length, 1)
})

test('subscriptions give the value now, then each change, until ended', async () => {
  const room = await node.create(Chat)
  const topics = collector<string | undefined>()
  const messages = collector<{ value: { text: string } }[]>()
  const stop = room.topic.subscribe(topics.fn)
  room.messages.subscribe(messages.fn, { last: 1 })
  await topics.until(t => t === undefined)
  await room.update(r => r.topic.set('one'))
  await topics.until(t => t === 'one')
  stop()
  await room.update(r => { r.topic.set('two'); r.messages.append({ text: 'hi' }) })
  fake().remote(room.id, 'hello')
  await messages.until(m => m[0]?.value.text === 'hello')
  assert.deepEqual(topics.seen.filter(t => t === 'two'), [])
})

test('watching ends with its signal', async () => {
  const room = await node.create(Chat)
  const stop = new AbortController()
  const seen: (string | undefined)[] = []
  for await (const t of room.topic.watch(stop.signal)) {
    seen.push(t)
    if (t === undefined) await room.update(r => r.topic.set('a'))
    else stop.abort()
  }
  assert.deepEqual(seen, [undefined, 'a'])
})

test('receipts, status, names and peers follow events', async () => {
  const room = await node.create(Chat)
  const receipt = await room.update(r => r.topic.set('x'))
  const [held, states, names, peers] = [collector<number>(), collector<string>(), collector<Map<string, string>>(), collector<unknown[]>()]
  receipt.subscribe(held.fn)
  room.subscribeStatus(s => states.fn(s.state))
  room.subscribeNames(names.fn)
  room.subscribePeers(peers.fn)
  await held.until(n => n === 0)
  fake().hold(room.id, 2)
  await held.until(n => n === 2)
  await states.until(s => s === 'synced')
  await peers.until(p => p.length === 1)
  await node.setName('Ada')
  await names.until(n => n.get(node.identity) === 'Ada')
  assert.deepEqual(held.seen, [0, 2])
})

test('joining opens by link, id or candidate, once', async () => {
  const room = await node.create(Chat)
  assert.equal(await node.join(Chat, await room.link()), room)
  const found = (await node.lookup('three good words')).find(c => c.space === room.id)!
  assert.equal(await node.join(Chat, found), room)
  await assert.rejects(node.lookup('two words'), { code: 'bad_words' })
  await assert.rejects(node.join(Chat, 'hhs:nothing'), { code: 'bad_link' })
  const Other = defineSpace('example.org/other', 1, { a: register(string()) })
  await assert.rejects(node.join(Other, room.id), { code: 'kind_mismatch' })
})

test('errors of subscriptions reach the space, then its subscriber', async () => {
  const room = await node.create(Chat)
  const [errors, own] = [collector<HhsError>(), collector<HhsError>()]
  room.subscribeErrors(errors.fn)
  room.topic.subscribe(() => {})
  room.messages.subscribe(() => {}, { onError: own.fn })
  // Another tab leaves it.
  fake().do_leave({ space: room.id })
  room.participants.subscribe(() => {})
  room.messages.subscribe(() => {}, { onError: own.fn })
  await errors.until(e => e.code === 'not_found')
  await own.until(e => e.code === 'not_found')
})

test('an engine that ends rejects what is pending, and a closed node what comes after', async () => {
  await node.close()
  await node.close()
  await assert.rejects(node.spaces(), { code: 'closed' })
  node = await open()
  const room = await node.create(Chat)
  const states = collector<string>()
  node.subscribeState(s => states.fn(s.phase))
  const pending = room.topic.get()
  // The call is sent, then the engine ends without an answer.
  await Promise.resolve()
  fake().crash()
  await assert.rejects(pending)
  await states.until(p => p === 'failed')
  await assert.rejects(room.topic.get(), { code: 'engine_failed' })
})
