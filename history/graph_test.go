package history

import (
	"errors"
	"fmt"
	"iter"
	"maps"
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

// records is a store of runs.
type records map[Num][]byte

// source is what a store of runs answers.
func (s records) source(n Num) iter.Seq2[Run, error] {
	return func(yield func(Run, error) bool) {
		for _, start := range slices.Backward(slices.Sorted(maps.Keys(s))) {
			if start > n {
				continue
			}
			if r, err := DecodeRun(start, s[start]); !yield(r, err) || err != nil {
				return
			}
		}
	}
}

// keep writes what is dirty.
func (s records) keep(g *Graph) {
	for r := range g.Dirty() {
		s[r.Start] = AppendRun(nil, r)
	}
}

// TestGraphEqualsNaive is invariants 1 to 5 against the oracle, for a graph in memory and for one that keeps almost
// nothing there and is opened anew now and then.
func TestGraphEqualsNaive(t *testing.T) {
	for name, limits := range map[string]*paging{"memory": nil, "stored": {block: 3, blocks: 2, tail: 4}} {
		t.Run(name, func(t *testing.T) { rapid.Check(t, func(t *rapid.T) { equalsNaive(t, limits) }) })
	}
}

func equalsNaive(t *rapid.T, limits *paging) {
	g, model, stored := NewGraph(nil), &naive{}, records{}
	reopen := func(heads []Num) {
		var err error
		if limits != nil {
			if g, err = openGraph(stored.source, heads, *limits); err != nil {
				t.Fatal(err)
			}
		}
	}
	reopen(nil)
	for range rapid.IntRange(1, 40).Draw(t, "steps") {
		var keep *naive
		if rapid.IntRange(0, 4).Draw(t, "rollback") == 0 {
			keep = &naive{slices.Clone(model.edges), slices.Clone(model.past)}
		}
		before := g.Heads()
		for range rapid.IntRange(1, 4).Draw(t, "adds") {
			edges := drawEdges(t, model)
			n, err := g.Add(edges)
			if err != nil || n != Num(len(model.edges)) {
				t.Fatalf("add: %d %v", n, err)
			}
			model.add(edges)
		}
		headsChanged(t, g, before)
		if keep != nil {
			g.Rollback()
			model = keep
		} else {
			stored.keep(g)
			g.Flush()
		}
		for range g.Dirty() {
			t.Fatal("dirty after a flush or rollback")
		}
		headsChanged(t, g, g.Heads())
		if !slices.Equal(g.Heads(), model.heads()) {
			t.Fatalf("heads %v, want %v", g.Heads(), model.heads())
		}
		if limits != nil {
			if len(g.tail) > limits.tail || len(g.older.blocks) > limits.blocks {
				t.Fatalf("%d runs and %d blocks are in memory", len(g.tail), len(g.older.blocks))
			}
			if rapid.IntRange(0, 9).Draw(t, "reopen") == 0 {
				reopen(g.Heads())
			}
		}
	}
	compare(t, g, model)
}

// headsChanged checks what the graph says has become of the heads of the last flush.
func headsChanged(t *rapid.T, g *Graph, before []Num) {
	came, went := g.HeadChanges()
	after := slices.DeleteFunc(slices.Clone(before), func(n Num) bool { return slices.Contains(went, n) })
	if !slices.Equal(append(after, came...), g.Heads()) {
		t.Fatalf("heads %v with %v and without %v are not %v", before, came, went, g.Heads())
	}
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
	onlyA, onlyB, err := g.Diff(a, b)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := spanNums(onlyA), minus(inA, inB); !slices.Equal(got, want) {
		t.Fatalf("only a %v, want %v", got, want)
	}
	if got, want := spanNums(onlyB), minus(inB, inA); !slices.Equal(got, want) {
		t.Fatalf("only b %v, want %v", got, want)
	}
	for i := range Num(n) {
		if in, err := g.Contains(a, i); err != nil || in != inA[i] {
			t.Fatalf("%v contains %d: %v %v", a, i, !inA[i], err)
		}
		if h, err := g.Height(i); err != nil || h != model.height(i) {
			t.Fatalf("height of %d: %d %v, want %d", i, h, err, model.height(i))
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
	if got, err := g.Dominators(a); err != nil || !slices.Equal(got, top) {
		t.Fatalf("dominators of %v: %v %v, want %v", a, got, err, top)
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
			edges, err := g.Edges(at)
			if err != nil {
				panic(err)
			}
			todo = append(todo, edges...)
		}
	}
	return past
}

func TestGraphRefusesUnknownEdges(t *testing.T) {
	g := NewGraph(nil)
	if _, err := g.Add([]Num{0}); err == nil {
		t.Fatal("an edge to itself")
	}
	g.Add(nil)
	if _, err := g.Add([]Num{0, 7}); err == nil {
		t.Fatal("an edge to nothing")
	}
	for _, q := range [][2]Num{{9, 0}, {0, 9}} {
		if in, err := g.Contains([]Num{q[0]}, q[1]); g.Len() != 1 || in || err != nil {
			t.Fatal("unknown numbers count")
		}
	}
}

func TestStoredGraphRefusesDamage(t *testing.T) {
	fine := []Run{{0, 2, 1, 0, nil}, {2, 1, 2, 0, []Num{0}}, {3, 1, 3, 3, []Num{1, 2}}, {4, 4, 3, 0, []Num{2}}}
	for name, c := range map[string]struct {
		runs  []Run
		heads []Num
	}{
		"nothing but heads": {nil, []Num{0}},
		"no heads":          {fine, nil},
		"no last head":      {fine, []Num{3}},
		"unknown head":      {fine, []Num{3, 7, 8}},
		"heads disordered":  {fine, []Num{7, 3}},
		"empty":             {[]Run{{0, 0, 1, 0, nil}}, []Num{0}},
		"overflow":          {[]Run{{5, ^uint64(0), 1, 0, nil}}, []Num{4}},
		"no height":         {[]Run{{0, 5, 0, 0, nil}}, []Num{4}},
		"floor above":       {[]Run{{5, 1, 3, 6, nil}}, []Num{5}},
	} {
		if _, err := OpenGraph(sourceOf(c.runs), c.heads); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	unreadable := errors.New("unreadable")
	for name, source := range map[string]Source{
		"a gap":      sourceOf(slices.Delete(slices.Clone(fine), 1, 2)),
		"an overlap": sourceOf([]Run{fine[0], {2, 2, 2, 0, []Num{0}}, fine[2], fine[3]}),
		"no first":   sourceOf(fine[3:]),
		"a failure": func(n Num) iter.Seq2[Run, error] {
			if n < 4 {
				return func(yield func(Run, error) bool) { yield(Run{}, unreadable) }
			}
			return sourceOf(fine)(n)
		},
	} {
		g, err := openGraph(source, []Num{3, 7}, paging{block: 4, blocks: 1, tail: 1})
		if err != nil {
			t.Fatal(err)
		}
		_, _, diff := g.Diff(g.Heads(), nil)
		_, contains := g.Contains([]Num{7}, 1)
		_, height := g.Height(1)
		_, edges := g.Edges(1)
		_, dominators := g.Dominators([]Num{2, 3, 7})
		_, add := g.Add([]Num{3})
		for i, err := range []error{diff, errors.Join(contains, height, edges, dominators, add)} {
			var damaged *RunError
			if !errors.As(err, &damaged) && !errors.Is(err, unreadable) {
				t.Errorf("%s, question %d: %v", name, i, err)
			}
		}
		if add != nil && (g.Len() != 8 || len(g.Heads()) != 2) {
			t.Errorf("%s: a failed Add left something", name)
		}
	}
	for _, record := range [][]byte{nil, {1}, {1, 5}, {1, 1, 0}, {1, 1, 0, 1, 0}, {1, 1, 0, 1, 11}, {1, 1, 0, 0, 0}, {0, 1, 0, 0},
		{1, 0, 0, 0}, {1, 1, 11, 0}, {0x81, 0, 1, 0, 0}} {
		if r, err := DecodeRun(10, record); err == nil {
			t.Errorf("%x: accepted as %v", record, r)
		}
	}
}

func sourceOf(runs []Run) Source {
	return func(n Num) iter.Seq2[Run, error] {
		return func(yield func(Run, error) bool) {
			if len(runs) == 0 {
				return
			}
			for _, r := range slices.Backward(runs[:holder(runs, n)+1]) {
				if !yield(r, nil) {
					return
				}
			}
		}
	}
}

// TestGraphLinear: a million commits in a line are one run, and a line that merges a second one now and
// then stays a run as long as the merged ones are ancestors.
func TestGraphLinear(t *testing.T) {
	g := NewGraph(nil)
	g.Add(nil)
	for i := Num(1); i < 1_000_000; i++ {
		g.Add([]Num{i - 1, i / 2})
	}
	if h, _ := g.Height(999_999); len(g.tail) != 1 || h != 1_000_000 {
		t.Fatalf("%d runs, height %d", len(g.tail), h)
	}
	for n, want := range map[Num]bool{3: true, 1_000_000: false} {
		if in, _ := g.Contains([]Num{999_999}, n); in != want {
			t.Fatalf("a line contains %d: %v", n, in)
		}
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
	g := NewGraph(nil)
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
					if only, _, _ := g.Diff(g.Heads(), nil); len(only) != 1 || only[0].Len() != n {
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

// TestStoredGraphKeepsLittle: what a stored graph holds in memory has a bound, however many runs there are and
// whatever was asked, and a question near the tips reads nothing.
func TestStoredGraphKeepsLittle(t *testing.T) {
	for _, s := range shapes {
		t.Run(s.name, func(t *testing.T) {
			const n = 20_000
			built := buildShape(s.edges, n)
			reads := 0
			source := sourceOf(built.tail)
			g, err := OpenGraph(func(n Num) iter.Seq2[Run, error] { reads++; return source(n) }, built.Heads())
			if err != nil || reads != 1 {
				t.Fatalf("%d reads to open, %v", reads, err)
			}
			if in, err := g.Contains([]Num{n - 1}, n-3); err != nil || reads > 2 {
				t.Errorf("%d reads near the tips: %v %v", reads, in, err)
			}
			all, _, err := g.Diff(g.Heads(), nil)
			if err != nil || len(all) != 1 || all[0] != (Span{0, n}) {
				t.Fatalf("all of the graph: %v %v", all, err)
			}
			if most := len(built.tail)/graphPaging.block + 3; reads > most {
				t.Errorf("%d reads of %d runs, at most %d", reads, len(built.tail), most)
			}
			reads = 0
			for i := range Num(n) {
				if _, err := g.Height(i); err != nil {
					t.Fatal(err)
				}
			}
			if most := 4*len(built.tail)/graphPaging.block + 3; reads > most {
				t.Errorf("%d reads of %d runs in ascending order, at most %d", reads, len(built.tail), most)
			}
			for i := Num(n); i < n+1000; i++ { // goes on growing
				if _, err := g.Add(s.edges(i)); err != nil {
					t.Fatal(err)
				}
				built.tail = append(built.tail, slices.Collect(g.Dirty())...)
				g.Flush()
			}
			kept := len(g.tail)
			for _, b := range g.older.blocks {
				kept += len(b.runs)
			}
			if most := graphPaging.tail + graphPaging.block*graphPaging.blocks; kept > most {
				t.Errorf("%d runs are in memory, at most %d", kept, most)
			}
		})
	}
}
