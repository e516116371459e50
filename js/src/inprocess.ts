/** The host under Node.js: the engine in this process, its data in memory. */
import { encode } from './cbor.js'
import type { Host, HostEvents } from './client.js'
import { type Engine, startEngine } from './engine.js'
import { HhsError } from './errors.js'

let running = false

/** One engine per process: the Go runtime and the bridge are globals. */
export class ProcessHost implements Host {
  readonly client = crypto.randomUUID()
  private engine: Engine | undefined
  private events!: HostEvents
  private closed = false

  constructor(private readonly load: () => Promise<WebAssembly.Module>) {}

  start(events: HostEvents): void {
    this.events = events
    if (running) return events.down('failed', 'one node per Node.js process; close the other one first')
    running = true
    void this.run()
  }

  private async run(): Promise<void> {
    try {
      this.engine = await startEngine({ module: await this.load(), onEvent: (sub, event) => this.events.event(sub, event.slice()) })
    } catch (e) {
      running = false
      return this.events.down('failed', HhsError.from(e).message)
    }
    this.events.up(true)
    const reason = await this.engine.ended.finally(() => { running = false })
    this.engine = undefined
    // In memory there is nothing to start again from.
    if (!this.closed) this.events.down('failed', `the engine ended: ${reason}`)
  }

  call(id: number, method: string, args: Uint8Array): void {
    if (!this.engine) return this.events.result({ id, error: { code: 'engine_failed', message: 'the engine has ended', path: '' } })
    this.engine.call(method, args).then(
      result => this.events.result({ id, result }),
      (e: unknown) => {
        const { code, message, path } = HhsError.from(e)
        this.events.result({ id, error: { code, message, path } })
      },
    )
  }

  takeOver(): void {}

  retry(): void {}

  async close(): Promise<void> {
    this.closed = true
    const engine = this.engine
    // One that is open has been asked to end already, and may have: then there is nobody to ask.
    await engine?.call('close', encode({})).catch(() => {})
    await engine?.ended
  }
}
