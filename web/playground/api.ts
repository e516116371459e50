/** The playground's console API: `hhs.share`, `hhs.open`. One register of any value per space. */
import { type Candidate, HhsError, type HhsNode, type Space, type Status, type Unsubscribe, any, defineSpace, register } from '../../js/src/index.js'

export const Playground = defineSpace('hyperhyperspace.org/playground', 1, { state: register(any()) })

type PlaygroundSpace = Space<typeof Playground.fields>

/** A shared value, as the console gets it. */
export class SharedState {
  constructor(
    /** The space, for those who want more. */
    readonly space: PlaygroundSpace,
    readonly link: string,
    readonly words: string | undefined,
  ) {}

  /** The value in this browser's copy. */
  async get(): Promise<unknown> {
    return this.space.state.get()
  }

  /** Sets the value: stored when the promise resolves. */
  async set(value: unknown): Promise<void> {
    await this.space.update(r => r.state.set(value))
  }

  /** Calls `fn` with the value now and after each change; returns what ends it. */
  subscribe(fn: (value: unknown) => void): Unsubscribe {
    return this.space.state.subscribe(fn)
  }

  get status(): Status {
    return this.space.status
  }
}

/** What the page does for the API. */
export interface Screen {
  link(link: string): string
  /** Shows candidates; `choose` is called with the index a person picked. */
  offer(candidates: Candidate[], choose: (index: number) => void): void
  opened(s: SharedState): void
}

export class Console {
  private choosing: ((index: number) => void) | undefined

  constructor(private readonly node: Promise<HhsNode>, private readonly screen: Screen) {}

  /** Shares a value in a new space and prints how to find it. */
  share = async (value: unknown): Promise<SharedState> => {
    const node = await this.node
    // Refused before a space is made for it.
    any().fit(value, 'value')
    const space = await node.create(Playground)
    await space.update(r => r.state.set(value))
    const s = await this.wrap(space)
    console.log(`link:  ${s.link}\nwords: ${s.words ?? '(none: no signalling server is known here)'}`)
    return s
  }

  /** Opens a shared value by link, or by words after a person has chosen among what they find. */
  open = async (where: string): Promise<SharedState> => {
    const node = await this.node
    if (typeof where !== 'string' || !where.trim()) throw new HhsError('invalid', "give a link or three words: hhs.open('three words here')")
    const target = /:|^b[a-z2-7]{20,}$/.test(where.trim()) ? where.trim() : await this.pick(node, where.trim())
    return this.wrap(await node.join(Playground, target))
  }

  /** Chooses a candidate by its number, from 1, when `open` has printed some. */
  choose = (number: number): void => {
    if (!this.choosing) throw new HhsError('invalid', 'there is nothing to choose; call hhs.open with three words first')
    this.choosing(number - 1)
  }

  /** The values of this browser. */
  list = async (): Promise<{ link: string; value: unknown; created: Date }[]> => {
    const node = await this.node
    const spaces = (await node.spaces()).filter(s => s.kind === Playground.kind && s.ready)
    return Promise.all(spaces.map(async s => {
      const space = await node.join(Playground, s.space)
      return { link: this.screen.link(await space.link()), value: await space.state.get(), created: new Date(s.created ?? 0) }
    }))
  }

  private async pick(node: HhsNode, words: string): Promise<Candidate> {
    const found = (await node.lookup(words)).filter(c => c.kind === Playground.kind)
    if (found.length === 0) throw new HhsError('not_found', `nobody answered to "${words}"; the value must be open somewhere, at the same server`)
    console.log('Choose on the page, or with hhs.choose(number):')
    console.table(found.map((c, i) => ({ number: i + 1, 'made by key ending in': c.creator.slice(-8), created: new Date(c.created).toLocaleString() })))
    return new Promise(resolve => {
      this.choosing = index => {
        const chosen = found[index]
        if (!chosen) throw new HhsError('invalid', `choose a number from 1 to ${found.length}`)
        this.choosing = undefined
        resolve(chosen)
      }
      this.screen.offer(found, this.choosing)
    })
  }

  private async wrap(space: PlaygroundSpace): Promise<SharedState> {
    const i = await space.invitation()
    const s = new SharedState(space, this.screen.link(i.link), i.words)
    this.screen.opened(s)
    return s
  }
}
