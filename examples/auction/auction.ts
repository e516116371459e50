/** An auction as shared data: who founds the space sells, others bid, and the highest bid wins. lot/lot.go says the same in Go. */
import { bool, defineSpace, fold, ignored, integer, register, string } from 'hhs'

export const auction = fold({
  name: 'example.org/auction',
  version: 1,
  /** What people do: bid an amount, or close the auction. */
  op: { bid: integer({ min: 0 }), close: bool() },
  /** `by` has the best bid, '' is nobody. */
  initial: { best: 0, by: '', closed: false },
  /** Takes one op, or says why not. Every copy does it with the same ops in the same order. */
  step(a, { value, author, founder }) {
    if (a.closed) return ignored('the auction is closed')
    if (value.close && !founder) return ignored('only the seller closes')
    if (value.close) return { ...a, closed: true }
    if (founder) return ignored('the seller does not bid')
    if (value.bid <= a.best) return ignored(`${value.bid} is not more than ${a.best}`)
    return { ...a, best: value.bid, by: author }
  },
})

export const Lot = defineSpace('example.org/lot', 1, { title: register(string({ max: 200 })), sale: auction })
