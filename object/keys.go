package object

import (
	"slices"

	"github.com/hyperhyperspace/hhs-go/internal/order"
)

// fewKeys is up to how many keys insertion is the fastest way to sort, and a map's keys stay on the stack.
const fewKeys = 16

// sortKeys sorts a map's keys without allocating where they are few, which they are in nearly every map.
func sortKeys(keys []string, compare func(a, b string) int) {
	if len(keys) > fewKeys {
		many := slices.Clone(keys) // a copy, because what order gets leaves the stack
		order.By(many, compare)
		copy(keys, many)
		return
	}
	for i := 1; i < len(keys); i++ {
		for j := i; j > 0 && compare(keys[j], keys[j-1]) < 0; j-- {
			keys[j], keys[j-1] = keys[j-1], keys[j]
		}
	}
}
