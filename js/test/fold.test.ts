import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encode } from '../src/cbor.js'
import type { Data } from '../src/client.js'
import type { Access } from '../src/fields.js'
import { FoldHandle } from '../src/fold.js'
import { type FoldDefinition, FoldError, FoldRun, type Placed, ignored } from '../src/foldrun.js'
import { integer } from '../src/schema.js'
import { fold } from '../src/shapes.js'
import type { Space } from '../src/space.js'
import type { Writers } from '../src/tx.js'
import { Lot } from '../../examples/auction/auction.js'
import { digests } from './auctions.js'
import { toHex, vectors } from './vectors.js'

test('10,000 random histories come to what they come to in Go', () => {
  const v = vectors<{ seed: number; histories: number; each: number; digests: string[] }>('fold.json')
  assert.equal(v.histories, 10_000)
  assert.deepEqual(digests(v.seed, v.histories, v.each), v.digests)
})

type Sum = { n: number; sum: number; extra?: unknown }

/** Counts and sums up; ignores what is below zero. */
function adder(step?: (n: number) => unknown): FoldDefinition<Sum, number> {
  return {
    name: 'test.example/adder', version: 1, initial: { n: 0, sum: 0 },
    step(s, op) {
      const extra = step?.(op.value)
      if (op.value < 0) return ignored(`${op.value} is negative`)
      const next = { n: s.n + 1, sum: (s.sum * 31 + op.value) % 1_000_003 }
      return extra === undefined ? next : { ...next, extra }
    },
  }
}

const op = (place: number, value: number): Placed<number> =>
  ({ place: String(place).padStart(8, '0'), op: { value, id: `op ${place}`, commit: '', author: '', device: '', time: 0, founder: false } })
const from = (list: Placed<number>[], run: FoldRun<any, number>) => list.filter(o => o.place > run.place)
const shown = (run: FoldRun<Sum, number>) => `${toHex(run.state)} ${JSON.stringify(run.result().ignored.map(o => [o.id, o.reason]))}`

test('an op at the end costs a step, a late one as many as there are behind it', () => {
  let steps = 0
  const fold = adder(() => { steps++ })
  const run = new FoldRun(fold)
  const n = 20_000
  const list = Array.from({ length: n }, (_, i) => op(10 * i, i % 7 - 1))
  const forward = () => {
    steps = 0
    run.forward(from(list, run))
    return steps
  }
  assert.ok(forward() <= n + n / 16)
  const fresh = new FoldRun(fold)
  fresh.forward(list)
  for (const back of [0, 1, 10, 100, 1000, n - 1]) {
    run.back(op(10 * (n - back), 0).place)
    const got = forward()
    assert.ok(got <= back + back / 3 + 33, `${got} steps for an op with ${back} behind it`)
    assert.equal(shown(run), shown(fresh))
  }
  list.push(op(10 * n, 1))
  assert.ok(forward() <= 17)
  assert.equal(forward(), 0)
})

function fails(f: () => void, why: FoldError['why']): FoldError {
  try {
    f()
  } catch (e) {
    assert.ok(e instanceof FoldError, String(e))
    assert.equal(e.why, why)
    assert.equal(e.code, 'fold')
    assert.match(e.message, /^fold test.example\/adder version 1: /)
    return e
  }
  throw new Error(`nothing failed, ${why} was expected`)
}

