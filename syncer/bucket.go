package syncer

import (
	"context"
	"sync"
	"time"
)

// bucket slows a peer down that makes too much work of a kind.
type bucket struct {
	rate, burst float64 // per second; at once

	mu     sync.Mutex
	tokens float64
	at     time.Time
}

func newBucket(rate, burst float64, now time.Time) *bucket {
	return &bucket{rate: rate, burst: burst, tokens: burst, at: now}
}

// take waits until there are n tokens, those that others have taken before included, so that many callers get no more
// than one; false if ctx ended first.
func (b *bucket) take(ctx context.Context, clock Clock, n float64) bool {
	b.mu.Lock()
	b.fill(clock.Now())
	b.tokens -= n
	debt := -b.tokens
	b.mu.Unlock()
	if debt <= 0 {
		return true
	}
	wait, stop := clock.Timer(time.Duration(debt * float64(time.Second) / b.rate))
	defer stop()
	select {
	case <-wait:
		return true
	case <-ctx.Done():
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tokens += n // was not used; fill keeps to the burst
	return false
}

// full tells that nothing of it is used.
func (b *bucket) full(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fill(now)
	return b.tokens >= b.burst
}

func (b *bucket) fill(now time.Time) {
	b.tokens = min(b.burst, b.tokens+now.Sub(b.at).Seconds()*b.rate)
	b.at = now
}
