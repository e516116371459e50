package history

import (
	"fmt"
	"iter"
	"math"
	"slices"
	"sync"
)

// Num is a commit's local number in one replica: dense, given in arrival order, so that every edge
// of a commit has a smaller number than the commit. Numbers mean nothing to another replica.
type Num = uint64

// Span is the numbers Start <= n < End.
type Span struct{ Start, End Num }

// Len is how many numbers the span holds.
func (s Span) Len() uint64 { return s.End - s.Start }

// Run is a linear stretch of the graph: consecutive numbers, each of which has the one before as an
// edge and every other edge of it among that one's ancestors. Only the first has Edges of its own
// (ascending). A history that never diverges is a single run.
type Run struct {
	Start  Num
	Len    uint64
	Height uint64 // of the first number
	Floor  Num    // invariant 3 of Graph
	Edges  []Num
}

// Source reads a graph's stored runs: from the one that holds n, or the last if that is before n, down to the first.
// What it yields belongs to the graph. Nothing is asked for that was not flushed before.
type Source func(n Num) iter.Seq2[Run, error]

// Graph is a run-length encoded causal graph over local numbers. It knows no contents: a caller
// keeps the map between numbers and commit ids.
//
// How to start: g := NewGraph(nil); n, err := g.Add(edges). OpenGraph goes on with a graph that is stored; it keeps only
// the newest runs in memory and reads others from the store when a question leads there, so that a graph of a million
// runs opens and is kept like one of a hundred.
//
// Invariants (tests cite the numbers):
//
//  1. An edge is always smaller than the number that has it.
//  2. Inside a run every number's past is exactly the run's numbers before it, and the past of the
//     run's first number.
//  3. A run's Floor says: every number below it is in the past of the run's first number. It only
//     saves work, a smaller one is never wrong.
//  4. Every question walks runs, newest first, with a queue of its own: no recursion, and no run
//     twice in one walk.
//  5. What Add made since the last Flush is undone by Rollback without a trace.
//
// The past of a number never changes, so an answer about given numbers stays true for ever.
// Questions may be asked concurrently; nothing else may go on during Add, Flush and Rollback. Its owner
// guards it so. The errors of questions are those of the Source, or *RunError when its runs do not fit together; a
// graph without one has none.
//
// The idea of runs over local numbers and of walking a priority queue of them newest first is that of
// Gentle and Kleppmann, "Collaborative Text Editing with Eg-walker" (EuroSys 2025).
type Graph struct {
	tail  []Run // the newest runs; the last one always, and what is not flushed
	older older // those before
	next  Num
	heads headSet

	flushed  Num    // numbers below it are flushed
	lastRun  int    // runs of the tail at the last Flush
	lastLen  uint64 // length of the last of them then
	unheaded []Num  // flushed numbers that were heads at the last Flush and no longer are

	queues sync.Pool // of *walkQueue, for walks
}

// floorAt is invariant 3 for the number n of the run: a run whose first number has everything
// below it in its past keeps that for all that follow.
func (r *Run) floorAt(n Num) Num {
	if r.Floor == r.Start {
		return n
	}
	return r.Floor
}

// NewGraph returns an empty graph. Its runs are in memory, or where source reads them once they were flushed.
func NewGraph(source Source) *Graph { return newGraph(source, graphPaging) }

func newGraph(source Source, limits paging) *Graph {
	return &Graph{older: older{source: source, limits: limits}}
}

// OpenGraph returns the graph whose runs a source reads, with its heads, ascending. A source without runs makes an
// empty graph. *RunError when the last run and the heads do not fit together.
func OpenGraph(source Source, heads []Num) (*Graph, error) {
	return openGraph(source, heads, graphPaging)
}

func openGraph(source Source, heads []Num, limits paging) (*Graph, error) {
	g := newGraph(source, limits)
	for r, err := range source(math.MaxUint64) {
		if err != nil {
			return nil, err
		}
		if !r.valid() {
			return nil, &RunError{r.Start, "is damaged"}
		}
		g.tail, g.next = append(g.tail, r), r.Start+r.Len
		break
	}
	for i, n := range heads {
		if n >= g.next || i > 0 && heads[i-1] >= n {
			return nil, &RunError{n, "is said to end with a head, and there is none"}
		}
		g.heads.push(n)
	}
	if g.next > 0 && !g.heads.has(g.next-1) {
		return nil, &RunError{g.tail[0].Start, "does not end with a head"}
	}
	g.Flush()
	return g, nil
}

// valid tells whether a run can be part of a graph at all.
func (r *Run) valid() bool {
	return r.Len > 0 && r.Start+r.Len > r.Start && r.Floor <= r.Start && r.Height > 0
}

// Len is how many numbers the graph holds; the next Add returns it.
func (g *Graph) Len() uint64 { return g.next }

// Heads returns the numbers that are nobody's edge, ascending.
func (g *Graph) Heads() []Num { return g.heads.list() }

// EdgeError says that a number was used that the graph does not hold.
type EdgeError struct{ Num, Len Num }

// Error names the number.
func (e *EdgeError) Error() string {
	return fmt.Sprintf("history: number %d is not in a graph of %d", e.Num, e.Len)
}

