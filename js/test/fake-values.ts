/** What a space of the stand-in engine holds: one copy, one writer at a time, so the last write is simply the last. */
import { type Value, encode } from '../src/cbor.js'
import type { Data } from '../src/client.js'

export interface Written { commit: string; index: number; identity: string; device: string; time: number }
type Entry = Written & { value: Value }

/** A shape as a manifest has it. */
interface Shape { type: string; of?: Shape; fields?: (Shape & { name: string })[] }

export function fail(code: string, message: string, path = ''): never {
  throw Object.assign(new Error(message), { code, path })
}

const same = (a: Value, b: Value) => String(encode(a)) === String(encode(b))
const utf8 = new TextEncoder()

/** How many elements of a value inside another are read with it. */
const most = 10

/** One value with what is inside it. */
class Node {
  entries: Entry[] = []
  text = ''
  sum = 0n
  readonly inside = new Map<string, Node>()
  made: Written | undefined

  constructor(readonly shape: Shape) {
    for (const f of shape.fields ?? []) this.inside.set(f.name, new Node(f))
  }

  /** A map's keys that are there. */
  keys(): string[] {
    const there = [...this.inside].filter(([, n]) => n.made || n.entries.length > 0 || (n.shape.type === 'counter' && n.sum !== 0n)).map(([k]) => k)
    return there.sort((a, b) => Buffer.compare(utf8.encode(a), utf8.encode(b)))
  }

  /** The value as it is read inside another one; `cut` is told when it is longer than that. */
  plain(cut?: () => void): Value | undefined {
    const { type } = this.shape
    const first = <T>(all: T[]) => {
      if (all.length > most) cut?.()
      return all.slice(0, most)
    }
    if (type === 'text') return this.text
    if (type === 'counter') return BigInt.asIntN(64, this.sum) === this.sum ? this.sum : String(this.sum)
    if (type === 'register' || type === 'once') return this.entries[0]?.value
    if (type === 'record') return object([...this.inside].map(([k, n]) => [k, n.plain(cut)]))
    if (type === 'map') return object(first(this.keys()).map(k => [k, this.inside.get(k)!.plain(cut)]))
    return first(this.entries).map(e => e.value)
  }
}

function object(all: [string, Value | undefined][]): Data {
  return Object.fromEntries(all.filter(([, v]) => v !== undefined)) as Data
}

/** The values of one space. */
export class Values {
  private readonly root: Node

  constructor(fields: Value) {
    this.root = new Node({ type: 'record', fields: fields as unknown as (Shape & { name: string })[] })
  }

  /** The value that a path leads to, and the texts on the way. `made` are the records of this update. */
  private find(field: string, path: Value[], made: (Node | undefined)[] = []): { node: Node; names: string[] } {
    let node = this.root.inside.get(field) ?? fail('invalid', `no field ${field}`)
    const names: string[] = []
    for (const step of path) {
      if (typeof step === 'string') {
        names.push(step)
        if (node.shape.type === 'map' && !node.inside.has(step)) node.inside.set(step, new Node(node.shape.of!))
        node = node.inside.get(step) ?? fail('invalid', `no property ${step}`)
      } else if (typeof step === 'number') {
        node = made[step] ?? fail('invalid', `op ${step} makes no record`)
      } else if (!node.made) {
        fail('not_found', `there is no record at ${names.join('/')}`)
      }
    }
    return { node, names }
  }

  /** Applies ops of one commit; returns where something changed. */
  apply(ops: Data[], by: Written): { field: string; path: string[] }[] {
    const made: (Node | undefined)[] = []
    return ops.map((op, index) => {
      const path = (op.path as Value[] | undefined) ?? []
      const { node, names } = this.find(op.field as string, path, made)
      this.act(node, op.action as string, op.value, { ...by, index })
      if (op.action === 'make') made[index] = node
      return { field: op.field as string, path: names }
    })
  }

  private act(n: Node, action: string, value: Value | undefined, by: Written): void {
    const there = value === undefined ? -1 : n.entries.findIndex(e => same(e.value, value))
    switch (`${n.shape.type} ${action}`) {
      case 'register set': case 'register remove': case 'set clear':
        n.entries = action === 'set' ? [{ ...by, value: value! }] : []
        return
      case 'once set':
        if (n.entries.length === 0) n.entries = [{ ...by, value: value! }]
        return
      case 'counter add': n.sum += BigInt(value as number); return
      case 'set add': case 'growset add':
        if (there < 0) n.entries.push({ ...by, value: value! })
        return
      case 'set remove':
        n.entries = n.entries.filter((_, i) => i !== there)
        return
      case 'text insert': case 'text delete': case 'text splice': n.text = this.splice(n.text, action, value as Value[], by); return
      case 'list insert': case 'list delete': case 'list set': this.edit(n.entries, action, value as Value[], by); return
      case 'log append': n.entries.push({ ...by, value: value! }); return
      case 'record make':
        for (const f of n.shape.fields!) n.inside.set(f.name, new Node(f))
        n.made = by
        return
      case 'record remove': n.made = undefined; return
    }
    fail('invalid', `a ${n.shape.type} has no action ${action}`)
  }

