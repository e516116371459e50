/** Words for people. */
import type { HhsError, Status } from '../../js/src/index.js'

/** What to say about an error: most say it themselves; that of a full store speaks of transactions. */
export function problem(e: HhsError): string {
  if (e.code !== 'full') return e.message
  return 'This browser gives no more storage: nothing of this was kept, and what was saved before is still here. Free disk space, or delete a room here, and try again.'
}

/** The part of a key shown beside a name: names prove nothing. */
export function tail(identity: string): string {
  return identity.slice(-8)
}

/** A name with the key's tail in words. */
export function nameOf(names: Map<string, string>, identity: string): string {
  return names.get(identity) || 'No name yet'
}

/** "1 peer", "3 peers". */
export function count(n: number, one: string, many = one + 's'): string {
  return `${n} ${n === 1 ? one : many}`
}

/** How long ago, in the largest unit that fits. A clock that runs ahead is now. */
export function age(time: number, now = Date.now()): string {
  const seconds = Math.max(0, Math.round((now - time) / 1000))
  const units: [number, string][] = [[86400, 'day'], [3600, 'hour'], [60, 'minute']]
  for (const [size, unit] of units) if (seconds >= size) return `${count(Math.floor(seconds / size), unit)} ago`
  return 'just now'
}

// Made once: making one takes longer than using it for a screenful.
const ofToday = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' })
const ofAnyDay = new Intl.DateTimeFormat(undefined, { dateStyle: 'short', timeStyle: 'short' })

/** The time of day, with the date when it is another day. */
export function clock(time: number): string {
  const d = new Date(time)
  return (d.toDateString() === new Date().toDateString() ? ofToday : ofAnyDay).format(d)
}

/** Bytes in the usual units. */
export function size(bytes: number): string {
  if (bytes < 1000) return `${bytes} bytes`
  const units = ['kB', 'MB', 'GB']
  let n = bytes / 1000
  let i = 0
  while (n >= 1000 && i < units.length - 1) {
    n /= 1000
    i++
  }
  return `${n < 10 ? n.toFixed(1) : Math.round(n)} ${units[i]}`
}

/** One true sentence about a space's connections. */
export function statusSentence(s: Status): string {
  const wait = s.ready ? '' : ' Waiting for the first copy of this room.'
  switch (s.state) {
    case 'offline': return `Offline. What you write is saved here and goes out later.${wait}`
    case 'connecting': return `Connecting: ${s.servers > 0 ? 'nobody else is here yet' : 'looking for a server'}.${wait}`
    case 'syncing': return `Syncing with ${count(s.peers, 'peer')}${s.toGo > 0 ? `, ${s.toGo} to go` : ''}, ${directness(s)}.${wait}`
    case 'synced': return `Synced with ${count(s.synced, 'peer')}, ${directness(s)}.`
  }
}

function directness(s: Status): string {
  if (s.direct === s.peers) return 'directly'
  return s.direct === 0 ? 'not directly' : `${s.direct} directly`
}

/** From where an address can be reached; a copy of `hhs.Link.Private`, for a note before a link is sent to a friend. */
export function scopeOf(address: string): 'loopback' | 'private' | 'public' {
  let host: string
  try {
    host = new URL(address).hostname.replace(/^\[|\]$/g, '')
  } catch {
    return 'public'
  }
  if (host === 'localhost' || host.endsWith('.localhost') || /^127\./.test(host) || host === '::1') return 'loopback'
  const local = /^(10\.|192\.168\.|169\.254\.|172\.(1[6-9]|2\d|3[01])\.|f[cd][0-9a-f]{2}:|fe[89ab][0-9a-f]:)/i.test(host)
  return local || host.endsWith('.local') || !/[.:]/.test(host) ? 'private' : 'public'
}

/** What to say about a link's addresses, empty when a friend elsewhere can use it. */
export function addressNote(page: string, addresses: string[]): string {
  const scopes = [page, ...addresses].map(scopeOf)
  if (scopes.includes('loopback')) return 'This link has an address that works on this computer only. For other devices start hhs serve with --public-url.'
  if (scopes.includes('private')) return 'This link has an address that works in this network only.'
  return ''
}
