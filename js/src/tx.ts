/** Collects what one `update` writes: all of it becomes one commit, or nothing does. */
import type { Data } from './client.js'
import type { Field, FieldType, Fields } from './define.js'
import { HhsError } from './errors.js'
import { Link } from './link.js'

/** Writes one register. */
export interface RegisterWriter<T> {
  set(value: T): void
}

/** Writes one set. */
export interface SetWriter<T> {
  add(value: T): void
  /** Removes an equal value, as far as this device has seen it being added. */
  remove(value: T): void
}

/** Writes one log. */
export interface LogWriter<T> {
  append(value: T): void
}

type Writer<F> =
  F extends Field<'register', infer T> ? RegisterWriter<T> :
  F extends Field<'set', infer T> ? SetWriter<T> :
  F extends Field<'log', infer T> ? LogWriter<T> : never

/** What the function given to `update` gets. */
export type Writers<F extends Fields> = { readonly [N in keyof F]: Writer<F[N]> } & {
  /** Lets an object and all it links to travel with this commit. */
  attach(link: Link): void
}

/** The ops of one update, in the order of the calls. */
export interface Ops {
  ops: Data[]
  attach: string[]
}

const actions: { [K in FieldType]: string[] } = { register: ['set'], set: ['add', 'remove'], log: ['append'] }

/** Makes the writers of a kind's fields; `done` ends the collecting. */
export function collect<F extends Fields>(fields: F): { writers: Writers<F>; done(): Ops } {
  const out: Ops = { ops: [], attach: [] }
  let open = true
  const guard = () => {
    if (!open) throw new HhsError('closed', 'this update is over; write inside the function given to update')
  }
  const writers: { [name: string]: unknown } = {
    attach(l: Link) {
      guard()
      out.attach.push(l.text)
    },
  }
  for (const [name, field] of Object.entries(fields)) {
    const writer: { [action: string]: (value: unknown) => void } = {}
    for (const action of actions[field.name]) {
      writer[action] = value => {
        guard()
        out.ops.push({ field: name, action, value: field.schema.fit(value, name) })
      }
    }
    writers[name] = writer
  }
  return {
    writers: writers as unknown as Writers<F>,
    done() {
      open = false
      return out
    },
  }
}
