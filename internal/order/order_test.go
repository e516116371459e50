package order_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/hyperhyperspace/hhs-go/internal/order"
)

type pair struct{ key, place int }

func byKey(a, b pair) int { return cmp.Compare(a.key, b.key) }

// TestLikeSlices holds both against the standard library.
func TestLikeSlices(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for n := range 200 {
		list := make([]pair, n)
		for i := range list {
			list[i] = pair{rnd.IntN(n/2 + 1), i}
		}
		want := slices.Clone(list)
		slices.SortStableFunc(want, byKey)
		stable := slices.Clone(list)
		order.Stably(stable, byKey)
		if !slices.Equal(stable, want) {
			t.Fatalf("Stably of %v: %v", list, stable)
		}
		order.By(list, func(a, b pair) int { return cmp.Or(byKey(a, b), cmp.Compare(a.place, b.place)) })
		if !slices.Equal(list, want) {
			t.Fatalf("By of %d elements: %v", n, list)
		}
	}
}

func ExampleBy() {
	names := []string{"set", "log", "register"}
	order.By(names, strings.Compare)
	fmt.Println(names)
	// Output: [log register set]
}
