package history

import "slices"

// headSet is an ascending list of heads in which removal only marks, so that a graph with very many
// heads (case 49) costs a logarithm for each change and not a copy of the list.
type headSet struct {
	nums []Num // ascending; gone ones carry the gone bit
	live int
}

const gone = Num(1) << 63

func (h *headSet) index(n Num) (int, bool) {
	return slices.BinarySearchFunc(h.nums, n, func(a, b Num) int {
		a &^= gone
		switch {
		case a < b:
			return -1
		case a > b:
			return 1
		}
		return 0
	})
}

func (h *headSet) has(n Num) bool {
	i, ok := h.index(n)
	return ok && h.nums[i]&gone == 0
}

// push appends n, which is larger than every number before.
func (h *headSet) push(n Num) { h.nums, h.live = append(h.nums, n), h.live+1 }

// remove marks n and reports whether it was a head.
func (h *headSet) remove(n Num) bool {
	i, ok := h.index(n)
	if !ok || h.nums[i]&gone != 0 {
		return false
	}
	h.nums[i] |= gone
	h.live--
	if len(h.nums) > 16 && h.live < len(h.nums)/2 {
		h.nums = slices.DeleteFunc(h.nums, func(n Num) bool { return n&gone != 0 })
	}
	return true
}

// restore makes n a head again, wherever it belongs.
func (h *headSet) restore(n Num) {
	i, ok := h.index(n)
	switch {
	case !ok:
		h.nums = slices.Insert(h.nums, i, n)
	case h.nums[i]&gone == 0:
		return
	default:
		h.nums[i] = n
	}
	h.live++
}

// truncate forgets every number from n on.
func (h *headSet) truncate(n Num) {
	i, _ := h.index(n)
	for _, m := range h.nums[i:] {
		if m&gone == 0 {
			h.live--
		}
	}
	h.nums = h.nums[:i]
}

func (h *headSet) list() []Num { return h.from(0) }

// from lists the heads that are not below n.
func (h *headSet) from(n Num) []Num {
	i, _ := h.index(n)
	out := make([]Num, 0, min(h.live, len(h.nums)-i))
	for _, n := range h.nums[i:] {
		if n&gone == 0 {
			out = append(out, n)
		}
	}
	return out
}
