/** React hooks. A component that uses them draws again when what it shows has changed. */
import { useEffect, useMemo, useState, useSyncExternalStore } from 'react'
import type { HhsNode, Peer, Space, SpaceKind, Status, UndoState, Unsubscribe } from './index.js'

/** Anything with `subscribe`: the fields of a space, and what is inside them. */
export interface Subscribable<T> {
  subscribe(fn: (value: T) => void): Unsubscribe
}

/** Opens a space by link or id; undefined while it opens. An error is thrown to the nearest error boundary. */
export function useSpace<F extends SpaceKind<any>>(node: HhsNode, kind: F, link: string): Space<F['fields']> | undefined {
  const [state, set] = useState<{ space?: Space<F['fields']>; error?: unknown }>({})
  useEffect(() => {
    const stop = new AbortController()
    set({})
    node.join(kind, link, { signal: stop.signal }).then(
      space => { if (!stop.signal.aborted) set({ space: space as Space<F['fields']> }) },
      (error: unknown) => { if (!stop.signal.aborted) set({ error }) },
    )
    return () => stop.abort()
  }, [node, kind, link])
  if (state.error !== undefined) throw state.error
  return state.space
}

/** The value of a field, undefined until it has been read. The field must be the same object from one drawing to the next, as `space.topic` and `space.items.at('milk')` are. */
export function useValue<T>(field: Subscribable<T> | undefined): T | undefined {
  return useLatest(field, (f, fn: (value: T) => void) => f.subscribe(fn))
}

/** The connected peers of a space. */
export function usePeers(space: Space | undefined): Peer[] {
  return useLatest(space, (s, fn: (peers: Peer[]) => void) => s.subscribePeers(fn)) ?? noPeers
}

/** The status of a space, undefined while it opens. */
export function useStatus(space: Space | undefined): Status | undefined {
  return useLatest(space, (s, fn: (status: Status) => void) => s.subscribeStatus(fn), space?.status)
}

/** What can be taken back and given again in a space, for the buttons; undefined until it is known. */
export function useUndo(space: Space | undefined): UndoState | undefined {
  return useLatest(space, (s, fn: (state: UndoState) => void) => s.subscribeUndo(fn))
}

const noPeers: Peer[] = []

/** What a source said last, `first` before it said anything. What another source said is never shown as this one's. */
function useLatest<S, T>(source: S | undefined, subscribe: (source: S, fn: (value: T) => void) => Unsubscribe, first?: T): T | undefined {
  const store = useMemo(() => {
    let latest = first
    return {
      latest: () => latest,
      subscribe: (changed: () => void) => source === undefined ? () => {} : subscribe(source, value => {
        latest = value
        changed()
      }),
    }
  }, [source]) // how to subscribe is the same each time, and first is only for the beginning
  return useSyncExternalStore(store.subscribe, store.latest, () => first)
}