// Add appends a number with the given edges, in any order and with any redundancy, and returns it.
// The work is bounded by the edges and a constant, never by the history. *EdgeError when an edge is unknown: nothing changed then.
func (g *Graph) Add(edges []Num) (Num, error) {
	own := make([]Num, 0, len(edges))
	for _, e := range edges {
		if e >= g.next {
			return 0, &EdgeError{e, g.next}
		}
		own = append(own, e)
	}
	slices.Sort(own)
	own = slices.Compact(own)
	n := g.next
	work := maxRedundancyWork + 4*len(own)
	q := g.queue()
	own, err := g.dominators(q, own, &work)
	g.queues.Put(q)
	// When the budget did not suffice own may hold an ancestor too many, which costs a run and is never wrong.
	switch {
	case err != nil:
		return 0, err
	case len(own) == 1 && own[0]+1 == n:
		g.tail[len(g.tail)-1].Len++
	default:
		if err := g.startRun(own); err != nil {
			return 0, err
		}
	}
	g.next++
	g.moveHeads(own, n)
	return n, nil
}

// startRun appends a run of one number that has the sorted edges.
func (g *Graph) startRun(edges []Num) error {
	r := Run{Start: g.next, Len: 1, Edges: edges, Height: 1}
	heads := 0
	for _, e := range edges {
		at, err := g.run(e)
		if err != nil {
			return err
		}
		r.Height = max(r.Height, at.Height+(e-at.Start)+1)
		r.Floor = max(r.Floor, at.floorAt(e))
		if r.Floor == e {
			r.Floor = e + 1
		}
		if g.heads.has(e) {
			heads++
		}
	}
	if heads == g.heads.live {
		r.Floor = r.Start
	}
	g.tail = append(g.tail, r)
	return nil
}

// moveHeads makes n a head and its edges none.
func (g *Graph) moveHeads(edges []Num, n Num) {
	for _, e := range edges {
		if g.heads.remove(e) && e < g.flushed {
			g.unheaded = append(g.unheaded, e)
		}
	}
	g.heads.push(n)
}

// run returns the run that holds n, which must be below Len. It is not to be changed.
func (g *Graph) run(n Num) (*Run, error) {
	switch last := len(g.tail) - 1; {
	case g.tail[last].Start <= n:
		return &g.tail[last], nil
	case g.tail[0].Start <= n:
		return &g.tail[holder(g.tail, n)], nil
	}
	return g.older.run(n, g.tail[0].Start)
}

// holder is the index of the last of the runs that begins at n or before; the first of them does.
func holder(runs []Run, n Num) int {
	lo, hi := 0, len(runs)
	for lo+1 < hi {
		mid := int(uint(lo+hi) >> 1)
		if runs[mid].Start <= n {
			lo = mid
		} else {
			hi = mid
		}
	}
	return lo
}

// Height is 1 + the highest of the number's edges; 1 without any. n must be below Len.
func (g *Graph) Height(n Num) (uint64, error) {
	r, err := g.run(n)
	if err != nil {
		return 0, err
	}
	return r.Height + (n - r.Start), nil
}

// Edges returns the edges that matter of n: inside a run only the number before. n must be below Len.
func (g *Graph) Edges(n Num) ([]Num, error) {
	r, err := g.run(n)
	if err != nil {
		return nil, err
	}
	if n > r.Start {
		return []Num{n - 1}, nil
	}
	return slices.Clone(r.Edges), nil
}

// Dirty yields the runs that were made or grew since the last Flush, oldest first: exactly the
// records a store has to write, keyed by their Start. After one Add there is one. The edges are shared with the
// graph: read only.
func (g *Graph) Dirty() iter.Seq[Run] {
	first := g.lastRun
	if first > 0 && g.tail[first-1].Len != g.lastLen {
		first--
	}
	return slices.Values(g.tail[first:])
}

// HeadChanges lists the heads that came since the last Flush and those of then that are none any more, both ascending.
func (g *Graph) HeadChanges() (came, went []Num) {
	went = slices.Clone(g.unheaded)
	slices.Sort(went)
	return g.heads.from(g.flushed), went
}

// Flush says that everything added so far is kept: Dirty becomes empty and Rollback comes back here.
func (g *Graph) Flush() {
	if limit := g.older.limits.tail; g.older.source != nil && len(g.tail) > limit {
		cut := len(g.tail) - limit/2
		g.older.add(g.tail[max(0, cut-g.older.limits.block):cut])
		g.tail = slices.Clone(g.tail[cut:])
	}
	g.flushed, g.lastRun, g.unheaded = g.next, len(g.tail), g.unheaded[:0]
	if g.lastRun > 0 {
		g.lastLen = g.tail[g.lastRun-1].Len
	}
}

// Rollback takes back every Add since the last Flush.
func (g *Graph) Rollback() {
	g.tail = g.tail[:g.lastRun]
	if g.lastRun > 0 {
		g.tail[g.lastRun-1].Len = g.lastLen
	}
	g.next = g.flushed
	g.heads.truncate(g.flushed)
	for _, n := range g.unheaded {
		g.heads.restore(n)
	}
	g.unheaded = g.unheaded[:0]
}
