package history

import (
	"sync"
	"testing"
)

// TestGraphConcurrentQuestions: questions asked at once get the answers they get alone.
func TestGraphConcurrentQuestions(t *testing.T) {
	built := buildShape(shapes[4].edges, 2000)
	g, err := openGraph(sourceOf(built.tail), built.Heads(), paging{block: 64, blocks: 2, tail: 64})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for n := Num(2); n < 2000; n++ {
				only, _, errDiff := g.Diff([]Num{n}, nil)
				in, err := g.Contains([]Num{n}, 0)
				if got := Num(len(spanNums(only))); !in || got != n/2*2+1 || errDiff != nil || err != nil {
					t.Errorf("past of %d: %d %v %v", n, got, errDiff, err)
					return
				}
			}
		})
	}
	wg.Wait()
}
