//go:build !js

package scripttest

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/hyperhyperspace/hhs-go/store"
	"github.com/hyperhyperspace/hhs-go/store/pebble"
)

// A script over Pebble gives what it gives over memory, down to each store's last key.
func TestPebble(t *testing.T) {
	seeds := uint64(12)
	if os.Getenv("HHS_SOAK") != "" {
		seeds = 2000
	}
	for seed := range seeds {
		seed += 1000
		want, err := Run(t.Context(), seed, Mem())
		if err != nil {
			t.Fatal(err)
		}
		fs := vfs.NewMem()
		got, err := Run(t.Context(), seed, func(_ context.Context, peer int) (store.Store, error) {
			return pebble.Open(fmt.Sprint("db", peer), pebble.Options{FS: fs, Ballast: -1})
		})
		if err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Errorf("script %d over Pebble gives\n%+v\nover memory\n%+v", seed, got, want)
		}
	}
	t.Logf("%d scripts", seeds)
}
