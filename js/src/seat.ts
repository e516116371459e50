/**
 * A worker's seat among the tabs of one browser profile. One worker, the leader, runs the engine; it holds a Web Lock for as long as
 * it does, asked for inside the worker, so that lock and engine end together. The others pass their page's calls to it over a
 * BroadcastChannel and wait in line for the lock: when the leader dies, the next one starts the engine from the same store.
 *
 * Invariants
 *  1. An engine runs only in the worker that holds the lock; a worker that lost it reports `taken` and runs nothing more.
 *  2. A call is answered by the engine of the epoch it was sent to, or by `engine_restarted`.
 *  3. A tab holds its `tabLock` before it first asks; the leader drops its subscriptions when that lock becomes free, and its own page
 *     replaces its worker.
 */
import { decode, encode } from './cbor.js'
import { type Engine, startEngine } from './engine.js'
import { HhsError } from './errors.js'
import { otherTabSilence } from './limits.js'
import { type BetweenTabs, type FromWorker, type ToWorker, type WireError, type WireResult, tabLock } from './messages.js'

type Start = Extract<ToWorker, { t: 'start' }>
type Call = Extract<ToWorker, { t: 'call' }>

/** What the seat needs from the worker it is in. */
export interface Surroundings {
  post(m: FromWorker): void
  compile(): Promise<WebAssembly.Module>
  rtc: object | undefined
}

const tick = 1000

export class Seat {
  private readonly tabs: BroadcastChannel
  private readonly line = new AbortController()
  private engine: Engine | undefined
  /** Epoch of the engine in use, here or in another tab; empty while there is none. */
  private epoch = ''
  private leading = false
  private stopped = false
  private silence = 0
  private toldSilent = false
  /** Calls of this page another tab's engine has not answered. */
  private readonly relayed = new Set<number>()
  /** As leader: subscriptions by tab. */
  private readonly subs = new Map<string, Set<string>>()

  constructor(private readonly start: Start, private readonly around: Surroundings) {
    this.tabs = new BroadcastChannel(this.lockName)
    this.tabs.onmessage = e => this.fromTab(e.data as BetweenTabs)
  }

  private get lockName(): string {
    return `hhs:${this.start.name}`
  }

  /** Takes the seat; returns once this tab is known to be alive to the others. */
  async sit(): Promise<void> {
    await new Promise<void>(held => {
      void navigator.locks.request(tabLock(this.start.client), () => {
        held()
        return new Promise<never>(() => {})
      })
    })
    this.around.post({ t: 'seated' })
    this.queue({ signal: this.line.signal })
    this.tell({ t: 'who', from: this.start.client })
    setInterval(() => this.tick(), tick)
  }

  /** The user's button: takes the lock from whoever has it. */
  takeOver(): void {
    if (this.leading || this.stopped) return
    this.line.abort()
    this.queue({ steal: true })
  }

  /** One call of this worker's page. */
  call(m: Call): void {
    if (this.leading) {
      void this.run(this.start.client, m).then(r => this.around.post({ t: 'result', ...r }))
    } else if (this.epoch) {
      this.relayed.add(m.id)
      this.tell({ t: 'call', from: this.start.client, epoch: this.epoch, id: m.id, method: m.method, args: m.args })
    } else {
      this.around.post({ t: 'result', id: m.id, error: restarted('the engine is being started') })
    }
  }

  private queue(options: LockOptions): void {
    navigator.locks.request(this.lockName, options, () => this.lead()).catch((e: unknown) => {
      // Leaving the line to steal the lock is no loss; losing the lock is.
      if (!this.leading && this.line.signal.aborted) return
      this.stopped = true
      this.around.post(this.leading ? { t: 'taken' } : { t: 'ended', reason: String(e), fatal: true })
    })
  }

  /** Runs the engine while the lock is held; the promise never resolves before the engine has ended. */
  private async lead(): Promise<void> {
    this.leading = true
    if (this.epoch) this.lost()
    this.tell({ t: 'starting' })
    try {
      const module = await this.around.compile()
      this.engine = await startEngine({ module, rtc: this.around.rtc, onEvent: (sub, event) => this.event(sub, event) })
    } catch (e) {
      this.stopped = true
      this.around.post({ t: 'ended', reason: HhsError.from(e).message, fatal: true })
      return new Promise<never>(() => {})
    }
    this.epoch = crypto.randomUUID()
    this.around.post({ t: 'up', epoch: this.epoch, leader: true })
    this.tell({ t: 'leader', epoch: this.epoch })
    const reason = await this.engine.ended
    this.stopped = true
    this.engine = undefined
    this.around.post({ t: 'ended', reason, fatal: false })
  }

