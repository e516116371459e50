/** The handle of a fold: it reads the ops from the engine and runs the function here, in the page's own thread. */
import type { Value } from './cbor.js'
import type { Data } from './client.js'
import { type Access, entry, heard } from './fields.js'
import { type FoldDefinition, FoldError, type FoldOp, FoldRun, type IgnoredOp, type Placed } from './foldrun.js'
import { maxEntries } from './limits.js'
import { type SubscribeOptions, type Unsubscribe, iterate, observe } from './live.js'

/** What a fold shows. */
export interface Folded<S, Op> {
  state: S
  /** The latest ops that it ignores, in order, at most 256. */
  ignored: IgnoredOp<Op>[]
}

/** A value of a type that the application makes itself. */
export class FoldHandle<S, Op> {
  private readonly run: FoldRun<S, Op>
  private mark: Value | undefined
  /** What is under way: one read at a time goes on from where the run is. */
  private busy: Promise<unknown> = Promise.resolve()

  constructor(private readonly access: Access, fold: FoldDefinition<S, Op>) {
    this.run = new FoldRun(fold)
  }

  /** The state: what the ops come to. Rejects with a `FoldError` when the fold goes wrong, which concerns nothing else. */
  async get(): Promise<S> {
    return (await this.read()).state
  }

  /** The latest ops that the fold ignores, and why. */
  async ignored(): Promise<IgnoredOp<Op>[]> {
    return (await this.read()).ignored
  }

  /** Both, of one moment. */
  read(): Promise<Folded<S, Op>> {
    const now = this.busy.then(() => this.catchUp())
    this.busy = now.catch(() => {})
    return now
  }

  /** How many ops there are, those that the fold ignores too. */
  async size(): Promise<number> {
    return (await this.access.read({ limit: 1 })).size as number
  }

  /** Goes over the ops in the order in which the function is given them, reading as it goes. */
  async *ops(): AsyncGenerator<FoldOp<Op>, void, void> {
    let after: Value | undefined
    let more: Value | undefined = true
    while (more) {
      const r: Data = await this.access.read(after === undefined ? { limit: maxEntries } : { limit: maxEntries, after })
      for (const v of r.entries as Value[]) yield opOf<Op>(v)
      more = r.more
      after = (r.entries as Data[]).at(-1)?.key
    }
  }

  /** Calls `fn` with the state, and the latest ignored ops, now and after each change. */
  subscribe(fn: (state: S, ignored: IgnoredOp<Op>[]) => void, options?: SubscribeOptions): Unsubscribe {
    return observe(this.access.changes(), () => this.read(), r => fn(r.state, r.ignored), heard(this.access, options))
  }

  /** The state now and after each change. */
  watch(signal?: AbortSignal): AsyncGenerator<S, void, void> {
    return iterate((fn, o) => this.subscribe(fn, o), signal)
  }

  private async catchUp(): Promise<Folded<S, Op>> {
    for (let more = true; more; ) {
      if (this.run.failed) throw this.run.failed.at(this.access.path)
      const query: Data = { limit: maxEntries }
      if (this.run.place !== '') query.after = toBytes(this.run.place)
      if (this.mark !== undefined) query.mark = this.mark
      const r = await this.access.read(query)
      this.mark = r.mark
      if (r.changed) {
        this.run.back(r.from === undefined ? '' : toText(r.from as Uint8Array))
        continue
      }
      try {
        this.run.forward((r.entries as Data[]).map((e): Placed<Op> => ({ place: toText(e.key as Uint8Array), op: opOf(e) })))
      } catch (e) {
        throw e instanceof FoldError ? e.at(this.access.path) : e
      }
      more = r.more as boolean
    }
    const { state, ignored } = this.run.result()
    return { state, ignored }
  }
}

function opOf<Op>(v: Value): FoldOp<Op> {
  return { ...entry<Op>(v), founder: (v as Data).founder as boolean }
}

/** Places as text of a character for each byte, which compares like them. */
function toText(place: Uint8Array): string {
  return String.fromCharCode(...place)
}

function toBytes(place: string): Uint8Array {
  return Uint8Array.from(place, c => c.charCodeAt(0))
}
