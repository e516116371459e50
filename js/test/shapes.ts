/** Shapes of what manifests say, made by the functions that applications call. */
import type { Value } from '../src/cbor.js'
import { Schema, string } from '../src/schema.js'
import { type Fields, type Shape, counter, fold, growset, list, log, map, once, record, register, set, text } from '../src/shapes.js'
import { auction } from '../../examples/auction/auction.js'

/** A shape as manifests have it. */
export interface Described {
  name: string
  type: string
  schema?: Value
  fold?: string
  version?: number
  of?: Described
  fields?: Described[]
}

const leaves = { register, once, set, growset, log, list }

/** Makes a shape, as far as that can be said by a call; the only fold whose function is known is the auction. */
function shapeOf(d: Described): Shape {
  const schema = d.schema === undefined ? string() : Schema.parse(d.schema)
  switch (d.type) {
    case 'counter': return counter()
    case 'text': return text()
    case 'map': return map(shapeOf(d.of!) as Parameters<typeof map>[0])
    case 'record': return record(fieldsOf(d.fields ?? []))
    case 'fold':
      if (d.fold === auction.inside.fold!.name) return auction
      return fold({ name: d.fold!, version: d.version!, op: schema, initial: 0, step: n => n })
  }
  return leaves[d.type as keyof typeof leaves](schema)
}

export function fieldsOf(list: readonly Described[]): Fields {
  return Object.fromEntries(list.map(d => [d.name, shapeOf(d)]))
}
