/** One person of a script: the package as applications have it, in a worker of its own, on the engine that is built for scripts. */
import 'hhs:wasm_exec'
import { type Value, decode, encode } from '../../src/cbor.js'
import { Client, type Data } from '../../src/client.js'
import { defineSpace } from '../../src/define.js'
import { HhsError } from '../../src/errors.js'
import type { FoldHandle } from '../../src/fold.js'
import { type CounterHandle, type Entry, type LogHandle, type RegisterHandle, type SetHandle } from '../../src/fields.js'
import { ProcessHost } from '../../src/inprocess.js'
import { HhsNode } from '../../src/node.js'
import type { HistoryPage } from '../../src/past.js'
import type { BlobValue } from '../../src/schema.js'
import type { ListHandle, TextHandle } from '../../src/sequences.js'
import type { Fields, Shape } from '../../src/shapes.js'
import type { Space } from '../../src/space.js'
import { type Described, fieldsOf } from '../shapes.js'

/** An op in the form of js/BRIDGE.md. */
interface Op {
  field: string
  path?: (string | number | null)[]
  action: string
  value?: Value
}

type Writing = { [name: string]: any }

/** Does what an op says with the writers of an update; `made` has those of records by the index of the op that made them. */
function write(writers: Writing, op: Op, made: Writing[], index: number): void {
  const path = [...(op.path ?? [])]
  // What concerns a key is a method of the map.
  const key = path.length > 0 && op.value === undefined ? path.pop() : undefined
  let at: Writing = writers[op.field]
  for (const step of path) {
    if (typeof step === 'number') at = made[step]!
    else if (step !== null) at = typeof at.at === 'function' ? at.at(step) : at[step]
  }
  if (typeof at[op.action] !== 'function') throw new HhsError('invalid', `the package has no way to ${op.action} it`, op.field)
  if (op.action === 'insert' || op.action === 'delete' || op.action === 'splice' || (op.action === 'set' && Array.isArray(op.value) && 'push' in at)) edit(at, op.action, op.value as Value[])
  else if (key === undefined) at[op.action](op.value)
  else made[index] = at[op.action](key)
}

/** Edits a list or a text; a place of null is the end. */
function edit(at: Writing, action: string, [place, ...rest]: Value[]): void {
  const content = action === 'insert' && Array.isArray(rest[0]) ? rest[0] : rest
  if (place === null) at[at.push ? 'push' : 'append'](...content)
  else at[action](place, ...content)
}

let client: Client
let node: HhsNode | undefined
let kind: ReturnType<typeof defineSpace>
let space: Space<Fields> | undefined

/** An entry as canonical bytes and where it comes from. */
function line(e: Entry<unknown>): unknown[] {
  const index = Number(e.id.slice(e.commit.length + 1))
  return [encode(e.value as Value), e.commit, index, e.author, e.device, e.time]
}

/** What a value shows: digits, entries, keys with what is under them and the op that made it, properties. */
export type State =
  | { digits: string }
  | { text: string }
  | { folded: Uint8Array; ignored: unknown[][] }
  | { entries: unknown[][] }
  | { keys: { key: string; state: State; made?: unknown[] }[] }
  | { properties: [string, State][] }

async function state(f: Shape, h: any): Promise<State> {
  switch (f.name) {
    case 'counter': return { digits: String(await (h as CounterHandle).get()) }
    case 'register': case 'once': return { entries: (await (h as RegisterHandle<unknown>).conflicts()).map(line) }
    case 'set': case 'growset': return { entries: (await (h as SetHandle<unknown>).entries()).map(line) }
    case 'log': {
      const entries = []
      for await (const e of h as LogHandle<unknown>) entries.push(line(e))
      return { entries }
    }
    case 'list': return { entries: (await (h as ListHandle<unknown>).entries()).map(line) }
    case 'fold': {
      const { state, ignored } = await (h as FoldHandle<Value, Value>).read()
      return { folded: encode(state), ignored: ignored.map(op => line({ ...op, value: op.reason })) }
    }
    case 'text': return { text: await (h as TextHandle).get() }
    case 'record': return { properties: await Promise.all(Object.entries(f.inside.fields!).map(async ([n, p]): Promise<[string, State]> => [n, await state(p, h[n])])) }
    case 'map': {
      const of = f.inside.of!
      const entries = (await h.entries()) as (Entry<unknown> & { key: string })[]
      return { keys: await Promise.all(entries.map(async e => {
        const under = await state(of, h.at(e.key))
        return of.name === 'record' ? { key: e.key, state: under, made: line({ ...e, value: null }) } : { key: e.key, state: under }
      })) }
    }
  }
}

