/** The same package under Node.js: the engine runs in this process and keeps its data in memory. */
import 'hhs:wasm_exec'
import { readFile } from 'node:fs/promises'
import { ProcessHost } from './inprocess.js'
import type { HhsNode } from './node.js'
import { type OpenOptions, openOn } from './options.js'

export * from './api.js'

/** Opens a node in memory; one per process at a time. Reaching others needs a `WebSocket` global, which Node.js has from version 22. */
export async function open(options: OpenOptions): Promise<HhsNode> {
  const host = new ProcessHost(async () => WebAssembly.compile(new Uint8Array(await readFile(new URL('./hhs.wasm', import.meta.url)))))
  return openOn(host, options, true)
}
