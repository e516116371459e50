/**
 * A stand-in for the engine, for tests of everything around it: it defines the class `Go` as wasm_exec.js does, and its "program" answers
 * the bridge's calls from memory. Never part of a build that is shipped: tools/bundle takes it with -wasm-exec only.
 */
import { type Value, decode, encode } from '../src/cbor.js'
import type { Data } from '../src/client.js'
import { Values, type Written, fail } from './fake-values.js'

interface Space {
  id: string
  manifest: Data
  changes: Data[]
  servers: string[]
  values: Values
  history: { ops: Data[]; by: Written; undone: boolean }[]
  redo: number[]
  names: Map<string, string>
  commits: number
  held: Map<string, number>
}

interface Globals {
  Go: unknown
  hhsReady?: () => void
  hhsCall?: (method: string, args: Uint8Array) => Promise<Uint8Array>
  hhsEvent?: (sub: string, event: Uint8Array) => void
  /** What tests may do to the engine. */
  hhsFake?: FakeEngine
}
const scope = globalThis as unknown as Globals

const me = 'did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK'
const friend = 'did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp'

export class FakeEngine {
  private readonly spaces = new Map<string, Space>()
  private readonly subs = new Map<string, string | undefined>()
  private name: string | undefined
  private servers: string[] = []
  private count = 0
  calls: string[] = []
  /** Field and path of every read. */
  reads: Value[][] = []
  /** What the last update wrote. */
  lastOps: Data[] = []

  constructor(private readonly end: (reason: number) => void) {}

  async call(method: string, bytes: Uint8Array): Promise<Uint8Array> {
    this.calls.push(method)
    const args = decode(bytes) as Data
    await Promise.resolve()
    const run = (this as unknown as { [m: string]: ((a: Data) => Data) | undefined })[`do_${method}`]
    if (!run) fail('invalid', `unknown method ${method}`)
    return encode(run.call(this, args))
  }

  /** A panic, as the Go runtime shows one. */
  crash(): void {
    this.end(2)
  }

  /** A message from someone else. */
  remote(space: string, text: string): void {
    const s = this.space(space)
    s.names.set(friend, 'Grace')
    this.commit(s, [{ field: 'messages', action: 'append', value: { text } }], friend)
    this.emit(space, { kind: 'change', space, fields: ['messages', '$names'] })
  }

  hold(space: string, n: number): void {
    const s = this.space(space)
    for (const c of s.held.keys()) s.held.set(c, n)
    this.emit(space, { kind: 'held', space })
    this.emit(space, { kind: 'status', space, status: this.status('synced', n) })
    this.emit(space, { kind: 'peers', space })
  }

  private status(state = 'offline', peers = 0): Data {
    return { state, ready: true, toGo: 0, peers, synced: peers, direct: peers, servers: this.servers.length, commits: 1 }
  }

  private space(id: Value | undefined): Space {
    return this.spaces.get(id as string) ?? fail('not_found', `no space ${String(id)} here`)
  }

  private emit(space: string | undefined, event: Data): void {
    const bytes = encode(event)
    for (const [sub, of] of this.subs) if (of === space) queueMicrotask(() => scope.hhsEvent?.(sub, bytes))
  }

  private commit(s: Space, ops: Data[], identity = me): { commit: string; changed: { field: string; path: string[] }[] } {
    const commit = `commit${++this.count}`
    const by = { commit, index: 0, identity, device: identity, time: Date.now() }
    let changed
    try {
      changed = s.values.apply(ops, by)
    } catch (e) {
      this.replay(s) // nothing of it stays
      throw e
    }
    s.history.push({ ops, by, undone: false })
    if (identity === me) s.redo = []
    s.commits++
    s.held.set(commit, 0)
    return { commit, changed }
  }

  private info(s: Space): Data {
    return {
      space: s.id, ready: true, kind: s.manifest.kind!, version: s.manifest.version!, creator: me, created: 1, commits: s.commits, bytes: 1000,
      refused: 0, servers: s.servers, endpoints: [], active: s.commits,
    }
  }

  do_open(a: Data): Data {
    this.servers = (a.servers as string[] | undefined) ?? []
    return { identity: me, device: me, fresh: true, spaces: this.spaces.size }
  }

