//go:build !js

package ws

import "time"

// rates is a token bucket per address group: so many a second, twice as many
// in a burst. It remembers at most maxRates groups; past that, full buckets are
// forgotten first (which changes nothing), then all.
type rates struct {
	perSecond float64
	buckets   map[string]bucket
}

type bucket struct {
	tokens float64
	at     time.Time // when tokens was true
}

func newRates(perSecond int) *rates {
	return &rates{perSecond: float64(perSecond), buckets: make(map[string]bucket)}
}

// take uses up one token of a group, or reports that there is none.
func (r *rates) take(group string, now time.Time) bool {
	b, known := r.buckets[group]
	if !known {
		r.forget(now)
		b = bucket{tokens: 2 * r.perSecond, at: now}
	}
	b.tokens = r.tokens(b, now)
	b.at = now
	ok := b.tokens >= 1
	if ok {
		b.tokens--
	}
	r.buckets[group] = b
	return ok
}

func (r *rates) tokens(b bucket, now time.Time) float64 {
	return min(2*r.perSecond, b.tokens+r.perSecond*now.Sub(b.at).Seconds())
}

func (r *rates) forget(now time.Time) {
	if len(r.buckets) < maxRates {
		return
	}
	for group, b := range r.buckets {
		if r.tokens(b, now) >= 2*r.perSecond {
			delete(r.buckets, group)
		}
	}
	if len(r.buckets) >= maxRates {
		clear(r.buckets)
	}
}
