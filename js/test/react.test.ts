import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createElement } from 'react'
import { act, create, type ReactTestRenderer } from 'react-test-renderer'
import type { Peer, Space, Status, UndoState } from '../src/index.js'
import { type Subscribable, usePeers, useStatus, useUndo, useValue } from '../src/react.js'

/** For React's act, which keeps its channel open for ever, so that Node.js would never end. */
class Channel {
  readonly port1: { onmessage?: () => void } = {}
  readonly port2 = { postMessage: () => { setImmediate(() => this.port1.onmessage?.()) } }
}
Object.assign(globalThis, { IS_REACT_ACT_ENVIRONMENT: true, MessageChannel: Channel })

/** A source that says what it is told to, and counts who listens. */
class Source<T> implements Subscribable<T> {
  private readonly listeners = new Set<(value: T) => void>()
  subscribe = (fn: (value: T) => void) => {
    this.listeners.add(fn)
    return () => { this.listeners.delete(fn) }
  }
  say(value: T): void { for (const fn of this.listeners) fn(value) }
  get listening(): number { return this.listeners.size }
}

/** Draws a component that shows what a hook gives, and returns what was drawn. */
async function drawing<S, T>(hook: (source: S) => T, source: S) {
  const drawn: T[] = []
  const Show = ({ of }: { of: S }) => {
    drawn.push(hook(of))
    return null
  }
  let root!: ReactTestRenderer
  await act(async () => { root = create(createElement(Show, { of: source })) })
  return {
    drawn,
    show: (next: S) => act(async () => root.update(createElement(Show, { of: next }))),
    end: () => act(async () => root.unmount()),
  }
}

test('a value is drawn when it comes, and each time it changes', async () => {
  const topic = new Source<string>()
  const d = await drawing(useValue<string>, topic)
  await act(async () => topic.say('hiking'))
  await act(async () => topic.say('sailing'))
  assert.deepEqual(d.drawn, [undefined, 'hiking', 'sailing'])
  await d.end()
  assert.equal(topic.listening, 0)
})

test('what one field said is never shown as another field\'s', async () => {
  const [a, b] = [new Source<string>(), new Source<string>()]
  const d = await drawing(useValue<string>, a)
  await act(async () => a.say('of a'))
  await d.show(b)
  assert.equal(d.drawn.at(-1), undefined)
  await act(async () => a.say('late'))
  assert.equal(d.drawn.at(-1), undefined)
  await act(async () => b.say('of b'))
  assert.deepEqual([d.drawn.at(-1), a.listening, b.listening], ['of b', 0, 1])
  await d.end()
})

test('a field that is not there yet is undefined', async () => {
  const d = await drawing(useValue<string>, undefined)
  assert.deepEqual(d.drawn, [undefined])
  await d.end()
})

test('peers, status and undo follow their space, and the status is known at once', async () => {
  const peers = new Source<Peer[]>()
  const status = new Source<Status>()
  const undo = new Source<UndoState>()
  const space = {
    status: { state: 'offline' } as unknown as Status,
    subscribePeers: peers.subscribe, subscribeStatus: status.subscribe, subscribeUndo: undo.subscribe,
  } as unknown as Space
  const hook = (s: Space) => [usePeers(s), useStatus(s), useUndo(s)] as const
  const d = await drawing(hook, space)
  assert.deepEqual(d.drawn.at(-1), [[], { state: 'offline' }, undefined])
  const peer = { name: 'Ana' } as unknown as Peer
  const buttons = { undo: ['c'], redo: [] } as unknown as UndoState
  await act(async () => {
    peers.say([peer])
    status.say({ state: 'synced' } as unknown as Status)
    undo.say(buttons)
  })
  assert.deepEqual(d.drawn.at(-1), [[peer], { state: 'synced' }, buttons])
  const count = d.drawn.length
  await d.show(space)
  assert.equal(d.drawn.length, count + 1)
  assert.equal(d.drawn.at(-1)?.[0], d.drawn.at(-2)?.[0], 'the list of peers is the same object while nobody comes or goes')
  await d.end()
  assert.deepEqual([peers.listening, status.listening, undo.listening], [0, 0, 0])
})
