package syncer

import (
	"context"
	"encoding/binary"
	"slices"
	"sync"
	"time"

	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/object"
)

// Turns decides whose batch is unpacked and goes through the door next, for all sessions of a node: one of each space and
// maxDoors in all at once, so that what many peers send takes the memory of a few batches, and an edit made here waits for
// one of them at most. The order is that of fair queueing (self-clocked): each batch is due when its device's share of the
// doors would have paid for it, so that a small one passes the large ones of others, and nobody waits for ever.
//
// After a large batch of a space with several peers the door rests: for a little, so that what others need of the space is
// done between two of them, and while peers lag behind what they are sent, since they get everything that enters here, and
// somebody's edit behind it; but not for long, whatever they do. Small batches pass all the same.
//
// The zero value is ready.
type Turns struct {
	mu      sync.Mutex
	busy    int // turns that are taken
	doors   map[object.ID]*doorway
	waiting []*turn // in the order of arrival
	clock   uint64  // when the batch that came in last was due
	due     map[identity.PublicKey]uint64
}

// doorway is the door of one space.
type doorway struct {
	busy      bool
	resting   *rest                  // nil: it does not rest
	followers map[*follower]struct{} // the sessions of the space
	meters    map[identity.PublicKey]*bucket
}

// rest is the time after a large batch in which no other such one is let in.
type rest struct {
	least, most time.Duration
	over        chan struct{} // closed when it need not take longer than that
	rested      bool          // the least has passed
}

// turn is one batch's.
type turn struct {
	space object.ID
	cost  uint64
	due   uint64
	ready chan struct{} // closed when it has come
}

// follower is a session as the door sees it: somebody who has to take in what enters.
type follower struct{ waits time.Time } // since when it takes no more; zero: it takes what there is

// join makes a session known to the door of its space. The meter is that of all sessions of the device there.
func (t *Turns) join(space object.ID, device identity.PublicKey, now time.Time) (*follower, *bucket) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.doors == nil {
		t.doors, t.due = map[object.ID]*doorway{}, map[identity.PublicKey]uint64{}
	}
	d := t.doors[space]
	if d == nil {
		d = &doorway{followers: map[*follower]struct{}{}, meters: map[identity.PublicKey]*bucket{}}
		t.doors[space] = d
	}
	f := &follower{}
	d.followers[f] = struct{}{}
	d.forget(now)
	m := d.meters[device]
	if m == nil {
		m = newBucket(lookRate, lookBurst, now)
		d.meters[device] = m
	}
	return f, m
}

// leave is called when a session is over, all its turns included.
func (t *Turns) leave(space object.ID, f *follower, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	d := t.doors[space]
	delete(d.followers, f)
	if d.forget(now); len(d.followers)+len(d.meters) == 0 {
		delete(t.doors, space)
	}
}

// forget drops the meters of devices that are as if they had never been here.
func (d *doorway) forget(now time.Time) {
	for device, m := range d.meters {
		if m.full(now) {
			delete(d.meters, device)
		}
	}
}

// tell says since when the follower has not taken what it was sent; zero: it has.
func (t *Turns) tell(space object.ID, f *follower, waits, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if f.waits == waits {
		return
	}
	f.waits = waits
	if d := t.doors[space]; d.resting != nil && d.resting.rested && !d.lag(now) {
		t.open(d)
	}
}

// take waits for the turn of a batch.
func (t *Turns) take(ctx context.Context, space object.ID, device identity.PublicKey, cost uint64) (*turn, error) {
	w := &turn{space: space, cost: cost, ready: make(chan struct{})}
	t.mu.Lock()
	w.due = max(t.clock, t.due[device]) + cost + turnCost
	t.due[device] = w.due
	t.waiting = append(t.waiting, w)
	t.next()
	t.mu.Unlock()
	select {
	case <-w.ready:
		return w, nil
	case <-ctx.Done():
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if at := slices.Index(t.waiting, w); at >= 0 {
		t.waiting = slices.Delete(t.waiting, at, at+1)
	} else {
		t.doors[space].busy = false
		t.busy--
		t.next()
	}
	return nil, ctx.Err()
}

// next gives turns to those who are due first. Under mu.
func (t *Turns) next() {
	for t.busy < maxDoors {
		var first *turn
		for _, w := range t.waiting {
			d := t.doors[w.space]
			if d.busy || d.resting != nil && w.cost > smallBatch {
				continue
			}
			if first == nil || w.due < first.due {
				first = w
			}
		}
		if first == nil {
			break
		}
		t.waiting = slices.DeleteFunc(t.waiting, func(w *turn) bool { return w == first })
		t.busy++
		t.doors[first.space].busy = true
		t.clock = max(t.clock, first.due)
		close(first.ready)
	}
	if len(t.due) > 2*len(t.waiting)+maxDoors {
		for device, due := range t.due {
			if due <= t.clock {
				delete(t.due, device) // as if it had never sent any
			}
		}
	}
}

// done gives a turn back that took so long. If it returns a rest, rested and then wake have to be called.
func (t *Turns) done(w *turn, took time.Duration, now time.Time) *rest {
	t.mu.Lock()
	defer t.mu.Unlock()
	d := t.doors[w.space]
	d.busy = false
	t.busy--
	var r *rest
	if took = min(took, maxRest); w.cost > smallBatch && took > 0 && len(d.followers) > 1 {
		r = &rest{least: took / leastRest, over: make(chan struct{})}
		r.most = max(r.least, min(mostRest*took, maxRest))
		d.resting = r
	}
	t.next()
	return r
}

// rested is called when the least of a rest has passed.
func (t *Turns) rested(w *turn, r *rest, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	r.rested = true
	if d := t.doors[w.space]; !d.lag(now) {
		t.open(d)
	}
}

// wake ends a rest unless that has happened.
func (t *Turns) wake(w *turn, r *rest) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if d := t.doors[w.space]; d.resting == r {
		t.open(d)
	}
}

// open ends a rest. Under mu.
func (t *Turns) open(d *doorway) {
	close(d.resting.over)
	d.resting = nil
	t.next()
}

// lag tells whether somebody has more to take in than is on the way. Who has taken nothing for long is not waited for.
func (d *doorway) lag(now time.Time) bool {
	for r := range d.followers {
		if !r.waits.IsZero() && now.Sub(r.waits) < lagPatience {
			return true
		}
	}
	return false
}

// costOf is about how long a batch will take: as its length is told, before it is unpacked.
func costOf(data []byte) uint64 {
	if len(data) > 0 && data[0] == packDeflate {
		size, _ := binary.Uvarint(data[1:])
		return min(size, history.MaxBatchWire)
	}
	return uint64(len(data))
}
