/** The typed handles of values, for reading; writing goes through `update`. Those that hold others are in `composed.ts`. */
import { type Value } from './cbor.js'
import type { Data } from './client.js'
import type { HhsError } from './errors.js'
import { defaultEntries, maxEntries } from './limits.js'
import { type Source, type SubscribeOptions, type Unsubscribe, iterate, observe } from './live.js'

/** A value with who wrote it and when. */
export interface Entry<T> {
  readonly value: T
  /** The op that wrote it, unique in the space. */
  readonly id: string
  /** The commit that wrote it, as `update` returned it; for receipts. */
  readonly commit: string
  /** The person, `did:key:...`. */
  readonly author: string
  /** The device that signed it, `did:key:...`. */
  readonly device: string
  /** By the writer's clock, in milliseconds since 1970: advice, not order. */
  readonly time: number
}

/** What a handle needs from its space: the way to one value. */
export interface Access {
  read(query: Data): Promise<Data>
  /** Edits the value, a text, on a version. */
  edit(edits: Value[], since: string): Promise<Data>
  /** Changes of the value and of what is inside it; `wants` leaves out those of keys that it refuses. */
  changes(wants?: (key: string) => boolean): Source
  /** The way to what is inside, by these steps, of which events name the texts; `path` is how messages call it. */
  at(path: string, ...steps: Step[]): Access
  /** Where the value is, for messages: `items["milk"].title`. */
  readonly path: string
  /** Told what a subscriber without `onError` is not. */
  failed(e: HhsError): void
}

/** A step on the way to a value: a map's key or a property's name; null enters the record that stands there now, an index the one made by that op of the same update. */
export type Step = string | null | number

/** Reads an entry as the engine gives it. */
export function entry<T>(v: Value): Entry<T> {
  const e = v as { value: Value; commit: string; index: number; identity: string; device: string; time: number }
  return { value: e.value as T, id: `${e.commit}/${e.index}`, commit: e.commit, author: e.identity, device: e.device, time: e.time }
}

/** Options whose errors reach the space when nobody else wants them. */
export function heard(access: Access, options: SubscribeOptions = {}): SubscribeOptions {
  return { onError: options.onError ?? (e => access.failed(e)) }
}

/** One value, which may be set again and again, or (`once`) stays. */
export class RegisterHandle<T> {
  constructor(private readonly access: Access) {}

  /** The value, or undefined while nobody has set it. */
  async get(): Promise<T | undefined> {
    return (await this.entry())?.value
  }

  /** The value with author and time. */
  async entry(): Promise<Entry<T> | undefined> {
    const r = await this.access.read({})
    return r.entry === undefined ? undefined : entry<T>(r.entry)
  }

  /** Every value written concurrently with the one shown, that one first; one element where nobody wrote at the same time, none while nobody has set it. */
  async conflicts(): Promise<Entry<T>[]> {
    return ((await this.access.read({})).conflicts as Value[]).map(v => entry<T>(v))
  }

  /** Calls `fn` with the value now and after each change. */
  subscribe(fn: (value: T | undefined) => void, options?: SubscribeOptions): Unsubscribe {
    return observe(this.access.changes(), () => this.get(), fn, heard(this.access, options))
  }

  /** The value now and after each change. */
  watch(signal?: AbortSignal): AsyncGenerator<T | undefined, void, void> {
    return iterate((fn, o) => this.subscribe(fn, o), signal)
  }
}

/** The number behind a counter's value as the engine gives it: whole numbers beyond 64 bits come as text. */
export function count(v: Value | undefined): number | bigint {
  const n = typeof v === 'string' ? BigInt(v) : ((v ?? 0) as number | bigint)
  return Number.isSafeInteger(Number(n)) ? Number(n) : n
}

/** A number to which everybody adds. */
export class CounterHandle {
  constructor(private readonly access: Access) {}

  /** The sum: a number as long as those are exact (up to 2^53), a bigint beyond. `Number(n)` makes a number of both. */
  async get(): Promise<number | bigint> {
    return count((await this.access.read({})).value)
  }

  /** Calls `fn` with the sum now and after each change. */
  subscribe(fn: (value: number | bigint) => void, options?: SubscribeOptions): Unsubscribe {
    return observe(this.access.changes(), () => this.get(), fn, heard(this.access, options))
  }

  /** The sum now and after each change. */
  watch(signal?: AbortSignal): AsyncGenerator<number | bigint, void, void> {
    return iterate((fn, o) => this.subscribe(fn, o), signal)
  }
}

/** A set of values. */
export class SetHandle<T> {
  constructor(private readonly access: Access) {}

  /** Whether an equal value is in the set. */
  async has(value: T): Promise<boolean> {
    return (await this.access.read({ has: value as Value })).has as boolean
  }

  async size(): Promise<number> {
    return (await this.access.read({ limit: 1 })).size as number
  }

