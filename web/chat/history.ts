/** What happened in a room, and what is known of one message, in plain words. */
import { type HistoryEntry, type HistoryOp, HhsError } from '../../js/src/index.js'
import { byId, h, setText, show } from '../lib/dom.js'
import { publish } from '../lib/publish.js'
import { clock, count, nameOf, problem, tail } from '../lib/text.js'
import type { Room } from './kind.js'

/** Lines shown at once. */
const page = 30

/** A text in quotes, cut where it is long. */
export function quoted(text: unknown, max = 80): string {
  const s = [...String(text ?? '')]
  return `“${s.length > max ? s.slice(0, max).join('') + '…' : s.join('')}”`
}

/** What an op did, after the name of who did it; undefined for what says nothing to people. An undo names what is in `known`. */
function deed(op: HistoryOp, known: Map<string, HistoryEntry>): string | undefined {
  switch (`${op.field} ${op.action}`) {
    case 'topic set': return `called the room ${quoted(op.value)}`
    case 'messages append': return `wrote ${quoted((op.value as { text?: string } | undefined)?.text)}`
    case 'participants add': return 'came in'
    case 'participants remove': return 'left'
    case '$profile set': return `took the name ${quoted(op.value)}`
    case '$undo undo': return `took back ${listed(op.commits, known)}`
    case '$undo redo': return `made ${listed(op.commits.flatMap(id => known.get(id)?.ops.flatMap(o => o.commits) ?? ['']), known)} again`
    case ' create': return 'made the room'
  }
  return undefined
}

/** What a commit did, for the label of a button: "the message “hello”"; undefined for what nobody would take back by a button. */
export function what(e: HistoryEntry): string | undefined {
  for (const op of e.ops) {
    if (op.field === 'messages') return `the message ${quoted((op.value as { text?: string } | undefined)?.text, 30)}`
    if (op.field === 'topic') return `the topic ${quoted(op.value, 30)}`
  }
  return undefined
}

/** What commits did, in words. */
function listed(commits: readonly string[], known: Map<string, HistoryEntry>): string {
  const all = commits.slice(0, 3).map(id => {
    const e = known.get(id)
    return (e && what(e)) ?? 'something'
  })
  if (commits.length > all.length) all.push('more')
  return [...new Set(all)].join(', ')
}

/** The window in which a room's history is read, or what is known of a message. */
export class History {
  private readonly dialog = byId<HTMLDialogElement>('past')
  private readonly list = byId('past-list')
  private readonly topicOnly = byId<HTMLInputElement>('past-topic')
  private room: Room | undefined
  private names = new Map<string, string>()
  private before: string | undefined
  /** What was read so far. */
  private readonly known = new Map<string, HistoryEntry>()
  /** The line of the topic whose earlier text is still to be read. */
  private waiting: HTMLElement | undefined
  private turn = 0

  constructor() {
    byId('past-close').onclick = () => this.dialog.close()
    this.dialog.onclick = e => { if (e.target === this.dialog) this.dialog.close() }
    this.dialog.onclose = () => {
      if (this.dialog.open) return // the event came late: it is open again
      this.turn++
      publish({ past: '' })
    }
    this.topicOnly.onchange = () => void this.restart()
    byId('past-earlier').onclick = () => void this.more()
  }

  /** Shows what happened in a room. */
  async open(room: Room, topicOnly: boolean): Promise<void> {
    this.room = room
    this.topicOnly.checked = topicOnly
    this.begin('History of this room')
    show(byId('past-choice'), true)
    const turn = ++this.turn
    const names = await room.names()
    if (turn !== this.turn) return
    this.names = names
    await this.restart()
  }

