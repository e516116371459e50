package hhs

import (
	"reflect"

	"github.com/hyperhyperspace/hhs-go/crdt"
)

// Counter is a number that people add to: the exact sum of all that was added,
// at the same time or not. It begins at 0 and has no bounds.
type Counter struct{ b binding }

func (Counter) typeName() string    { return "counter" }
func (Counter) elem() reflect.Type  { return nil }
func (Counter) bound(b binding) any { return Counter{b} }

// Add adds n, which may be negative.
func (c Counter) Add(tx *Tx, n int64) error {
	return c.b.write(tx, func(*crdt.Env) ([]crdt.Draft, error) { return one(crdt.CounterAdd(n)) })
}

// Value returns the sum. One that an int64 does not hold is a *crdt.Overflow;
// Exact reads it.
func (c Counter) Value() (int64, error) {
	total, err := c.total()
	if err != nil {
		return 0, err
	}
	return total.Int64()
}

// Exact returns the sum in decimal digits, however many it has: math/big reads
// them with SetString.
func (c Counter) Exact() (string, error) {
	total, err := c.total()
	return total.String(), err
}

func (c Counter) total() (total crdt.Total, err error) {
	err = c.b.read(func(env *crdt.Env) error {
		total, err = crdt.CounterTotal(env)
		return err
	})
	return total, err
}
