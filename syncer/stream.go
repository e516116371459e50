package syncer

import (
	"context"
	"iter"
	"sync"
	"time"

	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/replica"
)

// Source is who commits come from.
type Source = replica.Source

// Stream carries messages to and from one peer, each whole, once and in order,
// until it ends. One goroutine sends and one receives at a time. Send may wait
// while the peer does not read; Receive returns an error when the stream is over.
// Both honour ctx. Close may be called at any time, more than once. It must carry
// MaxMessage bytes unless batches are kept smaller and all commits are.
type Stream interface {
	Send(ctx context.Context, msg []byte) error
	Receive(ctx context.Context) ([]byte, error)
	Close() error
}

// Replica is what a session needs of one copy of a space. All methods are safe for
// concurrent use. Questions are answered from what is durable.
type Replica interface {
	View
	// Batches yields everything not in the past of have, in causal order, in
	// batches of about max bytes, each of which passes the door of a replica that
	// took those before it. It is a consistent reading of one moment, not before
	// the call.
	Batches(have []object.ID, max int) iter.Seq2[*history.Batch, error]
	// Ingest is the door. It returns when the batch is durable. An error that
	// matches replica.ErrMissing asks for the past; a *replica.Reject blames the
	// sender; any other is this side's own.
	Ingest(ctx context.Context, b *history.Batch, from Source) (replica.Result, error)
	// Acked records that a device holds commits, and so their past, durably.
	Acked(ctx context.Context, device identity.PublicKey, heads []object.ID) error
	// Subscribe has changed called after every change of the heads, until cancel.
	// changed does not wait.
	Subscribe(changed func()) (cancel func())
}

// Counter is a Replica that can say how many commits Batches(have) would yield,
// at little cost. It makes the numbers of Status exact.
type Counter interface {
	CountMissing(have []object.ID) (int, error)
}

// Clock is time as a session sees it.
type Clock interface {
	Now() time.Time
	// Timer returns a channel that receives once after d, and a function that
	// frees the timer before that.
	Timer(d time.Duration) (c <-chan time.Time, stop func())
}

type systemClock struct{}

func (systemClock) Now() time.Time { return time.Now() }

func (systemClock) Timer(d time.Duration) (<-chan time.Time, func()) {
	t := time.NewTimer(d)
	return t.C, func() { t.Stop() }
}

// Relay is shared by the sessions of one space. It remembers which commits came
// from peers, so that they are passed on only to those that do not get them from
// their author at the same time. The zero value is ready.
type Relay struct {
	mu    sync.Mutex
	known map[object.ID]struct{}
	order []object.ID // a ring, once it is full
	at    int
}

// add notes commits that came from a peer.
func (r *Relay) add(ids []object.ID) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.known == nil {
		r.known = make(map[object.ID]struct{})
	}
	for _, id := range ids {
		if _, ok := r.known[id]; ok {
			continue
		}
		r.known[id] = struct{}{}
		if len(r.order) < maxRelayed {
			r.order = append(r.order, id)
			continue
		}
		delete(r.known, r.order[r.at])
		r.order[r.at] = id
		r.at = (r.at + 1) % maxRelayed
	}
}

func (r *Relay) has(id object.ID) bool {
	if r == nil {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	_, ok := r.known[id]
	return ok
}
