// Package foldtest tries a fold of an application: whether its function gives the same for the same ops whatever way they
// came. [Run] makes random histories, in which ops come late, are taken back and given again, and holds every state that a copy
// would show against one put together from the beginning.
//
//	func TestAuction(t *testing.T) {
//		foldtest.Run(t, func(r *rand.Rand, a Auction) Op { return Op{Bid: r.Int64N(20), Close: r.IntN(9) == 0} })
//	}
//
// What it cannot see is a function that is wrong in the same way each time, and one that reads what changes only from one
// device to another.
package foldtest

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	hhs "github.com/hyperhyperspace/hhs-go"
	"github.com/hyperhyperspace/hhs-go/internal/fold"
)

// seedEnv makes Run run one history, the one that it said failed.
const seedEnv = "FOLDTEST_SEED"

const (
	histories = 200
	steps     = 30
	people    = 4 // the first of them has founded the space
)

// Run tries the fold whose states are S. draw makes an op that somebody who sees the state might do.
func Run[S hhs.Folding[S, Op], Op any](t *testing.T, draw func(r *rand.Rand, s S) Op) {
	t.Helper()
	first, count := uint64(1), uint64(histories)
	if n, err := strconv.ParseUint(os.Getenv(seedEnv), 10, 64); err == nil {
		first, count = n, 1
	}
	for seed := first; seed < first+count; seed++ {
		h := &history[S, Op]{r: rand.New(rand.NewPCG(seed, 0)), draw: draw, def: def[S, Op](), away: map[string]bool{}}
		h.run = fold.New(h.def)
		for range steps {
			if err := h.step(); err != nil {
				t.Fatalf("%s=%d: %v\nthe ops, in order:\n%s", seedEnv, seed, err, h)
			}
		}
	}
}

func def[S hhs.Folding[S, Op], Op any]() *fold.Def {
	name, version := (*new(S)).FoldName()
	return fold.Of(name, int64(version), func(s S, op any) (S, error) { return s.Step(op.(hhs.FoldOp[Op])) })
}

// history is one random history, and a copy that follows it.
type history[S hhs.Folding[S, Op], Op any] struct {
	r    *rand.Rand
	draw func(r *rand.Rand, s S) Op
	def  *fold.Def
	run  *fold.Run
	ops  []fold.Op // in order
	away map[string]bool
	made int
}

func (h *history[S, Op]) step() error {
	least := "~" // after all places
	switch n := h.r.IntN(10); {
	case n < 7:
		for range 1 + h.r.IntN(4) {
			place, err := h.add()
			if err != nil {
				return err
			}
			least = min(least, place)
		}
	case len(h.ops) > 0:
		for range 1 + h.r.IntN(3) {
			place := h.ops[h.r.IntN(len(h.ops))].Place
			h.away[place] = !h.away[place]
			least = min(least, place)
		}
	}
	h.run.Back(least)
	if h.r.IntN(3) == 0 { // nobody looks
		return nil
	}
	got, err := h.shows(h.run)
	if err != nil {
		return err
	}
	want, err := h.shows(fold.New(h.def))
	if err != nil {
		return err
	}
	if got != want {
		return fmt.Errorf("a copy that ops come to late shows\n%s\nfrom the beginning it is\n%s", got, want)
	}
	return nil
}

// add puts an op somewhere: half of them at the end.
func (h *history[S, Op]) add() (string, error) {
	_, state, err := h.run.State()
	if err != nil {
		return "", err
	}
	height := len(h.ops) + 1
	if h.r.IntN(2) == 0 {
		height = 1 + h.r.IntN(height)
	}
	h.made++
	who := h.r.IntN(people)
	op := hhs.FoldOp[Op]{Founder: who == 0, Entry: hhs.Entry[Op]{Value: h.draw(h.r, state.(S)), Identity: hhs.Identity(fmt.Sprint("did:key:person", who)),
		Device: fmt.Sprint("did:key:device", who), Time: time.UnixMilli(1_700_000_000_000 + int64(h.r.IntN(1_000_000))), Index: h.made}}
	place := fmt.Sprintf("%06d %06d", height, h.r.IntN(1000)*1000+h.made)
	at, _ := slices.BinarySearchFunc(h.ops, place, func(o fold.Op, p string) int { return strings.Compare(o.Place, p) })
	h.ops = slices.Insert(h.ops, at, fold.Op{Place: place, Label: label[Op](op), Given: op})
	return place, nil
}

// shows brings a run up to date and writes what it shows.
func (h *history[S, Op]) shows(run *fold.Run) (string, error) {
	if err := run.Forward(h.after(run.Place())); err != nil {
		return "", err
	}
	block, state, err := run.State()
	if err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%+v (%x)", state, block)
	ignored, _ := run.Ignored()
	for _, i := range ignored {
		fmt.Fprintf(&b, "\nignored: %s: %s", label[Op](i.Op.(hhs.FoldOp[Op])), i.Reason)
	}
	return b.String(), nil
}

func (h *history[S, Op]) after(place string) iter.Seq2[fold.Op, error] {
	return func(yield func(fold.Op, error) bool) {
		for _, op := range h.ops {
			if op.Place > place && !h.away[op.Place] && !yield(op, nil) {
				return
			}
		}
	}
}

// String lists the ops.
func (h *history[S, Op]) String() string {
	var b strings.Builder
	for _, op := range h.ops {
		taken := ""
		if h.away[op.Place] {
			taken = " (taken back)"
		}
		fmt.Fprintf(&b, "  %s%s\n", op.Label, taken)
	}
	return b.String()
}

// label writes an op for people.
type label[Op any] hhs.FoldOp[Op]

func (l label[Op]) String() string {
	return fmt.Sprintf("%+v by %s", l.Value, strings.TrimPrefix(string(l.Identity), "did:key:"))
}
