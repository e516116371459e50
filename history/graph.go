package history

import (
	"fmt"
	"iter"
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
	Start Num
	Len   uint64
	Edges []Num
}

// Graph is a run-length encoded causal graph over local numbers. It knows no contents: a caller
// keeps the map between numbers and commit ids.
//
// How to start: g := NewGraph(); n, err := g.Add(edges).
//
// Invariants (tests cite the numbers):
//
//  1. An edge is always smaller than the number that has it.
//  2. Inside a run every number's past is exactly the run's numbers before it, and the past of the
//     run's first number.
//  3. floor(run) = f means: every number below f is in the past of the run's first number. It only
//     saves work, a smaller one is never wrong.
//  4. Every question walks runs, newest first, with a queue of its own: no recursion, and no run
//     twice in one walk.
//  5. What Add made since the last Flush is undone by Rollback without a trace.
//
// The past of a number never changes, so an answer about given numbers stays true for ever.
// Questions may be asked concurrently; nothing else may go on during Add, Flush and Rollback. Its owner
// guards it so.
//
// The idea of runs over local numbers and of walking a priority queue of them newest first is that of
// Gentle and Kleppmann, "Collaborative Text Editing with Eg-walker" (EuroSys 2025).
type Graph struct {
	runs  []run
	next  Num
	heads headSet

	flushed  Num    // numbers below it are flushed
	lastRun  int    // runs at the last Flush
	lastLen  uint64 // length of the last of them then
	unheaded []Num  // flushed numbers that were heads at the last Flush and no longer are

	queues sync.Pool // of *walkQueue, for walks
}

type run struct {
	start  Num
	len    uint64
	height uint64 // of the first number
	floor  Num    // invariant 3
	edges  []Num  // ascending
}

// floorAt is invariant 3 for the number n of the run: a run whose first number has everything
// below it in its past keeps that for all that follow.
func (r *run) floorAt(n Num) Num {
	if r.floor == r.start {
		return n
	}
	return r.floor
}

// NewGraph returns an empty graph.
func NewGraph() *Graph { return &Graph{} }

// Len is how many numbers the graph holds; the next Add returns it.
func (g *Graph) Len() uint64 { return g.next }

// RunCount is how many runs the graph is made of: what it costs to keep and to walk.
func (g *Graph) RunCount() int { return len(g.runs) }

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
	own = g.dominators(q, own, &work)
	g.queues.Put(q)
	// When the budget did not suffice own may hold an ancestor too many, which costs a run and is never wrong.
	if len(own) == 1 && own[0]+1 == n {
		g.runs[len(g.runs)-1].len++
	} else {
		g.startRun(own, 1)
	}
	g.next++
	g.moveHeads(own, n)
	return n, nil
}

// startRun appends a run whose first number has the sorted edges.
func (g *Graph) startRun(edges []Num, length uint64) {
	r := run{start: g.next, len: length, edges: edges, height: 1}
	heads := 0
	for _, e := range edges {
		at := &g.runs[g.find(e)]
		r.height = max(r.height, at.height+(e-at.start)+1)
		r.floor = max(r.floor, at.floorAt(e))
		if r.floor == e {
			r.floor = e + 1
		}
		if g.heads.has(e) {
			heads++
		}
	}
	if heads == g.heads.live {
		r.floor = r.start
	}
	g.runs = append(g.runs, r)
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

// find returns the index of the run that holds n, which must be below Len.
func (g *Graph) find(n Num) int {
	if last := len(g.runs) - 1; g.runs[last].start <= n {
		return last
	}
	lo, hi := 0, len(g.runs)
	for lo+1 < hi {
		mid := int(uint(lo+hi) >> 1)
		if g.runs[mid].start <= n {
			lo = mid
		} else {
			hi = mid
		}
	}
	return lo
}

// Height is 1 + the highest of the number's edges; 1 without any. n must be below Len.
func (g *Graph) Height(n Num) uint64 {
	r := &g.runs[g.find(n)]
	return r.height + (n - r.start)
}

// Edges returns the edges that matter of n: inside a run only the number before. n must be below Len.
func (g *Graph) Edges(n Num) []Num {
	r := &g.runs[g.find(n)]
	if n > r.start {
		return []Num{n - 1}
	}
	return slices.Clone(r.edges)
}

// Runs yields the graph's runs, oldest first. The edges are shared with the graph: read only.
func (g *Graph) Runs() iter.Seq[Run] { return g.runsFrom(0) }

func (g *Graph) runsFrom(first int) iter.Seq[Run] {
	return func(yield func(Run) bool) {
		for _, r := range g.runs[first:] {
			if !yield(Run{r.start, r.len, r.edges}) {
				return
			}
		}
	}
}

// Dirty yields the runs that were made or grew since the last Flush, oldest first: exactly the
// records a store has to write, keyed by their Start. After one Add there is one.
func (g *Graph) Dirty() iter.Seq[Run] {
	first := g.lastRun
	if first > 0 && g.runs[first-1].len != g.lastLen {
		first--
	}
	return g.runsFrom(first)
}

// Flush says that everything added so far is kept: Dirty becomes empty and Rollback comes back here.
func (g *Graph) Flush() {
	g.flushed, g.lastRun, g.unheaded = g.next, len(g.runs), g.unheaded[:0]
	if g.lastRun > 0 {
		g.lastLen = g.runs[g.lastRun-1].len
	}
}

// Rollback takes back every Add since the last Flush.
func (g *Graph) Rollback() {
	g.runs = g.runs[:g.lastRun]
	if g.lastRun > 0 {
		g.runs[g.lastRun-1].len = g.lastLen
	}
	g.next = g.flushed
	g.heads.truncate(g.flushed)
	for _, n := range g.unheaded {
		g.heads.restore(n)
	}
	g.unheaded = g.unheaded[:0]
}

// LoadGraph rebuilds a graph from its runs, oldest first, as Runs and Dirty gave them. *RunError when
// they do not follow each other or name numbers that are not there.
func LoadGraph(runs iter.Seq[Run]) (*Graph, error) {
	g := NewGraph()
	for r := range runs {
		switch {
		case r.Start != g.next:
			return nil, &RunError{r.Start, "does not begin where the one before ends"}
		case r.Len == 0 || r.Start+r.Len < r.Start:
			return nil, &RunError{r.Start, "has no valid length"}
		case len(r.Edges) > 0 && r.Edges[len(r.Edges)-1] >= r.Start:
			return nil, &RunError{r.Start, "has an edge that is not before it"}
		}
		for i := 1; i < len(r.Edges); i++ {
			if r.Edges[i-1] >= r.Edges[i] {
				return nil, &RunError{r.Start, "has edges out of order"}
			}
		}
		g.startRun(r.Edges, r.Len)
		g.moveHeads(r.Edges, r.Start+r.Len-1)
		g.next += r.Len
	}
	g.Flush()
	return g, nil
}
