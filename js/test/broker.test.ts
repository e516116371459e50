import assert from 'node:assert/strict'
import { test } from 'node:test'
import { WorkerBroker } from '../src/broker-worker.js'
import type { BrokerCall } from '../src/messages.js'

/** A data channel that only remembers. */
class Channel {
  readyState = 'connecting'
  bufferedAmount = 0
  bufferedAmountLowThreshold = 0
  sent: number[] = []
  closed = false
  onopen: (() => void) | null = null
  onmessage: ((m: { data: unknown }) => void) | null = null
  onclose: (() => void) | null = null
  onerror: (() => void) | null = null
  onbufferedamountlow: (() => void) | null = null

  send(b: Uint8Array): void {
    this.sent.push(b.length)
    this.bufferedAmount += b.length
  }
  close(): void { this.closed = true }
}

function broker() {
  const posted: BrokerCall[] = []
  const events: [number, string, unknown][] = []
  const b = new WorkerBroker(m => posted.push(m))
  b.events = (id, kind, data) => events.push([id, kind, data])
  return { b, posted, events }
}

test('a transferred channel gets what was sent before it opened, in order', () => {
  const { b, posted, events } = broker()
  const id = b.create('{}')
  assert.deepEqual(posted, [{ op: 'create', rtc: id, config: '{}' }])
  assert.equal(b.send(id, new Uint8Array(3)), 3)
  const ch = new Channel()
  b.handle({ op: 'made', rtc: id, channel: ch as unknown as RTCDataChannel })
  assert.equal(b.send(id, new Uint8Array(4)), 7)
  ch.onmessage!({ data: new ArrayBuffer(5) })
  ch.onopen!()
  assert.deepEqual(ch.sent, [3, 4])
  assert.deepEqual(events.map(e => e[1]), ['message', 'open'])
  ch.onmessage!({ data: 'text' })
  ch.onclose!()
  assert.deepEqual(events.at(-1), [id, 'closed', 'text message'])
  assert.equal(events.length, 3)
  assert.equal(b.send(id, new Uint8Array(1)), 0)
})

test('"buffered" follows each time the queue was above the mark', () => {
  const { b, events } = broker()
  const id = b.create('{}')
  const ch = new Channel()
  b.handle({ op: 'made', rtc: id, channel: ch as unknown as RTCDataChannel })
  ch.onopen!()
  assert.equal(b.send(id, new Uint8Array(70_000)), 70_000)
  ch.bufferedAmount = 100
  ch.onbufferedamountlow!()
  ch.onbufferedamountlow!()
  assert.deepEqual(events.slice(1), [[id, 'buffered', 100]])
})

test('a pumped channel counts what has been posted until the page says it has gone', () => {
  const { b, posted, events } = broker()
  const id = b.create('{}')
  b.send(id, new Uint8Array(60_000))
  b.handle({ op: 'made', rtc: id })
  assert.equal(b.send(id, new Uint8Array(10_000)), 70_000)
  b.handle({ op: 'open', rtc: id })
  b.handle({ op: 'gone', rtc: id, total: 65_000 })
  assert.deepEqual(events, [[id, 'open', undefined], [id, 'buffered', 5_000]])
  b.handle({ op: 'message', rtc: id, bytes: new Uint8Array(9) })
  assert.deepEqual(posted.at(-1), { op: 'took', rtc: id, bytes: 9 })
})

test('closing rejects what was asked and ends the events', async () => {
  const { b, posted, events } = broker()
  const id = b.create('{}')
  const offer = b.offer(id)
  b.close(id)
  b.close(id)
  await assert.rejects(offer, /closed/)
  await assert.rejects(b.answer(id, ''), /no such connection/)
  assert.deepEqual(posted.at(-1), { op: 'close', rtc: id })
  b.handle({ op: 'candidate', rtc: id, json: '' })
  b.handle({ op: 'closed', rtc: id, reason: 'late' })
  assert.deepEqual(events, [])
})

test('answers find their questions', async () => {
  const { b, posted } = broker()
  const id = b.create('{}')
  const [offer, accept] = [b.offer(id), b.accept(id, 'their answer')]
  const asks = posted.flatMap(m => ('ask' in m ? [m.ask] : []))
  b.handle({ op: 'answered', rtc: id, ask: asks[1]!, error: 'bad sdp' })
  b.handle({ op: 'answered', rtc: id, ask: asks[0]!, sdp: 'offer' })
  assert.equal(await offer, 'offer')
  await assert.rejects(accept, /bad sdp/)
})
