/** A space as an application sees it: fields, updates, status, people. */
import { BlobHandle } from './blobs.js'
import type { Value } from './cbor.js'
import type { Client, Data, Event } from './client.js'
import { type Handles, handle } from './composed.js'
import { Declared } from './declared.js'
import type { SpaceKind } from './define.js'
import { HhsError } from './errors.js'
import type { Access, Step } from './fields.js'
import { type FindOptions, type Linked, Query, linkedTo } from './find.js'
import { Listeners, PathListeners, type Source, type SubscribeOptions, type Unsubscribe, observe, report } from './live.js'
import { type Difference, type HistoryPage, type HistoryQuery, type Past, PastBase, diff, history } from './past.js'
import type { BlobValue } from './schema.js'
import type { Fields } from './shapes.js'
import { type Ops, type Writers, collect } from './tx.js'

/** The truth about a space's connections. */
export interface Status {
  /**
   * `offline`: no network contact; `connecting`: a server or peer is tried, or a server is reached and no peer; `syncing`: a connected peer
   * is ahead, or being compared; `synced`: there is a connected peer, and every one is known to be equal to this copy.
   */
  state: 'offline' | 'connecting' | 'syncing' | 'synced'
  /** The space's first commit is here, so it can be written to. */
  ready: boolean
  /** Commits known to be missing here. */
  toGo: number
  /** Connected peers, those known to be equal to this copy, and those without a relay in between. */
  peers: number
  synced: number
  direct: number
  /** Signalling servers reachable. */
  servers: number
  /** Commits in this copy when the rest was true. */
  commits: number
  /** What stands in the way; `unsupported` where no peer can be reached, as under Node.js with servers and no endpoint. */
  error?: { code: string; message: string }
}

/** A connected peer. */
export interface Peer {
  identity: string
  device: string
  name?: string
  transport: 'ws' | 'rtc' | 'pipe'
  direct: boolean
  state: 'syncing' | 'synced'
  toGo: number
  since: number
  rtt?: number
}

/** What is stored of a space. */
export interface SpaceInfo {
  space: string
  ready: boolean
  kind?: string
  version?: number
  creator?: string
  created?: number
  commits: number
  bytes: number
  refused: number
  servers: string[]
  endpoints: string[]
  active: number
}

/** How others find a space. */
export interface Invitation {
  /** Opens the space on any page or program of its kind. */
  link: string
  /** Three words that find it at `wordsServer`; absent while no server is known, and with `words: false` of `open`. */
  words?: string
  wordsServer?: string
  servers: string[]
  endpoints: string[]
}

/** How an update is written. */
export interface UpdateOptions {
  /** Only if nothing has changed in this copy of the space since; the token of a text's `news`. Rejects with `stale` otherwise. */
  since?: string
  /** The first commit of a group of updates, all of which one `undo` takes back. */
  join?: string
}

/** What a write returns. */
export interface Receipt {
  readonly commit: string
  /** Other devices known to hold the commit durably. */
  held(): Promise<number>
  /** Calls `fn` with that number now and when it changes. */
  subscribe(fn: (held: number) => void, options?: SubscribeOptions): Unsubscribe
}

/** The engine's error about an op, with the place as who wrote it knows it: from the field on, where the engine tells, else that of the op. */
function placed(e: unknown, { ops, places }: Ops): unknown {
  const [, index, rest = ''] = (e instanceof HhsError && /^ops\[(\d+)\]\.value(.*)$/.exec(e.path)) || []
  const place = index && places[Number(index)]
  if (!place) return e
  const { code, cause } = e as HhsError
  return new HhsError(code, HhsError.from(cause).message, rest ? (ops[Number(index)]!.field as string) + rest : place)
}

/** What `undo` would take back now, and `redo` give again: commits, none where there is nothing to do. */
export interface UndoState {
  undo: string[]
  redo: string[]
}

/** How far one `undo` goes. */
export interface UndoOptions {
  /** Also the updates before that follow each other within so many milliseconds. */
  within?: number
  /** These own commits, instead of the latest. */
  commits?: string[]
}

/** The receipt of an undo or redo, with the commits that it took back or gave again. */
export interface Undone extends Receipt {
  readonly commits: string[]
}

