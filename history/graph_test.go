package history

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// naive is the graph as a list of edges and, for each number, the set of its past: the oracle.
type naive struct {
	edges [][]Num
	past  []map[Num]bool // itself included
}

func (g *naive) add(edges []Num) {
	n := Num(len(g.edges))
	past := map[Num]bool{n: true}
	for _, e := range edges {
		for p := range g.past[e] {
			past[p] = true
		}
	}
	g.edges, g.past = append(g.edges, edges), append(g.past, past)
}

func (g *naive) closure(version []Num) map[Num]bool {
	all := map[Num]bool{}
	for _, v := range version {
		for p := range g.past[v] {
			all[p] = true
		}
	}
	return all
}

func (g *naive) height(n Num) uint64 {
	h := uint64(0)
	for _, e := range g.edges[n] {
		h = max(h, g.height(e))
	}
	return h + 1
}

func (g *naive) heads() []Num {
	child := map[Num]bool{}
	for _, edges := range g.edges {
		for _, e := range edges {
			child[e] = true
		}
	}
	heads := []Num{}
	for n := range g.edges {
		if !child[Num(n)] {
			heads = append(heads, Num(n))
		}
	}
	return heads
}

func spanNums(spans []Span) []Num {
	out := []Num{}
	for i, s := range spans {
		if s.Start >= s.End || i > 0 && spans[i-1].End >= s.Start {
			panic(fmt.Sprint("spans not ascending, or not joined: ", spans))
		}
		for n := s.Start; n < s.End; n++ {
			out = append(out, n)
		}
	}
	return out
}

// minus lists what a has and b has not, ascending.
func minus(a, b map[Num]bool) []Num {
	out := []Num{}
	for n := range a {
		if !b[n] {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	return out
}

// drawEdges favours what real histories look like: the last number, all heads, a stale head, anything.
func drawEdges(t *rapid.T, g *naive) []Num {
	n := Num(len(g.edges))
	if n == 0 {
		return nil
	}
	switch rapid.IntRange(0, 9).Draw(t, "shape") {
	case 0, 1, 2, 3:
		return []Num{n - 1}
	case 4:
		return g.heads()
	case 5:
		heads := g.heads()
		return []Num{heads[rapid.IntRange(0, len(heads)-1).Draw(t, "head")]}
	case 6:
		return []Num{n - 1, Num(rapid.IntRange(0, int(n-1)).Draw(t, "old"))}
	case 7:
		return nil
	}
	return rapid.SliceOfN(rapid.Uint64Range(0, n-1), 1, 4).Draw(t, "edges")
}

// TestGraphEqualsNaive is invariants 1 to 5 against the oracle.
func TestGraphEqualsNaive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g, model := NewGraph(), &naive{}
		stored := map[Num][]byte{}
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			var keep *naive
			if rapid.IntRange(0, 4).Draw(t, "rollback") == 0 {
				keep = &naive{slices.Clone(model.edges), slices.Clone(model.past)}
			}
			for range rapid.IntRange(1, 4).Draw(t, "adds") {
				edges := drawEdges(t, model)
				n, err := g.Add(edges)
				if err != nil || n != Num(len(model.edges)) {
					t.Fatalf("add: %d %v", n, err)
				}
				model.add(edges)
			}
			if keep != nil {
				g.Rollback()
				model = keep
			} else {
				for r := range g.Dirty() {
					stored[r.Start] = AppendRun(nil, r)
				}
				g.Flush()
			}
			for range g.Dirty() {
				t.Fatal("dirty after a flush or rollback")
			}
			if !slices.Equal(g.Heads(), model.heads()) {
				t.Fatalf("heads %v, want %v", g.Heads(), model.heads())
			}
		}
		compare(t, g, model)
		compare(t, reload(t, stored), model)
	})
}

