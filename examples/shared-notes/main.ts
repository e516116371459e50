/** Notes that several people type into at once, without a server that has them. */
import { EditorView, placeholder } from '@codemirror/view'
import { defineSpace, open, register, string, text } from 'hhs'
import { redo, sharedText, undo } from 'hhs/codemirror'

// What notes are: a title, which is written whole, and a text, of which everybody changes a few letters here and there.
const Notes = defineSpace('example.org/notes', 1, {
  title: register(string({ max: 100 })),
  body: text(),
})

const $ = <E extends HTMLElement>(selector: string) => document.querySelector<E>(selector)!
const status = $('#status')
const failed = (e: unknown) => { status.textContent = (e as Error).message }
addEventListener('unhandledrejection', e => failed(e.reason))

// This browser's own data. Servers only introduce browsers to each other; this page asks the one it came from.
const host = await fetch('../../hhs.json').then(r => r.json()).catch(() => ({}))
const node = await open({ kinds: [Notes], servers: host.servers })

// The notes that the address names, or new ones, whose link becomes the address.
const notes = location.hash ? await node.join(Notes, decodeURI(location.hash.slice(1))) : await node.create(Notes)
history.replaceState(null, '', `#${await notes.link()}`)
addEventListener('hashchange', () => location.reload())

notes.subscribeStatus(s => {
  if (s.peers === 0) status.textContent = 'Kept on this device; nobody else is here now.'
  else status.textContent = s.state === 'synced' ? `The same on ${s.synced + 1} devices.` : 'Comparing with the others.'
})

// The editor. Its binding writes what is typed and brings in what others write; a cursor stays with the letters around it.
// It lives in a shadow root since this page's policy lets no script add styles to the document.
const root = $('#editor').attachShadow({ mode: 'open' })
const editor = new EditorView({
  root,
  parent: root,
  extensions: [
    sharedText(notes.body, { undo: notes, onError: failed }),
    EditorView.lineWrapping,
    EditorView.contentAttributes.of({ 'aria-label': 'Notes' }),
    EditorView.theme({ '&': { minHeight: '14rem' }, '&.cm-focused': { outline: 'none' }, '.cm-content': { caretColor: 'currentColor', font: '16px/1.5 system-ui, sans-serif' } }),
    placeholder('Type here.'),
  ],
})
editor.focus()

const title = $<HTMLInputElement>('#title')
title.onchange = () => notes.update(r => r.title.set(title.value))
notes.title.subscribe(t => {
  if (title !== document.activeElement) title.value = t ?? ''
  document.title = t || 'Shared notes'
})

// Undo takes back what was typed here, never what others typed, and knows of it after a reload too. So do the keys for it.
const [back, again] = [$<HTMLButtonElement>('#undo'), $<HTMLButtonElement>('#redo')]
back.onclick = () => undo(editor)
again.onclick = () => redo(editor)
notes.subscribeUndo(next => {
  back.disabled = next.undo.length === 0
  again.disabled = next.redo.length === 0
})
