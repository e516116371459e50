package history

import (
	"sync"
	"testing"
)

// TestGraphConcurrentQuestions: questions asked at once get the answers they get alone.
func TestGraphConcurrentQuestions(t *testing.T) {
	g := buildShape(shapes[4].edges, 2000)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for n := Num(2); n < 2000; n++ {
				only, _ := g.Diff([]Num{n}, nil)
				if got := Num(len(spanNums(only))); !g.Contains([]Num{n}, 0) || got != n/2*2+1 {
					t.Errorf("past of %d: %d", n, got)
					return
				}
			}
		})
	}
	wg.Wait()
}
