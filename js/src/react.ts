/** React hooks. A component that uses them draws again when what it shows has changed. */
import { useEffect, useState } from 'react'
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
  const [state, set] = useState<{ field?: Subscribable<T>; value?: T }>({})
  useEffect(() => field?.subscribe(value => set({ field, value })), [field])
  // A value of the field before is not shown as this one's.
  return state.field === field ? state.value : undefined
}

/** The connected peers of a space. */
export function usePeers(space: Space | undefined): Peer[] {
  const [peers, set] = useState<Peer[]>([])
  useEffect(() => space?.subscribePeers(set), [space])
  return peers
}

/** The status of a space, undefined while it opens. */
export function useStatus(space: Space | undefined): Status | undefined {
  const [status, set] = useState<Status | undefined>(space?.status)
  useEffect(() => space?.subscribeStatus(set), [space])
  return status
}

/** What can be taken back and given again in a space, for the buttons; undefined until it is known. */
export function useUndo(space: Space | undefined): UndoState | undefined {
  const [state, set] = useState<UndoState | undefined>()
  useEffect(() => space?.subscribeUndo(set), [space])
  return state
}
