// Package order sorts lists of any type by a comparison, with one compiled body for all types.
//
// slices.SortFunc is compiled anew for every shape of element, 15 to 20 kB of WebAssembly each, and the engine sorts a
// dozen shapes in places where speed does not matter: lists of peers, heads, candidates. Here a type costs two
// closures of a few hundred bytes. A sort takes about twice as long and allocates once, so loops over every commit or
// object use slices.
package order

import "sort"

// By sorts a list in place, ascending by compare, which is as in slices.SortFunc. Equal elements may change places.
func By[E any](list []E, compare func(a, b E) int) {
	if len(list) > 1 {
		sort.Sort(over(list, compare))
	}
}

// Stably is By that leaves equal elements in their order.
func Stably[E any](list []E, compare func(a, b E) int) {
	if len(list) > 1 {
		sort.Stable(over(list, compare))
	}
}

func over[E any](list []E, compare func(a, b E) int) *indexed {
	return &indexed{
		n:    len(list),
		less: func(i, j int) bool { return compare(list[i], list[j]) < 0 },
		swap: func(i, j int) { list[i], list[j] = list[j], list[i] },
	}
}

// indexed is a list seen through two functions of indexes.
type indexed struct {
	n    int
	less func(i, j int) bool
	swap func(i, j int)
}

func (x *indexed) Len() int           { return x.n }
func (x *indexed) Less(i, j int) bool { return x.less(i, j) }
func (x *indexed) Swap(i, j int)      { x.swap(i, j) }
