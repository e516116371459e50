/** What `open` takes and makes of it, the same in browsers and Node.js. */
import { Client, type Data, type Host } from './client.js'
import type { SpaceKind } from './define.js'
import { HhsNode } from './node.js'

/** Options of `open`, all but `kinds` with a default that works. */
export interface OpenOptions {
  /** The kinds this application uses. */
  kinds: SpaceKind<any>[]
  /** Names the database of this origin; another name is another person. Default `hhs`. */
  name?: string
  /** Signalling servers for new spaces and look-ups, as `wss://...`. None by default: links bring theirs. */
  servers?: string[]
  /** WebSocket addresses of peers to put into links of new spaces. */
  endpoints?: string[]
  /**
   * Lets spaces be found by their three words through this device. Default true; with false their invitations have no words, and it is for
   * every peer of a space to say so. Tabs that share an engine share what the first one chose.
   */
  words?: boolean
  /** Names this device to the person. */
  label?: string
  /**
   * Leaves the schema of spaces as it is until `space.upgrade()` is called. By default a founder's program of a higher version changes it
   * when it opens the space, so that it has the program's fields.
   */
  upgrade?: boolean
}

/** Starts a client on a host and opens the engine. */
export async function openOn(host: Host, o: OpenOptions, memory: boolean): Promise<HhsNode> {
  const args: Data = { name: o.name ?? 'hhs', kinds: o.kinds.map(k => k.manifest) }
  if (o.servers) args.servers = o.servers
  if (o.endpoints) args.endpoints = o.endpoints
  if (o.label !== undefined) args.label = o.label
  if (o.words === false) args.noWords = true
  if (memory) args.memory = true
  const client = new Client(host, args)
  const node = new HhsNode(client, await client.start(), o.upgrade !== false)
  await node.begin()
  return node
}