test('a fold that throws or gives no state is named, and runs again when the op is gone', () => {
  const bad: [FoldError['why'], (n: number) => unknown][] = [
    ['throws', n => { if (n === 13) throw new Error('boom') }],
    ['state', n => (n === 13 ? () => {} : undefined)],
    ['state', n => (n === 13 ? 'x'.repeat(1 << 20) : undefined)],
    ['state', n => (n === 13 ? new Float64Array(2) : undefined)],
    ['state', n => {
      const self: { all: unknown[] } = { all: [] }
      self.all.push(self)
      return n === 13 ? self : undefined
    }],
    ['state', n => {
      let deep: unknown[] = []
      for (let i = 0; i < 50_000; i++) deep = [deep]
      return n === 13 ? deep : undefined
    }],
  ]
  for (const [why, step] of bad) {
    const run = new FoldRun(adder(step))
    const list = [...Array.from({ length: 20 }, (_, i) => op(i, i % 5)), op(30, 13)]
    const e = fails(() => run.forward(from(list, run)), why)
    assert.equal(e.op, 'op 30')
    fails(() => run.forward(from(list, run)), why)
    list.splice(20, 1)
    run.back(op(30, 0).place)
    run.forward(from(list, run))
    const fresh = new FoldRun(adder(step))
    fresh.forward(list)
    assert.equal(shown(run), shown(fresh))
  }
})

test('a step cannot change the state it is given', () => {
  const run = new FoldRun<{ list: number[] }, number>({ name: 'test.example/adder', version: 1, initial: { list: [] }, step(s, o) { s.list.push(o.value); return s } })
  fails(() => run.forward([op(1, 1)]), 'throws')
})

test('a fold that differs is found, at once in a short history and soon in a long one', () => {
  for (const n of [1, 5, 15, 16, 40]) {
    let calls = 0
    const run = new FoldRun(adder(() => ++calls))
    const list = Array.from({ length: n }, (_, i) => op(i, 1))
    fails(() => run.forward(list), 'differs')
    run.back('')
    fails(() => run.forward(list), 'differs')
  }
  let turns = 0
  const moody = new FoldRun<number, number>({ name: 'test.example/adder', version: 1, initial: 0, step: s => (++turns % 7 === 0 ? ignored('not now') : s + 1) })
  fails(() => moody.forward(Array.from({ length: 5 }, (_, i) => op(i, 1))), 'differs')
})

test('a step of two seconds ends the fold', () => {
  let now = 0
  const run = new FoldRun(adder(n => { now += n === 13 ? 2000 : 1999 }), () => now)
  run.forward([op(1, 1)])
  fails(() => run.forward([op(2, 13)]), 'slow')
  run.back('')
  fails(() => run.forward([op(1, 1)]), 'slow')
})

test('what snapshots keep of ignored ops counts as their states do', () => {
  const run = new FoldRun<number, string>({ name: 'test.example/deaf', version: 1, initial: 0, step: () => ignored('no') })
  const text = 'x'.repeat(32 << 10)
  run.forward(Array.from({ length: 600 }, (_, i) => ({ place: String(i).padStart(4, '0'), op: { ...op(i, 0).op, value: text } })))
  run.back('0599')
  assert.equal(run.place, '0591')
  run.back('0591')
  assert.ok(run.place < '0300', run.place)
})

/** A stand-in for the engine: it has some ops, and says from where on they are others than at a mark. */
class Ops {
  list: Placed<number>[] = []
  private readonly changes: string[] = []
  reads = 0
  page = 3

  change(o: Placed<number>, there: boolean): void {
    this.list = this.list.filter(x => x.place !== o.place)
    if (there) this.list = [...this.list, o].sort((a, b) => (a.place < b.place ? -1 : 1))
    this.changes.push(o.place)
  }

  access(): Access {
    const bytes = (s: string) => Uint8Array.from(s, c => c.charCodeAt(0))
    return {
      path: 'sum',
      changes: () => () => () => {},
      failed: e => { throw e },
      edit: () => { throw new Error('a fold is no text') },
      at: () => this.access(),
      read: async (q: Data): Promise<Data> => {
        this.reads++
        const mark = new Uint8Array([this.changes.length >> 8, this.changes.length & 255])
        const answer = { size: this.list.length, mark, more: false, changed: false }
        const after = q.after && String.fromCharCode(...(q.after as Uint8Array))
        const [high, low] = (q.mark ?? [0, 0]) as unknown as number[]
        const least = this.changes.slice(high! * 256 + low!).sort()[0]
        if (after && q.mark && least !== undefined && least <= after) return { ...answer, entries: [], changed: true, from: bytes(least) }
        const rest = this.list.filter(o => !after || o.place > after)
        const entries = rest.slice(0, this.page).map(({ place, op }) => ({ key: bytes(place), value: op.value, commit: op.id, index: 0, identity: '', device: '', time: 0, founder: false }))
        return { ...answer, entries, more: rest.length > entries.length }
      },
    }
  }
}

