/** Handles of what holds other values, maps and records, and the plain objects in which they are read. */
import { type Value, joinPath } from './cbor.js'
import type { Data } from './client.js'
import { type Access, CounterHandle, type Entry, LogHandle, RegisterHandle, SetHandle, count, entry, heard } from './fields.js'
import { FoldHandle } from './fold.js'
import { maxEntries } from './limits.js'
import { type SubscribeOptions, type Unsubscribe, iterate, observe } from './live.js'
import { ListHandle, TextHandle } from './sequences.js'
import { type Field, type FoldTypes, type Shape, checkKey, keyPath } from './shapes.js'

/** What a value is when it is read as a plain object, array or value. */
export type Plain<F> =
  F extends Field<'register' | 'once', infer T> ? T | undefined :
  F extends Field<'counter', any> ? number | bigint :
  F extends Field<'set' | 'growset' | 'log' | 'list', infer T> ? T[] :
  F extends Field<'text', any> ? string :
  // A fold inside a record: the values of its latest ops. Its handle has its state.
  F extends Field<'fold', FoldTypes<any, infer O>> ? O[] :
  F extends Field<'map', infer V> ? { [key: string]: Exclude<Plain<V>, undefined> } :
  F extends Field<'record', infer Fs> ? { [N in keyof Fs]: Plain<Fs[N]> } : never

/**
 * One entry of a map: `value` is a plain value or object. What stands at the key was written by somebody at some time if it is a
 * register (its value) or a record (its making); counters and sets are many people's.
 */
export type MapEntry<V> = { readonly key: string; /** `value` is longer than what is read at once: read the rest through `at(key)`. */ readonly more?: true } &
  (V extends Field<'register' | 'once' | 'record', any> ? Entry<Exclude<Plain<V>, undefined>> : { readonly value: Plain<V> })

/** Which entries of a map, by key. Keys stand in the order of their UTF-8 bytes. */
export interface MapRange {
  /** Only keys from this one on. */
  from?: string
  /** Only keys after this one. */
  after?: string
  /** Only keys before this one. */
  to?: string
  /** At most so many. */
  limit?: number
  /** Begin with the last key. */
  reverse?: boolean
}

/** A stretch of a map. */
export interface MapPage<V> {
  entries: MapEntry<V>[]
  /** Keys in the whole map. */
  size: number
  /** There are more: read on with this as `after`, or as `to` in reverse. */
  next?: string
}

/** The handle of a value. */
export type Handle<F> =
  F extends Field<'register' | 'once', infer T> ? RegisterHandle<T> :
  F extends Field<'counter', any> ? CounterHandle :
  F extends Field<'set' | 'growset', infer T> ? SetHandle<T> :
  F extends Field<'log', infer T> ? LogHandle<T> :
  F extends Field<'list', infer T> ? ListHandle<T> :
  F extends Field<'text', any> ? TextHandle :
  F extends Field<'fold', FoldTypes<infer S, infer O>> ? FoldHandle<S, O> :
  F extends Field<'map', infer V> ? MapHandle<V> :
  F extends Field<'record', infer Fs> ? RecordHandle<Plain<F>> & Handles<Fs> : never

/** The handles of all fields of a kind, or of a record. */
export type Handles<F> = { readonly [N in keyof F]: Handle<F[N]> }

/** The handle of what stands at a key of a map: that of a record reads undefined while there is none. */
export type HandleAt<F> = F extends Field<'record', infer Fs> ? RecordHandle<Plain<F> | undefined> & Handles<Fs> : Handle<F>

/** Makes the plain form of a value from the engine's: counters as numbers, every property of a record there. */
function plain(f: Shape, v: Value | undefined): unknown {
  const { of, fields } = f.inside
  if (f.name === 'counter') return count(v)
  if (fields) return Object.fromEntries(Object.entries(fields).map(([name, p]) => [name, plain(p, (v as Data | undefined)?.[name])]))
  if (of) {
    const out = {}
    for (const [key, x] of Object.entries((v ?? {}) as Data)) {
      // Assignment would call the setter of a key named __proto__.
      Object.defineProperty(out, key, { value: plain(of, x), enumerable: true, writable: true, configurable: true })
    }
    return out
  }
  if (f.name === 'text') return v ?? ''
  return v ?? (f.name === 'register' || f.name === 'once' ? undefined : [])
}

