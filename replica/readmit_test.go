package replica_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/replica"
	"github.com/hyperhyperspace/hhs-go/store"
)

// sharing is a space on a store in which three devices wrote by turns, in runs of
// commits of which only the last has an attestation, that came in batches of
// several authors.
func sharing(t testing.TB, mem store.Store) *replica.Space {
	t.Helper()
	a := create(t, at(t, mem, 1))
	b, c := join(t, newNode(t, 2), a), join(t, newNode(t, 3), a)
	pull(t, b, a, 1<<20)
	pull(t, c, a, 1<<20)
	for turn := range 4 {
		for _, s := range []*replica.Space{a, b, c} {
			for i := range 7 + 3*turn {
				remember(t, s, fmt.Sprintf("%d %d", turn, i))
			}
			lines(t, s)
		}
		pull(t, b, c, 1<<20)
		pull(t, a, b, 1<<20)
		pull(t, b, a, 1<<20)
		pull(t, c, a, 1<<20)
	}
	return a
}

// Commits that share an attestation stay together wherever a list is cut, by
// number and by size.
func TestRunsAcrossTheCut(t *testing.T) {
	const never = 1 << 40
	cuts := [][2]int{{never, 1}, {never, 700}, {never, 5000}}
	for n := 1; n < 40; n += 3 {
		cuts = append(cuts, [2]int{n, never})
	}
	mem := store.NewMem()
	a := sharing(t, mem)
	id, heads, want, count := a.ID(), a.Heads(), lines(t, a), a.Len()
	if runs := count - attested(t, mem); runs < 30 {
		t.Fatalf("only %d commits without an attestation", runs)
	}
	a.Node().Close()
	for _, cut := range cuts {
		replica.CutReadmission(t, cut[0], cut[1], history.MaxBatchSize)
		for name, f := range map[string]func(*replica.Node) (replica.Report, error){
			"checked": func(n *replica.Node) (replica.Report, error) { return n.Check(context.Background(), id, nil) },
			"rebuilt": func(n *replica.Node) (replica.Report, error) { return n.Rebuild(context.Background(), id, nil) },
			"brought up to date": func(n *replica.Node) (replica.Report, error) {
				n.Close()
				older(t, mem)
				return at(t, mem, 1).Check(context.Background(), id, nil)
			},
		} {
			n := at(t, mem, 1)
			if r, err := f(n); err != nil || !r.Sound() || r.Commits != count {
				t.Errorf("cut %v: %s: %+v, %v", cut, name, r, err)
			}
			n.Close()
			n = at(t, mem, 1)
			s := mustSpace(t, n, id)
			if _, known := s.Trouble(); known || !slices.Equal(s.Heads(), heads) || !slices.Equal(lines(t, s), want) {
				t.Fatalf("cut %v: %s: %d commits of %d, trouble %v", cut, name, s.Len(), count, known)
			}
			n.Close()
		}
	}
}

// What nothing vouches for any more is carried on for a while only, and comes
// back with what it needs.
func TestRotAcrossTheCut(t *testing.T) {
	for _, tail := range []int{20_000, history.MaxBatchSize} {
		for n := 1; n < 12; n += 5 {
			replica.CutReadmission(t, n, 1<<40, tail)
			for i := 3; i < 50; i += 9 {
				mem := store.NewMem()
				a := sharing(t, mem)
				b := join(t, newNode(t, 9), a)
				pull(t, b, a, 1<<20)
				id, heads, want := a.ID(), a.Heads(), lines(t, a)
				a.Node().Close()
				list := ofSpace(t, mem, "ct")
				kv := list[i%len(list)]
				flip(t, mem, kv, len(kv.Value)-1)
				node := at(t, mem, 1)
				r, err := node.Rebuild(context.Background(), id, nil)
				if err != nil || r.Lost != 1 {
					t.Fatalf("rebuilt: %+v, %v", r, err)
				}
				s := mustSpace(t, node, id)
				if s.Len()+r.Lost+r.Aside != b.Len() {
					t.Errorf("%d commits, %d lost, %d aside of %d", s.Len(), r.Lost, r.Aside, b.Len())
				}
				pull(t, s, b, 1<<20)
				if trouble, known := s.Trouble(); known || !slices.Equal(s.Heads(), heads) || !slices.Equal(lines(t, s), want) {
					t.Errorf("tail %d, cut %d, record %d: %d commits of %d, %+v", tail, n, i, s.Len(), b.Len(), trouble)
				}
			}
		}
	}
}

// A space of which a rebuild set intact commits aside for nothing is whole again
// when it is opened, and the note of it gone.
func TestHurtForNothingHeals(t *testing.T) {
	mem := store.NewMem()
	a := sharing(t, mem)
	id, want := a.ID(), lines(t, a)
	replica.CutReadmission(t, 3, 1<<40, -1) // nothing is carried on
	r, err := a.Node().Rebuild(context.Background(), id, nil)
	if err != nil || r.Aside == 0 || r.Lost != 0 {
		t.Fatalf("rebuilt: %+v, %v", r, err)
	}
	a.Node().Close()
	replica.CutReadmission(t, 3, 1<<40, history.MaxBatchSize)
	n := at(t, mem, 1)
	s := mustSpace(t, n, id)
	if trouble, known := s.Trouble(); known || !slices.Equal(lines(t, s), want) {
		t.Errorf("%d lines of %d, %+v", len(lines(t, s)), len(want), trouble)
	}
	if r, err := n.Check(context.Background(), id, nil); err != nil || !r.Sound() {
		t.Errorf("afterwards: %+v, %v", r, err)
	}
	records(t, mem) // in one keyspace
}