test('a handle reads what is new, and goes back when something changed before it', async () => {
  const fold = adder()
  const ops = new Ops()
  const handle = new FoldHandle(ops.access(), fold)
  assert.deepEqual(await handle.get(), { n: 0, sum: 0 })
  for (let i = 0; i < 200; i++) {
    const n = (i * 7919) % 997
    if (i % 3 === 2) ops.change(ops.list[n % ops.list.length]!, false)
    else ops.change(op(i % 4 === 0 ? n : 1000 + i, (n % 9) - 1), true)
    if (i % 5 > 0) continue
    const fresh = new FoldRun(fold)
    fresh.forward(ops.list)
    const [got, twice] = await Promise.all([handle.read(), handle.read()])
    assert.equal(toHex(encode(got.state)), toHex(fresh.state))
    assert.deepEqual(got.ignored.map(o => o.reason), fresh.result().ignored.map(o => o.reason))
    assert.deepEqual(twice, got)
  }
  await handle.get()
  ops.reads = 0
  await handle.get()
  assert.equal(ops.reads, 1)
  const all = []
  for await (const o of handle.ops()) all.push(o.value)
  assert.deepEqual(all, ops.list.map(o => o.op.value))
  assert.equal(await handle.size(), ops.list.length)
})

test('a handle of a fold that fails rejects by name and path, and goes on when the op is gone', async () => {
  const ops = new Ops()
  const handle = new FoldHandle(ops.access(), adder(n => { if (n === 13) throw new Error('boom') }))
  ops.change(op(1, 1), true)
  ops.change(op(2, 13), true)
  for (const _ of [1, 2]) await assert.rejects(handle.get(), { code: 'fold', why: 'throws', path: 'sum', fold: 'test.example/adder' })
  ops.change(op(2, 13), false)
  assert.equal((await handle.get()).n, 1)
})

test('a mistake in a fold is refused by name', () => {
  const good = { name: 'example.org/x', version: 1, op: integer(), initial: 0, step: (s: number) => s }
  const kind = (f: object) => () => new (Lot.constructor as any)('example.org/y', 1, { f: fold({ ...good, ...f }) })
  kind({})()
  assert.throws(kind({ name: 'x' }), { code: 'invalid', path: 'f', message: /"x" is not a fold's name/ })
  assert.throws(kind({ version: 0 }), /version 0 of example.org\/x/)
  assert.throws(kind({ step: undefined }), /no function step/)
  assert.throws(kind({ initial: () => {} }), { code: 'value' })
})

// Type tests: these lines do not compile when a type is wrong.
type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true : false
function is<_ extends true>(): void {}

test('types are those of the fold', () => {
  const read = async (s: Space<typeof Lot.fields>, w: Writers<typeof Lot.fields>) => {
    const a = await s.sale.get()
    is<Equal<typeof a, { best: number; by: string; closed: boolean }>>()
    const bid = (await s.sale.ignored())[0]!.value.bid
    is<Equal<typeof bid, number>>()
    w.sale.do({ bid: 1, close: false })
    // @ts-expect-error a bid is a number
    w.sale.do({ bid: 'x', close: false })
    // @ts-expect-error a step gives a state
    fold({ name: 'example.org/x', version: 1, op: integer(), initial: { n: 0 }, step: () => ({ m: 1 }) })
  }
  assert.equal(typeof read, 'function')
})
