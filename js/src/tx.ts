/** Collects what one `update` writes: all of it becomes one commit, or nothing does. */
import type { Value } from './cbor.js'
import { describe, isPlain, isWellFormed, joinPath } from './cbor.js'
import type { Data } from './client.js'
import type { Declared } from './declared.js'
import { HhsError } from './errors.js'
import type { Step } from './fields.js'
import { Link } from './link.js'
import { whole } from './sequences.js'
import type { Schema } from './schema.js'
import { type Field, type FieldType, type Fields, type FoldTypes, type Shape, checkKey, keyPath } from './shapes.js'

/** Writes one register, or what is set once. */
export interface RegisterWriter<T> {
  set(value: T): void
}

/** Writes one counter. */
export interface CounterWriter {
  /** Adds a whole number, which may be negative; beyond 2^53 it is a bigint, of 64 bits at most. */
  add(n: number | bigint): void
}

/** Writes one set from which nothing is removed. */
export interface GrowSetWriter<T> {
  add(value: T): void
}

/** Writes one set. */
export interface SetWriter<T> extends GrowSetWriter<T> {
  /** Removes an equal value, as far as this device has seen it being added. */
  remove(value: T): void
}

/** Writes one log. */
export interface LogWriter<T> {
  append(value: T): void
}

/** Writes one list. A call sees what those before it in the update did; a place that is not there is refused. */
export interface ListWriter<T> {
  /** Inserts values before the one at a place, or with the size as place at the end. */
  insert(at: number, ...values: T[]): void
  /** Inserts values at the end. */
  push(...values: T[]): void
  /** Writes a new value into the element at a place, which stays the same element. */
  set(at: number, value: T): void
  /** Deletes a number of elements, one if none is given. */
  delete(at: number, count?: number): void
}

/** Writes one text. Places are UTF-16 units, as in strings; a call sees what those before it in the update did. */
export interface TextWriter {
  insert(at: number, text: string): void
  /** Inserts text at the end. */
  append(text: string): void
  /** Deletes a number of units, one if none is given; half of a character cannot be deleted. */
  delete(at: number, count?: number): void
  /** Deletes and inserts at one place. */
  splice(at: number, count: number, text: string): void
}

/** Writes one fold. */
export interface FoldWriter<Op> {
  /** Adds an op; whether the fold takes or ignores it is seen where it is read. */
  do(op: Op): void
}

/** What a record may have from the beginning: a value for a register, a number for a counter, lists for sets, logs and lists, a string for a text. */
export type Initial<F> =
  F extends Field<'register' | 'once', infer T> ? T :
  F extends Field<'counter', any> ? number | bigint :
  F extends Field<'set' | 'growset' | 'log' | 'list', infer T> ? T[] :
  F extends Field<'text', any> ? string :
  F extends Field<'fold', FoldTypes<any, infer O>> ? O[] :
  F extends Field<'map', infer V> ? { [key: string]: Initial<V> } :
  F extends Field<'record', infer Fs> ? { [N in keyof Fs]?: Initial<Fs[N]> } : never

/** Writes what stands at the keys of a map. */
export type MapWriter<V> = {
  /** Writes what stands at a key; a record must be there, or be made in this update before. */
  at(key: string): Writer<V>
} & (V extends Field<'record', any> ? {
  /** Makes a record at a key, in place of the one that is there, and returns what writes it. */
  make(key: string, values?: Initial<V>): Writer<V>
} : unknown) & (V extends Field<'counter' | 'growset' | 'once', any> ? unknown : {
  /** Takes the key out, as far as this device has seen what is there. */
  remove(key: string): void
})

/** What writes a value. */
export type Writer<F> =
  F extends Field<'register' | 'once', infer T> ? RegisterWriter<T> :
  F extends Field<'counter', any> ? CounterWriter :
  F extends Field<'set', infer T> ? SetWriter<T> :
  F extends Field<'growset', infer T> ? GrowSetWriter<T> :
  F extends Field<'log', infer T> ? LogWriter<T> :
  F extends Field<'list', infer T> ? ListWriter<T> :
  F extends Field<'text', any> ? TextWriter :
  F extends Field<'fold', FoldTypes<any, infer O>> ? FoldWriter<O> :
  F extends Field<'map', infer V> ? MapWriter<V> :
  F extends Field<'record', infer Fs> ? { readonly [N in keyof Fs]: Writer<Fs[N]> } : never

