// Package netlimit has what servers open to anyone limit by: groups of
// addresses and rates per group.
package netlimit

import "time"

// MaxGroups bounds the groups whose rate is remembered: a few hundred KiB.
const MaxGroups = 4096

// Bucket is a token bucket: so many events a second, and a burst. It uses no
// clock of its own and no lock.
type Bucket struct {
	PerSecond, Burst float64

	tokens float64
	at     time.Time // when tokens was true; zero: full
}

// Take uses up a token, or reports that there is none.
func (b *Bucket) Take(now time.Time) bool { return b.Wait(now) == 0 }

// Wait uses up a token and returns 0, or returns how long it takes until there
// is one and uses up none.
func (b *Bucket) Wait(now time.Time) time.Duration {
	b.tokens, b.at = b.level(now), now
	if b.tokens < 1 {
		return max(1, time.Duration((1-b.tokens)/b.PerSecond*float64(time.Second)))
	}
	b.tokens--
	return 0
}

func (b *Bucket) level(now time.Time) float64 {
	if b.at.IsZero() {
		return b.Burst
	}
	return min(b.Burst, b.tokens+b.PerSecond*max(0, now.Sub(b.at).Seconds()))
}

// Rates is a Bucket for each group. It remembers at most MaxGroups; past that,
// full buckets are forgotten first (which changes nothing), then all.
type Rates struct {
	perSecond, burst float64
	buckets          map[string]*Bucket
}

// NewRates makes Rates with so many events a second for a group, and so many
// in a burst.
func NewRates(perSecond, burst float64) *Rates {
	return &Rates{perSecond: perSecond, burst: burst, buckets: make(map[string]*Bucket)}
}

// Take uses up one token of a group, or reports that there is none.
func (r *Rates) Take(group string, now time.Time) bool {
	b := r.buckets[group]
	if b == nil {
		r.forget(now)
		b = &Bucket{PerSecond: r.perSecond, Burst: r.burst}
		r.buckets[group] = b
	}
	return b.Take(now)
}

// Len returns how many groups are remembered.
func (r *Rates) Len() int { return len(r.buckets) }

func (r *Rates) forget(now time.Time) {
	if len(r.buckets) < MaxGroups {
		return
	}
	for group, b := range r.buckets {
		if b.level(now) >= b.Burst {
			delete(r.buckets, group)
		}
	}
	if len(r.buckets) >= MaxGroups {
		clear(r.buckets)
	}
}
