package hhs

import (
	"reflect"

	"github.com/hyperhyperspace/hhs-go/authority"
)

// Map holds values by key, a text of 1 to 1,024 bytes: V is a Register, Once,
// Set, GrowSet or Counter, or a struct of values, which makes it a map of records.
type Map[V any] struct{ b binding }

func (Map[V]) typeName() string    { return authority.TypeMap }
func (Map[V]) elem() reflect.Type  { return reflect.TypeFor[V]() }
func (Map[V]) bound(b binding) any { return Map[V]{b} }
