//go:build !js

package hhs_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	hhs "github.com/hyperhyperspace/hhs-go"
	"github.com/hyperhyperspace/hhs-go/store"
)

// writers is how many write at once in BenchmarkGroupCommit.
const writers = 64

// BenchmarkGroupCommit has 64 writers wait for the disk after each of their commits, and says how many times as many
// commits that is, by wall time, as those of one writer who does.
func BenchmarkGroupCommit(b *testing.B) {
	ctx := context.Background()
	n, err := hhs.Open(ctx, b.TempDir(), hhs.Kinds(desk), hhs.Offline())
	if err != nil {
		b.Fatal(err)
	}
	defer n.Close()
	room, err := hhs.Create(ctx, n, desk)
	if err != nil {
		b.Fatal(err)
	}
	write := func(what string) {
		err := room.Update(ctx, func(tx *hhs.Tx, d Desk) error { return d.Tags.Add(tx, what) }, store.Synced)
		if err != nil {
			b.Error(err)
		}
	}
	const alone = 50
	start := time.Now()
	for i := range alone {
		write(fmt.Sprint("alone ", i))
	}
	single := alone / time.Since(start).Seconds()
	b.ResetTimer()
	start = time.Now()
	var wait sync.WaitGroup
	for w := range writers {
		wait.Go(func() {
			for i := w; i < b.N; i += writers {
				write(fmt.Sprint("together ", i))
			}
		})
	}
	wait.Wait()
	b.ReportMetric(float64(b.N)/time.Since(start).Seconds()/single, "times")
}
