/** Values that are read again whenever they may have changed. */
import { HhsError } from './errors.js'

/** Ends a subscription. */
export type Unsubscribe = () => void

/** Options of every `subscribe`. */
export interface SubscribeOptions {
  /** Told when a value cannot be read; without it `subscribeErrors` of the space is, or nobody listening there, the global error handler. The subscription goes on. */
  onError?: (e: HhsError) => void
}

/** Something that may change: calls back on each change until stopped. */
export type Source = (changed: () => void) => Unsubscribe

/**
 * Calls `fn` with what `read` gives now, and again after each change. Changes that come during a read are merged into one more read,
 * so a slow reader sees the latest value and never a queue.
 */
export function observe<T>(source: Source, read: () => Promise<T>, fn: (value: T) => void, options: SubscribeOptions = {}): Unsubscribe {
  let stopped = false
  let reading = false
  let dirty = false
  const run = async () => {
    if (reading) {
      dirty = true
      return
    }
    reading = true
    do {
      dirty = false
      try {
        const value = await read()
        if (!stopped) deliver(fn, value)
      } catch (e) {
        if (!stopped) fail(HhsError.from(e), options)
      }
    } while (dirty && !stopped)
    reading = false
  }
  const stop = source(() => { if (!stopped) void run() })
  void run()
  return () => {
    stopped = true
    stop()
  }
}

/** A subscriber's own mistake must not end the subscription, nor pass unseen. */
function deliver<T>(fn: (value: T) => void, value: T): void {
  try {
    fn(value)
  } catch (e) {
    report(e)
  }
}

function fail(e: HhsError, options: SubscribeOptions): void {
  // A new engine means a change event, which reads again.
  if (e.code === 'engine_restarted' || e.code === 'closed') return
  if (options.onError) options.onError(e)
  else report(e)
}

/** Hands an error to the global handler, where unexpected errors are looked for. */
export function report(e: unknown): void {
  queueMicrotask(() => { throw e })
}

/** The values an `observe` would give as an async iterable; a slow consumer gets the latest. Ends with `break` or the signal. */
export async function* iterate<T>(subscribe: (fn: (value: T) => void, options: SubscribeOptions) => Unsubscribe, signal?: AbortSignal): AsyncGenerator<T, void, void> {
  let latest: { value: T } | undefined
  let failed: HhsError | undefined
  let wake = () => {}
  const stop = subscribe(
    value => { latest = { value }; wake() },
    { onError: e => { failed = e; wake() } },
  )
  const aborted = () => wake()
  signal?.addEventListener('abort', aborted)
  try {
    while (!signal?.aborted) {
      if (failed) throw failed
      if (latest) {
        const { value } = latest
        latest = undefined
        yield value
      } else {
        await new Promise<void>(resolve => { wake = resolve })
      }
    }
  } finally {
    signal?.removeEventListener('abort', aborted)
    stop()
  }
}

/** A set of callbacks told together. */
export class Listeners {
  private readonly all = new Set<() => void>()

  readonly source: Source = changed => {
    const own = () => changed()
    this.all.add(own)
    return () => { this.all.delete(own) }
  }

  tell(): void {
    for (const fn of [...this.all]) fn()
  }
}

/** Callbacks on values inside a field: told when what changed is inside their value or around it. */
export class PathListeners {
  private readonly all = new Set<(paths: readonly string[][]) => void>()

  /** Changes at a path; `wants` leaves out those further inside of keys that it refuses. */
  at(path: readonly string[], wants?: (key: string) => boolean): Source {
    const touches = (p: readonly string[]) =>
      path.every((step, i) => i >= p.length || p[i] === step) && (!wants || p.length <= path.length || wants(p[path.length]!))
    return changed => {
      const own = (paths: readonly string[][]) => { if (paths.some(touches)) changed() }
      this.all.add(own)
      return () => { this.all.delete(own) }
    }
  }

  /** Tells of changes at these paths; without any, of changes anywhere. */
  tell(paths: readonly string[][] = [[]]): void {
    for (const fn of [...this.all]) fn(paths)
  }
}
