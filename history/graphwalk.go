package history

import (
	"math"
	"slices"
)

// Sides of a walk: which of the two versions has a number in its past.
const (
	sideA = 1 << iota
	sideB
	sideBoth = sideA | sideB
)

// visit is one entry of a walk's queue.
type visit struct {
	num  Num
	side uint8
}

// walkQueue is a binary heap, largest number first.
type walkQueue struct {
	items []visit
	open  int // entries that are not on both sides
	pops  int // what the walk cost so far
}

// queue returns an empty queue; whoever is done puts it back into g.queues.
func (g *Graph) queue() *walkQueue {
	q, ok := g.queues.Get().(*walkQueue)
	if !ok {
		return new(walkQueue)
	}
	q.items, q.open, q.pops = q.items[:0], 0, 0
	return q
}

func (q *walkQueue) push(n Num, side uint8) {
	if side != sideBoth {
		q.open++
	}
	q.items = append(q.items, visit{n, side})
	for i := len(q.items) - 1; i > 0; {
		up := (i - 1) / 2
		if q.items[up].num >= q.items[i].num {
			return
		}
		q.items[up], q.items[i] = q.items[i], q.items[up]
		i = up
	}
}

func (q *walkQueue) pop() visit {
	top := q.items[0]
	q.pops++
	if top.side != sideBoth {
		q.open--
	}
	last := len(q.items) - 1
	q.items[0] = q.items[last]
	q.items = q.items[:last]
	for i := 0; ; {
		child := 2*i + 1
		if child >= last {
			return top
		}
		if child+1 < last && q.items[child+1].num > q.items[child].num {
			child++
		}
		if q.items[i].num >= q.items[child].num {
			return top
		}
		q.items[i], q.items[child] = q.items[child], q.items[i]
		i = child
	}
}

// Contains reports whether n is one of the version's numbers or in the past of one. Numbers the graph
// does not hold are contained in nothing and contain nothing.
func (g *Graph) Contains(version []Num, n Num) (bool, error) {
	if n >= g.next {
		return false, nil
	}
	q := g.queue()
	defer g.queues.Put(q)
	for _, v := range version {
		if v == n {
			return true, nil
		}
		if v > n && v < g.next {
			q.push(v, sideA)
		}
	}
	return g.descend(q, n)
}

// descend walks down from what is queued, never below n, and reports whether it met n.
func (g *Graph) descend(q *walkQueue, n Num) (bool, error) {
	height := uint64(0) // of n, once it is needed
	for len(q.items) > 0 {
		r, err := g.run(q.pop().num)
		if err != nil {
			return false, err
		}
		for len(q.items) > 0 && q.items[0].num >= r.Start {
			q.pop()
		}
		if r.Start <= n || n < r.Floor {
			return true, nil
		}
		if height == 0 {
			if height, err = g.Height(n); err != nil {
				return false, err
			}
		}
		if r.Height <= height {
			continue // nothing below the run's first number is high enough to have n in its past
		}
		for _, e := range r.Edges {
			if e == n {
				return true, nil
			}
			if e > n {
				q.push(e, sideA)
			}
		}
	}
	return false, nil
}

// Diff compares two versions: the numbers only in a's past-or-equal and only in b's, as ascending
// spans. The work is the runs of the difference and those between them and the newest common ones,
// times the logarithm of the queue. Numbers the graph does not hold are left out.
func (g *Graph) Diff(a, b []Num) (onlyA, onlyB []Span, err error) {
	q := g.queue()
	defer g.queues.Put(q)
	return g.diff(q, a, b)
}

func (g *Graph) diff(q *walkQueue, a, b []Num) (onlyA, onlyB []Span, err error) {
	for _, n := range a {
		if n < g.next {
			q.push(n, sideA)
		}
	}
	for _, n := range b {
		if n < g.next {
			q.push(n, sideB)
		}
	}
	mark := func(start, end Num, side uint8) {
		switch {
		case start >= end || side == sideBoth:
		case side == sideA:
			onlyA = prepend(onlyA, start, end)
		default:
			onlyB = prepend(onlyB, start, end)
		}
	}
	for q.open > 0 {
		top := q.pop()
		r, err := g.run(top.num)
		if err != nil {
			return nil, nil, err
		}
		end, side := top.num+1, top.side
		for len(q.items) > 0 && q.items[0].num >= r.Start {
			below := q.pop()
			if below.side|side != side {
				mark(below.num+1, end, side)
				end, side = below.num+1, side|below.side
			}
		}
		mark(r.Start, end, side)
		for _, e := range r.Edges {
			q.push(e, side)
		}
	}
	slices.Reverse(onlyA)
	slices.Reverse(onlyB)
	return onlyA, onlyB, nil
}

// prepend adds a span below those in a descending list.
func prepend(spans []Span, start, end Num) []Span {
	if last := len(spans) - 1; last >= 0 && spans[last].Start == end {
		spans[last].Start = start
		return spans
	}
	return append(spans, Span{start, end})
}

// Dominators returns those of the numbers that are in no other one's past, ascending and without
// repetition: the shortest way to name the same version.
func (g *Graph) Dominators(version []Num) ([]Num, error) {
	in := slices.Clone(version)
	slices.Sort(in)
	in = slices.Compact(in)
	for len(in) > 0 && in[len(in)-1] >= g.next {
		in = in[:len(in)-1]
	}
	work := math.MaxInt
	q := g.queue()
	defer g.queues.Put(q)
	return g.dominators(q, in, &work)
}

// dominators does that for ascending numbers, each there once. When *work runs out it leaves what it has not looked at.
func (g *Graph) dominators(q *walkQueue, in []Num, work *int) ([]Num, error) {
	if len(in) < 2 {
		return in, nil
	}
	// What was given is in the queue on side A, what was reached from above on both.
	for _, n := range in {
		q.push(n, sideA)
	}
	out := make([]Num, 0, len(in))
	floor := Num(0) // everything below is an ancestor of what was popped
	for q.open > 0 && q.items[0].num >= floor {
		if *work--; *work < 0 {
			return q.undecided(out), nil
		}
		top := q.pop()
		r, err := g.run(top.num)
		if err != nil {
			return nil, err
		}
		dominates := top.side == sideA
		for len(q.items) > 0 && q.items[0].num >= r.Start {
			if below := q.pop(); below.num == top.num {
				dominates = false // once given, once reached from above
			}
		}
		if dominates {
			out = append(out, top.num)
		}
		floor = max(floor, r.floorAt(top.num))
		for _, e := range r.Edges {
			if e >= floor {
				q.push(e, sideBoth)
			}
		}
	}
	slices.Reverse(out)
	return out, nil
}

// undecided adds to out, descending, what the walk left that was given, and returns it ascending.
func (q *walkQueue) undecided(out []Num) []Num {
	for len(q.items) > 0 {
		if v := q.pop(); v.side == sideA {
			out = append(out, v.num)
		}
	}
	slices.Reverse(out)
	return out
}
