/** Runs the function of a fold over ops that come late, go and come back (docs/spec/fold.md); Go's internal/fold does the same. */
import { decode, encode } from './cbor.js'
import { HhsError } from './errors.js'
import type { Entry } from './fields.js'
import { foldEvery, maxFoldIgnored, maxFoldReason, maxFoldSnapshots, maxFoldStep } from './limits.js'

/** One op, as the function of a fold is given it. */
export interface FoldOp<Op> extends Entry<Op> {
  /** Its writer founded the space. */
  readonly founder: boolean
}

/** An op that a fold has ignored. */
export interface IgnoredOp<Op> extends FoldOp<Op> {
  readonly reason: string
}

/** Why a step ignores its op; made by `ignored`. */
export class Ignored {
  constructor(readonly reason: string) {}
}

/** What a step returns for an op that it ignores: the state stays as it is, and the reason is shown with the op. */
export function ignored(reason: string): Ignored {
  return new Ignored(reason)
}

/** A fold as it is run. */
export interface FoldDefinition<S = any, Op = any> {
  name: string
  version: number
  /** The state before any op. */
  initial: S
  /** The state after one op more, or why the op is ignored. It gets a state that cannot be changed and returns another one. */
  step(state: S, op: FoldOp<Op>): S | Ignored
}

/** A fold that went wrong, by name; all else goes on. */
export class FoldError extends HhsError {
  /** The fold's name. */
  readonly fold: string
  readonly version: number

  constructor(
    fold: Pick<FoldDefinition, 'name' | 'version'>,
    /** A step threw; it gave what is no state; it took two seconds; the same ops came to another state. */
    readonly why: 'throws' | 'state' | 'slow' | 'differs',
    /** The id of the op that it went wrong at. */
    readonly op: string,
    private readonly what: string,
    path = '',
  ) {
    const end = why === 'slow' || why === 'differs' ? '; it is not run again while the space is open' : ''
    super('fold', `fold ${fold.name} version ${fold.version}: ${what}, at op ${op}${end}`, path)
    this.name = 'FoldError'
    this.fold = fold.name
    this.version = fold.version
  }

  /** The same, of the value at this path. */
  at(path: string): FoldError {
    return new FoldError({ name: this.fold, version: this.version }, this.why, this.op, this.what, path)
  }

  /** Whether it is not run again, whatever ops come. */
  get final(): boolean {
    return this.why === 'slow' || this.why === 'differs'
  }
}

/** An op with its place: places compare as the order does. */
export interface Placed<Op> {
  place: string
  op: FoldOp<Op>
}

/** What the ops up to a place come to. */
interface Snapshot<Op> {
  place: string
  count: number
  state: Uint8Array
  /** The latest, and how many there are in all. */
  ignored: readonly (IgnoredOp<Op> & { count: number; size: number })[]
  passed: number
  /** What it holds, in bytes, about. */
  weight: number
}

const impure = ': a step reads something besides the state and the op, or changes them'

/** One fold over the ops of one value. */
export class FoldRun<S, Op> {
  private kept: Snapshot<Op>[] = []
  private tip: Snapshot<Op>
  /** What went wrong for good. */
  failed: FoldError | undefined

  /** `now` reads a clock that goes on in milliseconds. */
  constructor(private readonly fold: FoldDefinition<S, Op>, private readonly now: () => number = () => performance.now()) {
    this.tip = { place: '', count: 0, state: encode(fold.initial), ignored: [], passed: 0, weight: 0 }
  }

  /** That of the last op that the run was given: `forward` takes those after it. */
  get place(): string {
    return this.tip.place
  }

  /** Says that the ops from a place on are others than the run was given; '': all of them. */
  back(place: string): void {
    while (this.kept.length > 0 && this.kept.at(-1)!.place >= place) this.kept.pop()
    if (this.tip.count > 0 && this.tip.place >= place) this.tip = this.kept.at(-1) ?? new FoldRun(this.fold).tip
  }

  /** Runs the function over ops, in order. Throws a `FoldError` when it goes wrong; what went well before is kept. */
  forward(ops: readonly Placed<Op>[]): void {
    if (this.failed) throw this.failed
    if (ops.length === 0) return
    try {
      this.steps(ops)
    } catch (e) {
      const last = this.kept.at(-1)
      if (last && last.count > this.tip.count) this.tip = last
      if (e instanceof FoldError && e.final) this.failed = e
      throw e
    }
  }

