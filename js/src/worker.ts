/** The dedicated worker: engine, or the way to the tab that has it. Started by `browser.ts`, never by applications. */
import 'hhs:wasm_exec'
import { WorkerBroker } from './broker-worker.js'
import type { FromWorker, ToWorker } from './messages.js'
import { Seat } from './seat.js'

const port = globalThis as unknown as {
  postMessage(m: FromWorker, transfer?: Transferable[]): void
  onmessage: ((e: MessageEvent) => void) | null
}

/** Compiles while it loads where the server names the type, and after loading where it does not. */
async function compile(url: string): Promise<WebAssembly.Module> {
  const response = await fetch(url)
  if (!response.ok) throw new Error(`cannot load ${url}: ${response.status}; open({ assets }) says where hhs.wasm is`)
  if (response.headers.get('Content-Type')?.startsWith('application/wasm')) return WebAssembly.compileStreaming(response)
  return WebAssembly.compile(await response.arrayBuffer())
}

let broker: WorkerBroker | undefined
let seat: Seat | undefined

port.onmessage = e => {
  const m = e.data as ToWorker
  switch (m.t) {
    case 'start': {
      if (m.rtc) broker = new WorkerBroker((c, transfer) => port.postMessage({ t: 'rtc', ...c }, transfer))
      let module: Promise<WebAssembly.Module> | undefined
      const load = () => (module ??= compile(m.wasm))
      // Compiled in a follower too, so that taking over takes no time; a failure shows when the module is needed.
      load().catch(() => { module = undefined })
      seat = new Seat(m, { rtc: broker, compile: load, post: r => port.postMessage(r) })
      seat.sit().catch((err: unknown) => port.postMessage({ t: 'ended', reason: String(err), fatal: true }))
      return
    }
    case 'call': return seat?.call(m)
    case 'takeOver': return seat?.takeOver()
    case 'rtc': return broker?.handle(m)
  }
}
