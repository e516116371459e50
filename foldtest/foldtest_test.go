package foldtest

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	hhs "github.com/hyperhyperspace/hhs-go"
	"github.com/hyperhyperspace/hhs-go/internal/fold"
)

// queue is a fold that is right: who stands in line, each once.
type queue struct{ People []hhs.Identity }

func (queue) FoldName() (string, int) { return "test.example/queue", 1 }

func (q queue) Step(op hhs.FoldOp[bool]) (queue, error) {
	i := slices.Index(q.People, op.Identity)
	switch {
	case op.Value && i >= 0:
		return q, errors.New("stands in line")
	case op.Value:
		return queue{append(slices.Clone(q.People), op.Identity)}, nil
	case i < 0:
		return q, errors.New("stands in no line")
	}
	return queue{slices.Delete(slices.Clone(q.People), i, i+1)}, nil
}

func TestRun(t *testing.T) {
	Run(t, func(r *rand.Rand, _ queue) bool { return r.IntN(3) > 0 })
}

// moody gives something else now and then, rash changes what it ignores.
type moody struct{ N int64 }

var moods int64

func (moody) FoldName() (string, int) { return "test.example/moody", 1 }

func (m moody) Step(hhs.FoldOp[bool]) (moody, error) {
	moods++
	if m.N++; moods%50 == 0 {
		m.N = 0
	}
	return m, nil
}

type rash struct{ List []int64 }

func (rash) FoldName() (string, int) { return "test.example/rash", 1 }

func (r rash) Step(op hhs.FoldOp[bool]) (rash, error) {
	if len(r.List) > 3 {
		r.List[0]++
		return r, errors.New("full")
	}
	return rash{append(slices.Clone(r.List), 1)}, nil
}

// TestRunFinds runs histories of folds that are wrong until one says so.
func TestRunFinds(t *testing.T) {
	finds(t, func(r *rand.Rand, _ moody) bool { return true })
	finds(t, func(r *rand.Rand, _ rash) bool { return true })
}

func finds[S hhs.Folding[S, bool]](t *testing.T, draw func(r *rand.Rand, s S) bool) {
	t.Helper()
	for seed := range uint64(20) {
		h := &history[S, bool]{r: rand.New(rand.NewPCG(seed, 0)), draw: draw, def: def[S, bool](), away: map[string]bool{}}
		h.run = fold.New(h.def)
		for range steps {
			if err := h.step(); err != nil {
				if !strings.Contains(err.Error(), h.def.Name) {
					t.Errorf("it does not say of which fold: %v", err)
				}
				return
			}
		}
	}
	t.Errorf("%T was not found wrong", *new(S))
}
