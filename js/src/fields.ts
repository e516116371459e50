/** The typed handles of a space's fields, for reading; writing goes through `update`. */
import { type Value } from './cbor.js'
import type { Data } from './client.js'
import type { Field, FieldType, Fields } from './define.js'
import type { HhsError } from './errors.js'
import { maxEntries } from './limits.js'
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

/** What a handle needs from its space. */
export interface FieldAccess {
  read(query: Data): Promise<Data>
  readonly changes: Source
  /** Told what a subscriber without `onError` is not. */
  failed(e: HhsError): void
}

function entry<T>(v: Value): Entry<T> {
  const e = v as { value: Value; commit: string; index: number; identity: string; device: string; time: number }
  return { value: e.value as T, id: `${e.commit}/${e.index}`, commit: e.commit, author: e.identity, device: e.device, time: e.time }
}

function heard(access: FieldAccess, options: SubscribeOptions = {}): SubscribeOptions {
  return { onError: options.onError ?? (e => access.failed(e)) }
}

/** One value. */
export class RegisterHandle<T> {
  constructor(private readonly access: FieldAccess) {}

  /** The value, or undefined while nobody has set it. */
  async get(): Promise<T | undefined> {
    return (await this.entry())?.value
  }

  /** The value with author and time. */
  async entry(): Promise<Entry<T> | undefined> {
    const r = await this.access.read({})
    return r.entry === undefined ? undefined : entry<T>(r.entry)
  }

  /** Every value written concurrently with the one shown, that one first; one element where nobody wrote at the same time. */
  async conflicts(): Promise<Entry<T>[]> {
    return ((await this.access.read({})).conflicts as Value[]).map(v => entry<T>(v))
  }

  /** Calls `fn` with the value now and after each change. */
  subscribe(fn: (value: T | undefined) => void, options?: SubscribeOptions): Unsubscribe {
    return observe(this.access.changes, () => this.get(), fn, heard(this.access, options))
  }

  /** The value now and after each change. */
  watch(signal?: AbortSignal): AsyncGenerator<T | undefined, void, void> {
    return iterate((fn, o) => this.subscribe(fn, o), signal)
  }
}

/** A set of values. */
export class SetHandle<T> {
  constructor(private readonly access: FieldAccess) {}

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
    return observe(this.access.changes, () => this.list(), fn, heard(this.access, options))
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

/** Which entries of a log to read: the last ones (default 100), or the first ones; at most 1,000 at once. */
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
  constructor(private readonly access: FieldAccess) {}

  /** Entries, oldest first: `list({ last: 50 })`. */
  async list(range: LogRange = {}): Promise<Entry<T>[]> {
    return (await this.page(range)).entries
  }

  /** Entries with what is around them. */
  async page(range: LogRange = {}): Promise<LogPage<T>> {
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

  /** Goes over all entries, oldest first, reading as it goes. */
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
    return observe(this.access.changes, () => this.page(options), page => fn(page.entries, page), heard(this.access, options))
  }

  /** The entries of the range now and after each change. */
  watch(range: LogRange = {}, signal?: AbortSignal): AsyncGenerator<Entry<T>[], void, void> {
    return iterate((fn, o) => this.subscribe(fn, { ...range, ...o }), signal)
  }
}

/** The handle of a field. */
export type Handle<F> =
  F extends Field<'register', infer T> ? RegisterHandle<T> :
  F extends Field<'set', infer T> ? SetHandle<T> :
  F extends Field<'log', infer T> ? LogHandle<T> : never

/** The handles of all fields. */
export type Handles<F extends Fields> = { readonly [N in keyof F]: Handle<F[N]> }

/** Makes the handle of one field. */
export function handle(type: FieldType, access: FieldAccess): RegisterHandle<unknown> | SetHandle<unknown> | LogHandle<unknown> {
  switch (type) {
    case 'register': return new RegisterHandle(access)
    case 'set': return new SetHandle(access)
    case 'log': return new LogHandle(access)
  }
}
