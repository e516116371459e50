/**
 * Hyper Hyper Space: offline-first shared data. Everything is stored on this device and syncs with every peer of the same space.
 *
 *     import { open, defineSpace, register, log, string } from 'hhs'
 *
 *     const Chat = defineSpace('example.org/chat', 1, { topic: register(string()), messages: log({ text: string({ max: 4000 }) }) })
 *     const node = await open({ kinds: [Chat] })
 *     const room = await node.create(Chat)              // or node.join(Chat, link)
 *     await room.update(r => r.messages.append({ text: 'hello' }))
 *     room.messages.subscribe(entries => console.log(entries.map(e => e.value.text)))
 *     console.log(await room.link())                    // for the others
 */
import { type Assets, BrowserHost } from './browser.js'
import type { HhsNode } from './node.js'
import { type OpenOptions, openOn } from './options.js'
import { requireSupport } from './support.js'

export * from './api.js'
export type { Assets } from './browser.js'

/** What only browsers offer. */
export interface BrowserOpenOptions extends OpenOptions {
  /** Where `worker.js` and `hhs.wasm` are, when a bundler moved them; by default beside this module. */
  assets?: Assets
  /** Run the engine in this page even if another tab has it; only for a person's button. */
  takeOver?: boolean
  /** Allow direct connections to other pages (WebRTC). Default true. */
  direct?: boolean
  /** Pass direct connections' messages through the page even where their channels could be moved to the worker. */
  pump?: boolean
}

/**
 * Starts the engine in a worker and opens this device's data; opens no connection until a space asks for one. Rejects with `insecure`,
 * `unsupported`, `other_tab`, `newer`, `corrupt` or `full`, each with a sentence to show.
 */
export async function open(options: BrowserOpenOptions): Promise<HhsNode> {
  await requireSupport()
  const assets = options.assets ?? { worker: new URL('./worker.js', import.meta.url), wasm: new URL('./hhs.wasm', import.meta.url) }
  const host = new BrowserHost({
    name: options.name ?? 'hhs', assets, pump: options.pump ?? false, direct: options.direct ?? true, takeOver: options.takeOver ?? false,
  })
  return openOn(host, options, false)
}
