/** How others find a room: link, words, servers. */
import { HhsError } from '../../js/src/index.js'
import { byId, copy, h, setText, show } from '../lib/dom.js'
import { publish } from '../lib/publish.js'
import { addressNote } from '../lib/text.js'
import type { Room } from './kind.js'
import { remember } from './known.js'

/** The address of this page that opens a link. */
function pageLink(link: string): string {
  return `${location.origin}${location.pathname}#${link}`
}

/** Shows how to find the room, and puts its link into the address, so that reloading and copying the address work. */
export async function showInvitation(room: Room): Promise<void> {
  const i = await room.invitation()
  const link = pageLink(i.link)
  const field = byId<HTMLInputElement>('link')
  field.value = link
  field.onfocus = () => field.select()
  byId('copy-link').onclick = () => void copy(byId<HTMLButtonElement>('copy-link'), link)
  const note = addressNote(location.href, [...i.servers, ...i.endpoints])
  setText(byId('link-note'), note)
  show(byId('link-note'), note !== '')
  show(byId('words-line'), i.words !== undefined)
  setText(byId('words'), i.words ?? '')
  setText(byId('words-server'), i.wordsServer ? `They work at ${i.wordsServer}` : '')
  byId('servers').replaceChildren(...(i.servers.length > 0 ? i.servers.map(s => h('li', {}, s)) : [h('li', {}, 'None: this room cannot be found by others yet.')]))
  history.replaceState(null, '', `#${i.link}`)
  remember(room.id, '', i.link)
  publish({ link, words: i.words ?? '', servers: i.servers.join(' ') })
}

/** Lets a person add a signalling server to the room. */
export function handleServers(current: () => Room | undefined): void {
  const field = byId<HTMLInputElement>('server')
  byId<HTMLFormElement>('server-form').onsubmit = async e => {
    e.preventDefault()
    const room = current()
    const address = field.value.trim()
    if (!room || !address) return
    try {
      await room.addServers([address])
      field.value = ''
      setText(byId('server-note'), '')
      await showInvitation(room)
    } catch (err) {
      setText(byId('server-note'), HhsError.from(err).message)
    }
  }
}
