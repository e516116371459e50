/** The handles of what has an order that its writers choose: lists and texts. */
import type { Value } from './cbor.js'
import type { Data } from './client.js'
import { HhsError } from './errors.js'
import { type Access, type Entry, entry, heard } from './fields.js'
import { maxEntries, maxReadTries } from './limits.js'
import { type SubscribeOptions, type Unsubscribe, iterate, observe } from './live.js'

/**
 * A stretch that is replaced: `delete` units from `index` on, and then `insert` there. Several stand last place first, so each index
 * counts in what was there before all of them, and they can also be done one after the other.
 */
export interface TextEdit {
  index: number
  delete: number
  insert: string
}

/** What became of a text since a version: the edits, or all of it where those are not known any more. */
export interface TextNews {
  /** Stands for the state of the copy on this device of which it speaks: for `news`, `apply` and the `since` of an update. */
  token: string
  edits?: TextEdit[]
  text?: string
}

/**
 * To what a cursor sticks: what stands before it, so that what is inserted there comes behind it, or what stands behind it, so that what
 * is inserted comes before it.
 */
export type Side = 'before' | 'behind'

/** Checks a place or a number of elements. */
export function whole(n: unknown, path: string): number {
  if (!Number.isSafeInteger(n) || (n as number) < 0) throw new HhsError('invalid', `a place or length is a whole number from 0 on, not ${String(n)}`, path)
  return n as number
}

async function cursorAt(access: Access, at: number, side: Side): Promise<string> {
  const query: Data = { cursor: whole(at, access.path) }
  if (side === 'behind') query.ahead = true
  const { cursor } = await access.read(query)
  return Array.from(cursor as Uint8Array, b => b.toString(16).padStart(2, '0')).join('')
}

async function positionOf(access: Access, cursor: string): Promise<number> {
  if (typeof cursor !== 'string' || !/^([0-9a-f]{2})+$/.test(cursor)) throw new HhsError('invalid', `${JSON.stringify(cursor)} is not a cursor`, access.path)
  const position = Uint8Array.from(cursor.match(/../g)!, b => parseInt(b, 16))
  return (await access.read({ position })).position as number
}

/** Plain text that many people write at once. Places are counted in UTF-16 units, as those of JavaScript strings are. */
export class TextHandle {
  constructor(private readonly access: Access) {}

  /** All of it; '' while nobody wrote. */
  async get(): Promise<string> {
    return (await this.all()).text
  }

  /** What is from one place to another, as `slice` of a string gives it; half of a character stands for all of it. */
  async slice(from: number, to?: number): Promise<string> {
    const { path } = this.access
    return (await this.all(whole(from, path), to === undefined ? Infinity : whole(to, path))).text
  }

  /** How many UTF-16 units it has. */
  async size(): Promise<number> {
    return (await this.access.read({ from: 0, to: 0 })).size as number
  }

  /** A mark at a place that stays there while others write, on every device. It may be kept, in a value too. */
  cursor(at: number, side: Side = 'before'): Promise<string> {
    return cursorAt(this.access, at, side)
  }

  /** Where a mark is now. */
  position(cursor: string): Promise<number> {
    return positionOf(this.access, cursor)
  }

  /** Calls `fn` with the text now and after each change. */
  subscribe(fn: (text: string) => void, options?: SubscribeOptions): Unsubscribe {
    return observe(this.access.changes(), () => this.get(), fn, heard(this.access, options))
  }

  /** The text now and after each change. */
  watch(signal?: AbortSignal): AsyncGenerator<string, void, void> {
    return iterate((fn, o) => this.subscribe(fn, o), signal)
  }

  /** Calls `fn` with the text now, and then with the edits, own ones too; now and then with all of it again. */
  follow(fn: (news: TextNews) => void, options?: SubscribeOptions): Unsubscribe {
    let token: string | undefined
    const read = async () => {
      const news = await this.news(token)
      token = news.token
      return news
    }
    return observe(this.access.changes(), read, news => { if (news.edits?.length !== 0) fn(news) }, heard(this.access, options))
  }

  /** For bindings of editors: what became of the text since the token of `news` or `apply`. */
  async news(since?: string): Promise<TextNews> {
    if (since) {
      return this.known(await this.access.read({ since }))
    }
    return this.all()
  }

