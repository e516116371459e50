/** One person of a script: the package as applications have it, in a worker of its own, on the engine that is built for scripts. */
import 'hhs:wasm_exec'
import { type Value, decode, encode } from '../../src/cbor.js'
import { Client, type Data } from '../../src/client.js'
import { defineSpace } from '../../src/define.js'
import { HhsError } from '../../src/errors.js'
import { type CounterHandle, type Entry, type LogHandle, type RegisterHandle, SetHandle } from '../../src/fields.js'
import { ProcessHost } from '../../src/inprocess.js'
import { HhsNode } from '../../src/node.js'
import { Schema } from '../../src/schema.js'
import { type Fields, type Shape, counter, growset, log, map, once, record, register, set } from '../../src/shapes.js'
import type { Space } from '../../src/space.js'

/** A shape as manifests have it. */
interface Described {
  name: string
  type: string
  schema?: Value
  of?: Described
  fields?: Described[]
}

const leaves = { register, once, set, growset, log }

function shape(f: Described): Shape {
  if (f.type === 'counter') return counter()
  if (f.type === 'map') return map(shape(f.of!) as Parameters<typeof map>[0])
  if (f.type === 'record') return record(fields(f.fields!))
  return leaves[f.type as keyof typeof leaves](Schema.parse(f.schema!))
}

function fields(list: Described[]): Fields {
  return Object.fromEntries(list.map(f => [f.name, shape(f)]))
}

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
  if (key === undefined) at[op.action](op.value)
  else made[index] = at[op.action](key)
}

let client: Client
let node: HhsNode
let kind: ReturnType<typeof defineSpace>
let space: Space<Fields> | undefined

/** An entry as canonical bytes and where it comes from. */
function line(e: Entry<unknown>): unknown[] {
  const index = Number(e.id.slice(e.commit.length + 1))
  return [encode(e.value as Value), e.commit, index, e.author, e.device, e.time]
}

/** What came of a write: its commit, none where there was nothing to do, or the error. */
interface Told {
  commit?: string | undefined
  code?: string
  path?: string | undefined
  message?: string
}

async function told(made: () => Promise<{ commit: string } | undefined>): Promise<Told> {
  try {
    return { commit: (await made())?.commit }
  } catch (e) {
    const { code, path, message } = HhsError.from(e)
    return { code, path, message }
  }
}

const calls = {
  async open(wasm: WebAssembly.Module, name: string, seed: string, list: Described[]) {
    kind = defineSpace(name, 1, fields(list))
    client = new Client(new ProcessHost(async () => wasm), { name: 'script', memory: true, kinds: [kind.manifest], seed })
    node = new HhsNode(client, await client.start())
    await node.begin()
    return { identity: node.identity, device: node.device }
  },
  async create() {
    space = await node.create(kind)
  },
  async clock(step: number) {
    await client.call('clock', { step })
  },
  async do(ops: Uint8Array) {
    const list = decode(ops) as unknown as Op[]
    const made: Writing[] = []
    const edits = list.filter(op => op.field !== '$undo')
    const join = list.find(op => op.field === '$undo')?.value as string | undefined
    return told(() => space!.update(writers => edits.forEach((op, i) => write(writers, op, made, i)), join === undefined ? {} : { join }))
  },
  async undo(commits: string[]) {
    return told(() => space!.undo(commits.length > 0 ? { commits } : {}))
  },
  async redo() {
    return told(() => space!.redo())
  },
  async give() {
    return (await client.call('give', { space: space!.id })).file
  },
  async take(file: Uint8Array) {
    const r: Data = await client.call('take', { file })
    space ??= await node.join(kind, r.space as string)
  },
  async read(field: string) {
    const handle = (space as unknown as { [name: string]: unknown })[field]
    switch (kind.fields[field]!.name) {
      case 'counter': return String(await (handle as CounterHandle).get())
      case 'register': case 'once': return (await (handle as RegisterHandle<unknown>).conflicts()).map(line)
      case 'log': {
        const list = []
        for await (const e of handle as LogHandle<unknown>) list.push(line(e))
        return list
      }
    }
    if (!(handle instanceof SetHandle)) throw new Error(`scripts cannot read the field ${field} yet`)
    return (await handle.entries()).map(line)
  },
  async close() {
    await node.close()
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
