// Package inbox keeps messages that have arrived until somebody receives them,
// within a bound in bytes. Every network transport has one: the network side
// puts, the owner of the Conn receives.
package inbox

import (
	"context"
	"sync"
)

// overhead is what a queued message costs beyond its bytes, so that a flood of
// empty messages is bounded too.
const overhead = 64

// Inbox is a queue for one receiver and one putter. The zero value is not
// usable; see New.
type Inbox struct {
	mu     sync.Mutex
	queue  [][]byte
	bytes  int
	limit  int
	end    error         // after the queue: what Receive returns
	killed bool          // the queue was dropped
	wake   chan struct{} // something changed for the receiver
	room   chan struct{} // something changed for the putter
}

// New makes an inbox that has room for a message while it holds less than
// limit bytes, so at most limit and one message.
func New(limit int) *Inbox {
	return &Inbox{limit: limit, wake: make(chan struct{}, 1), room: make(chan struct{}, 1)}
}

// Put waits for room and queues msg, which the inbox keeps. It reports false
// when the inbox has ended instead.
func (b *Inbox) Put(msg []byte) bool {
	for {
		put, ended := b.put(msg)
		if put || ended {
			return put
		}
		<-b.room
	}
}

// TryPut queues msg if there is room. The inbox keeps msg.
func (b *Inbox) TryPut(msg []byte) bool {
	put, _ := b.put(msg)
	return put
}

func (b *Inbox) put(msg []byte) (put, ended bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.end != nil {
		return false, true
	}
	if b.bytes >= b.limit {
		return false, false
	}
	b.queue = append(b.queue, msg)
	b.bytes += len(msg) + overhead
	signal(b.wake)
	return true, false
}

// End lets Receive return what is queued and then err. The first End wins.
func (b *Inbox) End(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.end == nil {
		b.end = err
	}
	signal(b.wake)
	signal(b.room)
}

// Kill drops what is queued and makes Receive return err from now on, whatever
// End said.
func (b *Inbox) Kill(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.killed {
		b.killed, b.end, b.queue, b.bytes = true, err, nil, 0
	}
	signal(b.wake)
	signal(b.room)
}

// Receive waits for the next message. A context that ends loses nothing.
func (b *Inbox) Receive(ctx context.Context) ([]byte, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		msg, ok, err := b.take()
		if ok || err != nil {
			return msg, err
		}
		select {
		case <-b.wake:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (b *Inbox) take() (msg []byte, ok bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.queue) == 0 {
		if b.end != nil {
			signal(b.wake) // for a later call
		}
		return nil, false, b.end
	}
	msg = b.queue[0]
	b.queue[0] = nil
	b.queue = b.queue[1:]
	b.bytes -= len(msg) + overhead
	signal(b.room)
	return msg, true, nil
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
