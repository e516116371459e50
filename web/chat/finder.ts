/** The field that opens a room by link or by three words. Words only find candidates: a person chooses, nothing is chosen beforehand. */
import { type Candidate, HhsError, type HhsNode } from '../../js/src/index.js'
import { byId, h, setText, show } from '../lib/dom.js'
import { publish } from '../lib/publish.js'
import { age, tail } from '../lib/text.js'
import { Chat } from './kind.js'

/** Whether text is a link or id rather than words. */
export function isLink(text: string): boolean {
  return text.includes(':') || /^b[a-z2-7]{20,}$/.test(text)
}

/** "three words @ server" in its parts; a bare host means its usual address. */
export function splitWords(text: string): { words: string; servers?: string[] } {
  const [words = '', server] = text.split('@').map(p => p.trim())
  if (!server) return { words }
  const scheme = location.protocol === 'https:' ? 'wss' : 'ws'
  return { words, servers: [/^wss?:/.test(server) ? server : `${scheme}://${server}/signal`] }
}

export function handleFinder(node: HhsNode, open: (where: string | Candidate) => Promise<void>): void {
  const field = byId<HTMLInputElement>('where')
  const note = byId('open-note')
  const box = byId('candidates')
  const say = (text: string) => {
    setText(note, text)
    publish({ finder: text })
  }
  const go = async (where: string | Candidate) => {
    try {
      await open(where)
      field.value = ''
      say('')
      show(box, false)
    } catch (e) {
      say(HhsError.from(e).message)
    }
  }
  byId<HTMLFormElement>('open-form').onsubmit = async e => {
    e.preventDefault()
    show(box, false)
    const text = field.value.trim()
    if (!text) return say('Paste a link, or write three words.')
    if (text.includes('hhs:') || (isLink(text) && !text.includes('@'))) return go(text)
    say('Asking who knows these words…')
    try {
      const { words, servers } = splitWords(text)
      const found = await node.lookup(words, servers ? { servers } : {})
      publish({ candidates: found.length })
      if (found.length === 0) return say('Nobody answered to these words. Their room must be open somewhere, at the same server.')
      say('')
      drawCandidates(box, found, go)
    } catch (err) {
      say(HhsError.from(err).message)
    }
  }
}

function drawCandidates(box: HTMLElement, found: Candidate[], go: (c: Candidate) => Promise<void>): void {
  const items = found.map(c => {
    const fits = c.kind === Chat.kind && c.version === Chat.version
    const button = fits
      ? h('button', { type: 'button', onclick: () => void go(c) }, 'Open this room')
      : h('span', { class: 'small' }, `Not a chat room but ${c.kind}, version ${c.version}`)
    return h('li', { 'data-space': c.space },
      h('span', {}, 'Made by ', h('code', { title: c.creator }, tail(c.creator)), `, ${age(c.created)}`), button)
  })
  box.replaceChildren(
    h('p', { class: 'small' }, 'Words can be imitated. Compare the end of the maker\'s key before you open a room.'),
    h('ul', { class: 'plain' }, ...items))
  show(box, true)
  box.querySelector('button')?.scrollIntoView({ block: 'nearest' })
}
