/**
 * What a space declares beside what a program defines: a program may be older or newer than the space. What the space has not yet reads
 * as empty and cannot be written; what the program does not know stays in the values that it replaces.
 */
import { type Value, encode } from './cbor.js'
import type { Data } from './client.js'
import { HhsError } from './errors.js'
import type { Step } from './fields.js'
import { Schema, Violation } from './schema.js'
import { type Field, type FieldType, type Fields, listed } from './shapes.js'

type Leaf = Field<FieldType, any>

/** The fields of a space, as its manifest has them, beside a program's. */
export class Declared {
  private constructor(private readonly fields: Value[], private readonly version: number, private readonly program: number) {}

  /** What a manifest declares, undefined where it is what the program defines. */
  static beside(manifest: Data, program: { fields: Fields; version: number }): Declared | undefined {
    return same(manifest.fields!, listed(program.fields)) ? undefined : new Declared(manifest.fields as Value[], manifest.version as number, program.version)
  }

  /** The shape at a place, undefined where the space has none. */
  at(field: string, steps: readonly Step[]): Data | undefined {
    let shape = named(this.fields, field)
    for (const step of steps) {
      if (!shape) return undefined
      if (typeof step !== 'string') continue // into the record that is there
      shape = shape.type === 'map' ? (shape.of as Data) : named((shape.fields ?? []) as Value[], step)
    }
    return shape
  }

  /** Throws where the space has no such place. */
  has(field: string, steps: readonly Step[], path: string): void {
    if (this.at(field, steps)) return
    throw new HhsError('old_schema', `the program defines it, and the space has it not yet; ${this.upgrading()}`, path)
  }

  /** Throws where a value, which `judge` holds to a schema, has a property that the space's schema has not. */
  hasAll(field: string, steps: readonly Step[], judge: (there: Schema<unknown>) => void): void {
    try {
      judge(Schema.parse(this.at(field, steps)!.schema))
    } catch (e) { // of the rest the engine judges: it knows what is kept
      if (e instanceof Violation && e.rule === 'unknown') throw new HhsError('schema', `${e.message} in the space; ${this.upgrading()}`, e.path)
    }
  }

  /** How the space comes by what the program defines and it has not. */
  private upgrading(): string {
    const { version, program } = this
    if (program > version) return `it is of version ${version}, and the program's version ${program} upgrades it when a founder opens it (or upgrade())`
    return `it is of version ${version}, and the program of version ${program}: raise the program's version to ${version + 1}, so that it upgrades the space ` +
      'when a founder opens it (or upgrade())'
  }

  /** The schema by which a program's values are checked: its own, with the properties that the space's has besides. */
  schema(f: Leaf, field: string, steps: readonly Step[]): Schema<unknown> | undefined {
    const own = f.inside.schema
    const there = this.at(field, steps)?.schema as Data | undefined
    return own && there && !same(own.value, there) ? Schema.parse(widen(own.value, there)) : own
  }
}

function named(fields: Value[], name: string): Data | undefined {
  return (fields as Data[]).find(f => f.name === name)
}

function same(a: Value, b: Value): boolean {
  const [x, y] = [encode(a), encode(b)]
  return x.length === y.length && x.every((byte, i) => byte === y[i])
}

/** A schema with what objects in another one have besides, as properties that may be absent. */
function widen(own: Data, there: Data): Data {
  if (own.type !== there.type || own.tag !== there.tag || own.type === undefined) return own
  if (own.type === 'list') return { ...own, items: widen(own.items as Data, there.items as Data) }
  if (own.type === 'union') return { ...own, of: widenAll(own.of as Data, there.of as Data, false) }
  if (own.type !== 'object') return own
  const props = widenAll((own.props ?? {}) as Data, (there.props ?? {}) as Data, own.open !== true)
  return Object.keys(props).length > 0 ? { ...own, props } : own
}

function widenAll(own: Data, there: Data, more: boolean): Data {
  const out: Data = {}
  for (const [name, s] of Object.entries(own)) out[name] = Object.hasOwn(there, name) ? widen(s as Data, there[name] as Data) : s
  if (more) for (const [name, s] of Object.entries(there)) if (!Object.hasOwn(own, name)) out[name] = s
  return out
}
