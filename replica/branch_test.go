//go:build unix

package replica_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/hyperhyperspace/hhs-go/authority"
	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/replica"
)

// closure is a naive past: of each commit, itself and all below it.
type closure map[object.ID]map[object.ID]bool

func (m closure) of(c *history.Commit) map[object.ID]bool {
	in := map[object.ID]bool{c.ID: true}
	for _, e := range c.Edges() {
		for id := range m[e] {
			in[id] = true
		}
	}
	return in
}

// Of commits by a device that forks wildly, in batches of which some are
// refused, exactly those are admitted that have one branch in their past.
func TestBranchesAgainstModel(t *testing.T) {
	seeds := uint64(120)
	if testing.Short() {
		seeds = 15
	}
	refused, taken := 0, 0
	for seed := range seeds {
		rnd := rand.New(rand.NewPCG(seed, 11))
		w := newWorld(t)
		past := closure{w.root: {w.root: true}}
		here := []*history.Commit{}
		bad := map[object.ID]bool{} // commits of the device that forks
		any := func() object.ID {
			if at := rnd.IntN(len(here) + 1); at < len(here) {
				return here[at].ID
			}
			return w.root
		}
		last := map[bool]*history.Commit{}
		for step := range 60 {
			var fresh []*history.Commit
			ok := true
			mine := map[object.ID]bool{}
			for i := range 1 + rnd.IntN(4) {
				text := fmt.Sprint(seed, step, i)
				honest := rnd.IntN(3) == 0
				var c *history.Commit
				var prev *history.Commit
				f := w.bad
				if honest {
					f, prev = w.good, last[true]
				} else if len(here) > 0 && rnd.IntN(8) > 0 {
					for range 20 { // mostly late ones, so that branches grow
						at := len(here) - 1 - rnd.IntN(min(len(here), 1+rnd.IntN(len(here))))
						if bad[here[at].ID] {
							prev = here[at]
							break
						}
					}
				}
				switch {
				case prev == nil && rnd.IntN(3) > 0:
					c = f.first(text, w.root).commit(t)
				case prev == nil:
					c = f.first(text, any()).commit(t)
				case rnd.IntN(2) == 0:
					c = f.next(text, prev.ID, prev.Env.Seq+1).commit(t)
				default:
					d := f.next(text, prev.ID, prev.Env.Seq+1)
					if other := any(); other != prev.ID {
						d.env.Parents = []object.ID{other}
					}
					c = d.commit(t)
				}
				all := past.of(c)
				past[c.ID] = all
				if !honest {
					own := past[c.Env.Prev]
					for id := range all {
						if id != c.ID && (bad[id] || mine[id]) && !own[id] {
							ok = false
						}
					}
					mine[c.ID] = true
				} else {
					last[true] = c
				}
				here, fresh = append(here, c), append(fresh, c)
			}
			b := batch(fresh)
			for _, c := range fresh {
				f := w.bad
				if c.Env.Author == w.good.key() {
					f = w.good
				}
				b.Attestations = append(b.Attestations, f.attest(w.id(), c))
			}
			_, err := w.space.Ingest(context.Background(), b, peer)
			var r *replica.Reject
			if ok != (err == nil) || err != nil && (!errors.As(err, &r) || r.Rule != authority.RuleBranch) {
				t.Fatalf("seed %d, step %d: %v, and it should be taken: %v", seed, step, err, ok)
			}
			if err != nil {
				refused++
				here = here[:len(here)-len(fresh)]
				last[true] = nil
				for i := len(here) - 1; i >= 0 && last[true] == nil; i-- {
					if !bad[here[i].ID] {
						last[true] = here[i]
					}
				}
				continue
			}
			taken++
			for id := range mine {
				bad[id] = true
			}
		}
	}
	t.Logf("%d batches taken, %d refused", taken, refused)
	if refused < taken/20 || taken < refused/20 {
		t.Error("one of the two hardly happens")
	}
}

// BenchmarkBranches is what a commit of a device with n branches costs: branches
// of one commit, and each of the one before.
func BenchmarkBranches(b *testing.B) {
	for _, shape := range []string{"one place", "one after another", "places of their own"} {
		for _, n := range []int{1000, 10_000, 30_000} {
			b.Run(fmt.Sprintf("%s/%d", shape, n), func(b *testing.B) {
				for b.Loop() {
					b.StopTimer()
					w := newWorld(b)
					first := w.bad.first("a", w.root).commit(b)
					in := batch([]*history.Commit{first}, w.bad.attest(w.id(), first))
					add := func(d *draft) *history.Commit {
						d.env.Time = int64(len(in.Commits))
						c := d.commit(b)
						in.Commits, in.Attestations = append(in.Commits, c), append(in.Attestations, w.bad.attest(w.id(), c))
						return c
					}
					prev := first
					for i := range n {
						switch c := add(w.bad.empty(prev.ID, prev.Env.Seq+1)); shape {
						case "one after another":
							if i%2 == 1 {
								prev = c
							}
						case "places of their own":
							if i < n/2 {
								prev = c
							} else {
								prev = in.Commits[i-n/2+1]
							}
						}
					}
					b.StartTimer()
					if _, err := w.space.Ingest(context.Background(), in, peer); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/float64(n), "us/commit")
			})
		}
	}
}
