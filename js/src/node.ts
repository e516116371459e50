/** A node: this device's identity, its spaces, its connections. */
import { type PutBlobOptions, putBlob } from './blobs.js'
import type { Value } from './cbor.js'
import type { Client, Data, EngineState } from './client.js'
import type { SpaceKind } from './define.js'
import { HhsError } from './errors.js'
import { type FileOptions, type FileSource, type Imported, exportStream, readFile } from './files.js'
import { Link } from './link.js'
import { Listeners, type SubscribeOptions, type Unsubscribe, observe, report } from './live.js'
import type { BlobValue } from './schema.js'
import type { Fields } from './shapes.js'
import { type Space, SpaceBase, type SpaceInfo } from './space.js'

/** A space that answered to three words. Words can be forged: show creator and age, and let a person choose. */
export interface Candidate {
  space: string
  kind: string
  version: number
  /** The identity that made it, and when by its own clock. */
  creator: string
  created: number
  link: string
}

/** Options of `create`. */
export interface CreateOptions {
  /** Signalling servers, instead of those given to `open`. */
  servers?: string[]
  endpoints?: string[]
}

/** Options of `join`. */
export interface JoinOptions {
  /** Do not wait for the space's first commit; `space.ready()` tells when it is here. */
  wait?: boolean
  /** Stops waiting. The space stays joined. */
  signal?: AbortSignal
}

export class HhsNode {
  /** This person, `did:key:...`. */
  readonly identity: string
  /** This device, `did:key:...`. */
  readonly device: string
  /** The keys were made by this call of `open`. */
  readonly fresh: boolean
  private readonly open = new Map<string, Space<any>>()
  private readonly spacesChanged = new Listeners()
  private readonly stateListeners = new Listeners()
  private readonly errorListeners = new Set<(e: HhsError) => void>()

  /** `upgrade`: a founder's program of a higher version changes the schema of the spaces that it opens. */
  constructor(private readonly client: Client, opened: Data, private readonly upgrade = true) {
    this.identity = opened.identity as string
    this.device = opened.device as string
    this.fresh = opened.fresh as boolean
    client.onState = () => this.stateListeners.tell()
  }

  /** Begins to listen; called once by `open`. */
  async begin(): Promise<void> {
    await this.client.subscribe({}, e => {
      if (e.kind === 'spaces' || e.kind === 'restart') this.spacesChanged.tell()
      if (e.kind === 'error') this.failed(HhsError.from({ code: e.code, message: e.message }))
    })
  }

  /** Makes a new space of a kind. Local only: works without any network. */
  async create<F extends Fields>(kind: SpaceKind<F>, options: CreateOptions = {}): Promise<Space<F>> {
    const args: Data = { manifest: kind.manifest }
    if (options.servers) args.servers = options.servers
    if (options.endpoints) args.endpoints = options.endpoints
    const { space } = await this.client.call('create', args)
    return this.space(space as string, kind)
  }

  /**
   * Opens a space by link, id or a candidate of `lookup`; one that is here already opens without a network. Waits until the space's
   * first commit is here, unless told not to. Rejects with `bad_link`, `kind_mismatch`,
   * `aborted`, or `unsupported` where no address of the link can be reached.
   */
  async join<F extends Fields>(kind: SpaceKind<F>, where: string | Candidate, options: JoinOptions = {}): Promise<Space<F>> {
    const link = typeof where === 'string' ? where : where.link
    const { space } = await this.client.call('join', { link, manifest: kind.manifest })
    const joined = await this.space(space as string, kind)
    if (options.wait !== false) await joined.ready(options.signal)
    return joined
  }

  /** The spaces three words find, for a person to choose from; empty when none answers. */
  async lookup(words: string, options: { servers?: string[] } = {}): Promise<Candidate[]> {
    const args: Data = { words }
    if (options.servers) args.servers = options.servers
    return (await this.client.call('lookup', args)).candidates as unknown as Candidate[]
  }

  /** All spaces of this device, the most recently active first. */
  async spaces(): Promise<SpaceInfo[]> {
    return (await this.client.call('spaces', {})).spaces as unknown as SpaceInfo[]
  }

