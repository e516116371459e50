//go:build !js

package signalling

import "sync"

// outbox is what waits to be written to one connection.
type outbox struct {
	mu    sync.Mutex
	queue [][]byte
	bytes int
	last  bool          // nothing more is taken; close when empty
	wake  chan struct{} // something changed
}

func newOutbox() *outbox { return &outbox{wake: make(chan struct{}, 1)} }

// put queues a message if the outbox then holds at most limit bytes.
func (o *outbox) put(msg []byte, limit int) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	cost := len(msg) + outboxCost
	if o.last || o.bytes+cost > limit {
		return false
	}
	o.queue = append(o.queue, msg)
	o.bytes += cost
	o.signal()
	return true
}

// finish takes nothing more after msg, which always fits.
func (o *outbox) finish(msg []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.last {
		o.last = true
		o.queue = append(o.queue, msg)
		o.bytes += len(msg) + outboxCost
	}
	o.signal()
}

// take returns the next message, or whether there will be none.
func (o *outbox) take() (msg []byte, end bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.queue) == 0 {
		return nil, o.last
	}
	msg = o.queue[0]
	o.queue[0] = nil
	o.queue = o.queue[1:]
	o.bytes -= len(msg) + outboxCost
	return msg, false
}

func (o *outbox) signal() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}
