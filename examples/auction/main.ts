/** An auction in a page. What it is stands in auction.ts. */
import { open } from 'hhs'
import { Lot } from './auction.js'

const $ = <E extends HTMLElement>(selector: string) => document.querySelector<E>(selector)!
const status = $('#status')
addEventListener('unhandledrejection', e => { status.textContent = (e.reason as Error).message })

// This browser's own data. Servers only introduce browsers to each other; this page asks the one it came from.
const host = await fetch('../../hhs.json').then(r => r.json()).catch(() => ({}))
const node = await open({ kinds: [Lot], servers: host.servers })

// The auction that the address names, or a new one, whose link becomes the address.
const lot = location.hash ? await node.join(Lot, decodeURI(location.hash.slice(1))) : await node.create(Lot)
history.replaceState(null, '', `#${await lot.link()}`)
addEventListener('hashchange', () => location.reload())

lot.subscribeStatus(s => {
  if (s.peers === 0) status.textContent = 'Kept on this device; nobody else is here now.'
  else status.textContent = s.state === 'synced' ? `The same on ${s.synced + 1} devices.` : 'Comparing with the others.'
})

const title = $<HTMLInputElement>('#title')
title.onchange = () => lot.update(r => r.title.set(title.value))
lot.title.subscribe(text => {
  if (title !== document.activeElement) title.value = text ?? ''
  document.title = text || 'Auction'
})

const amount = $<HTMLInputElement>('#amount')
$<HTMLFormElement>('#bid').onsubmit = async e => {
  e.preventDefault()
  const bid = Number(amount.value)
  amount.value = ''
  await lot.update(r => r.sale.do({ bid, close: false }))
}
$('#close').onclick = () => lot.update(r => r.sale.do({ bid: 0, close: true }))
$('#undo').onclick = () => lot.undo()

const who = (identity: string) => (identity === node.identity ? 'you' : `…${identity.slice(-6)}`)

// Who founded the lot sells; that is known when its first commit is here.
await lot.ready()
const seller = (await lot.info()).creator === node.identity

// Called with what the ops come to, now and after each change: of a bid that comes late, or is taken back, too.
lot.sale.subscribe((a, ignored) => {
  const best = a.best > 0 ? `${a.best} by ${who(a.by)}` : 'no bid'
  $('#sale').textContent = a.closed ? `Sold: ${best}` : `Open: ${best}`
  $('#close').hidden = !seller || a.closed
  $('#bid').hidden = seller || a.closed
  $('#ignored').replaceChildren(...ignored.map(op => {
    const row = document.createElement('li')
    row.textContent = `${op.value.close ? 'close' : op.value.bid} by ${who(op.author)}: ${op.reason}`
    return row
  }))
})