  do_spaces(): Data {
    return { spaces: [...this.spaces.values()].map(s => this.info(s)) }
  }

  do_lookup(a: Data): Data {
    if (String(a.words).split(' ').length !== 3) fail('bad_words', 'give three words')
    return { candidates: [...this.spaces.values()].map(s => ({ ...this.info(s), link: `hhs:${s.id}` })) as Value }
  }

  do_create(a: Data): Data {
    const id = `bafyspace${++this.count}`
    this.spaces.set(id, {
      id, manifest: a.manifest as Data, servers: (a.servers as string[] | undefined) ?? this.servers, changes: [], values: new Values((a.manifest as Data).fields!), history: [], redo: [], names: new Map(),
      commits: 1, held: new Map(),
    })
    this.emit(undefined, { kind: 'spaces' })
    return { space: id }
  }

  do_join(a: Data): Data {
    const id = /(bafyspace\d+)/.exec(a.link as string)?.[1] ?? fail('bad_link', 'not a link: its space id is not valid')
    const s = this.space(id)
    const kind = (a.manifest as Data | undefined)?.kind
    if (kind !== undefined && kind !== s.manifest.kind) fail('kind_mismatch', `space is a ${String(s.manifest.kind)}`)
    return { space: id, ready: true }
  }

  do_leave(a: Data): Data {
    this.spaces.delete(a.space as string)
    this.emit(undefined, { kind: 'spaces' })
    return {}
  }

  do_name(): Data {
    return this.name === undefined ? {} : { name: this.name }
  }

  do_setName(a: Data): Data {
    this.name = a.name as string
    for (const s of this.spaces.values()) {
      s.names.set(me, this.name)
      this.emit(s.id, { kind: 'change', space: s.id, fields: ['$names'] })
    }
    return {}
  }

  do_info(a: Data): Data {
    return this.info(this.space(a.space))
  }

  do_link(a: Data): Data {
    const s = this.space(a.space)
    const link: Data = { link: `hhs:${s.id}${s.servers.map((x, i) => `${i ? '&' : '?'}s=${x}`).join('')}`, servers: s.servers, endpoints: [] }
    return s.servers.length > 0 ? { ...link, words: 'amber lantern orbit', wordsServer: s.servers[0]! } : link
  }

  do_addServers(a: Data): Data {
    this.space(a.space).servers.push(...(a.servers as string[]))
    return {}
  }

  do_update(a: Data): Data {
    const s = this.space(a.space)
    const ops = (this.lastOps = a.ops as Data[])
    for (const op of ops) {
      const text = (op.value as { text?: string } | null | undefined)?.text
      if (text === 'please crash') this.end(2)
      // Busy for ever: nothing in this worker runs any more.
      while (text === 'please hang');
    }
    if (a.since !== undefined && a.since !== `v${this.count}`) fail('stale', 'the space has changed')
    const { commit, changed } = this.commit(s, ops)
    const paths: { [field: string]: string[][] } = {}
    for (const c of changed) (paths[c.field] ??= []).push(c.path)
    this.emit(s.id, { kind: 'change', space: s.id, fields: Object.keys(paths), paths })
    return { commit }
  }

  do_schema(a: Data): Data {
    const s = this.space(a.space)
    return { manifest: s.manifest, founder: true, changes: s.changes }
  }

  do_upgrade(a: Data): Data {
    const s = this.space(a.space)
    const wanted = a.manifest as Data
    const have = new Set((s.manifest.fields as Data[]).map(f => f.name))
    const fields = (wanted.fields as Data[]).filter(f => !have.has(f.name!))
    if (!a.dry && fields.length > 0) {
      s.manifest = { ...s.manifest, version: wanted.version!, fields: [...(s.manifest.fields as Data[]), ...fields] }
      s.changes.push({ commit: `bafychange${s.changes.length}`, identity: me, time: 1, version: wanted.version!, fields: fields.map(f => f.name!), ignored: [] })
      this.emit(s.id, { kind: 'change', space: s.id, fields: ['$schema'] })
    }
    return { fields }
  }

