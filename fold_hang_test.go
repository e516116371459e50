//go:build !js

package hhs_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	hhs "github.com/hyperhyperspace/hhs-go"
)

// In a page there is one thread, whose simulated clock stands still while the
// step waits.

// TestFoldThatHangs: after two seconds the reader is told, and the fold is not run again while the space is open.
func TestFoldThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		tallyWaits = make(chan struct{})
		node := must(hhs.Open(ctx, "", hhs.Kinds(tallyKind)))(t)
		s := must(hhs.Create(ctx, node, tallyKind))(t)
		for _, text := range []string{"a", "slow"} {
			ok(t, s.Update(ctx, func(tx *hhs.Tx, r tallies) error { return r.Main.Do(tx, text) }))
		}
		r := s.Root()
		began := time.Now()
		_, err := r.Main.Get()
		var e *hhs.FoldError
		if !errors.As(err, &e) || e.Why != "slow" {
			t.Errorf("the error is %v", err)
		}
		if d := time.Since(began); d < 2*time.Second || d > 3*time.Second {
			t.Errorf("it took %v", d)
		}
		began = time.Now()
		if _, err := r.Main.Get(); !errors.As(err, &e) || time.Since(began) > 0 {
			t.Errorf("it is run again, for %v: %v", time.Since(began), err)
		}
		shows(t, r.Other, "")
		close(tallyWaits)
		ok(t, node.Close())
	})
}
