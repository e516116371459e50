/** The random histories of testdata/vectors/fold.json, as examples/auction/lot makes them in Go. */
import { createHash } from 'node:crypto'
import { auction } from '../../examples/auction/auction.js'
import type { FoldDefinition, FoldOp } from '../src/foldrun.js'
import { FoldRun, type Placed } from '../src/foldrun.js'
import { toHex } from './vectors.js'

type Bid = { bid: number; close: boolean }
interface State { best: number; by: string; closed: boolean }

const definition = auction.inside.fold as FoldDefinition<State, Bid>

/** xorshift of 32 bits. */
export class Random {
  constructor(private n: number) {}

  under(n: number): number {
    this.n ^= this.n << 13
    this.n ^= this.n >>> 17
    this.n ^= this.n << 5
    return (this.n >>> 0) % n
  }
}

interface Written extends Placed<Bid> { void: boolean }

function after(list: Written[], place: string): Placed<Bid>[] {
  return list.filter(b => b.place > place && !b.void).sort((a, b) => (a.place < b.place ? -1 : 1))
}

/** The state in hexadecimal digits and a line for each ignored op. */
function result(run: FoldRun<State, Bid>, list: Written[]): string {
  run.forward(after(list, run.place))
  const { ignored, all } = run.result()
  return `${toHex(run.state)}\n${ignored.map(o => `${o.author} ${o.value.bid} ${o.value.close}: ${o.reason}\n`).join('')}${all}\n`
}

function one(r: Random): string {
  const run = new FoldRun(definition)
  const list: Written[] = []
  const n = 4 + r.under(40)
  for (let i = 0; i < n; i++) {
    const close = r.under(30) === 0
    const who = r.under(4)
    const bid = r.under(60) + Math.floor(i / 2)
    const op: FoldOp<Bid> = { value: { bid, close }, id: `${i}`, commit: '', author: `did:key:${who}`, device: '', time: 0, founder: who === 0 }
    const place = `${String(i * 5 + r.under(90)).padStart(3, '0')} ${String(i).padStart(2, '0')}`
    list.push({ place, op, void: false })
    run.back(place)
    if (r.under(3) === 0) {
      const b = list[r.under(list.length)]!
      b.void = !b.void
      run.back(b.place)
    }
    if (r.under(4) === 0) run.forward(after(list, run.place))
  }
  const shown = result(run, list)
  const again = result(new FoldRun(definition), list)
  if (again !== shown) throw new Error(`the copy shows\n${shown}\nfrom the beginning it is\n${again}`)
  return shown
}

/** The digests of so many histories, each of some. */
export function digests(seed: number, histories: number, each: number): string[] {
  const r = new Random(seed)
  const out: string[] = []
  for (let i = 0; i < histories; i += each) {
    const sum = createHash('sha256')
    for (let j = 0; j < each; j++) sum.update(one(r))
    out.push(sum.digest('hex').slice(0, 16))
  }
  return out
}
