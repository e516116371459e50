package mesh

import (
	"context"
	"time"
)

// Clock is where the mesh gets the time and where it waits. It is safe for
// concurrent use.
type Clock interface {
	Now() time.Time
	// Timer returns a channel that receives once after d, and a function that
	// frees the timer before that.
	Timer(d time.Duration) (c <-chan time.Time, stop func())
}

// SystemClock is the Clock of the machine.
type SystemClock struct{}

// Now returns the time.
func (SystemClock) Now() time.Time { return time.Now() }

// Timer starts a timer.
func (SystemClock) Timer(d time.Duration) (<-chan time.Time, func()) {
	t := time.NewTimer(d)
	return t.C, func() { t.Stop() }
}

// within is context.WithTimeoutCause on a Clock. The cause is ErrExpired.
func within(ctx context.Context, c Clock, d time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	expired, stop := c.Timer(d)
	go func() {
		select {
		case <-expired:
			cancel(ErrExpired)
		case <-ctx.Done():
		}
		stop()
	}()
	return ctx, func() { cancel(context.Canceled) }
}

// bucket is a token bucket; the zero value of level is an empty one.
type bucket struct {
	burst float64
	every time.Duration // one token for each
	level float64
	last  time.Time
}

func newBucket(burst int, every time.Duration, now time.Time) bucket {
	return bucket{burst: float64(burst), every: every, level: float64(burst), last: now}
}

// take removes a token if there is one.
func (b *bucket) take(now time.Time) bool {
	if d := now.Sub(b.last); d > 0 {
		b.level = min(b.burst, b.level+float64(d)/float64(b.every))
	}
	b.last = now
	if b.level < 1 {
		return false
	}
	b.level--
	return true
}
