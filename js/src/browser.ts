/** The browser's host: a dedicated worker, watched, replaced when it ends, and the page's side of its direct connections. */
import { PageBroker } from './broker-page.js'
import type { Host, HostEvents } from './client.js'
import { heartbeatsUntilClosed, heartbeatsUntilRestart, maxRestarts, restartWindow } from './limits.js'
import { type FromWorker, type ToWorker, tabLock } from './messages.js'
import { hasDirectConnections } from './support.js'

/** Where the built files are. */
export interface Assets {
  worker: string | URL
  wasm: string | URL
}

/** What the browser's host is told by `open`. */
export interface BrowserOptions {
  name: string
  assets: Assets
  pump: boolean
  direct: boolean
  takeOver: boolean
}

export class BrowserHost implements Host {
  readonly client = crypto.randomUUID()
  private worker: Worker | undefined
  private broker: PageBroker | undefined
  private events!: HostEvents
  private starts: number[] = []
  /** Calls under way that write. */
  private readonly writes = new Set<number>()
  private missed = 0
  private timer: ReturnType<typeof setInterval> | undefined

  constructor(private readonly options: BrowserOptions) {}

  start(events: HostEvents): void {
    this.events = events
    this.spawn()
    if (this.options.takeOver) this.takeOver()
    this.timer = setInterval(() => this.watch(), 1000)
    globalThis.addEventListener('pagehide', this.leave)
    globalThis.addEventListener('pageshow', this.back)
  }

  call(id: number, method: string, args: Uint8Array): void {
    if (method === 'update') this.writes.add(id)
    if (this.worker) return this.tell({ t: 'call', id, method, args })
    queueMicrotask(() => this.events.result({ id, error: { code: 'engine_failed', message: 'the engine is not running', path: '' } }))
  }

  takeOver(): void {
    this.tell({ t: 'takeOver' })
  }

  retry(): void {
    this.starts = []
    this.replace('starting again')
  }

  async close(): Promise<void> {
    clearInterval(this.timer)
    globalThis.removeEventListener('pagehide', this.leave)
    globalThis.removeEventListener('pageshow', this.back)
    this.stop()
  }

  /** The page goes away: peers should see its connections end now, not after a silence. */
  private readonly leave = (): void => {
    this.broker?.closeAll()
  }

  /** The page comes back from the back/forward cache, where its connections ended. */
  private readonly back = (e: PageTransitionEvent): void => {
    if (!e.persisted) return
    this.events.down('moving', 'The page came back.')
    this.stop()
    this.spawn()
  }

  private spawn(): void {
    this.starts.push(Date.now())
    this.missed = 0
    const worker = new Worker(this.options.assets.worker, { type: 'module', name: 'hhs' })
    const post = (m: ToWorker, transfer: Transferable[] = []) => worker.postMessage(m, transfer)
    const broker = new PageBroker((m, transfer) => post({ t: 'rtc', ...m }, transfer), this.options.pump)
    this.worker = worker
    this.broker = broker
    worker.onmessage = e => {
      if (this.worker === worker) this.take(e.data as FromWorker)
    }
    worker.onerror = e => {
      e.preventDefault()
      if (this.worker === worker) this.replace(e.message || `its worker could not be loaded from ${this.options.assets.worker}: open({ assets }) says where it is`)
    }
    post({
      t: 'start', name: this.options.name, client: this.client, wasm: String(this.options.assets.wasm),
      rtc: this.options.direct && hasDirectConnections(),
    })
  }

  private take(m: FromWorker): void {
    this.missed = 0
    switch (m.t) {
      case 'beat': return
      case 'seated': return this.awaitEnd()
      case 'up': return this.events.up(m.leader)
      case 'down': return this.events.down('moving', 'The tab that ran the engine closed; another one takes over.')
      case 'silent': return this.events.down('other_tab', 'This is open in another tab, which does not answer.')
      case 'taken':
        this.events.down('moving', 'Another tab took over.')
        this.stop()
        return this.spawn()
      case 'ended':
        if (m.fatal) {
          this.stop()
          return this.events.down('failed', `The engine does not start: ${m.reason}`)
        }
        return m.reason === 'closed' ? undefined : this.replace(m.reason)
      case 'result':
        // An engine that still stores what somebody writes is worth starting again, however often it ends.
        if (this.writes.delete(m.id) && m.result) this.starts = []
        return this.events.result(m)
      case 'event': return this.events.event(m.sub, m.event)
      case 'rtc': return this.broker?.handle(m)
    }
  }

  /** Replaces the worker as soon as it is gone: browsers end workers without a word, as when memory is short. */
  private awaitEnd(): void {
    const worker = this.worker
    void navigator.locks.request(tabLock(this.client), () => {
      if (worker && this.worker === worker) this.replace('the browser ended it')
    })
  }

  /** Ends the worker and starts another one from the store, unless that was tried too often. */
  private replace(reason: string): void {
    this.stop()
    const now = Date.now()
    this.starts = this.starts.filter(at => now - at < restartWindow)
    if (this.starts.length >= maxRestarts) {
      return this.events.down('failed', `The engine ended ${this.starts.length} times in a minute, the last time with: ${reason}`)
    }
    this.events.down('restarting', `The engine ended (${reason}) and is being started again from what is stored.`)
    this.spawn()
  }

  private stop(): void {
    this.broker?.closeAll()
    this.worker?.terminate()
    this.worker = this.broker = undefined
    this.writes.clear()
  }

  /** Counts ticks, not time: after a sleep of the computer both sides have missed the same. */
  private watch(): void {
    if (!this.worker) return
    this.missed++
    if (this.missed === heartbeatsUntilClosed) this.broker?.closeAll()
    if (this.missed >= heartbeatsUntilRestart) this.replace('it stopped answering')
  }

  private tell(m: ToWorker): void {
    this.worker?.postMessage(m)
  }
}
