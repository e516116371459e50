/** A poll: a question, and answers that everybody counts. */
import { counter, defineSpace, map, open, register, string } from 'hhs'

// What a poll is. A counter is exact, however many add to it at the same time.
const Poll = defineSpace('example.org/poll', 1, {
  question: register(string({ max: 200 })),
  answers: map(counter()),
})

const $ = <E extends HTMLElement>(selector: string, within: ParentNode = document) => within.querySelector<E>(selector)!
const status = $('#status')
addEventListener('unhandledrejection', e => { status.textContent = (e.reason as Error).message })

// This browser's own data. Servers only introduce browsers to each other; this page asks the one it came from.
const host = await fetch('../../hhs.json').then(r => r.json()).catch(() => ({}))
const node = await open({ kinds: [Poll], servers: host.servers })

// The poll that the address names, or a new one, whose link becomes the address.
const poll = location.hash ? await node.join(Poll, decodeURI(location.hash.slice(1))) : await node.create(Poll)
history.replaceState(null, '', `#${await poll.link()}`)
addEventListener('hashchange', () => location.reload())

poll.subscribeStatus(s => {
  if (s.peers === 0) status.textContent = 'Kept on this device; nobody else is here now.'
  else status.textContent = s.state === 'synced' ? `The same on ${s.synced + 1} devices.` : 'Comparing with the others.'
})

const question = $<HTMLInputElement>('#question')
question.onchange = () => poll.update(r => r.question.set(question.value))
poll.question.subscribe(text => {
  if (question !== document.activeElement) question.value = text ?? ''
  document.title = text || 'Poll'
})

$<HTMLFormElement>('#add').onsubmit = async e => {
  e.preventDefault()
  const text = $<HTMLInputElement>('#text')
  const answer = text.value.trim()
  text.value = ''
  // A key is there from the first addition on, even if it adds nothing.
  if (answer) await poll.update(r => r.answers.at(answer).add(0))
}

// Nothing keeps anybody from voting twice: this browser just remembers what it said.
async function vote(answer: string): Promise<void> {
  const before = localStorage.getItem(poll.id)
  if (before === answer) localStorage.removeItem(poll.id)
  else localStorage.setItem(poll.id, answer)
  // A change of mind is one update: nobody ever sees both votes, or neither.
  await poll.update(r => {
    if (before !== null) r.answers.at(before).add(-1)
    if (before !== answer) r.answers.at(answer).add(1)
  })
}

function newRow(answer: string): HTMLElement {
  const row = $('li', $<HTMLTemplateElement>('template').content.cloneNode(true) as DocumentFragment)
  $('span', row).textContent = answer
  $('button', row).onclick = () => vote(answer)
  return row
}

// Called with all answers now, and again whenever a count has changed.
const rows = new Map<string, HTMLElement>()
poll.answers.subscribe(entries => {
  const sum = entries.reduce((n, e) => n + Number(e.value), 0)
  entries.forEach(({ key, value }, i) => {
    const row = rows.get(key) ?? newRow(key)
    rows.set(key, row)
    $('output', row).textContent = String(value)
    $('button', row).setAttribute('aria-pressed', String(key === localStorage.getItem(poll.id)))
    $('button', row).style.setProperty('--share', `${sum > 0 ? (100 * Number(value)) / sum : 0}%`)
    const at = $('#answers').children[i]
    if (at !== row) $('#answers').insertBefore(row, at ?? null)
  })
})