  /** Forwards an event to the tab whose subscription it is: subscriptions are named `<tab>/...` by their pages. */
  private event(sub: string, event: Uint8Array): void {
    const tab = sub.slice(0, sub.indexOf('/'))
    const copy = event.slice()
    if (tab === this.start.client) this.around.post({ t: 'event', sub, event: copy })
    else this.tell({ t: 'event', to: tab, epoch: this.epoch, sub, event: copy })
  }

  /** Runs one call on the engine here. */
  private async run(tab: string, m: Omit<Call, 't'>): Promise<WireResult> {
    const engine = this.engine
    if (!engine) return { id: m.id, error: restarted('the engine is being started') }
    if (m.method === 'subscribe') this.watch(tab, m.args)
    // An application that closes closes its tab's part: the engine serves the other tabs on.
    if (m.method === 'close' && this.othersWait()) {
      await this.drop(tab)
      return { id: m.id, result: encode({}) }
    }
    try {
      return { id: m.id, result: await engine.call(m.method, m.args) }
    } catch (e) {
      const { code, message, path } = HhsError.from(e)
      return { id: m.id, error: { code, message, path } }
    }
  }

  private othersWait(): boolean {
    return [...this.subs.keys()].some(tab => tab !== this.start.client)
  }

  private watch(tab: string, args: Uint8Array): void {
    let own = this.subs.get(tab)
    if (!own) {
      own = new Set()
      this.subs.set(tab, own)
      if (tab !== this.start.client) void navigator.locks.request(tabLock(tab), () => this.drop(tab))
    }
    const { sub } = decode(args) as { sub: string }
    own.add(sub)
  }

  private async drop(tab: string): Promise<void> {
    const own = this.subs.get(tab) ?? []
    this.subs.delete(tab)
    for (const sub of own) {
      // The engine may have ended meanwhile, and its subscriptions with it.
      await this.engine?.call('unsubscribe', encode({ sub })).catch(() => {})
    }
  }

  private fromTab(m: BetweenTabs): void {
    if (this.stopped) return
    if (this.leading) return this.asLeader(m)
    switch (m.t) {
      case 'starting':
        this.heard()
        return this.lost()
      case 'leader':
        this.heard()
        if (m.epoch === this.epoch) return
        this.lost()
        this.epoch = m.epoch
        return this.around.post({ t: 'up', epoch: m.epoch, leader: false })
      case 'result':
        this.heard()
        if (m.to !== this.start.client || m.epoch !== this.epoch || !this.relayed.delete(m.id)) return
        return this.around.post(m.error ? { t: 'result', id: m.id, error: m.error } : { t: 'result', id: m.id, result: m.result! })
      case 'event':
        this.heard()
        if (m.to === this.start.client && m.epoch === this.epoch) this.around.post({ t: 'event', sub: m.sub, event: m.event })
    }
  }

  private asLeader(m: BetweenTabs): void {
    if (m.t === 'who') this.tell(this.engine ? { t: 'leader', epoch: this.epoch } : { t: 'starting' })
    if (m.t !== 'call') return
    const to = { to: m.from, epoch: m.epoch }
    if (m.epoch !== this.epoch) return this.tell({ t: 'result', ...to, id: m.id, error: restarted('the engine has changed') })
    void this.run(m.from, m).then(r => this.tell({ t: 'result', ...to, ...r }))
  }

  /** As follower: the engine this page used is gone. */
  private lost(): void {
    if (!this.epoch) return
    this.epoch = ''
    for (const id of this.relayed) this.around.post({ t: 'result', id, error: restarted('the tab with the engine closed') })
    this.relayed.clear()
    this.around.post({ t: 'down' })
  }

  private heard(): void {
    this.silence = 0
    this.toldSilent = false
  }

  /** Once a second: the page learns that this worker lives, and this worker whether the leader does. */
  private tick(): void {
    this.around.post({ t: 'beat' })
    if (this.leading || this.stopped) return
    this.tell({ t: 'who', from: this.start.client })
    this.silence += tick
    if (this.silence < otherTabSilence || this.toldSilent) return
    this.toldSilent = true
    this.lost()
    this.around.post({ t: 'silent' })
  }

  private tell(m: BetweenTabs): void {
    this.tabs.postMessage(m)
  }
}

function restarted(why: string): WireError {
  return { code: 'engine_restarted', message: `${why}; ask again`, path: '' }
}
