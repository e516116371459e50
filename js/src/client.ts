/**
 * The application's side of the bridge: calls as promises, subscriptions that survive the engine, and the one place that knows in
 * which phase the engine is. What runs the engine (a worker, this process) is a `Host`.
 */
import { type Value, decode, encode } from './cbor.js'
import { HhsError } from './errors.js'
import type { WireResult } from './messages.js'

/** Where the engine is. */
export type Phase =
  | 'starting'
  /** Ready. */
  | 'up'
  /** It ended by itself; it is being started again from the store. */
  | 'restarting'
  /** The tab it was in closed, or another tab took it over; this one or another starts it from the store. */
  | 'moving'
  /** Another tab has it and does not answer; `takeOver` helps. */
  | 'other_tab'
  /** It does not start; `retry` tries again. */
  | 'failed'
  | 'closed'

/** The phases without an engine. */
export type Gone = 'restarting' | 'moving' | 'other_tab' | 'failed'

/** The engine's phase with a sentence for people. */
export interface EngineState {
  phase: Phase
  message: string
  /** Whether the engine runs in this page's own worker, not in another tab's. */
  leader: boolean
}

/** What a host tells its client. */
export interface HostEvents {
  up(leader: boolean): void
  /** No engine for now; calls under way are lost. */
  down(phase: Gone, message: string): void
  result(r: WireResult): void
  event(sub: string, event: Uint8Array): void
}

/** Runs or reaches an engine. `up` may come again after `down`, for an engine that knows nothing of the one before. */
export interface Host {
  /** Names this client's subscriptions among others': no slash in it. */
  readonly client: string
  start(events: HostEvents): void
  call(id: number, method: string, args: Uint8Array): void
  takeOver(): void
  retry(): void
  /** Resolves when nothing of the engine is left here. */
  close(): Promise<void>
}

/** One event of a subscription as a map. */
export type Event = { kind: string; [name: string]: Value }

/** A result or argument map. */
export type Data = { [name: string]: Value }

interface Pending {
  resolve(v: Data): void
  reject(e: HhsError): void
}

interface Sub {
  args: Data
  fn(e: Event): void
}

export class Client implements HostEvents {
  /** Called whenever `state` changes. */
  onState: (s: EngineState) => void = () => {}
  private current: EngineState = { phase: 'starting', message: 'starting', leader: false }
  private readonly pending = new Map<number, Pending>()
  private readonly subs = new Map<string, Sub>()
  /** Calls that wait for the engine to be up. */
  private gate = newGate()
  private lastCall = 0
  private lastSub = 0
  private generation = 0

  constructor(private readonly host: Host, private openArgs: Data) {}

  get state(): EngineState {
    return this.current
  }

  /** Starts the host; resolves with the result of `open`. When that fails, the client is closed. */
  async start(): Promise<Data> {
    const opened = new Promise<Data>((resolve, reject) => { this.firstOpen = { resolve, reject } })
    this.host.start(this)
    try {
      return await opened
    } catch (e) {
      this.firstOpen = undefined
      this.current = { phase: 'closed', message: 'closed', leader: false }
      await this.host.close()
      throw e
    }
  }

  private firstOpen: Pending | undefined

  /** One call; waits for the engine while it starts. */
  async call(method: string, args: Data): Promise<Data> {
    const bytes = encode(args)
    await this.through()
    return this.send(method, bytes)
  }

  /** Waits until an engine is up, and still is. */
  private async through(): Promise<void> {
    for (let gate: Gate | undefined; gate !== this.gate;) {
      gate = this.gate
      await gate.wait
    }
  }

  /** Subscribes; `fn` also gets `{kind: 'restart'}` when a new engine has taken over, and everything may have changed. */
  async subscribe(args: Data, fn: (e: Event) => void): Promise<() => void> {
    const sub = `${this.host.client}/${++this.lastSub}`
    this.subs.set(sub, { args: { ...args, sub }, fn })
    const stop = () => {
      if (!this.subs.delete(sub) || this.current.phase !== 'up') return
      // A lost engine has lost its subscriptions too.
      this.send('unsubscribe', encode({ sub })).catch(() => {})
    }
    try {
      const before = this.generation
      await this.through()
      // An engine that came up meanwhile was told of all subscriptions.
      if (before === this.generation && this.subs.has(sub)) await this.send('subscribe', encode({ ...args, sub }))
    } catch (e) {
      if (HhsError.from(e).code === 'engine_restarted') return stop
      this.subs.delete(sub)
      throw e
    }
    return stop
  }

