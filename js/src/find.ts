/** Questions about all that a space shows: what is there of a type, and what links to something. */
import type { Value } from './cbor.js'
import type { Client, Data } from './client.js'
import { HhsError } from './errors.js'
import { type Entry, entry } from './fields.js'
import { Link } from './link.js'
import { type Source, type SubscribeOptions, type Unsubscribe, iterate, observe } from './live.js'
import type { BlobValue, RefValue } from './schema.js'

/** Which page of what is found. */
export interface FindOptions {
  /** What came to this device last comes first. */
  newest?: boolean
  /** At most so many; default 50, at most 1,000. */
  limit?: number
  /** Go on where a page ended (`next`). */
  from?: Uint8Array
}

/** Something found, with who wrote it and when. */
export interface Found<T = Value> extends Omit<Entry<T>, 'value'> {
  /** Absent, with `more`, where it is too large for a page: an attached object, which `node.get(object)` reads. */
  readonly value?: T
  /** The field it is in; absent for an attached object. */
  readonly field?: string
  /** Inside the field: keys of maps and names of properties. */
  readonly path: string[]
  /** The id of a record of a map, of which `value` has the properties. */
  readonly record?: string
  /** The id of an attached object. */
  readonly object?: string
  /** There is more in it than is read at once. */
  readonly more?: true
}

/** A stretch of what is found, in the order in which it came to this device. */
export interface FoundPage<T = Value> {
  entries: Found<T>[]
  /** There is more: read on with this as `from`. A page may have fewer than asked for, or none, and still say so. */
  next?: Uint8Array
}

/** What is linked to: an object, a file, another space, or with a reference a value in it. */
export type Linked = Link | BlobValue | RefValue

/** The question as the engine is asked it. */
export function linkedTo(to: Linked): Data {
  if (to instanceof Link) return { link: to }
  if ('root' in to) return { link: to.root }
  if ('space' in to) return { ref: to as unknown as Value }
  throw new HhsError('invalid', 'backlinks are of a Link, a blob or a reference', '')
}

/** A question that can be asked once, or again whenever the answer changes. */
export class Query<T = Value> {
  constructor(
    private readonly client: Client, private readonly question: Data, private readonly changes: Source,
    private readonly heard: (options?: SubscribeOptions) => SubscribeOptions,
  ) {}

  /** The page as it is now. */
  async get(): Promise<FoundPage<T>> {
    return pageOf(await this.client.call('find', this.question))
  }

  /** Calls `fn` with the page now, and again each time that it is another one; who is slow sees the latest. */
  subscribe(fn: (page: FoundPage<T>) => void, options?: SubscribeOptions): Unsubscribe {
    let mark: Value | undefined
    const read = async () => {
      const r = await this.client.call('find', mark === undefined ? this.question : { ...this.question, mark })
      mark = r.mark
      return r.entries === undefined ? undefined : pageOf<T>(r)
    }
    return observe(this.changes, read, page => { if (page) fn(page) }, this.heard(options))
  }

  /** The page now, and again each time that it is another one. */
  watch(signal?: AbortSignal): AsyncGenerator<FoundPage<T>, void, void> {
    return iterate((fn, o) => this.subscribe(fn, o), signal)
  }
}

function pageOf<T>(r: Data): FoundPage<T> {
  const page: FoundPage<T> = {
    entries: (r.entries as Data[]).map(raw => {
      const { commit, index, identity, device, time, value, ...rest } = raw
      const { value: _, ...by } = entry<T>({ value: null, commit: commit!, index: index!, identity: identity!, device: device!, time: time! })
      return { path: [], ...rest, ...by, ...(value !== undefined && { value }) } as unknown as Found<T>
    }),
  }
  if (r.next !== undefined) page.next = r.next as Uint8Array
  return page
}