const unknownStatus: Status = { state: 'offline', ready: false, toGo: 0, peers: 0, synced: 0, direct: 0, servers: 0, commits: 0 }

/** A change of the schema of a space. */
export interface SchemaChange {
  readonly commit: string
  readonly author: string
  /** By the writer's clock, in milliseconds since 1970. */
  readonly time: number
  /** The version of the kind from then on. */
  readonly version: number
  /** The fields that it declares. */
  readonly fields: string[]
  /** What of it takes no effect, and why. */
  readonly ignored: string[]
}

/** What a space declares, and who changed it. */
export interface SchemaInfo {
  readonly version: number
  /** This person founded the space: founders change its schema. */
  readonly founder: boolean
  /** In the order in which they take effect. */
  readonly changes: SchemaChange[]
}

/** What every space has; `Space` adds the fields of its kind. */
export class SpaceBase<F extends Fields> {
  // What is not for applications is #private: fields are members of this object, and may have any name that is not reserved.
  readonly #client: Client
  #current = unknownStatus
  readonly #statusChanges = new Listeners()
  readonly #heldChanges = new Listeners()
  readonly #peerChanges = new Listeners()
  readonly #writes = new Listeners()
  readonly #arrivals = new Listeners()
  readonly #blobChanges = new Listeners()
  readonly #fieldChanges = new Map<string, PathListeners>()
  readonly #errorListeners = new Set<(e: HhsError) => void>()
  readonly #schemaChanges = new Listeners()
  #declared: Declared | undefined
  readonly #upgrades: boolean
  #stop: Unsubscribe = () => {}

