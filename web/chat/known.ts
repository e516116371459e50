/**
 * What the page knows of its rooms apart from its store. Browsers remove stored data when the disk is short or somebody clears it, and
 * then an empty page would look as if there had never been anything. This list is kept where browsers mostly leave it (localStorage):
 * a room that is in it and not in the store was removed, and the page says so.
 */
import type { HhsNode, SpaceInfo } from '../../js/src/index.js'
import { databaseName } from '../lib/boot.js'
import { byId, h, show } from '../lib/dom.js'
import { publish } from '../lib/publish.js'
import { count } from '../lib/text.js'

/** A room as it is remembered. */
interface Known {
  label: string
  /** Opens it again. */
  link: string
}

const key = `hhs.chat.rooms.${databaseName()}`

function read(): Map<string, Known> {
  try {
    return new Map(Object.entries(JSON.parse(localStorage.getItem(key) ?? '{}') as { [id: string]: Known }))
  } catch {
    return new Map() // written by something else
  }
}

function write(rooms: Map<string, Known>): void {
  try {
    localStorage.setItem(key, JSON.stringify(Object.fromEntries(rooms)))
  } catch {
    // No space for it, or forbidden: then a removal cannot be found out.
  }
}

/** Keeps a room in the list, with what is known of it now. */
export function remember(id: string, label: string, link?: string): void {
  const rooms = read()
  const before = rooms.get(id)
  const now = { label: label || before?.label || '', link: link ?? before?.link ?? `hhs:${id}` }
  if (before?.label === now.label && before.link === now.link) return
  write(rooms.set(id, now))
}

/** Takes rooms off the list: they were left on purpose, or their loss has been read. */
export function forget(ids: Iterable<string>): void {
  const rooms = read()
  for (const id of ids) rooms.delete(id)
  write(rooms)
}

/** Says which rooms the browser has removed, if it has; called when the engine has opened the store. */
export function sayMissing(node: HhsNode, spaces: SpaceInfo[], open: (link: string) => void): void {
  const here = new Set(spaces.map(s => s.space))
  const missing = [...read()].filter(([id]) => !here.has(id))
  publish({ missing: missing.length })
  if (missing.length === 0) return
  const what = node.fresh ? `your keys and ${count(missing.length, 'room')}` : count(missing.length, 'room')
  const seen = (ids: string[]) => {
    forget(ids)
    const left = Number(document.documentElement.dataset.missing) - ids.length
    publish({ missing: left })
    if (left === 0) show(byId('lost'), false)
  }
  const links = missing.map(([id, room]) => {
    const item = h('li', {}, h('button', {
      type: 'button', class: 'quiet', onclick: () => { item.remove(); missing.splice(missing.findIndex(m => m[0] === id), 1); seen([id]); open(room.link) },
    }, `Open ${room.label || `Room ${id.slice(-8)}`} again`))
    return item
  })
  say(`The browser has removed what this page kept: ${what}. A room that others have comes back when you open it again; ` +
    `what only this browser had is lost.${node.fresh ? ' You have new keys, so for the others you are somebody new.' : ''}`,
  h('ul', { class: 'plain row' }, ...links),
  h('button', { type: 'button', onclick: () => seen(missing.map(([id]) => id)) }, 'Go on without'))
}

/** Says why nothing can be stored any more while the page is open. What it shows stays on the screen. */
export async function sayTaken(): Promise<void> {
  const there = (await indexedDB.databases()).some(d => d.name === databaseName())
  publish({ store: there ? 'taken' : 'removed' })
  const text = there
    ? 'Another version of this page, in another tab, has taken over what is stored here. Nothing is lost; this tab only shows what it had.'
    : 'The browser has just removed what this page kept. What you see here is not stored any more: copy what you need before you start again. A room that others have comes back then.'
  say(text, h('button', { type: 'button', onclick: () => location.reload() }, there ? 'Reload' : 'Start again'))
}

function say(text: string, ...more: Node[]): void {
  byId('lost').replaceChildren(h('p', {}, text), ...more)
  show(byId('lost'), true)
}
