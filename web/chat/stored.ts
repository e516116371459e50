/** What this browser keeps, in plain words. */
import type { HhsNode } from '../../js/src/index.js'
import { byId, h, show } from '../lib/dom.js'
import { publish } from '../lib/publish.js'
import { count, size } from '../lib/text.js'
import type { Room } from './kind.js'

export async function showStored(node: HhsNode, room: Room): Promise<void> {
  const [info, spaces, estimate, persisted, schema, names] = await Promise.all([
    room.info(), node.spaces(), navigator.storage.estimate(), navigator.storage.persisted(), room.schema().catch(() => undefined), room.names(), // the room may not be here yet
  ])
  const lines = [
    'Your keys. They cannot be copied out of this browser.',
    `This room: ${count(info.commits, 'commit')}, ${size(info.bytes)}.${info.refused > 0 ? ` ${count(info.refused, 'commit')} refused.` : ''}`,
    `${count(spaces.length, 'room')} in all. This site uses ${size(estimate.usage ?? 0)} of ${size(estimate.quota ?? 0)}.`,
    persisted ? 'The browser keeps it until you delete it.' : 'The browser may delete it when the disk is full; a private window deletes it when it is closed.',
    'Each other member keeps a copy of the room, too.',
    ...(schema?.changes ?? []).map(c => `Since ${new Date(c.time).toLocaleString()} the room is of version ${c.version} of its kind, by ${
      names.get(c.author) ?? c.author.slice(-8)}: ${c.fields.join(', ')}. This page knows version ${room.kind.version}, and keeps the rest.`),
  ]
  byId('stored-list').replaceChildren(...lines.map(l => h('li', {}, l)))
  const ask = byId('persist')
  show(ask, !persisted)
  ask.onclick = async () => {
    await navigator.storage.persist()
    await showStored(node, room)
  }
  publish({ refused: info.refused, persisted, schemaChanges: schema?.changes.length ?? 0 })
}
