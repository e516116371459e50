/** Runs the files of testdata/scripts by the TypeScript package; internal/scripts says what they mean and runs them by Go. */
import { type Value, decode, encode } from '../../src/cbor.js'
import { fromDagJSON } from '../dagjson.js'
import type { Described } from '../shapes.js'
import type { Calls, State } from './peer.js'

/** Kind and first time of all scripts, as in internal/scripts. */
const kind = 'test.example/scripts'
const start = 1_700_000_000_000

type Step = { [name: string]: Value }

interface File {
  fields: Described[]
  scripts: { name: string; steps: Step[] }[]
}

type Entries = [Uint8Array, string, number, string, string, number][]

/** Somebody in a script. */
class Person {
  private readonly worker = new Worker('peer.js')
  private readonly pending = new Map<number, { resolve(v: any): void; reject(e: Error): void }>()
  private last = 0
  identity = ''
  device = ''

  constructor(readonly name: string) {
    this.worker.onmessage = e => {
      const { id, result, error } = e.data as { id: number; result: unknown; error?: string }
      const call = this.pending.get(id)!
      this.pending.delete(id)
      if (error === undefined) call.resolve(result)
      else call.reject(new Error(`${name}: ${error}`))
    }
    this.worker.onerror = e => {
      for (const call of this.pending.values()) call.reject(new Error(`${name}: ${e.message}`))
    }
  }

  call<N extends keyof Calls>(name: N, ...args: Parameters<Calls[N]>): ReturnType<Calls[N]> {
    const id = ++this.last
    return new Promise((resolve, reject) => {
      this.pending.set(id, { resolve, reject })
      this.worker.postMessage({ id, name, args })
    }) as ReturnType<Calls[N]>
  }

  async close(): Promise<void> {
    await this.call('close')
    this.worker.terminate()
  }
}

const hex = (b: Uint8Array) => Array.from(b, n => n.toString(16).padStart(2, '0')).join('')
const shown = (v: unknown) => JSON.stringify(v, (_, x: unknown) => (typeof x === 'bigint' ? String(x) : x instanceof Uint8Array ? hex(x) : x))

/** What a script says of a value of this shape. */
function expected(f: Described, v: Value): string {
  if (f.type === 'counter' || f.type === 'text') return v as string
  if (f.type === 'record') return `{${f.fields!.map(p => `${p.name}: ${expected(p, (v as { [name: string]: Value })[p.name]!)}`).join('\n')}}`
  if (f.type === 'fold') {
    const { state, ignored } = v as { state: Value; ignored: [Value, string][] }
    return `${hex(encode(state))} ignored ${ignored.map(([reason, op]) => `${hex(encode(reason))} ${op}`).join('\n')}`
  }
  const list = v as [Value, Value, string?][]
  if (f.type === 'map') return `{${list.map(([key, x, made]) => `${JSON.stringify(key)}: ${expected(f.of!, x)}${made ? ` ${made}` : ''}`).join('\n')}}`
  return `[${list.map(([x, op]) => `${hex(encode(x))} ${String(op)}`).join('\n')}]`
}

class Run {
  private readonly people: Person[] = []
  private readonly commits = new Map<string, { name: string; by: Person; time: number }>()
  private number = 0

  constructor(private readonly file: File, private readonly seed: string, private readonly wasm: WebAssembly.Module) {}

  async all(steps: Step[]): Promise<void> {
    try {
      for (const [i, step] of steps.entries()) {
        this.number = i
        await this.step(step).catch((e: Error) => { throw new Error(`step ${i}: ${e.message}`) })
      }
    } finally {
      await Promise.all(this.people.map(p => p.close()))
    }
  }

