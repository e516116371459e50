package rtc

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/hyperhyperspace/hhs-go/transport"
)

// engine is one connection as its platform makes it.
type engine interface {
	offer(ctx context.Context) (sdp string, err error)
	answer(ctx context.Context, offer string) (sdp string, err error)
	accept(ctx context.Context, answer string) error
	candidate(json string)                   // of the other end; never waits
	gathered() *candidates                   // of this end
	opened() <-chan struct{}                 // closed when the channel is open
	over() <-chan struct{}                   // closed when the connection has ended
	cause() error                            // why; once over
	conn(info transport.Info) transport.Conn // after opened
	abort()                                  // frees everything
}

// candidates collects what an engine finds out about this end's addresses.
type candidates struct {
	mu    sync.Mutex
	found []string // not yet taken
	done  bool
	wake  chan struct{}
}

func newCandidates() *candidates { return &candidates{wake: make(chan struct{}, 1)} }

// add notes a candidate; "" says that there are no more. It never waits.
func (c *candidates) add(json string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case json == "":
		c.done = true
	case len(json) <= maxCandidate && len(c.found) < maxCandidates:
		c.found = append(c.found, json)
	}
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// take returns what is new, at most maxBatch, and whether there is more to do.
func (c *candidates) take() (batch []string, done bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := min(len(c.found), maxBatch)
	batch = c.found[:n:n]
	c.found = c.found[n:]
	return batch, c.done && len(c.found) == 0
}

// settle waits until all are found, at most d.
func (c *candidates) settle(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	for {
		c.mu.Lock()
		done := c.done
		c.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-c.wake:
		case <-timer.C:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// negotiation brings one connection about.
//
//  1. Exactly one offer and one answer are used; a further one is an error.
//  2. Candidates that come before the description they belong to are kept.
//  3. At most maxCandidates of the other end are used.
//  4. Losing the exchange after the descriptions have crossed is no failure:
//     what is known may be enough.
type negotiation struct {
	engine    engine
	exchange  Exchange
	cfg       Config
	initiator bool

	ours, theirs []byte   // fingerprints
	early        []string // candidates before their description
	used         int      // candidates of the other end
	sendLost     bool     // the exchange no longer takes messages
}

// run returns the binding of the open connection.
func (n *negotiation) run(ctx context.Context) ([]byte, error) {
	if n.initiator {
		sdp, err := n.engine.offer(ctx)
		if err != nil {
			return nil, err
		}
		if err := n.describe(ctx, kindOffer, sdp); err != nil {
			return nil, err
		}
	}
	receiving, stop := context.WithCancel(ctx)
	incoming := make(chan received)
	var reader sync.WaitGroup
	reader.Go(func() { n.receive(receiving, incoming) })
	defer reader.Wait()
	defer stop()
	for {
		var wake <-chan struct{}
		if n.ours != nil && !n.sendLost {
			wake = n.engine.gathered().wake
		}
		select {
		case <-n.engine.opened():
			if n.ours == nil || n.theirs == nil {
				return nil, errors.New("the channel opened before the descriptions crossed")
			}
			return binding(n.ours, n.theirs), nil
		case <-n.engine.over():
			return nil, n.engine.cause()
		case r := <-incoming:
			if r.err != nil {
				if n.theirs == nil {
					return nil, r.err
				}
				incoming = nil
			} else if err := n.handle(ctx, r.msg); err != nil {
				return nil, err
			}
		case <-wake:
			n.trickle(ctx)
		case <-ctx.Done():
			if n.theirs != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return nil, errors.Join(ErrNoPath, ctx.Err())
			}
			return nil, ctx.Err()
		}
	}
}

type received struct {
	msg []byte
	err error
}

// receive passes on what the exchange brings, until its first error.
func (n *negotiation) receive(ctx context.Context, out chan<- received) {
	for {
		msg, err := n.exchange.Receive(ctx)
		select {
		case out <- received{msg, err}:
		case <-ctx.Done():
			return
		}
		if err != nil {
			return
		}
	}
}

// describe sends this end's description with the candidates there are.
func (n *negotiation) describe(ctx context.Context, kind signalKind, sdp string) error {
	ours, err := fingerprint(sdp)
	if err != nil {
		return err
	}
	n.ours = ours
	if err := n.engine.gathered().settle(ctx, n.cfg.Gather); err != nil {
		return err
	}
	batch, done := n.engine.gathered().take()
	if err := n.exchange.Send(ctx, (&signal{kind: kind, sdp: sdp, candidates: batch}).encode()); err != nil {
		return err
	}
	if !done {
		n.trickle(ctx)
	}
	return nil
}

// trickle sends the candidates found since.
func (n *negotiation) trickle(ctx context.Context) {
	for {
		batch, _ := n.engine.gathered().take()
		if len(batch) == 0 {
			return
		}
		if err := n.exchange.Send(ctx, (&signal{kind: kindCandidates, candidates: batch}).encode()); err != nil {
			n.sendLost = true
			return
		}
	}
}

// handle reacts to one message of the other end.
func (n *negotiation) handle(ctx context.Context, msg []byte) error {
	s, err := decodeSignal(msg)
	if err != nil {
		return err
	}
	want := kindOffer
	if n.initiator {
		want = kindAnswer
	}
	switch {
	case s.kind == kindCandidates:
	case s.kind != want || n.theirs != nil:
		return &ExchangeError{"a description that may not come now"}
	default:
		if err := n.described(ctx, s.sdp); err != nil {
			return err
		}
	}
	n.early = append(n.early, s.candidates...)
	if n.used+len(n.early) > maxCandidates {
		return &ExchangeError{"too many candidates"}
	}
	if n.theirs != nil {
		n.used += len(n.early)
		for _, c := range n.early {
			n.engine.candidate(c)
		}
		n.early = nil
	}
	return nil
}

// described takes the other end's description, and answers an offer.
func (n *negotiation) described(ctx context.Context, sdp string) error {
	theirs, err := fingerprint(sdp)
	if err != nil {
		return err
	}
	if n.initiator {
		if err := n.engine.accept(ctx, sdp); err != nil {
			return err
		}
		n.theirs = theirs
		return nil
	}
	answer, err := n.engine.answer(ctx, sdp)
	if err != nil {
		return err
	}
	n.theirs = theirs
	return n.describe(ctx, kindAnswer, answer)
}
