/** The playground: puts `hhs` on the console and shows what it shares. */
import { type Candidate, HhsError } from '../../js/src/index.js'
import { boot } from '../lib/boot.js'
import { byId, copy, h, setText, show } from '../lib/dom.js'
import { publish } from '../lib/publish.js'
import { age, statusSentence, tail } from '../lib/text.js'
import { Console, Playground, type Screen, type SharedState } from './api.js'

const shown = new Map<string, HTMLLIElement>()

/** A value as text; the console shows it better. */
function text(value: unknown): string {
  if (value === undefined) return '(not here yet)'
  return JSON.stringify(value, (_, v: unknown) => (typeof v === 'bigint' ? String(v) : v instanceof Uint8Array ? `${v.length} bytes` : v), 2)
}

const screen: Screen = {
  link: link => `${location.origin}${location.pathname}#${link}`,

  offer(candidates: Candidate[], choose: (index: number) => void): void {
    byId('candidates').replaceChildren(...candidates.map((c, i) => h('li', { 'data-space': c.space },
      'made by ', h('code', { title: c.creator }, tail(c.creator)), `, ${age(c.created)}`,
      h('button', { type: 'button', onclick: () => { show(byId('choice'), false); choose(i) } }, 'Open this one'))))
    show(byId('choice'), true)
    publish({ candidates: candidates.length })
  },

  opened(s: SharedState): void {
    show(byId('choice'), false)
    if (shown.has(s.space.id)) return
    const value = h('pre', { class: 'value' })
    const status = h('span', { class: 'small' })
    const copyLink = h('button', { type: 'button', onclick: () => void copy(copyLink, s.link) }, 'Copy link')
    const item = h('li', { 'data-space': s.space.id }, value, status,
      h('span', { class: 'small' }, s.words ? `Words: ${s.words}` : 'No words: no signalling server is known here.'), h('span', {}, copyLink))
    shown.set(s.space.id, item)
    byId('states').append(item)
    show(byId('none'), false)
    s.subscribe(v => {
      setText(value, text(v))
      publish({ value: text(v), values: shown.size })
    })
    s.space.subscribeStatus(st => {
      setText(status, statusSentence(st))
      item.dataset.status = st.state
      publish({ status: st.state, peers: st.peers })
    })
  },
}

const booted = boot([Playground], '../')
const api = new Console(booted, screen)
;(globalThis as unknown as { hhs: Console }).hhs = api

for (const button of document.querySelectorAll<HTMLButtonElement>('[data-copies]')) {
  button.onclick = () => void copy(button, byId(button.dataset.copies!).textContent ?? '')
}

const node = await booted
for (const s of await node.spaces()) {
  if (s.kind === Playground.kind && s.ready) await api.open(s.space)
}
const link = decodeURI(location.hash.slice(1))
if (link.startsWith('hhs:')) {
  await api.open(link).catch((e: unknown) => {
    setText(byId('none'), HhsError.from(e).message)
    show(byId('none'), true)
  })
}
publish({ booted: true })
