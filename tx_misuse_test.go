package hhs_test

import (
	"errors"
	"testing"

	hhs "github.com/hyperhyperspace/hhs-go"
)

type misuse struct {
	Visits hhs.Counter
	Title  hhs.Register[string]
	Votes  hhs.Map[hhs.Counter]
	Notes  hhs.Text
	Plan   hhs.List[string]
}

// A value of another space than the transaction's is not written in the wrong place, and a transaction that has ended
// takes nothing more; each says so.
func TestTxMisuse(t *testing.T) {
	ctx := t.Context()
	kind := hhs.Define[misuse]("test.example/misuse", 1)
	node := must(hhs.Open(ctx, "", hhs.Kinds(kind), hhs.Offline()))(t)
	defer node.Close()
	a, b := must(hhs.Create(ctx, node, kind))(t), must(hhs.Create(ctx, node, kind))(t)
	writes := func(tx *hhs.Tx, r misuse) map[string]error {
		return map[string]error{
			"counter": r.Visits.Add(tx, 7), "register": r.Title.Set(tx, "x"), "map": r.Votes.At("k").Add(tx, 1),
			"text": r.Notes.Insert(tx, 0, "x"), "list": r.Plan.Insert(tx, 0, "x"),
		}
	}
	var kept *hhs.Tx
	ok(t, a.Update(ctx, func(tx *hhs.Tx, _ misuse) error {
		for what, err := range writes(tx, b.Root()) {
			if !errors.Is(err, hhs.ErrOtherSpace) || hhs.Code(err) != "invalid" {
				t.Errorf("%s of another space: %v, code %s", what, err, hhs.Code(err))
			}
		}
		kept = tx
		return nil
	}))
	for what, err := range writes(kept, a.Root()) {
		if !errors.Is(err, hhs.ErrTxEnded) || hhs.Code(err) != "closed" {
			t.Errorf("%s after the end: %v, code %s", what, err, hhs.Code(err))
		}
	}
	for _, s := range []*hhs.Space[misuse]{a, b} {
		if n := must(s.Root().Visits.Value())(t); n != 0 {
			t.Errorf("visits: %d", n)
		}
	}
}