  do_undoState(a: Data): Data {
    const s = this.space(a.space)
    const undo = s.history.filter(h => !h.undone && h.by.identity === me).at(-1)?.by.commit
    const redo = s.redo.at(-1)
    return { undo: undo === undefined ? [] : [undo], redo: redo === undefined ? [] : [s.history[redo]!.by.commit] }
  }

  do_undo(a: Data): Data {
    const s = this.space(a.space)
    const i = s.history.findLastIndex(h => !h.undone && h.by.identity === me)
    if (i < 0) return { commits: [] }
    s.redo.push(i)
    return this.turn(s, i, true)
  }

  do_redo(a: Data): Data {
    const s = this.space(a.space)
    const i = s.redo.pop()
    return i === undefined ? { commits: [] } : this.turn(s, i, false)
  }

  private replay(s: Space): void {
    s.values = new Values(s.manifest.fields!)
    for (const h of s.history) if (!h.undone) s.values.apply(h.ops, h.by)
  }

  private turn(s: Space, i: number, undone: boolean): Data {
    s.history[i]!.undone = undone
    this.replay(s)
    this.emit(s.id, { kind: 'change', space: s.id, fields: (s.manifest.fields as Data[]).map(f => f.name!) })
    const commit = `commit${++this.count}`
    s.held.set(commit, 0)
    return { commit, commits: [s.history[i]!.by.commit] }
  }

  do_read(a: Data): Data {
    this.reads.push([a.field as string, ...((a.path as Value[] | undefined) ?? [])])
    const s = this.space(a.space)
    const query = a.query as Data
    const version = `v${this.count}`
    // It remembers no edits, so that whoever asks for them reads all of the text again.
    if (query.since !== undefined) return query.since === version ? { version, edits: [] } : { version }
    if (query.version !== undefined && query.version !== version) fail('stale', 'the space has changed')
    return { version, ...s.values.read(a.field as string, (a.path as Value[] | undefined) ?? [], query) }
  }

  do_edit(a: Data): Data {
    const s = this.space(a.space)
    if (a.since !== `v${this.count}`) fail('stale', 'the space has changed')
    const [edits, ops] = [a.edits as Value[], [] as Data[]]
    for (let i = 0; i < edits.length; i += 3) ops.push({ field: a.field!, path: a.path ?? [], action: 'splice', value: edits.slice(i, i + 3) })
    const { commit } = this.do_update({ space: s.id, ops })
    return { commit: commit!, version: `v${this.count}`, edits: [] }
  }

  do_names(a: Data): Data {
    return { names: [...this.space(a.space).names].map(([identity, name]) => ({ identity, name, time: 1 })) }
  }

  do_receipt(a: Data): Data {
    const s = this.space(a.space)
    return { held: (a.commits as string[]).map(c => s.held.get(c) ?? -1) }
  }

  do_status(a: Data): Data {
    this.space(a.space)
    return this.status()
  }

  do_peers(a: Data): Data {
    const s = this.space(a.space)
    const here = Math.max(0, ...s.held.values())
    return { peers: here > 0 ? [{ identity: friend, device: friend, transport: 'rtc', direct: true, state: 'synced', toGo: 0, since: 1, rtt: 12 }] : [] }
  }

  do_subscribe(a: Data): Data {
    this.subs.set(a.sub as string, a.space as string | undefined)
    if (a.space !== undefined) this.emit(a.space as string, { kind: 'status', space: a.space, status: this.status() })
    return {}
  }

  do_unsubscribe(a: Data): Data {
    this.subs.delete(a.sub as string)
    return {}
  }

  do_close(): Data {
    setTimeout(() => this.end(0))
    return {}
  }
}

scope.Go = class {
  importObject = {}
  exit: (code: number) => void = () => {}

  run(): Promise<void> {
    return new Promise(resolve => {
      const engine = new FakeEngine(code => {
        this.exit(code)
        resolve()
      })
      scope.hhsFake = engine
      scope.hhsCall = (method, args) => engine.call(method, args)
      // As the Go runtime: ready some time after run was called.
      setTimeout(() => scope.hhsReady?.())
    })
  }
}

/** The engine that was started last. */
export const fakeEngine = () => scope.hhsFake!

/** A module for hosts that compile one. */
export const emptyModule = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0)
