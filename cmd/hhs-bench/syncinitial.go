package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	hhs "github.com/hyperhyperspace/hhs-go"
	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/replica"
	"github.com/hyperhyperspace/hhs-go/syncer"
)

// syncInitial writes n commits on one node and syncs them to an empty one, both on disk, through the syncer of both over a
// stream in memory. The channel below it (Noise, frames) is left out, as in what it is compared with.
func syncInitial(ctx context.Context, r *run) error {
	pair, err := openPair(ctx, r)
	if err != nil {
		return err
	}
	defer pair.close()
	if err := fill(ctx, pair.source, payloads(r.n, 1)); err != nil {
		return err
	}
	wire := &wire{}
	took, err := r.measure(func() error { return wire.sync(ctx, pair.source.AnySpace, pair.copied) })
	if err != nil {
		return err
	}
	got, err := hhs.As(pair.copied, kind)
	if err == nil {
		err = expect(got, r.n)
	}
	if err != nil {
		return err
	}
	r.rate(took)
	r.set("bytes_per_op", round(float64(wire.bytes.Load())/float64(r.n)))
	r.set("messages", wire.messages.Load())
	r.set("signed", signedNote)
	r.set("durability", durabilityNote)
	return nil
}

const signedNote = "Ed25519, verified at the door: the last attestation of each batch vouches for the chain of commits before it"

// pair is a space on two nodes, empty on both at first.
type pair struct {
	from, to *hhs.Node
	source   *hhs.Space[pairs]
	copied   *hhs.AnySpace
}

func openPair(ctx context.Context, r *run) (p *pair, err error) {
	p = &pair{}
	defer func() {
		if err != nil {
			p.close()
		}
	}()
	if p.from, err = openNode(ctx, r.path("from"), hhs.Offline()); err != nil {
		return p, err
	}
	if p.source, err = hhs.Create(ctx, p.from, kind); err != nil {
		return p, err
	}
	if p.to, err = openNode(ctx, r.path("to"), hhs.Offline()); err != nil {
		return p, err
	}
	p.copied, err = p.to.JoinSpace(ctx, p.source.Link().String())
	return p, err
}

// close leaves errors aside: the directories are removed next.
func (p *pair) close() {
	for _, n := range []*hhs.Node{p.from, p.to} {
		if n != nil {
			_ = n.Close()
		}
	}
}

// wire counts what goes between two peers.
type wire struct{ bytes, messages atomic.Int64 }

// sync runs a session of each side until the copy equals the source.
func (w *wire) sync(ctx context.Context, source, copied *hhs.AnySpace) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	a, b := w.pipe()
	synced := make(chan struct{})
	var once sync.Once
	done := func(s syncer.Status) {
		if s.Synced && copied.Ready() {
			once.Do(func() { close(synced) })
		}
	}
	ends := make(chan error, 2)
	go func() { ends <- session(ctx, a, source, copied, nil) }()
	go func() { ends <- session(ctx, b, copied, source, done) }()
	var err error
	select {
	case <-synced:
		cancel()
	case err = <-ends:
		cancel()
		return errors.Join(fmt.Errorf("the session ended early: %w", err), <-ends)
	}
	return ignoreCanceled(errors.Join(<-ends, <-ends))
}

func ignoreCanceled(err error) error {
	var closed *syncer.CloseError
	if errors.Is(err, context.Canceled) || errors.As(err, &closed) && closed.Code == syncer.CodeDone {
		return nil
	}
	return err
}

func session(ctx context.Context, s *end, space, peer *hhs.AnySpace, report func(syncer.Status)) error {
	device, err := identity.ParsePublicKey(peer.Node().Device())
	if err != nil {
		return err
	}
	return syncer.Run(ctx, s, copyOf{space.Replica()}, syncer.Options{
		Source: replica.Source{Device: device, Transport: "pipe"}, Base: space.Replica().Acks(device), Report: report})
}

// copyOf is a node's copy of a space as a session wants it.
type copyOf struct{ *replica.Space }

func (c copyOf) Chains(since []object.ID) []syncer.Chain {
	tips, err := c.Space.Chains(since)
	if err != nil {
		return nil // the session then finds the difference without them
	}
	list := make([]syncer.Chain, len(tips))
	for i, t := range tips {
		list[i] = syncer.Chain{Author: t.Author, Seq: t.Seq, Tip: t.Tip}
	}
	return list
}

func (c copyOf) Subscribe(changed func()) (cancel func()) { return c.OnChange(changed) }

// end is one end of a stream in memory.
type end struct {
	wire     *wire
	out      chan<- []byte
	in       <-chan []byte
	closed   chan struct{}
	peer     <-chan struct{}
	closeOne sync.Once
}

func (w *wire) pipe() (*end, *end) {
	ab, ba := make(chan []byte, 4), make(chan []byte, 4)
	ac, bc := make(chan struct{}), make(chan struct{})
	return &end{wire: w, out: ab, in: ba, closed: ac, peer: bc}, &end{wire: w, out: ba, in: ab, closed: bc, peer: ac}
}

var errEnded = errors.New("the stream ended")

func (e *end) Send(ctx context.Context, msg []byte) error {
	e.wire.bytes.Add(int64(len(msg)))
	e.wire.messages.Add(1)
	select {
	case e.out <- append([]byte(nil), msg...):
		return nil
	case <-e.closed:
	case <-e.peer:
	case <-ctx.Done():
		return ctx.Err()
	}
	return errEnded
}

func (e *end) Receive(ctx context.Context) ([]byte, error) {
	select {
	case msg := <-e.in:
		return msg, nil
	case <-e.closed:
	case <-e.peer:
		select {
		case msg := <-e.in: // sent before it was closed
			return msg, nil
		default:
		}
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return nil, errEnded
}

func (e *end) Close() error {
	e.closeOne.Do(func() { close(e.closed) })
	return nil
}
