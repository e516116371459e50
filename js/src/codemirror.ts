/**
 * A text in a CodeMirror 6 editor: `sharedText(space.note)` among its extensions. What is typed shows at once and is written a moment
 * later, several keys in one update; what others write comes in where they wrote it, and cursor and selection stay with their text.
 * There must be no history extension beside it: undo is the space's, which takes back own edits only.
 *
 * The editor's document is always the text as the engine has it by `token`, with `sent` and then `unsent` done to it. News are brought
 * over those two, and they over the news, so that none is lost and all who have the same commits show the same.
 */
import { Annotation, ChangeSet, EditorState, type Extension, Text, Transaction, type TransactionSpec } from '@codemirror/state'
import { EditorView, type PluginValue, ViewPlugin, keymap } from '@codemirror/view'
import { HhsError } from './errors.js'
import { maxInsert, undoWithin } from './limits.js'
import { type Unsubscribe, report } from './live.js'
import type { TextEdit, TextHandle, TextNews } from './sequences.js'

/** How a text is bound. */
export interface SharedTextOptions {
  /** Milliseconds from the first key to the update that writes it with those after it; default 250. */
  delay?: number
  /** The space, if the keys for undo and redo are to take back and give again what was written in it here. */
  undo?: Undoing
  /** Told what cannot be written, which is then taken out of the editor, or not for now, which is tried again; without it the global error handler is. */
  onError?: (e: HhsError) => void
}

/** A space, as far as undo needs it. */
export interface Undoing {
  undo(options: { within: number }): Promise<unknown>
  redo(): Promise<unknown>
}

/** Marks transactions that bring what others wrote. */
const fromSpace = Annotation.define<boolean>()

const stringOf = (t: Text) => t.sliceString(0, t.length, '\n')

/** Keeps an editor and a text equal. It needs no page, only a way to change the document. */
export class TextSync {
  private known = Text.empty
  private token = ''
  private sent: ChangeSet | undefined
  private unsent: ChangeSet | undefined
  /** Edits of which nobody knows whether they were written, as the engine ended meanwhile. */
  private doubtful: ChangeSet | undefined
  private stale = true
  private due = false
  private closed = false
  private timer: ReturnType<typeof setTimeout> | undefined
  private running = Promise.resolve()
  private readonly stop: Unsubscribe

  constructor(private readonly text: TextHandle, private readonly show: (changes: ChangeSet) => void, private readonly options: SharedTextOptions = {}) {
    this.stop = text.changes(() => {
      this.stale = true
      this.due ||= !this.token // what was typed waits for the text to be here
      void this.run()
    })
    void this.run()
  }

  /** Takes what was typed. */
  typed(changes: ChangeSet): void {
    if (changes.empty || this.closed) return
    this.unsent = this.unsent ? this.unsent.compose(changes) : changes
    this.timer ??= setTimeout(() => void this.flush(), this.options.delay ?? 250)
  }

  /** Resolves when all that was typed is written, or could not be. */
  flush(): Promise<void> {
    clearTimeout(this.timer)
    this.timer = undefined
    this.due = true
    return this.run()
  }

  /** Writes what is left and ends. */
  async close(): Promise<void> {
    this.stop()
    await this.flush()
    this.closed = true
  }

  private run(): Promise<void> {
    return (this.running = this.running.then(() => this.loop()))
  }

  private async loop(): Promise<void> {
    while (!this.closed && (this.stale || this.due)) {
      try {
        if (this.stale) {
          this.stale = false
          this.take(await this.text.news(this.token))
        } else {
          this.due = await this.send()
        }
      } catch (e) {
        if (!this.failed(HhsError.from(e))) return
      }
    }
  }

  /** Writes some of what was typed; returns whether there is more. */
  private async send(): Promise<boolean> {
    if (!this.unsent || !this.token) return false
    if (this.doubtful) return (this.stale = true)
    const [some, rest] = part(this.unsent)
    this.sent = some
    this.unsent = rest
    const news = await this.text.apply(editsOf(some), this.token)
    this.known = some.apply(this.known)
    this.sent = undefined
    this.take(news)
    return rest !== undefined
  }

  private take(news: TextNews): void {
    const { known } = this
    let changes = news.edits ? ChangeSet.of(news.edits.map(specOf), known.length, '\n') : difference(known, news.text!)
    if (this.doubtful && !news.edits) {
      // Were they written? Whichever leaves less to explain.
      const done = this.doubtful.apply(known)
      const otherwise = difference(done, news.text!)
      if (size(otherwise) < size(changes)) {
        changes = otherwise
        this.known = done
      } else {
        this.unsent = this.unsent ? this.doubtful.compose(this.unsent) : this.doubtful
      }
      this.doubtful = undefined
    }
    this.known = changes.apply(this.known)
    this.token = news.token
    const { unsent } = this
    if (unsent) {
      this.unsent = unsent.map(changes, true)
      if (this.unsent.empty) this.unsent = undefined
      changes = changes.map(unsent)
    }
    if (!changes.empty) this.show(changes)
  }

  report(e: HhsError): void {
    if (this.options.onError) this.options.onError(e)
    else report(e)
  }

  /** Makes good what failed; returns whether to go on at once. */
  private failed(e: HhsError): boolean {
    const { sent } = this
    this.sent = undefined
    if (e.code === 'engine_restarted') {
      this.doubtful ??= sent
      this.stale = true
      return true
    }
    if (sent) this.unsent = this.unsent ? sent.compose(this.unsent) : sent
    this.stale = e.code === 'stale'
    if (this.stale) return true
    if (e.code === 'closed') this.closed = true
    else this.report(e)
    const lost = sent && ['invalid', 'value', 'schema', 'refused', 'too_large'].includes(e.code) ? this.unsent : undefined
    if (lost) {
      this.show(lost.invert(this.known))
      this.unsent = undefined
    }
    this.due = false
    return false
  }
}