  private async step(step: Step): Promise<void> {
    if (step.do || step.undo || step.redo) return this.write(step)
    if (step.from) return this.give(await this.person(step.from), await this.person(step.to!))
    if (step.shows) return this.shows(await this.person(step.at!), step.shows, step)
    if (step.put !== undefined) return this.put(await this.person(step.at!), step)
    if (step.bytes) return this.bytes(await this.person(step.at!), step)
    if (step.log || step.diff) return this.look(await this.person(step.at!), step)
    if (!step.all) throw new Error(`a step of no known sort: ${shown(step)}`)
    for (let round = 0; round < 2; round++) {
      for (const [i, p] of this.people.entries()) await this.give(p, this.people[(i + 1) % this.people.length]!)
    }
    for (const p of this.people) await this.shows(p, step.all)
  }

  /** Finds somebody by name; who was not met before comes in, and the first one makes the space. */
  private async person(name: Value): Promise<Person> {
    const known = this.people.find(p => p.name === name)
    if (known) return known
    const p = new Person(name as string)
    this.people.push(p)
    Object.assign(p, await p.call('open', this.wasm, kind, `${this.seed}/${p.name}`, this.file.fields as never))
    await p.call('clock', this.number)
    if (this.people.length === 1) await p.call('create')
    return p
  }

  private async write(step: Step): Promise<void> {
    const p = await this.person(step.at!)
    await p.call('clock', this.number)
    const done = await this.attempt(p, step)
    if (step.fails) {
      const want = step.fails as { code: string; path?: string }
      if (done.code !== want.code || (want.path !== undefined && done.path !== want.path)) throw new Error(`it gave ${shown(done)}, not ${shown(want)}`)
      return
    }
    if (done.code !== undefined) throw new Error(`it failed: ${shown(done)}`)
    if (done.commit === undefined) {
      if (step.as === undefined) return // there was nothing to take back
      throw new Error(`the commit ${String(step.as)} is not made`)
    }
    if (done.commit !== step.id) throw new Error(`the commit ${String(step.as)} is ${done.commit}, not ${String(step.id)}`)
    this.commits.set(done.commit, { name: step.as as string, by: p, time: start + 1000 * this.number })
  }

  private attempt(p: Person, step: Step) {
    if (step.redo) return p.call('redo')
    if (step.undo) return p.call('undo', (step.undo as string[]).map(name => this.named(name)))
    return p.call('do', encode((step.do as Step[]).map(op => (op.field === '$undo' ? { ...op, value: this.named(op.value as string) } : op))))
  }

  /** The id of a commit by its name. */
  private named(name: string): string {
    for (const [id, c] of this.commits) if (c.name === name) return id
    return name
  }

  private async give(from: Person, to: Person): Promise<void> {
    if (from !== to) await to.call('take', (await from.call('give')) as Uint8Array)
  }

  /** Compares the history, or a difference, with what a script says of it. */
  private async look(p: Person, step: Step): Promise<void> {
    const log = step.log as { field?: string; path?: string[]; past?: string[] } | undefined
    const [from, to] = (step.diff as string[][] | undefined) ?? []
    const got = log
      ? await p.call('log', { ...(log.field ? { field: log.field } : {}), ...(log.path ? { path: log.path } : {}), ...(log.past ? { version: this.version(log.past) } : {}) })
      : await p.call('diff', this.version(from!), to!.length > 0 ? this.version(to!) : undefined)
    if (step.fails) {
      if (got.code !== (step.fails as { code: string }).code) throw new Error(`it gave ${shown(got)}, not ${shown(step.fails)}`)
      return
    }
    if (!got.list) throw new Error(`it failed: ${shown(got)}`)
    const named = this.renamed(decode(got.list))
    if (hex(encode(named)) !== hex(encode(step.gives!))) throw new Error(`${p.name} is given\n${shown(named)}\nnot\n${shown(step.gives)}`)
  }

