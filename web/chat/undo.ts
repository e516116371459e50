/** Taking back what this person wrote on this device, and making it again, by buttons and keys. */
import { HhsError, type UndoState } from '../../js/src/index.js'
import { byId, setText, show } from '../lib/dom.js'
import { publish } from '../lib/publish.js'
import { problem } from '../lib/text.js'
import { what } from './history.js'
import type { Room } from './kind.js'

export class Undoing {
  private readonly undo = byId<HTMLButtonElement>('undo')
  private readonly redo = byId<HTMLButtonElement>('redo')
  private readonly stops: (() => void)[] = []
  private turn = 0

  constructor(private readonly room: Room) {
    this.say('')
    this.undo.onclick = () => void this.go('undo')
    this.redo.onclick = () => void this.go('redo')
    this.stops.push(room.subscribeUndo(state => void this.draw(state)))
    const key = (e: KeyboardEvent) => {
      // Inside a field the keys are the field's.
      if (!(e.ctrlKey || e.metaKey) || e.altKey || (e.target as Element).closest('input, textarea, dialog')) return
      const which = e.key.toLowerCase() === 'z' ? (e.shiftKey ? 'redo' : 'undo') : e.key.toLowerCase() === 'y' ? 'redo' : undefined
      if (!which) return
      e.preventDefault()
      if (!this[which].disabled) void this.go(which)
    }
    document.addEventListener('keydown', key)
    this.stops.push(() => document.removeEventListener('keydown', key))
  }

  stop(): void {
    for (const stop of this.stops) stop()
    this.turn++
    publish({ undo: '', redo: '' })
  }

  /** Takes back one message. */
  async takeBack(commit: string, told: string): Promise<void> {
    await this.room.undo({ commits: [commit] })
    this.say(`${told} is taken back.`)
  }

  private async go(which: 'undo' | 'redo'): Promise<void> {
    const told = this[which].dataset.what ?? ''
    this.undo.disabled = this.redo.disabled = true
    try {
      await this.room[which]()
      this.say(told && `${told[0]!.toUpperCase()}${told.slice(1)} is ${which === 'undo' ? 'taken back' : 'back'}.`)
    } catch (e) {
      this.say(problem(HhsError.from(e)))
      await this.room.undoState().then(s => this.draw(s), () => {})
    }
  }

  private async draw(state: UndoState): Promise<void> {
    const turn = ++this.turn
    const labels = await Promise.all([this.label(state.undo), this.label(state.redo)]).catch(() => undefined)
    if (!labels || turn !== this.turn) return // the engine is being replaced, or there is news already
    for (const [button, verb, told] of [[this.undo, 'Undo', labels[0]], [this.redo, 'Redo', labels[1]]] as const) {
      button.disabled = told === undefined
      button.dataset.what = told ?? ''
      button.title = told ? `${verb}: ${told}` : `Nothing to ${verb.toLowerCase()}`
    }
    publish({ undo: labels[0] ?? '', redo: labels[1] ?? '' })
  }

  /** What the next step is about; undefined when there is none, or only that this person came in. */
  private async label([commit]: string[]): Promise<string | undefined> {
    if (commit === undefined) return undefined
    const { entries: [entry] } = await this.room.history({ version: commit, limit: 1 })
    return entry && what(entry)
  }

  private say(text: string): void {
    setText(byId('undo-note'), text)
    show(byId('undo-note'), text !== '')
  }
}