function specOf(e: TextEdit) {
  return { from: e.index, to: e.index + e.delete, insert: e.insert }
}

function editsOf(changes: ChangeSet): TextEdit[] {
  const edits: TextEdit[] = []
  changes.iterChanges((from, to, _a, _b, text) => edits.unshift({ index: from, delete: to - from, insert: stringOf(text) }))
  return edits
}

/** How much is deleted and inserted. */
function size(changes: ChangeSet): number {
  let n = 0
  changes.iterChanges((from, to, _a, _b, text) => { n += to - from + text.length })
  return n
}

/** Divides changes that insert more than one update takes. */
function part(changes: ChangeSet): [some: ChangeSet, rest: ChangeSet | undefined] {
  const [some, rest]: { from: number; to?: number; insert: string }[][] = [[], []]
  let room = maxInsert
  let shift = 0
  changes.iterChanges((from, to, _a, _b, text) => {
    const insert = stringOf(text)
    let n = Math.min(insert.length, room)
    if (n < insert.length && /[\ud800-\udbff]/.test(insert[n - 1] ?? '')) n--
    room -= n
    some!.push({ from, to, insert: insert.slice(0, n) })
    if (n < insert.length) rest!.push({ from: from + shift + n, insert: insert.slice(n) })
    shift += n - (to - from)
  })
  const first = ChangeSet.of(some!, changes.length, '\n')
  return [first, rest!.length > 0 ? ChangeSet.of(rest!, first.newLength, '\n') : undefined]
}

/** What makes one text of another: all between the beginning and the end that they have in common. */
function difference(from: Text, to: string): ChangeSet {
  const was = stringOf(from)
  const half = (s: string, i: number) => /[\udc00-\udfff]/.test(s[i] ?? '')
  const most = Math.min(was.length, to.length)
  let head = 0
  while (head < most && was[head] === to[head]) head++
  if (half(was, head) || half(to, head)) head--
  let tail = 0
  while (tail < most - head && was[was.length - 1 - tail] === to[to.length - 1 - tail]) tail++
  if (tail > 0 && (half(was, was.length - tail) || half(to, to.length - tail))) tail--
  return ChangeSet.of({ from: head, to: was.length - tail, insert: to.slice(head, to.length - tail) }, was.length, '\n')
}

/** The extension that binds an editor, whose document is empty at first, to a text. */
export function sharedText(text: TextHandle, options: SharedTextOptions = {}): Extension {
  return [
    ViewPlugin.define(view => new Binding(view, text, options)),
    EditorState.lineSeparator.of('\n'), // places are those of the text
    EditorView.clipboardInputFilter.of(s => s.replace(/\r\n?/g, '\n')),
    EditorState.transactionFilter.of(wellFormed),
    keymap.of([{ key: 'Mod-z', run: undo, preventDefault: true }, { key: 'Mod-y', mac: 'Mod-Shift-z', run: redo, preventDefault: true }, { linux: 'Ctrl-Shift-z', run: redo, preventDefault: true }]),
    EditorView.domEventHandlers({
      beforeinput: (e, view) => (e.inputType === 'historyUndo' ? undo(view) : e.inputType === 'historyRedo' && redo(view)),
    }),
  ]
}

class Binding implements PluginValue {
  readonly sync: TextSync
  private readonly hidden = () => { if (document.visibilityState === 'hidden') void this.sync.flush() }

  constructor(view: EditorView, text: TextHandle, readonly options: SharedTextOptions) {
    const marks = [fromSpace.of(true), Transaction.remote.of(true), Transaction.addToHistory.of(false)]
    this.sync = new TextSync(text, changes => view.dispatch({ changes, annotations: marks }), options)
    bound.set(view, this)
    document.addEventListener('visibilitychange', this.hidden)
  }

  update(u: { transactions: readonly Transaction[] }): void {
    for (const tr of u.transactions) if (tr.docChanged && !tr.annotation(fromSpace)) this.sync.typed(tr.changes)
  }

  destroy(): void {
    document.removeEventListener('visibilitychange', this.hidden)
    void this.sync.close()
  }
}

const bound = new WeakMap<EditorView, Binding>()

/** Resolves when all that was typed is written. */
export async function flush(view: EditorView): Promise<void> {
  await bound.get(view)?.sync.flush()
}

function turn(view: EditorView, way: 'undo' | 'redo'): boolean {
  const { sync, options } = bound.get(view) ?? {}
  const space = options?.undo
  if (!sync || !space) return false
  sync.flush().then(() => (way === 'undo' ? space.undo({ within: undoWithin }) : space.redo())).catch((e: unknown) => sync.report(HhsError.from(e)))
  return true
}

/** Takes back what was last typed, or written otherwise in the space, on this device. */
export function undo(view: EditorView): boolean {
  return turn(view, 'undo')
}

/** Gives again what the latest undo took back. */
export function redo(view: EditorView): boolean {
  return turn(view, 'redo')
}

/** Half of a character, which no text can have, becomes the sign for one that is missing. */
function wellFormed(tr: Transaction): Transaction | readonly TransactionSpec[] {
  if (!tr.docChanged || tr.annotation(fromSpace)) return tr
  const halves = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g
  const changes: { from: number; to: number; insert: string }[] = []
  tr.changes.iterChanges((_from, _to, from, _end, text) => {
    for (const m of stringOf(text).matchAll(halves)) changes.push({ from: from + m.index, to: from + m.index + 1, insert: '\ufffd' })
  })
  return changes.length === 0 ? tr : [tr, { changes, sequential: true }]
}
