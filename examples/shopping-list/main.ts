/** A shopping list for several people, without a server that has it. */
import { bool, counter, defineSpace, map, open, record, register, string } from 'hhs'

// What a list is. Each item is a record of its own: two people who change one item's name and its count at the same time get both.
const List = defineSpace('example.org/shopping', 1, {
  items: map(record({
    title: register(string({ min: 1, max: 100 })),
    done: register(bool()),
    count: counter(),
  })),
})

const $ = <E extends HTMLElement>(selector: string, within: ParentNode = document) => within.querySelector<E>(selector)!
const status = $('#status')
addEventListener('unhandledrejection', e => { status.textContent = (e.reason as Error).message })

// This browser's own data. Servers only introduce browsers to each other; this page asks the one it came from.
const host = await fetch('../../hhs.json').then(r => r.json()).catch(() => ({}))
const node = await open({ kinds: [List], servers: host.servers })

// The list that the address names, or a new one, whose link becomes the address.
const list = location.hash ? await node.join(List, decodeURI(location.hash.slice(1))) : await node.create(List)
history.replaceState(null, '', `#${await list.link()}`)
addEventListener('hashchange', () => location.reload())

list.subscribeStatus(s => {
  if (s.peers === 0) status.textContent = 'Kept on this device; nobody else is here now.'
  else status.textContent = s.state === 'synced' ? `The same on ${s.synced + 1} devices.` : 'Comparing with the others.'
})

$<HTMLFormElement>('#add').onsubmit = async e => {
  e.preventDefault()
  const what = $<HTMLInputElement>('#what')
  const title = what.value.trim()
  const key = title.toLowerCase()
  what.value = ''
  if (!title) return
  const known = await list.items.has(key)
  // Everything in one update is written at once, or not at all.
  await list.update(r => {
    if (known) r.items.at(key).count.add(1)
    else r.items.make(key, { title, done: false, count: 1 })
  })
}

$('#tidy').onclick = async () => {
  const done = (await list.items.entries()).filter(e => e.value.done)
  if (done.length > 0) await list.update(r => done.forEach(e => r.items.remove(e.key)))
}

// Undo takes back what was done here, never what others did, and knows of it after a reload too.
const [undo, redo] = [$<HTMLButtonElement>('#undo'), $<HTMLButtonElement>('#redo')]
undo.onclick = () => list.undo()
redo.onclick = () => list.redo()
list.subscribeUndo(next => {
  undo.disabled = next.undo.length === 0
  redo.disabled = next.redo.length === 0
})

function newRow(key: string): HTMLElement {
  const row = $('li', $<HTMLTemplateElement>('template').content.cloneNode(true) as DocumentFragment)
  const [box, title] = [$<HTMLInputElement>('[type=checkbox]', row), $<HTMLInputElement>('.title', row)]
  box.onchange = () => list.update(r => r.items.at(key).done.set(box.checked))
  title.onchange = () => list.update(r => r.items.at(key).title.set(title.value))
  $('.less', row).onclick = () => list.update(r => r.items.at(key).count.add(-1))
  $('.more', row).onclick = () => list.update(r => r.items.at(key).count.add(1))
  $('.remove', row).onclick = () => list.update(r => r.items.remove(key))
  return row
}

// Called with all items now, and again whenever somebody has changed one: the values are plain objects.
const rows = new Map<string, HTMLElement>()
list.items.subscribe(entries => {
  const ids = new Set(entries.map(e => e.id))
  for (const [id, row] of rows) if (!ids.has(id)) { row.remove(); rows.delete(id) }
  entries.forEach(({ id, key, value }, i) => {
    const row = rows.get(id) ?? newRow(key)
    rows.set(id, row)
    const title = $<HTMLInputElement>('.title', row)
    if (title !== document.activeElement) title.value = value.title ?? key
    $<HTMLInputElement>('[type=checkbox]', row).checked = value.done ?? false
    $('output', row).textContent = String(value.count)
    row.classList.toggle('done', value.done ?? false)
    const at = $('#items').children[i]
    if (at !== row) $('#items').insertBefore(row, at ?? null)
  })
})