  private async known({ version, edits }: Data): Promise<TextNews> {
    if (edits === undefined) return this.all()
    return { token: version as string, edits: unflat(edits as Value[]) }
  }

  /**
   * For bindings of editors: edits of the text as it is by a token, last place first, in an update of their own. Rejects with `stale`
   * when the space has changed since: ask for the `news`, bring the edits up to date and try again. What it returns is what others did
   * that came together with them, to the text with them done; mostly nothing.
   */
  async apply(edits: readonly TextEdit[], since: string): Promise<TextNews> {
    return this.known(await this.access.edit(edits.flatMap(e => [e.index, e.delete, e.insert]), since))
  }

  /** Calls `fn` when the text may have changed. */
  changes(fn: () => void): Unsubscribe {
    return this.access.changes()(fn)
  }

  /** A stretch of one state, which long texts take several reads for. */
  private async all(from = 0, to = Infinity): Promise<{ text: string; token: string }> {
    for (let tries = 1; ; tries++) {
      try {
        return await this.whole(from, to)
      } catch (e) {
        if (HhsError.from(e).code !== 'stale' || tries === maxReadTries) throw e
      }
    }
  }

  private async whole(from: number, to: number): Promise<{ text: string; token: string }> {
    let text = ''
    let token = ''
    for (;;) {
      const query: Data = { from: from + text.length }
      if (to !== Infinity) query.to = to
      if (token) query.version = token
      const r: Data = await this.access.read(query)
      text += r.text as string
      token = (r.version as string | undefined) ?? '' // a past version has none
      if (r.text === '' || from + text.length >= Math.min(to, r.size as number)) return { text, token }
    }
  }
}

function unflat(flat: Value[]): TextEdit[] {
  const edits: TextEdit[] = []
  for (let i = 0; i < flat.length; i += 3) edits.push({ index: flat[i] as number, delete: flat[i + 1] as number, insert: flat[i + 2] as string })
  return edits
}

/** Which elements of a list: `from` <= place < `to`. */
export interface ListRange {
  from?: number
  to?: number
}

/** Values in an order that their writers choose. */
export class ListHandle<T> {
  constructor(private readonly access: Access) {}

  /** The values of a range, in order; without one, all. */
  async list(range: ListRange = {}): Promise<T[]> {
    return (await this.entries(range)).map(e => e.value)
  }

  /** The values of a range with who inserted, or set, them and when. */
  async entries(range: ListRange = {}): Promise<Entry<T>[]> {
    const out: Entry<T>[] = []
    for await (const e of this.pages(range)) out.push(e)
    return out
  }

  /** The value at a place, undefined behind the end. */
  async get(at: number): Promise<T | undefined> {
    return (await this.list({ from: at, to: at + 1 }))[0]
  }

  async size(): Promise<number> {
    return (await this.access.read({ limit: 1 })).size as number
  }

  /** A mark at a place that stays there while others edit, on every device. It may be kept, in a value too. */
  cursor(at: number, side: Side = 'before'): Promise<string> {
    return cursorAt(this.access, at, side)
  }

  /** Where a mark is now. */
  position(cursor: string): Promise<number> {
    return positionOf(this.access, cursor)
  }

  /** Goes over the values, reading as it goes. */
  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, void> {
    for await (const e of this.pages({})) yield e.value
  }

  /** Calls `fn` with the values of the range now and after each change. */
  subscribe(fn: (values: T[]) => void, options: SubscribeOptions & ListRange = {}): Unsubscribe {
    return observe(this.access.changes(), () => this.list(options), fn, heard(this.access, options))
  }

  /** The values of the range now and after each change. */
  watch(range: ListRange = {}, signal?: AbortSignal): AsyncGenerator<T[], void, void> {
    return iterate((fn, o) => this.subscribe(fn, { ...range, ...o }), signal)
  }

  private async *pages(range: ListRange): AsyncGenerator<Entry<T>, void, void> {
    let from = whole(range.from ?? 0, this.access.path)
    const to = range.to === undefined ? Infinity : whole(range.to, this.access.path)
    while (from < to) {
      const { entries, size } = await this.access.read({ from, limit: Math.min(to - from, maxEntries) })
      for (const e of entries as Value[]) yield entry<T>(e)
      from += (entries as Value[]).length
      if ((entries as Value[]).length === 0 || from >= (size as number)) return
    }
  }
}
