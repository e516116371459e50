/** Who is in a room, who of them is connected, and over what. */
import type { Peer } from '../../js/src/index.js'
import { byId, h } from '../lib/dom.js'
import { publish } from '../lib/publish.js'
import { nameOf, tail } from '../lib/text.js'
import type { Room } from './kind.js'

export class People {
  private participants: string[] = []
  private names = new Map<string, string>()
  private peers: Peer[] = []
  private readonly stops: (() => void)[]

  constructor(private readonly me: string, room: Room) {
    this.stops = [
      room.participants.subscribe(p => { this.participants = p; this.draw() }),
      room.subscribePeers(p => { this.peers = p; this.draw() }),
    ]
  }

  stop(): void {
    for (const stop of this.stops) stop()
  }

  setNames(names: Map<string, string>): void {
    this.names = names
    this.draw()
  }

  private draw(): void {
    const here = new Set(this.peers.map(p => p.identity))
    const people = [...new Set([...this.participants, ...here])]
    const rank = (id: string) => (id === this.me ? 0 : here.has(id) ? 1 : 2)
    people.sort((a, b) => rank(a) - rank(b) || nameOf(this.names, a).localeCompare(nameOf(this.names, b)))
    byId('people').replaceChildren(...people.map(id => this.person(id, here.has(id))))
    byId('peers').replaceChildren(...(this.peers.length > 0 ? this.peers.map(p => this.peer(p)) : [h('li', {}, 'Nobody is connected.')]))
    publish({
      people: this.participants.length,
      names: people.map(id => this.names.get(id) ?? '').filter(n => n).join(','),
      transports: [...new Set(this.peers.map(p => p.transport))].sort().join(','),
    })
  }

  private person(id: string, here: boolean): HTMLLIElement {
    const note = id === this.me ? ' (you)' : here ? ' (connected)' : ''
    return h('li', { class: here ? 'here' : undefined, 'data-identity': id },
      h('bdi', {}, nameOf(this.names, id)), ' ', h('code', { class: 'small', title: id }, tail(id)), h('span', { class: 'small' }, note))
  }

  private peer(p: Peer): HTMLLIElement {
    const over = p.transport === 'rtc' ? 'WebRTC' : p.transport === 'ws' ? 'WebSocket' : 'memory'
    const rtt = p.rtt === undefined ? '' : `, ${p.rtt} ms`
    return h('li', {}, h('bdi', {}, nameOf(this.names, p.identity)), ` ${tail(p.device)}: ${over}, ${p.direct ? 'direct' : 'not direct'}, ${p.state}${rtt}`)
  }
}