  private splice(text: string, action: string, value: Value[], by: Written): string {
    const [at, n, put] = action === 'splice' ? value : action === 'insert' ? [value[0], 0, value[1]] : [value[0], value[1], '']
    const from = (at as number | null) ?? text.length
    if (from + (n as number) > text.length) fail('invalid', `${from} is beyond the end`, `ops[${by.index}].value`)
    return text.slice(0, from) + (put as string) + text.slice(from + (n as number))
  }

  private edit(entries: Entry[], action: string, [at, what]: Value[], by: Written): void {
    const from = (at as number | null) ?? entries.length
    if (from + (action === 'delete' ? (what as number) : action === 'set' ? 1 : 0) > entries.length) fail('invalid', `${from} is beyond the end`, `ops[${by.index}].value`)
    if (action === 'delete') entries.splice(from, what as number)
    else if (action === 'set') entries[from] = { ...by, value: what! }
    else entries.splice(from, 0, ...(what as Value[]).map(value => ({ ...by, value })))
  }

  read(field: string, path: Value[], q: Data): Data {
    let node: Node
    try {
      node = this.find(field, path).node
    } catch (e) {
      if ((e as { code?: string }).code !== 'not_found') throw e
      return { conflicts: [], entries: [], size: 0, has: false, text: '' }
    }
    const all = node.entries as unknown as Value[]
    switch (node.shape.type) {
      case 'register': case 'once': return all.length > 0 ? { entry: all[0]!, conflicts: all } : { conflicts: [] }
      case 'counter': return { value: node.plain()! }
      case 'record': return { entry: { ...(node.made ?? {}), value: node.plain()! } as unknown as Data }
      case 'map': return this.range(node, q)
      case 'list': {
        const from = q.from as number | undefined ?? 0
        return { entries: all.slice(from, from + Math.min(q.limit as number, 2)), size: all.length }
      }
      case 'text': {
        const from = q.from as number | undefined ?? 0
        return { text: node.text.slice(from, Math.min(q.to as number | undefined ?? Infinity, from + 8)), size: node.text.length }
      }
    }
    if ('has' in q) return { has: node.entries.some(e => same(e.value, q.has!)) }
    const log = node.shape.type === 'log'
    if (log && q.first === undefined) {
      const to = q.before ? (q.before as Uint8Array)[0]! : all.length
      const from = Math.max(0, to - Math.min((q.last as number | undefined) ?? 100, 2))
      return { entries: all.slice(from, to), size: all.length, ...(from > 0 ? { before: Uint8Array.of(from) } : {}) }
    }
    const from = q.after ? (q.after as Uint8Array)[0]! : 0
    const to = from + Math.min(((log ? q.first : q.limit) as number | undefined) ?? 1000, 2)
    return { entries: all.slice(from, to), size: all.length, ...(to < all.length ? { [log ? 'after' : 'next']: Uint8Array.of(to) } : {}) }
  }

  /** Pages of two, so that whoever reads must read on. */
  private range(map: Node, q: Data): Data {
    const one = (key: string): Value => {
      const n = map.inside.get(key)!
      const by = n.made ?? n.entries[0]
      let more = {}
      const value = q.keys ? {} : { value: n.plain(() => { more = { more: true } })! }
      return { key, ...value, ...more, ...(by && n.shape.type !== 'set' ? { commit: by.commit, index: by.index, identity: by.identity, device: by.device, time: by.time } : {}) }
    }
    const keys = map.keys()
    if (q.key !== undefined) return keys.includes(q.key as string) ? { entry: one(q.key as string) } : {}
    const order = (a: string, b: Value | undefined, otherwise: number) => (b === undefined ? otherwise : Buffer.compare(utf8.encode(a), utf8.encode(b as string)))
    const range = keys.filter(k => order(k, q.from, 0) >= 0 && order(k, q.after, 1) > 0 && order(k, q.to, -1) < 0)
    if (q.reverse) range.reverse()
    const page = range.slice(0, Math.min(q.limit as number, 2))
    return { entries: page.map(one), size: keys.length, ...(page.length < range.length ? { next: page.at(-1)! } : {}) }
  }
}
