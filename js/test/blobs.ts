/** What of blobs needs an engine and no peer. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { HhsNode } from '../src/node.js'
import { List } from './composed.js'

export function blobs(open: () => Promise<HhsNode>): void {
  let node: HhsNode
  before(async () => { node = await open() })
  after(() => node.close())

  /** Bytes that repeat nowhere. */
  const noise = (n: number) => Uint8Array.from({ length: n }, (_, i) => (i * 2654435761) >>> (i % 24))

  test('a file is put slice by slice and read by range, as a stream and whole', async () => {
    const s = await node.create(List)
    const bytes = noise(700_000)
    const told: number[] = []
    const value = await node.putBlob(new File([bytes], 'a.bin', { type: 'image/png' }), { onProgress: done => told.push(done) })
    assert.deepEqual([value.size, value.name, value.media, told.at(-1), told.length], [700_000, 'a.bin', 'image/png', 700_000, 3])
    assert.equal((await node.putBlob(bytes)).root.text, value.root.text)
    const b = s.openBlob(value)
    assert.equal(await b.have(), 700_000)
    assert.deepEqual(await b.slice(262_100, 262_200), bytes.slice(262_100, 262_200))
    assert.deepEqual(await b.slice(699_990), bytes.slice(699_990))
    assert.deepEqual([(await b.slice(5, 5)).length, (await b.slice(800_000)).length, (await b.slice(9, 3)).length], [0, 0, 0])
    assert.deepEqual(new Uint8Array(await b.arrayBuffer()), bytes)
    const parts: Uint8Array[] = []
    for await (const part of b.stream()) parts.push(part)
    assert.deepEqual(Buffer.concat(parts), Buffer.from(bytes))
    await b.keep()
    assert.equal((await s.openBlob(await node.putBlob(new Uint8Array(0))).arrayBuffer()).byteLength, 0)
  })

  test('what is no blob is refused, and waiting ends with the signal', async () => {
    const s = await node.create(List)
    const value = await node.putBlob(noise(300_000))
    await assert.rejects(node.putBlob(noise(9), { name: 'a/b' }), { code: 'value' })
    await assert.rejects(s.openBlob({ ...value, size: 299_999 }).slice(0, 1), { code: 'blob' })
    await assert.rejects(s.openBlob({ ...value, size: -1 }).have(), { code: 'invalid' })
    const bent = { ...value, root: (await node.put('something else')) }
    const stop = new AbortController()
    const waits = s.openBlob(bent).slice(0, 1, { signal: stop.signal })
    stop.abort()
    await assert.rejects(waits, { code: 'aborted' })
    const midway = new AbortController()
    const reader = s.openBlob(value).stream({ signal: midway.signal }).getReader()
    assert.equal((await reader.read()).value!.length, 262_144)
    midway.abort()
    await assert.rejects(reader.read(), { code: 'aborted' })
    await assert.rejects(s.openBlob(value).stream({ signal: midway.signal }).getReader().read(), { code: 'aborted' })
    const early = new AbortController()
    await assert.rejects(node.putBlob(noise(600_000), { signal: early.signal, onProgress: () => early.abort() }), { code: 'aborted' })
    await assert.rejects(s.update(r => r.cfg.colour.set('x'.repeat(70_000))), { code: 'too_large' })
  })
}
