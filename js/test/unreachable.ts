/** What a node says that has no WebRTC, as under Node.js. The stand-in for the engine knows no network, so these tests need the engine. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { HhsError } from '../src/errors.js'
import type { HhsNode } from '../src/node.js'
import { List } from './composed.js'

/** Runs the tests; `open` opens a node that knows the kind `List`, in memory. */
export function unreachable(open: (options?: { words: boolean }) => Promise<HhsNode>): void {
  const socket = Object.getOwnPropertyDescriptor(globalThis, 'WebSocket')
  let node: HhsNode
  before(async () => {
    // One that is there and connects to nobody: only an endpoint is missing then.
    Object.defineProperty(globalThis, 'WebSocket', { configurable: true, writable: true, value: class { constructor() { throw new Error('closed') } } })
    node = await open()
  })
  after(async () => {
    await node.close()
    if (socket) Object.defineProperty(globalThis, 'WebSocket', socket)
    else Reflect.deleteProperty(globalThis, 'WebSocket')
  })

  test('a space with servers only says that nobody can be reached, one with an endpoint or alone does not', async () => {
    const alone = await node.create(List)
    assert.equal(alone.status.error, undefined)
    const served = await node.create(List, { servers: ['ws://127.0.0.1:1/signal'] })
    assert.equal(served.status.error?.code, 'unsupported')
    assert.match(served.status.error.message, /endpoint, e= in the link/)
    const met = await node.create(List, { servers: ['ws://127.0.0.1:1/signal'], endpoints: ['ws://127.0.0.1:1/peer'] })
    assert.equal(met.status.error, undefined)
    await served.update(r => r.cfg.lines.append('written all the same'))
  })

  test('a node that keeps its words to itself invites without them', async () => {
    const options = { servers: ['ws://127.0.0.1:1/signal'] }
    const found = await (await node.create(List, options)).invitation()
    assert.match(found.words ?? '', /^[a-z]+ [a-z]+ [a-z]+$/)
    await node.close()
    node = await open({ words: false })
    const kept = await (await node.create(List, options)).invitation()
    assert.deepEqual([kept.words, kept.wordsServer, kept.servers], [undefined, undefined, options.servers])
    await node.close()
    node = await open()
  })

  test('joining by servers only is refused at once and does not wait', async () => {
    const there = await node.create(List, { servers: ['ws://127.0.0.1:1/signal'] })
    const link = await there.link()
    await node.close()
    node = await open()
    await assert.rejects(node.join(List, link), (e: HhsError) => e.code === 'unsupported')
    Reflect.deleteProperty(globalThis, 'WebSocket')
    const met = await node.create(List, { endpoints: ['ws://127.0.0.1:1/peer'] })
    assert.equal(met.status.error?.code, 'unsupported')
    assert.match(met.status.error.message, /WebSocket/)
  })
}
