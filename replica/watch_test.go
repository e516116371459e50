package replica_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/hyperhyperspace/hhs-go/crdt"
	"github.com/hyperhyperspace/hhs-go/replica"
)

// TestSlowWatcherIsBounded: who does not take its changes hears of few and of small ones one by one, and is told to read again
// past 4,096 changes or 4 MiB of values.
func TestSlowWatcherIsBounded(t *testing.T) {
	for _, c := range []struct {
		name      string
		txs, each int // elements added, by so many transactions
		size      int // of each
		resync    bool
	}{
		{"few and small", 4, 10, 100, false},
		{"few and large", 30, 1, 60_000, false},
		{"large", 80, 1, 60_000, true},
		{"many", 5, 1000, 10, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := create(t, newNode(t, 1))
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			changes := s.Watch(ctx)
			for i := range c.txs {
				_, err := s.Update(ctx, func(tx *replica.Tx) error {
					for j := range c.each {
						if err := tx.Do("tags", crdt.SetAdd(enc(t, fmt.Sprint(i, j, strings.Repeat("x", c.size))))); err != nil {
							return err
						}
					}
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
			}
			line(t, s, "end")
			got, resync := 0, false
			for ch, err := range changes {
				if err != nil {
					t.Fatal(err)
				}
				if ch.Resync {
					resync = true
					break
				}
				if ch.Field == "lines" {
					break
				}
				got++
			}
			if resync != c.resync || !resync && got != c.txs*c.each {
				t.Errorf("%d changes of %d, told to read again: %v", got, c.txs*c.each, resync)
			}
		})
	}
}