  /** Keeps bytes, and compares the value that stands for them. */
  private async put(p: Person, step: Step): Promise<void> {
    const { times, media, name } = step as { times?: number; media?: string; name?: string }
    const got = await p.call('put', (step.put as string).repeat(times ?? 1), { ...(media ? { media } : {}), ...(name ? { name } : {}) })
    const want = step.fails as { code: string } | undefined
    if (want ? got.code !== want.code : !got.list || hex(got.list) !== hex(encode([step.gives!]))) throw new Error(`it gave ${shown(got)}, not ${shown(want ?? step.gives)}`)
  }

  private async bytes(p: Person, step: Step): Promise<void> {
    const got = await p.call('bytes', encode(step.bytes!), (step.range as [number, number] | undefined) ?? [0, undefined])
    if (got !== step.gives) throw new Error(`${p.name} reads ${got}, not ${shown(step.gives)}`)
  }

  private version(names: string[]): string {
    return names.map(name => this.named(name)).join(',')
  }

  /** With the names of commits instead of their ids. */
  private renamed(v: Value): Value {
    if (Array.isArray(v)) return v.map(x => this.renamed(x))
    if (typeof v !== 'string') return v
    const [commit, ...op] = v.split('.') // of a record also which op made it
    const name = this.commits.get(commit!)?.name
    return name === undefined ? v : [name, ...op].join('.')
  }

  private async shows(p: Person, want: Value, step: Step = {}): Promise<void> {
    const past = step.past === undefined ? undefined : this.version(step.past as string[])
    for (const [field, state] of Object.entries(want as { [field: string]: Value })) {
      const got = this.text(await p.call('read', field, past, step.now === true))
      const wanted = expected(this.file.fields.find(f => f.name === field)!, state)
      if (got !== wanted) throw new Error(`${p.name} sees in ${field}\n${got}\nnot\n${wanted}\n(${shown(state)})`)
    }
  }

  /** A state as text, as `expected` writes it. */
  private text(s: State): string {
    if ('digits' in s) return s.digits
    if ('text' in s) return s.text
    if ('folded' in s) {
      const state = decode(s.folded) as { by: string }
      const by = this.people.find(p => p.identity === state.by)?.name ?? state.by
      return `${hex(encode({ ...state, by }))} ignored ${this.entries(s.ignored as Entries)}`
    }
    if ('entries' in s) return `[${this.entries(s.entries as Entries)}]`
    if ('properties' in s) return `{${s.properties.map(([name, x]) => `${name}: ${this.text(x)}`).join('\n')}}`
    const made = (m?: unknown[]) => (m ? this.entries([m] as Entries).replace(/^.* /, ' ') : '')
    return `{${s.keys.map(k => `${JSON.stringify(k.key)}: ${this.text(k.state)}${made(k.made)}`).join('\n')}}`
  }

  /** Holds who wrote entries and when against their commits. */
  private entries(list: Entries): string {
    return list.map(([value, id, index, author, device, time]) => {
      const c = this.commits.get(id)
      if (!c) throw new Error(`the commit ${id} is not one of the script's`)
      if (author !== c.by.identity || device !== c.by.device || time !== c.time) {
        throw new Error(`${c.name}.${index} is by ${author} on ${device} at ${time}, its commit by ${c.by.name} at ${c.time}`)
      }
      return `${hex(value)} ${c.name}.${index}`
    }).join('\n')
  }
}

/** Runs a file and returns how many steps were made and what went wrong, one text for each script that fails. */
async function run(name: string): Promise<{ steps: number; failures: string[] }> {
  const file = fromDagJSON(await (await fetch(`scripts/${name}.json`)).text()) as unknown as File
  const wasm = await WebAssembly.compileStreaming(fetch('hhs.wasm'))
  const result = { steps: 0, failures: [] as string[] }
  for (const s of file.scripts) {
    try {
      await new Run(file, `${name}/${s.name}`, wasm).all(s.steps)
      result.steps += s.steps.length
    } catch (e) {
      result.failures.push(`${name}: ${s.name}: ${(e as Error).message}`)
    }
  }
  return result
}

Object.assign(globalThis, { run })
document.documentElement.dataset.state = 'loaded'
