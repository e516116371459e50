/** Spaces as files. The stand-in for the engine writes none, so these tests need the engine. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { HhsError } from '../src/errors.js'
import type { FileProgress } from '../src/files.js'
import type { HhsNode } from '../src/node.js'
import { List } from './composed.js'

/** Runs the tests; `open` opens a node that knows the kind `List`, in memory. */
export function files(open: () => Promise<HhsNode>): void {
  let node: HhsNode
  before(async () => { node = await open() })
  after(() => node.close())

  const bytesOf = async (stream: ReadableStream<Uint8Array>) => new Uint8Array(await new Response(stream).arrayBuffer())

  test('a space goes into a file, and comes out of it on another node, in pieces', async () => {
    const s = await node.create(List)
    const long = 'x'.repeat(50_000)
    for (let i = 0; i < 20; i++) await s.update(r => r.cfg.lines.append(`${i}${long}`))
    const steps: FileProgress[] = []
    const file = await bytesOf(node.export(s, { onProgress: p => steps.push(p) }))
    assert.ok(file.length > 1_000_000 && steps.length > 3)
    assert.deepEqual(steps.at(-1), { commits: 21, all: 21, bytes: file.length })
    assert.deepEqual(await bytesOf(node.export(s.id)), file)
    assert.deepEqual(await node.verifyExport(new Blob([file])), { space: s.id, commits: 21, new: 21, fresh: true, bytes: file.length })
    assert.equal((await node.import(file)).new, 0)

    await node.close()
    node = await open()
    assert.deepEqual(await node.spaces(), [])
    const read: FileProgress[] = []
    const x = await node.import(new Blob([file]), { onProgress: p => read.push(p) })
    assert.deepEqual(x, { space: s.id, commits: 21, new: 21, fresh: true, bytes: file.length })
    assert.ok(read.length > 3 && read.some(p => p.commits > 0 && p.commits < 21))
    const there = await node.join(List, s.id)
    assert.equal((await there.cfg.lines.size()), 20)
    assert.deepEqual(await bytesOf(node.export(there)), file)
  })

  test('what was open of a space that is left does not serve the copy that comes back', async () => {
    const s = await node.create(List)
    await s.update(r => r.title.set('one'))
    const [value, version] = [await node.putBlob(new Uint8Array(300_000).fill(7)), await s.version()]
    const missing = { ...value, root: await node.put('something else') }
    const read = async (from: typeof s) => [
      (await from.openBlob(value).slice(0, 2)).length, await from.openBlob(missing).have(), await (await from.at(version)).title.get(), (await from.diff(version)).length,
    ]
    const file = await bytesOf(node.export(s))
    assert.deepEqual(await read(s), [2, 0, 'one', 0])
    await s.leave()
    await node.import(file)
    const again = await node.join(List, s.id)
    const stop = new AbortController()
    const waits = again.openBlob(missing).slice(0, 1, { signal: stop.signal })
    waits.catch(() => {}) // it is awaited below
    assert.deepEqual(await read(again), [2, 0, 'one', 0])
    stop.abort()
    await assert.rejects(waits, { code: 'aborted' })
  })

  test('what is wrong with a file is said, with where', async () => {
    const s = await node.create(List)
    for (let i = 0; i < 3; i++) await s.update(r => r.visits.add(1))
    const file = await bytesOf(node.export(s))
    const fails = (bytes: Uint8Array) => assert.rejects(node.verifyExport(bytes), (e: HhsError) => e.code === 'file' && /byte \d+.*rule \S+/s.test(e.message))
    const bent = file.slice()
    bent[file.length - 100]! ^= 1
    await fails(bent)
    await fails(file.slice(0, file.length - 10))
    await fails(new TextEncoder().encode('no export of anything'))
    await fails(new Uint8Array())
    await assert.rejects(node.import(bent), { code: 'file' })
    await assert.rejects(bytesOf(node.export((await node.put('nothing')).toString())), { code: 'not_found' })
  })

  test('a file can be given up, and then others have room', async () => {
    const s = await node.create(List)
    const stop = new AbortController()
    stop.abort()
    for (let i = 0; i < 6; i++) {
      const reader = node.export(s).getReader()
      await reader.read()
      await reader.cancel()
      await assert.rejects(bytesOf(node.export(s, { signal: stop.signal })), { code: 'aborted' })
      await assert.rejects(node.import(new Uint8Array(10), { signal: stop.signal }), { code: 'aborted' })
    }
    assert.equal((await node.verifyExport(node.export(s))).commits, 1)
  })
}
