// Package lot is an auction as shared data: who founds the space sells, others bid, and the highest bid wins. There is
// nobody who decides that: every copy runs the same function over the same bids. auction.ts has it for pages.
package lot

import (
	"errors"
	"fmt"

	hhs "github.com/hyperhyperspace/hhs-go"
)

// Op is what people do: bid an amount, or close the auction.
type Op struct {
	Bid   int64 `hhs:"min=0"`
	Close bool
}

// Auction is what the ops come to.
type Auction struct {
	Best   int64
	By     hhs.Identity // whose the best bid is, "" for nobody's
	Closed bool
}

// FoldName is the same in Go and TypeScript.
func (Auction) FoldName() (string, int) { return "example.org/auction", 1 }

// Step takes one op, or says why not.
func (a Auction) Step(op hhs.FoldOp[Op]) (Auction, error) {
	switch {
	case a.Closed:
		return a, errors.New("the auction is closed")
	case op.Value.Close && !op.Founder:
		return a, errors.New("only the seller closes")
	case op.Value.Close:
		a.Closed = true
		return a, nil
	case op.Founder:
		return a, errors.New("the seller does not bid")
	case op.Value.Bid <= a.Best:
		return a, fmt.Errorf("%d is not more than %d", op.Value.Bid, a.Best)
	}
	a.Best, a.By = op.Value.Bid, op.Identity
	return a, nil
}

// Lot is something for sale.
type Lot struct {
	Title hhs.Register[string] `hhs:"max=200"`
	Sale  hhs.Fold[Auction, Op]
}

// Kind is that of a space with one lot.
var Kind = hhs.Define[Lot]("example.org/lot", 1)
