package syncer

import (
	"context"
	"time"
)

// What a driver does for blobs: one goroutine asks, one answers. Both begin when the peer has said hello.

// ServeBlob reads a block that a peer asks for. Data counts only with BlockHere.
type ServeBlob func(at BlockAt) (data []byte, status BlockStatus)

// blobTraffic is the part of a driver that is about blobs.
type blobTraffic struct {
	greeted chan struct{} // closed after the peer's hello
	hello   bool
	asked   chan *Ask   // of the peer, waiting
	bulk    chan *Block // what is sent when nothing else waits
	peer    *blobPeer
	wake    chan struct{}
	number  uint64 // of the peer's last ask
	asks    *bucket
}

func newBlobTraffic(clock Clock) blobTraffic {
	return blobTraffic{greeted: make(chan struct{}), asked: make(chan *Ask, maxAsked), bulk: make(chan *Block), wake: make(chan struct{}, 1),
		asks: newBucket(askRate, askBurst, clock.Now())}
}

// blobMessage takes a message about blobs; mine is false for any other, and for those that come before hello, about
// which the session has its say. The error ends the session.
func (d *driver) blobMessage(ctx context.Context, m Message) (mine bool, err error) {
	if _, hello := m.(*Hello); hello && !d.blobs.hello {
		d.blobs.hello = true
		close(d.blobs.greeted)
	}
	if !d.blobs.hello {
		return false, nil
	}
	switch m := m.(type) {
	case *Ask:
		if d.blobs.number++; m.Number != d.blobs.number {
			return true, &MessageError{CodeProtocol, "asks are not numbered in their order"}
		}
		if !d.blobs.asks.take(ctx, d.opts.Clock, 1) {
			return true, nil
		}
		select {
		case d.blobs.asked <- m:
			return true, nil
		default:
			return true, &MessageError{CodeProtocol, "more asks than may be open"}
		}
	case *Block:
		err := d.opts.Blobs.answer(d.blobs.peer, m, d.opts.Clock.Now())
		d.opts.Pace()
		return true, err
	}
	return false, nil
}

// ask asks the peer for what is wanted.
func (d *driver) ask(ctx context.Context) {
	select {
	case <-d.blobs.greeted:
	case <-ctx.Done():
		return
	}
	for {
		asks, again := d.opts.Blobs.next(d.blobs.peer, d.opts.Clock.Now())
		for _, m := range asks {
			d.outbox.put(m)
		}
		if !d.sleep(ctx, again) {
			return
		}
	}
}

// sleep waits until a time, if there is one, or until it is woken; false: ctx ended.
func (d *driver) sleep(ctx context.Context, until time.Time) bool {
	var due <-chan time.Time
	if !until.IsZero() {
		c, stop := d.opts.Clock.Timer(max(0, until.Sub(d.opts.Clock.Now())))
		defer stop()
		due = c
	}
	select {
	case <-d.blobs.wake:
	case <-due:
	case <-ctx.Done():
		return false
	}
	return true
}

// answer answers the peer's asks, one block at a time.
func (d *driver) answer(ctx context.Context) {
	for {
		select {
		case m := <-d.blobs.asked:
			b := &Block{Number: m.Number, Status: BlobAbsent}
			if d.opts.ServeBlob != nil {
				b.Data, b.Status = d.opts.ServeBlob(m.Block)
			}
			if b.Status != BlockHere {
				b.Data = nil
			}
			d.opts.Pace()
			select {
			case d.blobs.bulk <- b:
			case <-ctx.Done():
				return
			}
		case <-ctx.Done():
			return
		}
	}
}
