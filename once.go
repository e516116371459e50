package hhs

import (
	"reflect"

	"github.com/hyperhyperspace/hhs-go/crdt"
)

// Once holds a value that is set once and then stays. Of values that were set at
// the same time the one with the least commit id is shown, and Conflicts gives
// them all.
type Once[T any] struct{ b binding }

func (Once[T]) typeName() string    { return "once" }
func (Once[T]) elem() reflect.Type  { return reflect.TypeFor[T]() }
func (Once[T]) bound(b binding) any { return Once[T]{b} }

// Get returns the value; ok is false while it is not set.
func (o Once[T]) Get() (v T, ok bool, err error) {
	e, ok, err := o.Entry()
	return e.Value, ok, err
}

// Entry is Get with author and time.
func (o Once[T]) Entry() (e Entry[T], ok bool, err error) { return shownOf[T](o.b, crdt.OnceValue) }

// Conflicts returns every value set at the same time as the one shown, that one
// first. It has one element where nobody did.
func (o Once[T]) Conflicts() ([]Entry[T], error) { return conflicts[T](o.b, crdt.OnceConflicts) }

// Set sets the value. The error is a *crdt.AlreadySet where one is to be seen.
func (o Once[T]) Set(tx *Tx, v T) error {
	return o.b.write(tx, func(env *crdt.Env) ([]crdt.Draft, error) {
		block, err := encode(o.b.text, v)
		if err != nil {
			return nil, err
		}
		return one(crdt.OnceSet(env, block))
	})
}
