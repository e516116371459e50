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

// A batch of the peer that comes to the door after a transfer was ordered and before it begins is not sent back.
func TestWhatComesBeforeTheReadingGoesNotBack(t *testing.T) {
	ctx := t.Context()
	a, b := newFake(t, "a"), newFake(t, "b")
	common(t, 20, a, b)
	both := a.Heads()
	ours, theirs := newAuthor(2).on(t, both), newAuthor(3).on(t, both)
	a.put(ours)
	b.put(theirs)
	d := &driver{replica: a, session: NewSession(a, nil), loads: make(chan Effect, maxOutbox),
		opts:   Options{Batch: DefaultBatch, Clock: systemClock{}, Pace: func() {}},
		outbox: outbox{wake: make(chan struct{}, 1), empty: make(chan struct{}, 1)}}
	d.step(ctx, Start{})
	d.step(ctx, Received{&Hello{Version, HeadsOf(b.Heads())}})
	d.step(ctx, Received{&Chains{Base: both, Chains: b.Chains(both)}})
	if len(d.loads) == 0 {
		t.Fatal("no transfer was ordered")
	}
	order := (<-d.loads).(Open)
	in := d.admit(ctx, Ingest{Data: batchOf(t, theirs)}, func(Event) {})
	if in.Outcome != Admitted {
		t.Fatal(in.Err)
	}
	transfer := d.open(order)
	defer transfer.close()
	loaded, err := transfer.load()
	if err != nil || !loaded.Last {
		t.Fatalf("last %v, %v", loaded.Last, err)
	}
	sent, err := unbatch(loaded.Data, func() {})
	if err != nil || len(sent.Commits) != 1 || sent.Commits[0].ID != ours.ID {
		t.Errorf("%d commits are sent, %v", len(sent.Commits), err)
	}
}
