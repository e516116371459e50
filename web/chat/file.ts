/** A room as a file: to keep, or to carry to another device. */
import { HhsError, type HhsNode } from '../../js/src/index.js'
import { byId, h, setText } from '../lib/dom.js'
import { publish } from '../lib/publish.js'
import { count, problem, size } from '../lib/text.js'
import type { Room } from './kind.js'

/** How far it is, and what came of it; aloud only at the end. */
function told(note: HTMLElement, p: { commits: number; all: number; bytes: number }): void {
  setText(note, p.all > 0 ? `${Math.round((100 * p.commits) / p.all)} %, ${size(p.bytes)}` : size(p.bytes))
}

/** Writes a room into a file that the browser downloads. */
export async function saveFile(node: HhsNode, room: Room, topic: string): Promise<void> {
  const note = byId('save-note')
  const button = byId<HTMLButtonElement>('save')
  button.disabled = true
  publish({ saved: 'saving' })
  try {
    const file = await new Response(node.export(room, { onProgress: p => told(note, p) })).blob()
    const url = URL.createObjectURL(file)
    const name = `${topic.replace(/[^\p{L}\p{N} _-]/gu, '').trim().slice(0, 60) || 'room'}.car`
    h('a', { href: url, download: name }).click()
    setTimeout(() => URL.revokeObjectURL(url), 60_000)
    setText(note, `${name}, ${size(file.size)}, is among your downloads. Whoever has it can read the room.`)
    publish({ saved: file.size })
  } catch (e) {
    setText(note, `Not saved. ${problem(HhsError.from(e))}`)
    publish({ saved: 'error' })
  }
  button.disabled = false
}

/** Reads a room from a file that a person chose, and opens it. */
export function handleFile(node: HhsNode, open: (space: string) => Promise<void>): void {
  const choose = byId<HTMLInputElement>('file')
  const note = byId('file-note')
  byId('open-file').onclick = () => choose.click()
  choose.onchange = async () => {
    const file = choose.files?.[0]
    choose.value = ''
    if (!file) return
    publish({ read: 'reading' })
    try {
      const x = await node.import(file, { onProgress: p => told(note, p) })
      await open(x.space)
      setText(note, x.new === 0 ? 'All of this file was here already.' : `${count(x.new, 'commit')} of ${x.commits} were new here.`)
      publish({ read: x.new })
    } catch (e) {
      const error = HhsError.from(e)
      setText(note, error.code === 'file' ? `This file is damaged, or is not a room. What was whole before the damage is read. (${error.message})` : problem(error))
      publish({ read: error.code })
    }
  }
}