  constructor(client: Client, readonly id: string, readonly kind: SpaceKind<F>, upgrades: boolean) {
    this.#client = client
    this.#upgrades = upgrades
    for (const [name, field] of Object.entries(kind.fields)) {
      this.#fieldChanges.set(name, new PathListeners())
      Object.defineProperty(this, name, { value: handle(field, this.#access(name, [], name)), enumerable: true })
    }
    this.#fieldChanges.set('$names', new PathListeners())
  }

  /** Begins to listen; called once by the node. */
  static begin(space: SpaceBase<any>): Promise<void> {
    return space.#begin()
  }

  /** Ends listening; called by the node. */
  static end(space: SpaceBase<any>): void {
    space.#stop()
  }

  async #begin(): Promise<void> {
    this.#stop = await this.#client.subscribe({ space: this.id }, e => this.#event(e))
    const status = (await this.#client.call('status', { space: this.id })) as unknown as Status
    this.#current = { ...this.#current, ready: status.ready } // what follows is not learned twice
    if (status.ready) await this.#learn()
    this.#setStatus(status)
  }

  /** Reads what the space declares, and brings it up to the program if that is to be. */
  async #learn(): Promise<void> {
    const { manifest, founder } = await this.#client.call('schema', { space: this.id })
    const there = manifest as Data
    this.#declared = Declared.beside(there, this.kind)
    if (this.#declared && this.#upgrades && founder && this.kind.version > (there.version as number)) await this.upgrade()
  }

  /** Learns what the space declares now, outside of any call. */
  #learnAgain(): void {
    this.#learn().then(() => {
      this.#schemaChanges.tell()
      for (const l of this.#fieldChanges.values()) l.tell()
    }, (e: unknown) => this.#failed(HhsError.from(e)))
  }

  /** What the space declares now, and who changed it. */
  async schema(): Promise<SchemaInfo> {
    const { manifest, founder, changes } = await this.#client.call('schema', { space: this.id })
    const list = (changes as Data[]).map(({ identity, ...rest }) => ({ author: identity, ...rest }) as unknown as SchemaChange)
    return { version: (manifest as Data).version as number, founder: founder as boolean, changes: list }
  }

  /** Calls `fn` with what the space declares now and when that changes. */
  subscribeSchema(fn: (schema: SchemaInfo) => void, options?: SubscribeOptions): Unsubscribe {
    return observe(this.#schemaChanges.source, () => this.schema(), fn, this.#heard(options))
  }

  /**
   * Declares in the space what this program defines and the space has not, and returns the names of the fields it changed; with `dry`
   * only those it would change. Founders can, and it happens by itself when a founder's program of a higher version opens the space,
   * unless `open` was told not to. Programs of other versions go on: they keep what they do not know.
   */
  async upgrade(options: { dry?: boolean } = {}): Promise<string[]> {
    const { fields } = await this.#client.call('upgrade', { space: this.id, manifest: this.kind.manifest, ...(options.dry && { dry: true }) })
    if (!options.dry) {
      const { manifest } = await this.#client.call('schema', { space: this.id })
      this.#declared = Declared.beside(manifest as Data, this.kind)
    }
    return (fields as Data[]).map(f => f.name as string)
  }

  /**
   * Writes several values at once: everything the function does becomes one commit, stored on this device when the promise resolves,
   * or nothing does. Rejects with `schema` or `value` and the path of what cannot be written.
   */
  async update(fn: (r: Writers<F>) => unknown, options: UpdateOptions = {}): Promise<Receipt> {
    const { writers, done } = collect(this.kind.fields, this.#declared)
    let ops
    try {
      await fn(writers)
    } finally {
      ops = done()
    }
    if (ops.ops.length === 0 && ops.attach.length === 0) throw new HhsError('invalid', 'the update writes nothing')
    if (options.join !== undefined) ops.ops.push({ field: '$undo', action: 'group', value: options.join })
    const args: Data = { space: this.id, ops: ops.ops }
    if (ops.attach.length > 0) args.attach = ops.attach
    if (options.since !== undefined) args.since = options.since
    const { commit } = await this.#client.call('update', args).catch((e: unknown) => { throw placed(e, ops) })
    this.#writes.tell()
    return this.receipt(commit as string)
  }

  /**
   * Takes back this device's latest update that is not taken back, with those of its group. What others wrote stays, also what they wrote
   * since. Undefined when there is none.
   */
  async undo(options: UndoOptions = {}): Promise<Undone | undefined> {
    return this.#turn('undo', { ...options })
  }

  /** Gives again what this device's latest `undo` took back, unless it wrote something else since. Undefined when there is nothing. */
  async redo(): Promise<Undone | undefined> {
    return this.#turn('redo', {})
  }

  /** What `undo` and `redo` would do now. */
  async undoState(options: { within?: number } = {}): Promise<UndoState> {
    return (await this.#client.call('undoState', { space: this.id, ...options })) as unknown as UndoState
  }

  /** Calls `fn` with that now and when it may have changed: for the buttons. */
  subscribeUndo(fn: (state: UndoState) => void, options: SubscribeOptions & { within?: number } = {}): Unsubscribe {
    const { within } = options
    return observe(this.#writes.source, () => this.undoState(within === undefined ? {} : { within }), fn, this.#heard(options))
  }

  /** The present version: give it to `at` and `diff` later. A commit is a version too. */
  async version(): Promise<string> {
    return (await this.#client.call('version', { space: this.id })).version as string
  }

  /** Who wrote what, newest first, with what became of it. */
  history(query: HistoryQuery<F> = {}): Promise<HistoryPage> {
    return history(this.#client, this.id, query)
  }

  /** The space as it was at a version: as a copy showed it that had no more. `not_found` when a commit of it is not here. */
  at(version: string): Promise<Past<F>> {
    return PastBase.open(this.#client, this.id, this.kind, version, false)
  }

  /** The version by what is known now: edits that were taken back since are not shown. */
  atJudgedNow(version: string): Promise<Past<F>> {
    return PastBase.open(this.#client, this.id, this.kind, version, true)
  }

  /** What the version `to`, by default the present one, shows otherwise than `from`. `too_large` when that is more than 10,000 values. */
  diff(from: string, to?: string): Promise<Difference[]> {
    return diff(this.#client, this.id, from, to)
  }

  /**
   * What the space shows of a type: values with that text as their `$type`, and attached objects; with `#` and a place the records of a
   * map, `#items`, or `#items.parts` for those in them. What was replaced, removed or taken back is not among it.
   */
  byType<T = Value>(type: string, options: FindOptions = {}): Query<T> {
    return this.#query({ type }, options)
  }

  /** What the space shows that links to an object, a file, another space or, with a reference, a value in it; with `type` only what is of it. */
  backlinks<T = Value>(to: Linked, options: FindOptions & { type?: string } = {}): Query<T> {
    return this.#query(linkedTo(to), options)
  }

  #query<T>(about: Data, options: FindOptions): Query<T> {
    const question: Data = { space: this.id, ...about }
    for (const [name, v] of Object.entries(options)) if (v !== undefined) question[name] = v as Value
    const changes: Source = changed => {
      const stops = [this.#writes.source(changed), this.#arrivals.source(changed)]
      return () => { for (const stop of stops) stop() }
    }
    return new Query<T>(this.#client, question, changes, o => this.#heard(o))
  }

  async #turn(method: 'undo' | 'redo', options: Data): Promise<Undone | undefined> {
    const { commit, commits } = await this.#client.call(method, { space: this.id, ...options })
    this.#writes.tell()
    return commit === undefined ? undefined : { ...this.receipt(commit as string), commits: commits as string[] }
  }

  /** The receipt of a commit made here or elsewhere. */
  receipt(commit: string): Receipt {
    const held = async () => (await this.held([commit]))[0]!
    return {
      commit,
      held,
      subscribe: (fn, options) => {
        let last: number | undefined
        const changed = (n: number) => { if (n !== last) fn((last = n)) }
        return observe(this.#heldChanges.source, held, changed, this.#heard(options))
      },
    }
  }

  /** How many other devices hold each commit durably; -1 for a commit that is not here. */
  async held(commits: string[]): Promise<number[]> {
    if (commits.length === 0) return []
    return (await this.#client.call('receipt', { space: this.id, commits })).held as number[]
  }

  /** Calls `fn` whenever some commit became held by more devices. */
  subscribeHeld(fn: () => void): Unsubscribe {
    return this.#heldChanges.source(fn)
  }

  /** The status as last heard. */
  get status(): Status {
    return this.#current
  }

  /** Calls `fn` with the status now and when it changes. */
  subscribeStatus(fn: (status: Status) => void): Unsubscribe {
    fn(this.#current)
    return this.#statusChanges.source(() => fn(this.#current))
  }

  /** Calls `fn` with what no call answers for: a full disk, a link of another kind, a subscription that cannot read. */
  subscribeErrors(fn: (e: HhsError) => void): Unsubscribe {
    this.#errorListeners.add(fn)
    return () => { this.#errorListeners.delete(fn) }
  }

  /** Resolves when the space's first commit is here; rejects with `aborted`, or with what makes it impossible. */
  ready(signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const finish = (e?: HhsError) => {
        stop()
        signal?.removeEventListener('abort', aborted)
        if (e) reject(e)
        else resolve()
      }
      const aborted = () => finish(new HhsError('aborted', 'stopped waiting for the space; it is kept and syncs when a peer is found'))
      const look = () => {
        if (this.#current.ready) finish()
        else if (this.#current.error) finish(HhsError.from(this.#current.error))
        else if (signal?.aborted) aborted()
      }
      const stop = this.#statusChanges.source(look)
      signal?.addEventListener('abort', aborted)
      look()
    })
  }

  /** How others find this space. */
  async invitation(): Promise<Invitation> {
    return (await this.#client.call('link', { space: this.id })) as unknown as Invitation
  }

  /** The link that opens this space. */
  async link(): Promise<string> {
    return (await this.invitation()).link
  }

  /** The three words that find this space, undefined while no server is known, and with `words: false` of `open`. */
  async words(): Promise<string | undefined> {
    return (await this.invitation()).words
  }

  /** Adds signalling servers (and addresses of peers) to this space and its links. */
  async addServers(servers: string[], endpoints: string[] = []): Promise<void> {
    await this.#client.call('addServers', { space: this.id, servers, endpoints })
  }

  /** Sets the own name in this space. */
  async setName(name: string): Promise<void> {
    await this.#client.call('setName', { space: this.id, name })
  }

  /** The names people gave themselves, by identity. They prove nothing: show them with part of the key. */
  async names(): Promise<Map<string, string>> {
    const r = await this.#client.call('names', { space: this.id })
    return new Map((r.names as { identity: string; name: string }[]).map(n => [n.identity, n.name]))
  }

  /** Calls `fn` with the names now and when they change. */
  subscribeNames(fn: (names: Map<string, string>) => void, options?: SubscribeOptions): Unsubscribe {
    return observe(this.#changesOf('$names'), () => this.names(), fn, this.#heard(options))
  }

  /** The connected peers. */
  async peers(): Promise<Peer[]> {
    return (await this.#client.call('peers', { space: this.id })).peers as unknown as Peer[]
  }

  /** Calls `fn` with the connected peers now and when they change. */
  subscribePeers(fn: (peers: Peer[]) => void, options?: SubscribeOptions): Unsubscribe {
    return observe(this.#peerChanges.source, () => this.peers(), fn, this.#heard(options))
  }

  /** The bytes that a blob in a value of this space stands for. Nothing is fetched before it is read. */
  openBlob(value: BlobValue): BlobHandle {
    return new BlobHandle(this.#client, this.id, value, this.#blobChanges.source, options => this.#heard(options))
  }

  /** What is stored of this space. */
  async info(): Promise<SpaceInfo> {
    return (await this.#client.call('info', { space: this.id })) as unknown as SpaceInfo
  }

  /** Ends taking part and deletes the copy on this device. */
  async leave(): Promise<void> {
    await this.#client.call('leave', { space: this.id })
    this.#stop()
  }

  #changesOf(field: string): Source {
    return this.#fieldChanges.get(field)!.at([])
  }

  /** The way to a value of a field. */
  #access(field: string, steps: Step[], path: string): Access {
    const names = steps.filter(s => typeof s === 'string')
    return {
      path,
      changes: wants => this.#fieldChanges.get(field)!.at(names, wants),
      failed: e => this.#failed(e),
      read: query => this.#client.call('read', { space: this.id, field, query, ...(steps.length > 0 ? { path: steps } : {}) }),
      edit: async (edits, since) => {
        this.#declared?.has(field, steps, path)
        const done = await this.#client.call('edit', { space: this.id, field, since, edits, ...(steps.length > 0 ? { path: steps } : {}) })
          .catch((e: unknown) => { throw new HhsError(HhsError.from(e).code, HhsError.from(e).message, path) })
        this.#writes.tell()
        return done
      },
      at: (inside, ...more) => this.#access(field, [...steps, ...more], inside),
    }
  }

  #event(e: Event): void {
    switch (e.kind) {
      case 'change':
        for (const name of e.fields as string[]) {
          const paths = (e.paths as Data | undefined)?.[name] as string[][] | undefined
          this.#fieldChanges.get(name)?.tell(paths)
          if (name === '$schema') this.#learnAgain()
        }
        return this.#writes.tell()
      case 'status': return this.#setStatus(e.status as unknown as Status)
      case 'held': return this.#heldChanges.tell()
      case 'peers': return this.#peerChanges.tell()
      case 'blob': return this.#blobChanges.tell()
      case 'error': return this.#failed(HhsError.from({ code: e.code, message: e.message }))
      case 'restart':
        for (const l of this.#fieldChanges.values()) l.tell()
        this.#heldChanges.tell()
        this.#peerChanges.tell()
        this.#blobChanges.tell()
        this.#writes.tell()
        if (this.#current.ready) this.#learnAgain()
        // The new engine's first status follows its subscription by itself.
    }
  }

  #heard(options: SubscribeOptions = {}): SubscribeOptions {
    return { onError: options.onError ?? (e => this.#failed(e)) }
  }

  #failed(e: HhsError): void {
    if (this.#errorListeners.size === 0) report(e)
    for (const fn of [...this.#errorListeners]) fn(e)
  }

  #setStatus(s: Status): void {
    const came = s.ready && !this.#current.ready
    const more = s.commits !== this.#current.commits
    this.#current = s
    this.#statusChanges.tell()
    if (more) this.#arrivals.tell()
    if (came) this.#learnAgain() // and then tells the subscribers
  }
}

/** A space of a kind: `space.topic`, `space.messages` and what `SpaceBase` has. */
export type Space<F extends Fields = Fields> = SpaceBase<F> & Handles<F>