// reload builds a graph from stored records.
func reload(t *rapid.T, stored map[Num][]byte) *Graph {
	var starts []Num
	for s := range stored {
		starts = append(starts, s)
	}
	slices.Sort(starts)
	g, err := LoadGraph(func(yield func(Run) bool) {
		for _, s := range starts {
			r, err := DecodeRun(s, stored[s])
			if err != nil {
				t.Fatal(err)
			}
			if !yield(r) {
				return
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func compare(t *rapid.T, g *Graph, model *naive) {
	n := len(model.edges)
	if g.Len() != uint64(n) {
		t.Fatalf("%d numbers, want %d", g.Len(), n)
	}
	if !slices.Equal(g.Heads(), model.heads()) {
		t.Fatalf("heads %v, want %v", g.Heads(), model.heads())
	}
	if n == 0 {
		return
	}
	version := rapid.SliceOfN(rapid.Uint64Range(0, uint64(n-1)), 0, 4)
	a, b := version.Draw(t, "a"), version.Draw(t, "b")
	inA, inB := model.closure(a), model.closure(b)
	onlyA, onlyB := g.Diff(a, b)
	if got, want := spanNums(onlyA), minus(inA, inB); !slices.Equal(got, want) {
		t.Fatalf("only a %v, want %v", got, want)
	}
	if got, want := spanNums(onlyB), minus(inB, inA); !slices.Equal(got, want) {
		t.Fatalf("only b %v, want %v", got, want)
	}
	missing := slices.AppendSeq([]Num{}, g.Missing(a))
	if want := minus(model.closure(model.heads()), inA); !slices.Equal(missing, want) {
		t.Fatalf("missing %v, want %v", missing, want)
	}
	for i := range Num(n) {
		if g.Contains(a, i) != inA[i] {
			t.Fatalf("%v contains %d: %v", a, i, !inA[i])
		}
		if g.Height(i) != model.height(i) {
			t.Fatalf("height of %d: %d, want %d", i, g.Height(i), model.height(i))
		}
		if got, want := g.pastOf(i), model.past[i]; len(minus(got, want)) > 0 || len(minus(want, got)) > 0 {
			t.Fatalf("past of %d by its edges: %v, want %v", i, got, want)
		}
	}
	top := []Num{}
	for _, v := range a {
		others := slices.DeleteFunc(slices.Clone(a), func(o Num) bool { return o == v })
		if !model.closure(others)[v] && !slices.Contains(top, v) {
			top = append(top, v)
		}
	}
	slices.Sort(top)
	if got := g.Dominators(a); !slices.Equal(got, top) {
		t.Fatalf("dominators of %v: %v, want %v", a, got, top)
	}
}

// pastOf walks Edges.
func (g *Graph) pastOf(n Num) map[Num]bool {
	past := map[Num]bool{}
	for todo := []Num{n}; len(todo) > 0; {
		at := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if !past[at] {
			past[at] = true
			todo = append(todo, g.Edges(at)...)
		}
	}
	return past
}

func TestGraphRefusesUnknownEdges(t *testing.T) {
	g := NewGraph()
	if _, err := g.Add([]Num{0}); err == nil {
		t.Fatal("an edge to itself")
	}
	g.Add(nil)
	if _, err := g.Add([]Num{0, 7}); err == nil {
		t.Fatal("an edge to nothing")
	}
	if g.Len() != 1 || g.Contains([]Num{9}, 0) || g.Contains([]Num{0}, 9) {
		t.Fatal("unknown numbers count")
	}
}

func TestLoadGraphRefusesDamage(t *testing.T) {
	for name, runs := range map[string][]Run{
		"gap":              {{0, 2, nil}, {3, 1, []Num{0}}},
		"empty":            {{0, 0, nil}},
		"edge to itself":   {{0, 1, nil}, {1, 1, []Num{1}}},
		"edges disordered": {{0, 3, nil}, {3, 1, []Num{2, 1}}},
		"overflow":         {{0, 5, nil}, {5, ^uint64(0), nil}},
	} {
		if _, err := LoadGraph(slices.Values(runs)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	for _, record := range [][]byte{nil, {1}, {1, 5}, {1, 1, 0}, {1, 1, 11}, {1, 0, 0}, {0, 0}, {0x81, 0, 0}} {
		if r, err := DecodeRun(10, record); err == nil {
			t.Errorf("%x: accepted as %v", record, r)
		}
	}
}

// TestGraphLinear: a million commits in a line are one run, and a line that merges a second one now and
// then stays a run as long as the merged ones are ancestors.
func TestGraphLinear(t *testing.T) {
	g := NewGraph()
	g.Add(nil)
	for i := Num(1); i < 1_000_000; i++ {
		g.Add([]Num{i - 1, i / 2})
	}
	if g.RunCount() != 1 || g.Height(999_999) != 1_000_000 {
		t.Fatalf("%d runs, height %d", g.RunCount(), g.Height(999_999))
	}
	if !g.Contains([]Num{999_999}, 3) || g.Contains([]Num{3}, 4) {
		t.Fatal("a line does not contain what it should")
	}
}

// shapes are the graphs of case 49, n numbers each.
var shapes = []struct {
	name  string
	edges func(i Num) []Num
}{
	{"chain", func(i Num) []Num {
		return []Num{i - 1}
	}},
	{"wide", func(i Num) []Num { // all concurrent
		return []Num{0}
	}},
	{"comb", func(i Num) []Num { // a spine, each of whose commits has a tooth that is never merged
		if i%2 == 1 {
			return []Num{i - 1}
		}
		return []Num{i - 2}
	}},
	{"diamonds", func(i Num) []Num { // 2^k paths
		if i%3 == 0 {
			return []Num{i - 2, i - 1}
		}
		return []Num{i - i%3}
	}},
	{"ladder", func(i Num) []Num { // two authors, each always merging the other's last
		if i < 2 {
			return []Num{0}
		}
		return []Num{i/2*2 - 2, i/2*2 - 1}
	}},
	{"old names", func(i Num) []Num { // two lines for ever, each commit naming an older one of its own
		if i < 200 {
			return []Num{0}
		}
		return []Num{i - 2, i - 2 - i%64*2}
	}},
}

func buildShape(edges func(Num) []Num, n Num) *Graph {
	g := NewGraph()
	g.Add(nil)
	for i := Num(1); i < n; i++ {
		if _, err := g.Add(edges(i)); err != nil {
			panic(err)
		}
	}
	g.Flush()
	return g
}

// BenchmarkGraph prints the time per number of building a graph and of comparing nothing with all of it, at
// n, 2n and 4n: it must not grow with n (R10).
func BenchmarkGraph(b *testing.B) {
	for _, s := range shapes {
		for _, n := range []Num{25_000, 50_000, 100_000} {
			b.Run(fmt.Sprintf("%s/%d", s.name, n), func(b *testing.B) {
				var add, walk time.Duration
				for b.Loop() {
					at := time.Now()
					g := buildShape(s.edges, n)
					add += time.Since(at)
					at = time.Now()
					if only, _ := g.Diff(g.Heads(), nil); len(only) != 1 || only[0].Len() != n {
						b.Fatal("something is missing")
					}
					walk += time.Since(at)
				}
				b.ReportMetric(float64(add.Nanoseconds())/float64(n)/float64(b.N), "ns/add")
				b.ReportMetric(float64(walk.Nanoseconds())/float64(n)/float64(b.N), "ns/diff")
			})
		}
	}
}

// TestGraphWorkIsTheDifference counts steps of the walk, not time: a difference near the tips of a long and
// much diverged history looks at no more of it than at the tips of a short one.
func TestGraphWorkIsTheDifference(t *testing.T) {
	for _, s := range shapes {
		if s.name == "wide" {
			continue // its difference is as large as it is
		}
		t.Run(s.name, func(t *testing.T) {
			work := func(n Num) int {
				g := buildShape(s.edges, n)
				q := new(walkQueue)
				g.diff(q, []Num{n - 1}, []Num{n - 9})
				return q.pops
			}
			if short, long := work(300), work(30_000); long > short {
				t.Errorf("%d steps became %d", short, long)
			}
		})
	}
}
