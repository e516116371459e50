/** What was: past versions of a space, who wrote what, and what two versions show differently. */
import type { Value } from './cbor.js'
import type { Client, Data } from './client.js'
import { type Handles, handle } from './composed.js'
import type { SpaceKind } from './define.js'
import { HhsError } from './errors.js'
import { type Access, type Step } from './fields.js'
import type { Fields } from './shapes.js'

/** Which commits to list, newest first. */
export interface HistoryQuery<F extends Fields = Fields> {
  /** Only those that wrote to this field. */
  field?: keyof F & string
  /** With `field`: only what is on, in or around the value there; keys of maps and names of properties. */
  path?: readonly string[]
  /** Only what this version has. */
  version?: string
  /** Go on where a page ended. */
  before?: string
  /** At most so many; default 50, at most 1,000. */
  limit?: number
}

/** A stretch of history: no commit comes after one that knew it. */
export interface HistoryPage {
  entries: HistoryEntry[]
  /** There are older ones: read on with this. A page may have fewer than asked for, or none, and still say so. */
  before?: string
}

/** A commit, with what became of it by what is known now. */
export interface HistoryEntry {
  /** Also a version: `space.at(entry.commit)` shows what its author saw when it was written. */
  readonly commit: string
  /** The person, `did:key:...`, and the name they show now. */
  readonly author: string
  readonly name?: string
  /** The device that signed it. */
  readonly device: string
  /** By the writer's clock, in milliseconds since 1970. */
  readonly time: number
  readonly ops: HistoryOp[]
  /** The commits whose undo takes it back, the first 16; empty while it counts. */
  readonly undoneBy: string[]
  /** It has more ops than are shown at once. */
  readonly more?: true
}

/** One thing that a commit did. */
export interface HistoryOp {
  /** The field; `''` for who takes part, `$profile` for a name, `$undo` for an undo or redo, which says in `commits` of what. */
  readonly field: string
  /** Inside the field: keys of maps and names of properties. */
  readonly path: string[]
  /** `set`, `add`, `append`, `make`, `undo` and so on. */
  readonly action: string
  /** What was written, absent where there is nothing. */
  readonly value?: Value
  /** Whether it counts: `ignored` is what breaks its schema, `undone` what was taken back. */
  readonly effect: 'effective' | 'ignored' | 'undone'
  /** Why it is ignored. */
  readonly reason?: string
  readonly commits: string[]
  /** The value is too large for this list: read it at the version. */
  readonly more?: true
}

/** A value that two versions show differently. */
export interface Difference {
  readonly field: string
  /** Inside the field: keys of maps and names of properties. */
  readonly path: string[]
  /** What the first version shows, absent for nothing: of a set or log the element that is gone. */
  readonly before?: Value
  /** What the second one shows: of a set or log the element that came. */
  readonly after?: Value
  /** Of a list or text, instead: what went and what came, at places in the first version, ascending. */
  readonly edits?: { readonly index: number; readonly deleted?: Value; readonly inserted?: Value }[]
  /** Who made the latest change, with which commit and when. */
  readonly author: string
  readonly name?: string
  readonly commit: string
  readonly time: number
  /** Something is too large for this list: read it at the versions. */
  readonly more?: true
}

/** Reads a page of history. */
export async function history(client: Client, space: string, query: HistoryQuery<any>): Promise<HistoryPage> {
  const { version, path, ...rest } = query
  const args: Data = { space }
  for (const [name, v] of Object.entries({ ...rest, at: version, path: path && [...path] })) if (v !== undefined) args[name] = v
  const r = await client.call('history', args)
  const page: HistoryPage = { entries: (r.entries as Data[]).map(historyEntry) }
  if (r.next !== undefined) page.before = r.next as string
  return page
}

function historyEntry(raw: Data): HistoryEntry {
  const { identity, ops, ...rest } = raw
  return { undoneBy: [], ...rest, author: identity, ops: (ops as Data[]).map(op => ({ path: [], commits: [], ...op })) } as unknown as HistoryEntry
}

/** Reads all that is different, page by page. */
export async function diff(client: Client, space: string, from: string, to?: string): Promise<Difference[]> {
  const out: Difference[] = []
  const args: Data = { space, from }
  if (to !== undefined) args.to = to
  for (;;) {
    const r = await client.call('diff', args)
    for (const { identity, ...rest } of r.changes as Data[]) out.push({ path: [], ...rest, author: identity } as unknown as Difference)
    if (r.next === undefined) return out
    args.skip = r.next
    args.to = r.to! // the same present as that of the first page
  }
}

/** A past version of a space. Its fields read as those of the space do; nothing in it ever changes, so a subscriber is told once. */
export class PastBase<F extends Fields> {
  /** The version, as `space.version()` gives them. */
  readonly version: string
  /** How many commits it has, and whether it leaves out what was taken back since. */
  readonly info: { readonly commits: number; readonly judgedNow: boolean }

  readonly #client: Client

  private constructor(client: Client, readonly id: string, readonly kind: SpaceKind<F>, opened: Data, judgedNow: boolean) {
    this.#client = client
    this.version = opened.version as string
    this.info = { commits: opened.commits as number, judgedNow }
    for (const [name, field] of Object.entries(kind.fields)) {
      Object.defineProperty(this, name, { value: handle(field, this.#access(name, [], name)), enumerable: true })
    }
  }

  /** Opens a version, which must be here; called by the space. */
  static async open<F extends Fields>(client: Client, id: string, kind: SpaceKind<F>, version: string, judgedNow: boolean): Promise<Past<F>> {
    const args: Data = { space: id, at: version }
    if (judgedNow) args.now = true
    return new PastBase(client, id, kind, await client.call('version', args), judgedNow) as Past<F>
  }

  #access(field: string, steps: Step[], path: string): Access {
    return {
      path,
      changes: () => () => () => {},
      failed: () => {},
      edit: async () => { throw new HhsError('read_only', 'a past version is read only', path) },
      read: query => this.#client.call('read', {
        space: this.id, field, query, at: this.version, ...(steps.length > 0 ? { path: steps } : {}), ...(this.info.judgedNow ? { now: true } : {}),
      }),
      at: (inside, ...more) => this.#access(field, [...steps, ...more], inside),
    }
  }
}

/** A past version of a space of a kind: `past.topic`, `past.messages`. */
export type Past<F extends Fields = Fields> = PastBase<F> & Handles<F>