/** The result of a write, or how it was refused. */
async function attempt(write: () => Promise<{ commit: string | undefined }>): Promise<{ commit?: string | undefined; code?: string; path?: string; message?: string }> {
  try {
    return await write()
  } catch (e) {
    const { code, path, message } = HhsError.from(e)
    return { code, path, message }
  }
}

/** What was asked for as canonical bytes, or how it was refused. */
async function looked(read: () => Promise<Value[]>): Promise<{ list?: Uint8Array; code?: string; path?: string }> {
  try {
    return { list: encode(await read()) }
  } catch (e) {
    const { code, path } = HhsError.from(e)
    return { code, path }
  }
}

const calls = {
  async open(wasm: WebAssembly.Module, name: string, seed: string, list: Described[]) {
    kind = defineSpace(name, 1, fieldsOf(list))
    client = new Client(new ProcessHost(async () => wasm), { name: 'script', memory: true, kinds: [kind.manifest], seed })
    node = new HhsNode(client, await client.start())
    await node.begin()
    return { identity: node.identity, device: node.device }
  },
  async create() {
    space = await node!.create(kind)
  },
  async clock(step: number) {
    await client.call('clock', { step })
  },
  async do(ops: Uint8Array) {
    const list = decode(ops) as unknown as Op[]
    const made: Writing[] = []
    // Joining a group is an option of the package, an op below it.
    const group = list.find(op => op.field === '$undo')
    return attempt(async () => {
      const writeAll = (writers: Writing) => list.forEach((op, i) => { if (op !== group) write(writers, op, made, i) })
      const receipt = await (group ? space!.update(writeAll, { join: group.value as string }) : space!.update(writeAll))
      return { commit: receipt.commit }
    })
  },
  /** Takes back these commits, or without any the latest update. */
  async undo(commits: string[]) {
    return attempt(async () => ({ commit: (await space!.undo(commits.length > 0 ? { commits } : {}))?.commit }))
  },
  async redo() {
    return attempt(async () => ({ commit: (await space!.redo())?.commit }))
  },
  async give() {
    return (await client.call('give', { space: space!.id })).file
  },
  async take(file: Uint8Array) {
    const r: Data = await client.call('take', { file })
    space ??= await node!.join(kind, r.space as string)
  },
  async put(text: string, about: { media?: string; name?: string }) {
    return looked(async () => [(await node!.putBlob(new TextEncoder().encode(text), about)) as unknown as Value])
  },
  /** Text from a blob that is here. */
  async bytes(value: Uint8Array, [from, to]: [number, number | undefined]) {
    const b = space!.openBlob(decode(value) as unknown as BlobValue)
    if (await b.have() < b.size) throw new Error(`${await b.have()} of ${b.size} bytes are here`)
    return new TextDecoder().decode(await b.slice(from, to))
  },
  /** Reads a field as it is, or as it was at a version. */
  async read(field: string, past?: string, judgedNow?: boolean) {
    const from = past === undefined ? space! : judgedNow ? await space!.atJudgedNow(past) : await space!.at(past)
    return state(kind.fields[field]!, (from as unknown as { [name: string]: unknown })[field])
  },
  /** The history, in small pages, as scripts write it but with the ids of commits. */
  async log(query: { field?: string; path?: string[]; version?: string }) {
    return looked(async () => {
      const out: Value[] = []
      let page: HistoryPage | undefined
      do {
        page = await space!.history({ ...query, limit: 2, ...(page?.before ? { before: page.before } : {}) })
        for (const e of page.entries) {
          const ops = e.ops.filter(o => o.field !== '').map((o): Value => [[o.field, ...o.path], o.action, o.value ?? null, o.effect, o.commits])
          if (ops.length > 0) out.push([e.commit, e.undoneBy, ops])
        }
      } while (page.before !== undefined)
      return out
    })
  },
  async diff(from: string, to?: string) {
    return looked(async () => (await space!.diff(from, to)).map((d): Value => [[d.field, ...d.path], d.before ?? null, d.after ?? null, d.commit]))
  },
  async close() {
    await node?.close()
  },
}

/** What the page may ask for. */
export type Calls = typeof calls

onmessage = e => {
  const { id, name, args } = e.data as { id: number; name: keyof Calls; args: unknown[] }
  const call = calls[name] as (...args: unknown[]) => Promise<unknown>
  call(...args).then(
    result => postMessage({ id, result }),
    (err: unknown) => postMessage({ id, error: err instanceof Error ? `${err.message}\n${err.stack}` : String(err) }),
  )
}
