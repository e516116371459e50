import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decode, encode } from '../src/cbor.js'
import { Client, type Data, type Event, type Host, type HostEvents } from '../src/client.js'

/** A host whose engine is the test. */
class TestHost implements Host {
  readonly client = 'tab'
  events!: HostEvents
  calls: { id: number; method: string; args: Data }[] = []
  closed = false
  private wake = () => {}

  start(events: HostEvents): void { this.events = events }
  call(id: number, method: string, args: Uint8Array): void {
    this.calls.push({ id, method, args: decode(args) as Data })
    this.wake()
  }
  takeOver(): void {}
  retry(): void {}
  async close(): Promise<void> { this.closed = true }

  /** Waits for the next call of a method and takes it. */
  async next(method: string): Promise<{ id: number; args: Data }> {
    for (;;) {
      const i = this.calls.findIndex(c => c.method === method)
      if (i >= 0) return this.calls.splice(i, 1)[0]!
      await new Promise<void>(resolve => { this.wake = resolve })
    }
  }

  async answer(method: string, result: Data = {}): Promise<Data> {
    const c = await this.next(method)
    this.events.result({ id: c.id, result: encode(result) })
    return c.args
  }
}

async function opened(): Promise<{ host: TestHost; client: Client }> {
  const host = new TestHost()
  const client = new Client(host, { name: 'x', kinds: [] })
  const start = client.start()
  host.events.up(true)
  await host.answer('open', { identity: 'me' })
  assert.deepEqual(await start, { identity: 'me' })
  return { host, client }
}

test('a new engine is opened, told of all subscriptions, and then gets the calls that waited', async () => {
  const { host, client } = await opened()
  const events: Event[] = []
  const subscribing = client.subscribe({ space: 's' }, e => events.push(e))
  const { sub } = await host.answer('subscribe')
  await subscribing
  assert.equal(sub, 'tab/1')

  const lost = client.call('update', {})
  await host.next('update')
  host.events.down('restarting', 'it ended')
  await assert.rejects(lost, { code: 'engine_restarted' })
  const waiting = client.call('status', {})
  assert.equal(client.state.phase, 'restarting')

  host.events.up(true)
  await host.answer('open')
  assert.deepEqual(await host.answer('subscribe'), { space: 's', sub: 'tab/1' })
  await host.answer('status', { state: 'offline' })
  assert.deepEqual(await waiting, { state: 'offline' })
  assert.deepEqual(events, [{ kind: 'restart' }])
  host.events.event('tab/1', encode({ kind: 'held', space: 's' }))
  assert.equal(events.length, 2)
})

test('a subscription of a space that is gone is told; the others go on', async () => {
  const { host, client } = await opened()
  const events: Event[] = []
  const subscribing = client.subscribe({ space: 's' }, e => events.push(e))
  await host.answer('subscribe')
  await subscribing
  host.events.up(false)
  await host.answer('open')
  const c = await host.next('subscribe')
  host.events.result({ id: c.id, error: { code: 'not_found', message: 'gone', path: '' } })
  const call = client.call('spaces', {})
  await host.answer('spaces')
  await call
  assert.deepEqual(events.map(e => e.kind), ['error', 'restart'])
  assert.equal(client.state.leader, false)
})

test('calls end with other_tab when the other tab is silent, and work when it speaks again', async () => {
  const { host, client } = await opened()
  const lost = client.call('spaces', {})
  host.events.down('other_tab', 'no answer')
  await assert.rejects(lost, { code: 'other_tab' })
  await assert.rejects(client.call('spaces', {}), { code: 'other_tab' })
  host.events.up(false)
  const waiting = client.call('spaces', {})
  await host.answer('open')
  await host.answer('spaces', { spaces: [] })
  assert.deepEqual(await waiting, { spaces: [] })
})

test('an engine that ends while it is opened is not taken for open', async () => {
  const host = new TestHost()
  const client = new Client(host, {})
  const start = client.start()
  host.events.up(true)
  await host.next('open')
  host.events.down('restarting', 'it ended')
  host.events.up(true)
  await host.answer('open', { identity: 'me' })
  await start
  assert.equal(client.state.phase, 'up')
})

test('an engine that does not open closes its host', async () => {
  for (const fail of [
    async (h: TestHost) => h.events.down('failed', 'no'),
    async (h: TestHost) => {
      h.events.up(true)
      const c = await h.next('open')
      h.events.result({ id: c.id, error: { code: 'engine_failed', message: 'no', path: '' } })
    },
  ]) {
    const host = new TestHost()
    const start = new Client(host, {}).start()
    await fail(host)
    await assert.rejects(start, { code: 'engine_failed' })
    assert.ok(host.closed)
  }
})

test('closing answers everybody and is idempotent', async () => {
  const { host, client } = await opened()
  const pending = client.call('update', {})
  const closing = client.close()
  await host.answer('close')
  await closing
  await client.close()
  await assert.rejects(pending, { code: 'closed' })
  await assert.rejects(client.call('spaces', {}), { code: 'closed' })
  assert.ok(host.closed)
})