/** What the function given to `update` gets. */
export type Writers<F extends Fields> = { readonly [N in keyof F]: Writer<F[N]> } & {
  /** Lets an object and all it links to travel with this commit. */
  attach(link: Link): void
}

/** The ops of one update, in the order of the calls. */
export interface Ops {
  ops: Data[]
  /** What each op writes, as messages call it. */
  places: string[]
  attach: string[]
}

const actions: { [K in FieldType]: string[] } = {
  register: ['set'], once: ['set'], set: ['add', 'remove'], growset: ['add'], log: ['append'], counter: ['add'], list: [], text: [], fold: ['do'], map: [], record: [],
}

/** Where a writer writes: the field, the steps to the value, and both as text for messages. */
interface Place {
  field: string
  steps: Step[]
  text: string
}

function inside(p: Place, text: string, ...steps: Step[]): Place {
  return { field: p.field, steps: [...p.steps, ...steps], text }
}

/** Makes the writers of a kind's fields; `done` ends the collecting. `declared` is what the space has where that is something else. */
export function collect<F extends Fields>(fields: F, declared?: Declared): { writers: Writers<F>; done(): Ops } {
  const c = new Collector(declared)
  const writers: { [name: string]: unknown } = { attach: (l: Link) => c.attach(l) }
  for (const [name, f] of Object.entries(fields)) writers[name] = c.writer(f, { field: name, steps: [], text: name })
  return { writers: writers as unknown as Writers<F>, done: () => c.done() }
}

type Call = (...args: any[]) => unknown

class Collector {
  private readonly out: Ops = { ops: [], places: [], attach: [] }
  private open = true

  constructor(private readonly declared: Declared | undefined) {}

  done(): Ops {
    this.open = false
    return this.out
  }

  attach(l: Link): void {
    this.guard()
    this.out.attach.push(l.text)
  }

  writer(f: Shape, p: Place): unknown {
    const { of, fields } = f.inside
    if (fields) return this.properties(fields, p)
    if (of) return this.map(of, p)
    if (f.name === 'list') return this.list(f, p)
    if (f.name === 'text') return this.text(p)
    const writer: { [action: string]: Call } = {}
    for (const action of actions[f.name]) writer[action] = value => this.write(f, p, action, schema => fit(schema, value, p.text))
    return writer
  }

  private guard(): void {
    if (!this.open) throw new HhsError('closed', 'this update is over; write inside the function given to update')
  }

  /** Adds an op with a value of the schema of its place. Setting it keeps what the program does not know of the value there. */
  private write(f: Shape, p: Place, action: string, value: (schema: Schema<unknown> | undefined) => Value): void {
    const own = f.inside.schema
    const schema = this.declared ? this.declared.schema(f, p.field, p.steps) : own
    const fitting = value(schema)
    if (own && schema !== own) this.declared!.hasAll(p.field, p.steps, value)
    const i = this.push(p, action, fitting)
    if (own && schema !== own && action === 'set' && f.name !== 'once') this.out.ops[i]!.known = own.value
  }

  /** Adds an op and returns its index. */
  private push(p: Place, action: string, value?: Value): number {
    this.guard()
    this.declared?.has(p.field, p.steps, p.text)
    const op: Data = { field: p.field, action }
    if (p.steps.length > 0) op.path = p.steps
    if (value !== undefined) op.value = value
    this.out.places[this.out.ops.length] = p.text
    return this.out.ops.push(op) - 1
  }

  private properties(fields: Fields, p: Place): object {
    return Object.fromEntries(Object.entries(fields).map(([name, f]) => [name, this.writer(f, inside(p, joinPath(p.text, name), name))]))
  }

