package syncer

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/internal/order"
	"github.com/hyperhyperspace/hhs-go/object"
)

// What ends says of a batch is what its definition says, on histories of one author, of several and with merges.
func TestEnds(t *testing.T) {
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 1))
		authors := []*author{newAuthor(0), newAuthor(1), newAuthor(2)}[:1+r.IntN(3)]
		var all []*history.Commit
		for range 1 + r.IntN(30) {
			a := authors[r.IntN(len(authors))]
			var parents []object.ID
			for range min(r.IntN(3), len(all)) {
				parents = append(parents, all[r.IntN(len(all))].ID)
			}
			parents = slices.DeleteFunc(parents, func(id object.ID) bool { return id == a.prev })
			order.By(parents, object.ID.Compare)
			all = append(all, a.on(t, slices.Compact(parents)))
		}
		b := &history.Batch{Commits: all[r.IntN(len(all)):]}
		inside, named := map[object.ID]bool{}, map[object.ID]bool{}
		for _, c := range b.Commits {
			inside[c.ID] = true
			for _, e := range c.Edges() {
				named[e] = true
			}
		}
		tips, edges := ends(b)
		for id := range inside {
			if slices.Contains(tips, id) == named[id] {
				t.Fatalf("seed %d: %s among the tips: %v, named: %v", seed, id.Short(), !named[id], named[id])
			}
		}
		for id := range named {
			if slices.Contains(edges, id) == inside[id] {
				t.Fatalf("seed %d: edge %s to the outside: %v", seed, id.Short(), !inside[id])
			}
		}
		if len(tips) > len(inside) || len(edges) > len(named) {
			t.Fatalf("seed %d: %d tips, %d edges", seed, len(tips), len(edges))
		}
	}
}
