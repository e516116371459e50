package idb

import (
	"context"
	"fmt"
	"testing"

	"github.com/hyperhyperspace/hhs-go/internal/scripttest"
	"github.com/hyperhyperspace/hhs-go/store"
)

// A script over IndexedDB gives what it gives over memory, down to each store's last key.
func TestScripts(t *testing.T) {
	for seed := uint64(2000); seed < 2004; seed++ {
		want, err := scripttest.Run(t.Context(), seed, scripttest.Mem())
		if err != nil {
			t.Fatal(err)
		}
		name := newName(t)
		got, err := scripttest.Run(t.Context(), seed, func(ctx context.Context, peer int) (store.Store, error) {
			return open(ctx, fmt.Sprint(name, "-", seed, "-", peer), Options{}, small)
		})
		if err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Errorf("script %d over IndexedDB gives\n%+v\nover memory\n%+v", seed, got, want)
		}
	}
}