  private list(f: Shape, p: Place): ListWriter<unknown> {
    const insert = (at: number | null, values: unknown[]) => {
      if (values.length > 0) this.write(f, p, 'insert', schema => [at, values.map(v => fit(schema, v, p.text))])
    }
    return {
      insert: (at, ...values) => insert(whole(at, p.text), values),
      push: (...values) => insert(null, values),
      set: (at, value) => { this.write(f, p, 'set', schema => [whole(at, p.text), fit(schema, value, p.text)]) },
      delete: (at, n = 1) => { this.push(p, 'delete', [whole(at, p.text), whole(n, p.text)]) },
    }
  }

  private text(p: Place): TextWriter {
    const insert = (at: number | null, text: string) => { if (wellFormed(text, p.text)) this.push(p, 'insert', [at, text]) }
    return {
      insert: (at, text) => insert(whole(at, p.text), text),
      append: text => insert(null, text),
      delete: (at, n = 1) => { this.push(p, 'delete', [whole(at, p.text), whole(n, p.text)]) },
      splice: (at, n, text) => { this.push(p, 'splice', [whole(at, p.text), whole(n, p.text), wellFormed(text, p.text)]) },
    }
  }

  private map(of: Shape, p: Place): object {
    const key = (k: string) => inside(p, keyPath(p.text, checkKey(k, p.text)), k)
    const entered = (at: Place, step: Step) => this.writer(of, inside(at, at.text, step))
    if (of.name !== 'record') {
      const leaf: { [name: string]: Call } = { at: k => this.writer(of, key(k)) }
      // A set is at its key as long as it has elements.
      if (of.name === 'register' || of.name === 'set') leaf.remove = k => { this.push(key(k), of.name === 'set' ? 'clear' : 'remove') }
      return leaf
    }
    return {
      at: (k: string) => entered(key(k), null),
      remove: (k: string) => { this.push(key(k), 'remove') },
      make: (k: string, values: unknown = {}) => {
        const at = key(k)
        const kept = this.out.ops.length
        const w = entered(at, this.push(at, 'make'))
        try {
          this.fill(of, w, values, at.text)
        } catch (e) {
          this.out.ops.length = kept // whoever catches this has written nothing
          throw e
        }
        return w
      },
    }
  }

  /** Writes what a new record has from the beginning. */
  private fill(f: Shape, w: any, v: unknown, path: string): void {
    const { of, fields } = f.inside
    if (fields) {
      if (!isPlain(v)) throw new HhsError('schema', `expected an object, not ${describe(v)}`, path)
      for (const [name, x] of Object.entries(v)) {
        const at = joinPath(path, name)
        if (!Object.hasOwn(fields, name)) throw new HhsError('schema', 'is not a property of this record', at)
        this.fill(fields[name]!, w[name], x, at)
      }
    } else if (of) {
      if (!isPlain(v)) throw new HhsError('schema', `expected an object, not ${describe(v)}`, path)
      for (const [k, x] of Object.entries(v)) {
        if (of.name === 'record') w.make(k, x)
        else this.fill(of, w.at(k), x, keyPath(path, k))
      }
    } else if (f.name === 'register' || f.name === 'once') {
      w.set(v)
    } else if (f.name === 'counter') {
      w.add(v)
    } else if (f.name === 'text') {
      w.append(v)
    } else {
      if (!Array.isArray(v)) throw new HhsError('schema', `expected a list, not ${describe(v)}`, path)
      for (let i = 0; i < v.length; i++) {
        const put: Call = w.append ?? w.push ?? w.add ?? w.do
        put(v[i])
      }
    }
  }
}

/** Checks text that is to be inserted. */
function wellFormed(text: unknown, path: string): string {
  if (typeof text !== 'string') throw new HhsError('value', `expected text, not ${describe(text)}`, path)
  if (!isWellFormed(text)) throw new HhsError('value', 'text with a lone surrogate (half of a character) cannot be stored', path)
  return text
}

/** Checks a value that is to be written and returns what is to be encoded. */
function fit(schema: Schema<unknown> | undefined, v: unknown, path: string): Value {
  if (schema) return schema.fit(v, path)
  if (typeof v === 'bigint' ? BigInt.asIntN(64, v) !== v : !Number.isSafeInteger(v)) {
    throw new HhsError('value', `a counter adds whole numbers of 64 bits, not ${describe(v)}`, path)
  }
  return v as Value
}