  takeOver(): void {
    this.host.takeOver()
  }

  retry(): void {
    this.host.retry()
  }

  async close(): Promise<void> {
    if (this.current.phase === 'closed') return
    const running = this.current.phase === 'up'
    this.set({ phase: 'closed', message: 'closed', leader: false })
    this.subs.clear()
    // The engine ends with this call, sometimes before its answer.
    if (running) await this.send('close', encode({})).catch(() => {})
    this.fail(new HhsError('closed', 'the node was closed'))
    this.shutGate()
    this.gate.fail(new HhsError('closed', 'the node was closed'))
    await this.host.close()
  }

  /** Host: an engine is there. Opens it, renews subscriptions, then lets calls through. */
  up(leader: boolean): void {
    if (this.current.phase === 'closed') return
    const generation = ++this.generation
    this.fail(new HhsError('engine_restarted', 'the engine was restarted while this call was under way; look whether it was kept, and try again'))
    this.shutGate()
    void this.open(generation, leader)
  }

  private async open(generation: number, leader: boolean): Promise<void> {
    const subs = [...this.subs.values()]
    let result: Data
    try {
      result = await this.send('open', encode(this.openArgs))
      for (const s of subs) await this.renew(s)
    } catch (e) {
      const err = HhsError.from(e)
      if (generation !== this.generation || err.code === 'engine_restarted') return
      this.firstOpen?.reject(err)
      return this.down('failed', err.message)
    }
    if (generation !== this.generation) return
    this.firstOpen?.resolve(result)
    this.firstOpen = undefined
    this.set({ phase: 'up', message: leader ? 'ready' : 'ready, in another tab', leader })
    this.gate.open()
    for (const s of subs) s.fn({ kind: 'restart' })
  }

  private async renew(s: Sub): Promise<void> {
    try {
      await this.send('subscribe', encode(s.args))
    } catch (e) {
      const err = HhsError.from(e)
      if (err.code === 'engine_restarted') throw err
      // The space may have been left in another tab: its subscriber is told, the others go on.
      s.fn({ kind: 'error', code: err.code, message: err.message })
    }
  }

  /** Host: there is none for now. */
  down(phase: Gone, message: string): void {
    if (this.current.phase === 'closed') return
    this.generation++
    const passing = phase === 'restarting' || phase === 'moving'
    const code = passing ? 'engine_restarted' : phase === 'failed' ? 'engine_failed' : 'other_tab'
    const error = new HhsError(code, message)
    this.fail(error)
    this.shutGate()
    if (!passing) {
      this.gate.fail(error)
      this.firstOpen?.reject(error)
    }
    this.set({ phase, message, leader: false })
  }

  result(r: WireResult): void {
    const p = this.pending.get(r.id)
    this.pending.delete(r.id)
    if (!p) return
    if (r.error) return p.reject(HhsError.from(r.error))
    try {
      p.resolve(decode(r.result!) as Data)
    } catch (e) {
      p.reject(new HhsError('internal', `the engine's answer cannot be read: ${HhsError.from(e).message}`))
    }
  }

  event(sub: string, event: Uint8Array): void {
    this.subs.get(sub)?.fn(decode(event) as Event)
  }

  /** Makes calls from now on wait; those that wait already go on waiting. */
  private shutGate(): void {
    if (this.gate.settled) this.gate = newGate()
  }

  private send(method: string, args: Uint8Array): Promise<Data> {
    const id = ++this.lastCall
    return new Promise((resolve, reject) => {
      this.pending.set(id, { resolve, reject })
      this.host.call(id, method, args)
    })
  }

  private fail(e: HhsError): void {
    const all = [...this.pending.values()]
    this.pending.clear()
    for (const p of all) p.reject(e)
  }

  private set(s: EngineState): void {
    this.current = s
    this.onState(s)
  }
}

interface Gate {
  readonly wait: Promise<void>
  settled: boolean
  open(): void
  fail(e: HhsError): void
}

function newGate(): Gate {
  let resolve!: () => void
  let reject!: (e: HhsError) => void
  const wait = new Promise<void>((yes, no) => { resolve = yes; reject = no })
  // Nobody may be waiting when it fails.
  wait.catch(() => {})
  const gate: Gate = {
    wait,
    settled: false,
    open: () => { gate.settled = true; resolve() },
    fail: e => { gate.settled = true; reject(e) },
  }
  return gate
}