  /**
   * A space as a file: all of it, as a stream that is written as it is read. `await new Response(node.export(room)).blob()` is one to
   * download; `hhs import` and `hhs verify` read it too. It holds no private keys; who has it can read the space.
   */
  export(space: Space<any> | string, options: FileOptions = {}): ReadableStream<Uint8Array> {
    return exportStream(this.client, typeof space === 'string' ? space : space.id, options)
  }

  /**
   * Reads a file that `export` or `hhs export` wrote. What is in it is checked like what a stranger sends; importing again goes on where
   * it ended. Rejects with `file`, where in the file something is wrong, or `refused`; what was before that is here.
   */
  async import(file: FileSource, options: FileOptions = {}): Promise<Imported> {
    return readFile(this.client, file, false, options)
  }

  /** Checks a file, that it is whole, and every hash, signature and rule in it, and keeps nothing. Rejects with `file` and where it is wrong. */
  async verifyExport(file: FileSource, options: FileOptions = {}): Promise<Imported> {
    return readFile(this.client, file, true, options)
  }

  /** Calls `fn` with the spaces now and when one is added, left or becomes ready. */
  subscribeSpaces(fn: (spaces: SpaceInfo[]) => void, options?: SubscribeOptions): Unsubscribe {
    return observe(this.spacesChanged.source, () => this.spaces(), fn, options)
  }

  /** Keeps an object on this device, in no space; `attach` lets it travel. */
  async put(value: Value): Promise<Link> {
    return Link.parse((await this.client.call('put', { value })).id as string)
  }

  /**
   * Keeps a file, or any bytes, on this device, and returns the value that stands for them: it is written into a field of type `blob()`, and
   * others fetch the bytes when they read it. The file is read in slices and never in memory as a whole. A page that was closed or
   * reloaded meanwhile has to be given the file again, since it loses hold of it: what was kept then is not written again.
   */
  async putBlob(file: Blob | Uint8Array<ArrayBuffer>, options: PutBlobOptions = {}): Promise<BlobValue> {
    return putBlob(this.client, file, options)
  }

  /** Reads an object of this device; `not_found` when it is not here. */
  async get(link: Link | string): Promise<Value> {
    return (await this.client.call('get', { id: String(link) })).value as Value
  }

  /** The own name, undefined while none is given. */
  async name(): Promise<string | undefined> {
    return (await this.client.call('name', {})).name as string | undefined
  }

  /** Sets the own name, here and in all spaces. */
  async setName(name: string): Promise<void> {
    await this.client.call('setName', { name })
  }

  /** Where the engine is. */
  get state(): EngineState {
    return this.client.state
  }

  /** Calls `fn` with the engine's state now and when it changes. */
  subscribeState(fn: (s: EngineState) => void): Unsubscribe {
    fn(this.state)
    return this.stateListeners.source(() => fn(this.state))
  }

  /**
   * Calls `fn` with what no call answers for, in no space: `read_only` when the browser took the store away, because somebody cleared
   * this site's data, the disk is short, or another version of the application wants it. What was acknowledged before is not kept there
   * any more in the first two cases.
   */
  subscribeErrors(fn: (e: HhsError) => void): Unsubscribe {
    this.errorListeners.add(fn)
    return () => { this.errorListeners.delete(fn) }
  }

  /** Runs the engine in this page from now on; for a person's button when another tab does not answer. */
  takeOver(): void {
    this.client.takeOver()
  }

  /** Tries to start an engine that failed. */
  retry(): void {
    this.client.retry()
  }

  /** Ends this page's part. Everything that was acknowledged is stored. Closing twice does nothing. */
  async close(): Promise<void> {
    for (const s of this.open.values()) SpaceBase.end(s)
    this.open.clear()
    await this.client.close()
  }

  private failed(e: HhsError): void {
    if (this.errorListeners.size === 0) report(e)
    for (const fn of [...this.errorListeners]) fn(e)
  }

  private async space<F extends Fields>(id: string, kind: SpaceKind<F>): Promise<Space<F>> {
    const known = this.open.get(id)
    if (known && known.kind === (kind as SpaceKind<any>)) return known as Space<F>
    if (known) throw new HhsError('kind_mismatch', `space ${id} is open already as ${known.kind.kind} version ${known.kind.version}`)
    const made = new SpaceBase(this.client, id, kind, this.upgrade) as Space<F>
    this.open.set(id, made)
    try {
      await SpaceBase.begin(made)
    } catch (e) {
      this.open.delete(id)
      throw e
    }
    return made
  }
}