  /** All values, in the order in which they were added: the same everywhere. */
  async list(): Promise<T[]> {
    return (await this.entries()).map(e => e.value)
  }

  /** All values with who added them and when. */
  async entries(): Promise<Entry<T>[]> {
    const out: Entry<T>[] = []
    for await (const e of this.pages()) out.push(e)
    return out
  }

  /** Goes over the values, reading as it goes. */
  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, void> {
    for await (const e of this.pages()) yield e.value
  }

  /** Calls `fn` with all values now and after each change. */
  subscribe(fn: (values: T[]) => void, options?: SubscribeOptions): Unsubscribe {
    return observe(this.access.changes(), () => this.list(), fn, heard(this.access, options))
  }

  /** All values now and after each change. */
  watch(signal?: AbortSignal): AsyncGenerator<T[], void, void> {
    return iterate((fn, o) => this.subscribe(fn, o), signal)
  }

  private async *pages(): AsyncGenerator<Entry<T>, void, void> {
    let after: Value | undefined
    do {
      const r: Data = await this.access.read(after === undefined ? { limit: maxEntries } : { limit: maxEntries, after })
      for (const e of r.entries as Value[]) yield entry<T>(e)
      after = r.next
    } while (after !== undefined)
  }
}

/** Which entries of a log to read: the last ones (default 100), or the first ones. More than 1,000 at once are refused (`invalid`): go over the log, or read page by page. */
export interface LogRange {
  last?: number
  first?: number
  /** With `last`: only entries before this place, as a page gave it. */
  before?: Uint8Array
  /** With `first`: only entries after this place. */
  after?: Uint8Array
}

/** What a read of a log gives. */
export interface LogPage<T> {
  /** Oldest first. */
  entries: Entry<T>[]
  /** Entries of the whole log. */
  size: number
  /** There are older ones: read them with `last` and this. */
  before?: Uint8Array
  /** There are newer ones: read them with `first` and this. */
  after?: Uint8Array
}

/** A list that only grows. */
export class LogHandle<T> {
  constructor(private readonly access: Access) {}

  /** Entries, that is values with author and time, oldest first: `list({ last: 50 })`; without a range the last 100. */
  async list(range: LogRange = {}): Promise<Entry<T>[]> {
    return (await this.page(range)).entries
  }

  /** Entries with what is around them. */
  async page(range: LogRange = {}): Promise<LogPage<T>> {
    const forward = range.first !== undefined
    let page = await this.part(range)
    // Large entries do not all fit one answer: the rest of what was asked for is read with further ones.
    for (let left = (range.first ?? range.last ?? defaultEntries) - page.entries.length; left > 0; ) {
      const rest = forward ? page.after && { first: left, after: page.after } : page.before && { last: left, before: page.before }
      const more = rest && (await this.part(rest))
      if (!more || more.entries.length === 0) break
      left -= more.entries.length
      const [one, two] = forward ? [page, more] : [more, page]
      page = { entries: [...one.entries, ...two.entries], size: more.size, ...(one.before && { before: one.before }), ...(two.after && { after: two.after }) }
    }
    return page
  }

  private async part(range: LogRange): Promise<LogPage<T>> {
    const query: Data = {}
    for (const name of ['last', 'first', 'before', 'after'] as const) {
      const v = range[name]
      if (v !== undefined) query[name] = v
    }
    const r = (await this.access.read(query)) as Data & { size: number; before?: Uint8Array; after?: Uint8Array }
    const page: LogPage<T> = { entries: (r.entries as Value[]).map(v => entry<T>(v)), size: r.size }
    if (r.before) page.before = r.before
    if (r.after) page.after = r.after
    return page
  }

  async size(): Promise<number> {
    return (await this.access.read({ last: 1 })).size as number
  }

  /** Goes over all entries, with author and time, oldest first, reading as it goes. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Entry<T>, void, void> {
    let after: Value | undefined
    do {
      const r: Data = await this.access.read(after === undefined ? { first: maxEntries } : { first: maxEntries, after })
      for (const e of r.entries as Value[]) yield entry<T>(e)
      after = r.after
    } while (after !== undefined)
  }

  /** Calls `fn` with the entries of the range (default: the last 100), and the page they are of, now and after each change. */
  subscribe(fn: (entries: Entry<T>[], page: LogPage<T>) => void, options: SubscribeOptions & LogRange = {}): Unsubscribe {
    return observe(this.access.changes(), () => this.page(options), page => fn(page.entries, page), heard(this.access, options))
  }

  /** The entries of the range now and after each change. */
  watch(range: LogRange = {}, signal?: AbortSignal): AsyncGenerator<Entry<T>[], void, void> {
    return iterate((fn, o) => this.subscribe(fn, { ...range, ...o }), signal)
  }
}
