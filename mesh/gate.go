package mesh

import (
	"slices"
	"time"

	"github.com/hyperhyperspace/hhs-go/internal/netlimit"
)

// gate bounds handshakes that others begin. It never refuses a newcomer for
// want of a place: who has been silent longest makes room, among those from the
// address group that holds most. An honest handshake ends in a few round trips;
// one that is held open is replaced. Under Mesh.mu.
type gate struct {
	lim   *Limits
	under []*knock
	rate  bucket          // of all
	rates *netlimit.Rates // of each address group
}

// knock is one handshake under way.
type knock struct {
	address string
	heard   time.Time // when the other side last sent something
	evict   func()
}

// gateRate is how many times the handshakes per second of one address group may
// come from all together: 256 by default, a tenth of a second of one core.
const gateRate = 8

func newGate(lim *Limits, now time.Time) gate {
	perSecond := lim.HandshakesPerSecond
	every := time.Second / time.Duration(gateRate*perSecond)
	return gate{
		lim:   lim,
		rate:  newBucket(gateRate*perSecond, max(1, every), now),
		rates: netlimit.NewRates(float64(perSecond), float64(perSecond)),
	}
}

// enter takes a handshake in, and returns the one that has to end for it, or nil.
func (g *gate) enter(k *knock, now time.Time) (evicted *knock, ok bool) {
	if !g.rates.Take(k.address, now) || !g.rate.take(now) {
		return nil, false
	}
	k.heard = now
	g.under = append(g.under, k)
	count := map[string]int{}
	most := 0
	for _, o := range g.under {
		count[o.address]++
		most = max(most, count[o.address])
	}
	from := func(*knock) bool { return false }
	switch {
	case k.address != "" && count[k.address] > g.lim.HandshakesPerAddress:
		from = func(o *knock) bool { return o.address == k.address }
	case len(g.under) > g.lim.Handshakes:
		from = func(o *knock) bool { return count[o.address] == most }
	}
	for _, o := range g.under {
		if o != k && from(o) && (evicted == nil || o.heard.Before(evicted.heard)) {
			evicted = o
		}
	}
	if evicted != nil {
		g.leave(evicted)
	}
	return evicted, true
}

func (g *gate) leave(k *knock) {
	g.under = slices.DeleteFunc(g.under, func(o *knock) bool { return o == k })
}