  /** Shows what is known of one message: who wrote it, when and on which device, and what the room was called then. */
  async about(room: Room, commit: string, takeBack: (() => Promise<void>) | undefined): Promise<void> {
    this.room = room
    this.begin('About this message')
    show(byId('past-choice'), false)
    const turn = ++this.turn
    try {
      const [names, past, { entries: [entry] }, [held]] = await Promise.all([
        room.names(), room.at(commit), room.history({ version: commit, limit: 1 }), room.held([commit]),
      ])
      const [topic, size] = await Promise.all([past.topic.get(), past.messages.size()])
      if (turn !== this.turn || !entry) return
      const lines = [
        `${nameOf(names, entry.author)} (${tail(entry.author)}) wrote it on ${new Date(entry.time).toLocaleString()}, by the clock of the device ${tail(entry.device)}.`,
        size > 1 ? `${count(size - 1, 'message')} came before it.` : 'It was the first message.',
        topic ? `The room was called ${quoted(topic)} then.` : 'The room had no topic then.',
        held! > 0 ? `${count(held!, 'other device')} ${held === 1 ? 'keeps' : 'keep'} it, too.` : 'No other device is known to have it yet.',
      ]
      this.list.replaceChildren(...lines.map(line => h('li', {}, line)))
      if (takeBack && entry.undoneBy.length === 0) {
        const button = h('button', { type: 'button', id: 'take-back', onclick: () => void takeBack().then(() => this.dialog.close(), e => this.fail(e)) }, 'Take this message back')
        this.list.append(h('li', {}, button))
      }
      publish({ past: 'message' })
    } catch (e) {
      this.fail(e)
    }
  }

  private begin(title: string): void {
    setText(byId('past-title'), title)
    setText(byId('past-note'), '')
    this.list.replaceChildren()
    show(byId('past-earlier'), false)
    if (!this.dialog.open) this.dialog.showModal()
  }

  private async restart(): Promise<void> {
    this.before = this.waiting = undefined
    this.known.clear()
    this.list.replaceChildren()
    publish({ past: 'loading' })
    await this.more()
  }

  private async more(): Promise<void> {
    const turn = ++this.turn
    try {
      // A page may have less than was asked for, and still not be the last.
      for (let wanted = page; wanted > 0; ) {
        const query = { limit: page, ...(this.before ? { before: this.before } : {}), ...(this.topicOnly.checked ? { field: 'topic' as const } : {}) }
        const p = await this.room!.history(query)
        if (turn !== this.turn) return
        for (const e of p.entries) this.known.set(e.commit, e)
        for (const e of p.entries) this.add(e)
        wanted -= p.entries.length
        this.before = p.before
        if (!p.before) break
      }
      show(byId('past-earlier'), this.before !== undefined)
      publish({ past: `${this.topicOnly.checked ? 'topic' : 'room'} ${this.list.childElementCount}` })
    } catch (e) {
      if (turn === this.turn) this.fail(e)
    }
  }

  private add(e: HistoryEntry): void {
    const deeds = e.ops.filter(op => !this.topicOnly.checked || op.field === 'topic').map(op => deed(op, this.known)).filter(d => d !== undefined)
    if (deeds.length === 0) return
    const undone = e.undoneBy.length > 0
    const item = h('li', { class: undone ? 'undone' : undefined, 'data-commit': e.commit },
      h('div', { class: 'meta small' }, h('bdi', { class: 'who' }, nameOf(this.names, e.author)), h('code', { title: e.author }, tail(e.author)),
        h('time', { datetime: new Date(e.time).toISOString() }, clock(e.time)), ...(undone ? [h('strong', {}, 'taken back')] : [])),
      h('div', { class: 'deed', dir: 'auto' }, deeds.join(', ')))
    if (this.topicOnly.checked) {
      const topic = e.ops.find(op => op.field === 'topic')!.value
      if (this.waiting && !undone) {
        this.waiting.append(` (before: ${quoted(topic)})`)
        this.waiting = undefined
      }
      this.waiting ??= item.querySelector<HTMLElement>('.deed')!
    }
    this.list.append(item)
  }

  private fail(e: unknown): void {
    setText(byId('past-note'), problem(HhsError.from(e)))
    publish({ past: 'error' })
  }
}