/** Several values under names; the handles of each are its members. Read whole, it is a plain object. */
export class RecordHandle<T> {
  readonly #access: Access // the properties are members too, and may have any name that is not reserved
  readonly #shape: Shape

  constructor(access: Access, shape: Shape) {
    this.#access = access
    this.#shape = shape
    for (const [name, f] of Object.entries(shape.inside.fields!)) {
      Object.defineProperty(this, name, { value: handle(f, access.at(joinPath(access.path, name), name)), enumerable: true })
    }
  }

  /** All properties as a plain object; undefined when it is of a map that has no such key. */
  async get(): Promise<T> {
    return (await this.entry())?.value as T
  }

  /** The plain object with who made the record and when; these are of records in maps only. */
  async entry(): Promise<(Partial<Entry<Exclude<T, undefined>>> & { value: Exclude<T, undefined> }) | undefined> {
    const r = await this.#access.read({})
    if (r.entry === undefined) return undefined
    const e = entry<Exclude<T, undefined>>(r.entry)
    return { ...e, value: plain(this.#shape, e.value as Value) as Exclude<T, undefined> }
  }

  /** Calls `fn` with the plain object now and after each change in it. */
  subscribe(fn: (value: T) => void, options?: SubscribeOptions): Unsubscribe {
    return observe(this.#access.changes(), () => this.get(), fn, heard(this.#access, options))
  }

  /** The plain object now and after each change in it. */
  watch(signal?: AbortSignal): AsyncGenerator<T, void, void> {
    return iterate((fn, o) => this.subscribe(fn, o), signal)
  }
}

/** Values by key. */
export class MapHandle<V> {
  private readonly shape: Shape
  /** The same handle for the same key, as those who draw lists need, for as long as anybody has it. */
  private readonly handles = new Map<string, WeakRef<object>>()
  private sweepAt = 64

  constructor(private readonly access: Access, shape: Shape) {
    this.shape = shape.inside.of!
  }

  /** The handle of what stands at a key, whether there is anything or not. */
  at(key: string): HandleAt<V> {
    checkKey(key, this.access.path)
    const known = this.handles.get(key)?.deref()
    if (known) return known as HandleAt<V>
    const path = keyPath(this.access.path, key)
    const h = handle(this.shape, this.shape.name === 'record' ? this.access.at(path, key, null) : this.access.at(path, key))
    if (this.handles.size >= this.sweepAt) {
      for (const [k, ref] of this.handles) if (!ref.deref()) this.handles.delete(k)
      this.sweepAt = 64 + 2 * this.handles.size
    }
    this.handles.set(key, new WeakRef(h))
    return h as HandleAt<V>
  }

  /** What stands at a key as a plain value, undefined when nothing does. */
  async get(key: string): Promise<Exclude<Plain<V>, undefined> | undefined> {
    return (await this.entry(key))?.value as Exclude<Plain<V>, undefined> | undefined
  }

  /** What stands at a key with author and time. */
  async entry(key: string): Promise<MapEntry<V> | undefined> {
    const r = await this.access.read({ key: checkKey(key, this.access.path) })
    return r.entry === undefined ? undefined : this.one(r.entry)
  }

  async has(key: string): Promise<boolean> {
    return (await this.access.read({ key: checkKey(key, this.access.path) })).entry !== undefined
  }

  /** How many keys there are. */
  async size(): Promise<number> {
    return (await this.access.read({ limit: 1, keys: true })).size as number
  }

  /** The keys of a range, in order. */
  async keys(range: MapRange = {}): Promise<string[]> {
    const out: string[] = []
    for await (const r of this.pages(range, { keys: true })) out.push(...(r.entries as { key: string }[]).map(e => e.key))
    return out
  }

  /** The values of a range as plain values, without keys, in the order of these. Give a `limit` where a map may be large. */
  async list(range: MapRange = {}): Promise<Exclude<Plain<V>, undefined>[]> {
    return (await this.entries(range)).map(e => e.value as Exclude<Plain<V>, undefined>)
  }

  /** The values of a range with their keys, and author and time where one person wrote what is there, in the order of the keys. Give a `limit` where a map may be large. */
  async entries(range: MapRange = {}): Promise<MapEntry<V>[]> {
    const out: MapEntry<V>[] = []
    for await (const r of this.pages(range)) out.push(...(r.entries as Value[]).map(v => this.one(v)))
    return out
  }

  /** As many entries as one read gives, at most `limit`, with what is beyond them. */
  async page(range: MapRange = {}): Promise<MapPage<V>> {
    const r = await this.access.read(this.query(range, Math.min(range.limit ?? maxEntries, maxEntries)))
    const page: MapPage<V> = { entries: (r.entries as Value[]).map(v => this.one(v)), size: r.size as number }
    if (r.next !== undefined) page.next = r.next as string
    return page
  }

  /** Goes over all entries, in the order of their keys, reading as it goes. */
  async *[Symbol.asyncIterator](): AsyncGenerator<MapEntry<V>, void, void> {
    for await (const r of this.pages({})) for (const v of r.entries as Value[]) yield this.one(v)
  }

  /** Calls `fn` with the entries of the range now and after each change in it. */
  subscribe(fn: (entries: MapEntry<V>[]) => void, options: SubscribeOptions & MapRange = {}): Unsubscribe {
    const { from, after, to } = options
    const wants = (key: string) => (from === undefined || compareText(key, from) >= 0) &&
      (after === undefined || compareText(key, after) > 0) && (to === undefined || compareText(key, to) < 0)
    return observe(this.access.changes(wants), () => this.entries(options), fn, heard(this.access, options))
  }

  /** The entries of the range now and after each change in it. */
  watch(range: MapRange = {}, signal?: AbortSignal): AsyncGenerator<MapEntry<V>[], void, void> {
    return iterate((fn, o) => this.subscribe(fn, { ...range, ...o }), signal)
  }

  private one(v: Value): MapEntry<V> {
    const raw = v as Data
    const value = plain(this.shape, raw.value)
    const more = raw.more ? { more: true } : {}
    const by = raw.commit === undefined ? {} : entry(v)
    return { key: raw.key, ...by, value, ...more } as unknown as MapEntry<V>
  }

  private query(range: MapRange, limit: number): Data {
    const q: Data = { limit }
    for (const end of ['from', 'after', 'to'] as const) if (range[end] !== undefined) q[end] = checkKey(range[end], this.access.path)
    if (range.reverse) q.reverse = true
    return q
  }

  private async *pages(range: MapRange, extra: Data = {}): AsyncGenerator<Data, void, void> {
    let left = range.limit ?? Infinity
    let rest: MapRange | undefined = range
    while (rest && left > 0) {
      const r: Data = await this.access.read({ ...this.query(rest, Math.min(left, maxEntries)), ...extra })
      yield r
      left -= (r.entries as Value[]).length
      rest = r.next === undefined ? undefined : { ...rest, [range.reverse ? 'to' : 'after']: r.next as string }
    }
  }
}

/** The order of keys: by code points, which is that of UTF-8 bytes. */
export function compareText(a: string, b: string): number {
  // Halves of surrogate pairs stand for characters beyond all that have one unit.
  const rank = (unit: number) => (unit < 0xd800 ? unit : unit < 0xe000 ? unit + 0x2000 : unit - 0x800)
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    const d = rank(a.charCodeAt(i)) - rank(b.charCodeAt(i))
    if (d !== 0) return d
  }
  return a.length - b.length
}

/** Makes the handle of a value. */
export function handle(f: Shape, access: Access): object {
  switch (f.name) {
    case 'register': case 'once': return new RegisterHandle(access)
    case 'counter': return new CounterHandle(access)
    case 'set': case 'growset': return new SetHandle(access)
    case 'log': return new LogHandle(access)
    case 'list': return new ListHandle(access)
    case 'text': return new TextHandle(access)
    case 'fold': return new FoldHandle(access, f.inside.fold!)
    case 'map': return new MapHandle(access, f)
    case 'record': return new RecordHandle(access, f)
  }
}
