/** The messages of a room: author, time, text, and who holds them. */
import type { Entry } from '../../js/src/index.js'
import { byId, h, setText, show } from '../lib/dom.js'
import { publish } from '../lib/publish.js'
import { clock, count, nameOf, tail } from '../lib/text.js'
import type { Room } from './kind.js'

type Message = Entry<{ text: string }>

/** Messages shown at first, and more each time earlier ones are asked for. */
const page = 100

export class Messages {
  private readonly items = new Map<string, HTMLLIElement>()
  private shown: Message[] = []
  private names = new Map<string, string>()
  private last = page
  private turn = 0
  private readonly stops: (() => void)[] = []
  private stopList: () => void = () => {}
  private readonly list = byId<HTMLOListElement>('messages')
  private readonly scroll = byId('scroll')
  /** The last message is in sight, and stays so when messages come or the window, as for a keyboard on the screen, gets smaller. */
  private atEnd = true

  constructor(private readonly room: Room, private readonly me: string) {
    this.list.replaceChildren()
    this.list.setAttribute('aria-live', 'off')
    byId('earlier').onclick = () => {
      this.last = Math.min(this.last + page, 1000)
      this.follow()
    }
    this.follow()
    this.scroll.onscroll = () => { this.atEnd = this.scroll.scrollHeight - this.scroll.scrollTop - this.scroll.clientHeight < 80 }
    const resized = new ResizeObserver(() => { if (this.atEnd) this.toEnd() })
    resized.observe(this.scroll)
    this.stops.push(() => resized.disconnect())
    this.stops.push(room.subscribeHeld(() => void this.mark()))
  }

  stop(): void {
    this.stopList()
    for (const stop of this.stops) stop()
  }

  /** Names came or changed. */
  setNames(names: Map<string, string>): void {
    this.names = names
    for (const m of this.shown) {
      const who = this.items.get(m.id)?.querySelector<HTMLElement>('.who')
      if (who) setText(who, nameOf(names, m.author))
    }
  }

  private follow(): void {
    this.stopList()
    this.stopList = this.room.messages.subscribe(m => void this.draw(m), { last: this.last })
  }

  private async draw(messages: Message[]): Promise<void> {
    const atEnd = this.atEnd
    const grown = messages.at(-1)?.id !== this.shown.at(-1)?.id
    this.shown = messages
    const gone = new Set(this.items.keys())
    let before: HTMLLIElement | null = null
    // From the end, so that each item finds the one it stands before.
    for (const m of [...messages].reverse()) {
      gone.delete(m.id)
      const item = this.items.get(m.id) ?? this.add(m)
      if (item.nextElementSibling !== before || item.parentElement !== this.list) this.list.insertBefore(item, before)
      before = item
    }
    for (const id of gone) {
      this.items.get(id)?.remove()
      this.items.delete(id)
    }
    show(byId('no-messages'), messages.length === 0)
    if (grown && (atEnd || messages.at(-1)?.author === this.me)) this.toEnd()
    const size = messages.length < this.last ? messages.length : await this.size(messages.length)
    show(byId('earlier'), size > messages.length && this.last < 1000)
    publish({ messages: size, last: messages.at(-1)?.value.text ?? '' })
    await this.mark()
    // What was there before the page was opened is not read out.
    this.list.setAttribute('aria-live', 'polite')
  }

  private toEnd(): void {
    this.scroll.scrollTop = this.scroll.scrollHeight
  }

  /** How many there are, or `shown` while that cannot be asked: the engine is being replaced, and the next draw asks again. */
  private size(shown: number): Promise<number> {
    return this.room.messages.size().catch(() => shown)
  }

  private add(m: Message): HTMLLIElement {
    const item = h('li', { class: m.author === this.me ? 'message own' : 'message', 'data-id': m.id, 'data-commit': m.commit },
      h('div', { class: 'meta' },
        h('bdi', { class: 'who' }, nameOf(this.names, m.author)),
        h('code', { title: m.author }, tail(m.author)),
        h('time', { datetime: new Date(m.time).toISOString() }, clock(m.time)),
        h('span', { class: 'mark' }, 'saved here')),
      h('div', { class: 'text', dir: 'auto' }, m.value.text))
    this.items.set(m.id, item)
    return item
  }

  /** Writes on each message who holds it. */
  private async mark(): Promise<void> {
    const messages = this.shown
    const turn = ++this.turn
    let held: number[]
    try {
      held = await this.room.held(messages.map(m => m.commit))
    } catch {
      // The engine is being replaced, or the room was left: the next draw marks again.
      return
    }
    // Answers may come in another order than questions.
    if (turn !== this.turn) return
    messages.forEach((m, i) => {
      const item = this.items.get(m.id)
      const k = Math.max(0, held[i]!)
      if (!item) return
      item.dataset.held = String(k)
      setText(item.querySelector<HTMLElement>('.mark')!, k === 0 ? 'saved here' : `held by ${count(k, 'other device')}`)
    })
    publish({ held: Math.max(0, held.at(-1) ?? 0) })
  }
}
