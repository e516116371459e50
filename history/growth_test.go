package history

import (
	"math"
	"testing"
)

// TestWalkGrowth is the part of R10 that is history's: the steps of a walk over all of a history, for every shape, at n,
// 2n and 4n. Steps and not time, so that it is the same everywhere.
func TestWalkGrowth(t *testing.T) {
	const n, limit = 25_000, 1.15
	steepest := 0.0
	for _, s := range shapes {
		var steps [3]float64
		for i := range steps {
			g := buildShape(s.edges, n<<i)
			q := new(walkQueue)
			if only, _, err := g.diff(q, g.Heads(), nil); err != nil || len(only) != 1 || only[0].Len() != n<<i {
				t.Fatalf("%s: all of it is %v, %v", s.name, only, err)
			}
			steps[i] = float64(q.pops)
		}
		slope := math.Log(steps[2]/steps[0]) / math.Log(4)
		if slope > limit {
			t.Errorf("%s: %v steps, the power %.2f of the size, at most %.2f", s.name, steps, slope, limit)
		}
		t.Logf("%s: %v steps", s.name, steps)
		steepest = max(steepest, slope)
	}
	t.Logf("%d shapes of history, walks grow with the power %.2f of the size at most", len(shapes), steepest)
}