  private steps(ops: readonly Placed<Op>[]): void {
    let from = this.tip
    let state = frozen(decode(from.state) as S)
    let { ignored, passed, count } = from
    let since: Placed<Op>[] = []
    for (const [i, one] of ops.entries()) {
      const next = this.call(state, one.op)
      count++
      since.push(one)
      if (next instanceof Ignored) {
        const reason = cut(next.reason)
        ignored = [...ignored.slice(1 - maxFoldIgnored), { ...one.op, reason, count, size: weigh(one.op.value) + reason.length }]
        passed++
      } else {
        state = frozen(next)
      }
      const last = i === ops.length - 1
      if (count % foldEvery !== 0 && !last) continue
      const bytes = this.bytes(state, one.op)
      const weight = ignored.reduce((n, o) => n + o.size, bytes.length)
      const snapshot: Snapshot<Op> = { place: one.place, count, state: bytes, ignored, passed, weight }
      const n = count / foldEvery
      if (n < 1 || (Number.isInteger(n) && (n & (n - 1)) === 0)) this.again(from, since, snapshot)
      if (Number.isInteger(n)) {
        this.kept.push(snapshot)
        this.thin()
      }
      if (last) this.tip = snapshot
      from = snapshot
      since = []
    }
  }

  /** Makes the steps between two snapshots once more, and compares what comes of it. */
  private again(from: Snapshot<Op>, since: readonly Placed<Op>[], now: Snapshot<Op>): void {
    let state = frozen(decode(from.state) as S)
    let { count, passed } = from
    let op = since[0]!.op
    const differs = (what: string) => new FoldError(this.fold, 'differs', op.id, `run again over the same ops, the fold ${what}${impure}`)
    for (const one of since) {
      op = one.op
      const next = this.call(state, op)
      count++
      if (!(next instanceof Ignored)) {
        state = frozen(next)
        continue
      }
      const first = now.ignored[passed++ - (now.passed - now.ignored.length)]
      if (passed > now.passed || (first && (first.count !== count || first.reason !== cut(next.reason)))) throw differs('ignores others')
    }
    const bytes = this.bytes(state, op)
    if (passed !== now.passed || bytes.length !== now.state.length || bytes.some((b, i) => b !== now.state[i])) throw differs('gives another state')
  }

  private call(state: S, op: FoldOp<Op>): S | Ignored {
    const began = this.now()
    let next
    try {
      next = this.fold.step(state, op)
    } catch (e) {
      throw new FoldError(this.fold, 'throws', op.id, `the step threw: ${e instanceof Error ? e.message : String(e)}`)
    }
    const took = this.now() - began
    if (took >= maxFoldStep) throw new FoldError(this.fold, 'slow', op.id, `the step took ${Math.round(took)} ms`)
    return next
  }

  private bytes(state: S, op: FoldOp<Op>): Uint8Array {
    try {
      return encode(state, 'state')
    } catch (e) {
      throw new FoldError(this.fold, 'state', op.id, `the state is no value: ${(e as Error).message}`)
    }
  }

  /** Leaves fewer snapshots the further back they are, and fewer large ones. */
  private thin(): void {
    const last = this.kept.at(-1)!.count / foldEvery
    this.kept = this.kept.filter(s => {
      const i = s.count / foldEvery
      const d = Math.floor((last - i) / 4)
      return d === 0 || i % 2 ** Math.floor(Math.log2(d)) === 0
    })
    const size = () => this.kept.reduce((n, s) => n + s.weight, 0)
    while (this.kept.length > 1 && size() > maxFoldSnapshots) this.kept = this.kept.filter((_, i) => (this.kept.length - 1 - i) % 2 === 0)
  }

  /** The canonical bytes of the state. */
  get state(): Uint8Array {
    return this.tip.state
  }

  /** A state of the caller's own, and the latest ignored ops. */
  result(): { state: S; ignored: IgnoredOp<Op>[]; all: number } {
    return { state: decode(this.tip.state) as S, ignored: this.tip.ignored.map(({ count: _, size: __, ...op }) => op as unknown as IgnoredOp<Op>), all: this.tip.passed }
  }
}

/** Makes a state one that no step can change, and so also what is none: a value that contains itself, or is nested without end. */
function frozen<S>(state: S): S {
  const all: unknown[] = [state]
  for (const v of all) {
    if (typeof v !== 'object' || v === null || ArrayBuffer.isView(v) || Object.isFrozen(v)) continue
    for (const x of Object.values(Object.freeze(v))) all.push(x)
  }
  return state
}

/** What a value takes in memory, in bytes, about. */
function weigh(v: unknown): number {
  if (typeof v === 'string' || v instanceof Uint8Array) return v.length
  if (typeof v !== 'object' || v === null) return 8
  return Object.entries(v).reduce((n, [key, x]) => n + key.length + weigh(x), 8)
}

/** The first code points of a reason. */
function cut(reason: unknown): string {
  const text = String(reason)
  return text.length <= maxFoldReason ? text : Array.from(text).slice(0, maxFoldReason).join('')
}

