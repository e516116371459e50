/** The messages of a room: author, time, text, and who holds them. */
import type { Entry, LogPage } from '../../js/src/index.js'
import { byId, h, setText, show } from '../lib/dom.js'
import { publish } from '../lib/publish.js'
import { clock, count, nameOf, tail } from '../lib/text.js'
import type { Room } from './kind.js'

export type Message = Entry<{ text: string }>

/** Messages shown at first, more than a screen holds, and more each time earlier ones are asked for. */
const page = 50

/** The last messages, which are read again on every change: also what comes late and stands before others is seen. */
const mostLive = 1000

/** Pixels above what is in sight at which earlier messages are asked for. */
const ahead = 400

export class Messages {
  private readonly items = new Map<string, HTMLLIElement>()
  private live: Message[] = []
  /** Messages before the live ones, and where those before them are: undefined when there are none. */
  private older: Message[] = []
  private before: Uint8Array | undefined
  /** How many there are before the older ones. */
  private unread = 0
  private drawing = 0
  private asking = false
  private names = new Map<string, string>()
  private last = page
  private turn = 0
  private readonly stops: (() => void)[] = []
  private stopList: () => void = () => {}
  private readonly list = byId<HTMLOListElement>('messages')
  private readonly scroll = byId('scroll')
  /** The last message is in sight, and stays so when messages come or the window, as for a keyboard on the screen, gets smaller. */
  private atEnd = true

  constructor(private readonly room: Room, private readonly me: string, private readonly about: (m: Message) => void) {
    this.list.replaceChildren()
    this.list.setAttribute('aria-live', 'off')
    byId('earlier').onclick = () => void this.earlier()
    this.follow()
    this.scroll.onscroll = () => {
      this.atEnd = this.scroll.scrollHeight - this.scroll.scrollTop - this.scroll.clientHeight < 80
      if (!this.atEnd && this.scroll.scrollTop < ahead) void this.earlier()
    }
    const resized = new ResizeObserver(() => { if (this.atEnd) this.toEnd() })
    resized.observe(this.scroll)
    resized.observe(this.list)
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
    for (const m of [...this.older, ...this.live]) {
      const who = this.items.get(m.id)?.querySelector<HTMLElement>('.who')
      if (who) setText(who, nameOf(names, m.author))
    }
  }

  private follow(): void {
    this.stopList()
    this.stopList = this.room.messages.subscribe((messages, p) => void this.draw(messages, p), { last: this.last })
  }

  /** Shows more of what was before. */
  private async earlier(): Promise<void> {
    if (!this.before || this.asking) return
    this.asking = true
    if (this.last < mostLive) {
      this.last = Math.min(this.last + 2 * page, mostLive)
      return this.follow()
    }
    try {
      const p = await this.room.messages.page({ last: 2 * page, before: this.before! })
      this.older.unshift(...p.entries)
      this.before = p.before
      this.unread = p.size - this.older.length - this.live.length
      this.place()
      this.markAs(p.entries, await this.room.held(p.entries.map(m => m.commit)))
    } catch {
      // The engine is being replaced: scrolling asks again.
    }
    this.asking = false
  }

  private async draw(live: Message[], p: LogPage<{ text: string }>): Promise<void> {
    const atEnd = this.atEnd
    const last = live.at(-1)
    const grown = last !== undefined && !this.live.some(m => m.id === last.id)
    if (this.older.length > 0) {
      const turn = ++this.drawing
      const ids = new Set(live.map(m => m.id))
      const older = [...this.older, ...this.live.filter(m => !ids.has(m.id))]
      // What moved out of the live part stays before it. If their numbers do not say that this is all that happened, some were taken
      // back or came late among them, and they are read again.
      if (this.unread + older.length + live.length !== p.size) {
        const again = p.before && await this.room.messages.page({ last: older.length, before: p.before }).catch(() => undefined)
        if (turn !== this.drawing) return
        this.older = again ? again.entries : []
        this.before = again ? again.before : p.before
      } else {
        this.older = older
      }
      this.unread = p.size - this.older.length - live.length
    } else {
      this.before = p.before
    }
    this.live = live
    this.place()
    this.asking = false
    if (grown && (atEnd || live.at(-1)?.author === this.me)) this.toEnd()
    publish({ messages: p.size, last: live.at(-1)?.value.text ?? '' })
    await this.mark()
    // What was there before the page was opened is not read out.
    this.list.setAttribute('aria-live', 'polite')
  }

  /** Puts the messages into the list; those in sight stay where they are. */
  private place(): void {
    const fromEnd = this.atEnd ? 0 : this.scroll.scrollHeight - this.scroll.scrollTop // asking lays the page out
    const first = this.list.firstElementChild
    const messages = [...this.older, ...this.live]
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
    if (first !== this.list.firstElementChild && !this.atEnd) this.scroll.scrollTop = this.scroll.scrollHeight - fromEnd
    show(byId('no-messages'), messages.length === 0)
    show(byId('earlier'), this.before !== undefined)
    publish({ shown: messages.length })
  }

  private toEnd(): void {
    this.scroll.scrollTop = this.scroll.scrollHeight
  }

  private add(m: Message): HTMLLIElement {
    const item = h('li', { class: m.author === this.me ? 'message own' : 'message', 'data-id': m.id, 'data-commit': m.commit },
      h('div', { class: 'meta' },
        h('bdi', { class: 'who' }, nameOf(this.names, m.author)),
        h('code', { title: m.author }, tail(m.author)),
        h('time', { datetime: new Date(m.time).toISOString() }, clock(m.time)),
        h('span', { class: 'mark' }, 'saved here'),
        h('button', { type: 'button', class: 'quiet about', 'aria-label': 'About this message', title: 'About this message', onclick: () => this.about(m) }, '⋯')),
      h('div', { class: 'text', dir: 'auto' }, m.value.text))
    this.items.set(m.id, item)
    return item
  }

  /** Writes on each of the live messages who holds it. */
  private async mark(): Promise<void> {
    const messages = this.live
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
    this.markAs(messages, held)
    publish({ held: Math.max(0, held.at(-1) ?? 0) })
  }

  private markAs(messages: Message[], held: number[]): void {
    messages.forEach((m, i) => {
      const item = this.items.get(m.id)
      const k = Math.max(0, held[i]!)
      if (!item) return
      item.dataset.held = String(k)
      setText(item.querySelector<HTMLElement>('.mark')!, k === 0 ? 'saved here' : `held by ${count(k, 'other device')}`)
    })
  }
}
