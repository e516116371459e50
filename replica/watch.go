package replica

import (
	"context"
	"iter"
	"slices"
	"sync"

	"github.com/hyperhyperspace/hhs-go/crdt"
)

// Change is one visible change of one field, delivered after it is durable.
type Change struct {
	Field string
	crdt.Change
	// Undo is the undo or redo that has the change come about, without what it
	// names: Op was made before. nil: Op itself does.
	Undo *crdt.Op
	// Resync says that this subscriber fell behind by more changes than are
	// kept for it: read the fields again. All other fields are then empty.
	Resync bool
}

// Cause is the op that has the change come about, so that it tells who did it and
// when: an undo or redo, or the change's own.
func (c *Change) Cause() *crdt.Op {
	if c.Undo != nil {
		return c.Undo
	}
	return &c.Op
}

// Keys are the texts of the path: keys of maps and names of properties, without
// the records between them.
func (c *Change) Keys() []string {
	var keys []string
	for _, s := range c.Path {
		if s.Key != "" {
			keys = append(keys, s.Key)
		}
	}
	return keys
}

// size is about what a change takes in memory, in bytes. A value that is both
// the op's and the one shown counts twice: it may be two.
func (c *Change) size() int {
	const refSize, stepSize = 48, 80
	size := stepSize * len(c.Path)
	for _, s := range c.Path {
		size += len(s.Key)
	}
	return size + len(c.Key) + len(c.Before) + len(c.After) + len(c.Op.Payload) + refSize*len(c.Op.Refs)
}

// own is the change in memory of its own: what the door has is a piece of a
// batch, all of which a change that waits would keep.
func (c *Change) own() Change {
	o := *c
	room := make([]byte, 0, len(c.Key)+len(c.Before)+len(c.After)+len(c.Op.Payload))
	for _, b := range []*[]byte{&o.Key, &o.Before, &o.After, &o.Op.Payload} {
		if *b != nil {
			at := len(room)
			room = append(room, *b...)
			*b = room[at:len(room):len(room)]
		}
	}
	o.Op.Refs = slices.Clone(c.Op.Refs)
	return o
}

// subscriber is a mailbox that never makes the door wait. Changes that it has
// not taken yet are coalesced per field and key: the first Before and the last
// After of the run.
type subscriber struct {
	mu      sync.Mutex
	pending []Change
	index   map[string]int
	size    int // of what is pending, in bytes
	resync  bool
	closed  bool
	wake    chan struct{}
}

func newSubscriber() *subscriber {
	return &subscriber{index: map[string]int{}, wake: make(chan struct{}, 1)}
}

func (b *subscriber) post(changes []Change) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range changes {
		if b.resync {
			break
		}
		k := c.Field + "\x00" + c.Place()
		if i, ok := b.index[k]; ok {
			b.size -= b.pending[i].size()
			c.Before = b.pending[i].Before
			b.pending[i] = c
		} else {
			b.index[k] = len(b.pending)
			b.pending = append(b.pending, c)
		}
		b.size += c.size()
		if len(b.pending) > maxPendingChanges || b.size > maxPendingBytes {
			b.pending, b.index, b.size, b.resync = nil, map[string]int{}, 0, true
		}
	}
	b.poke()
}

func (b *subscriber) miss() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.pending, b.index, b.size, b.resync = nil, map[string]int{}, 0, true
	b.poke()
}

func (b *subscriber) close() {
	b.mu.Lock()
	b.closed = true
	b.poke()
	b.mu.Unlock()
}

func (b *subscriber) poke() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

func (b *subscriber) take() (changes []Change, closed bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	changes, closed = b.pending, b.closed
	if b.resync {
		changes = []Change{{Resync: true}}
	}
	b.pending, b.index, b.size, b.resync = nil, map[string]int{}, 0, false
	return changes, closed
}

// Watch yields every visible change from the moment of the call, in the order
// the door admitted them, coalesced while the consumer is busy. It subscribes
// at once, before the first iteration. It ends without an error when the
// consumer stops or ctx is done, and with ErrClosed when the space is closed.
// The sequence can be consumed once.
func (s *Space) Watch(ctx context.Context) iter.Seq2[Change, error] {
	s.settled() // what was acknowledged before is nothing new
	b := newSubscriber()
	s.subs.add(b)
	unwatch := context.AfterFunc(ctx, func() { s.subs.remove(b) })
	return func(yield func(Change, error) bool) {
		defer unwatch()
		defer s.subs.remove(b)
		for {
			changes, closed := b.take()
			for _, c := range changes {
				if !yield(c, nil) {
					return
				}
			}
			if closed {
				yield(Change{}, ErrClosed)
				return
			}
			if len(changes) > 0 {
				continue
			}
			select {
			case <-ctx.Done():
				return
			case <-b.wake:
			}
		}
	}
}

// subscribers is the set of mailboxes and signals of one space.
type subscribers struct {
	mu     sync.Mutex
	boxes  map[*subscriber]bool
	hooks  map[*func()]bool
	closed bool
}

func (u *subscribers) add(b *subscriber) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.closed {
		b.close()
		return
	}
	if u.boxes == nil {
		u.boxes = map[*subscriber]bool{}
	}
	u.boxes[b] = true
}

func (u *subscribers) remove(b *subscriber) {
	u.mu.Lock()
	delete(u.boxes, b)
	u.mu.Unlock()
}

func (u *subscribers) hook(f func()) (remove func()) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.hooks == nil {
		u.hooks = map[*func()]bool{}
	}
	u.hooks[&f] = true
	return func() {
		u.mu.Lock()
		delete(u.hooks, &f)
		u.mu.Unlock()
	}
}

// post delivers changes. It never waits for a subscriber.
func (u *subscribers) post(changes []Change) {
	if len(changes) == 0 {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.boxes) == 0 {
		return
	}
	own := make([]Change, len(changes))
	for i := range changes {
		own[i] = changes[i].own()
	}
	for b := range u.boxes {
		b.post(own)
	}
}

// watched tells whether anyone wants changes.
func (u *subscribers) watched() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return len(u.boxes) > 0
}

// missed is for changes that were not told because nobody watched: who has come
// meanwhile reads the fields again.
func (u *subscribers) missed() {
	u.mu.Lock()
	defer u.mu.Unlock()
	for b := range u.boxes {
		b.miss()
	}
}

// signal runs the hooks, which must not block.
func (u *subscribers) signal() {
	u.mu.Lock()
	hooks := make([]func(), 0, len(u.hooks))
	for f := range u.hooks {
		hooks = append(hooks, *f)
	}
	u.mu.Unlock()
	for _, f := range hooks {
		f()
	}
}

func (u *subscribers) close() {
	u.mu.Lock()
	u.closed = true
	for b := range u.boxes {
		b.close()
	}
	u.mu.Unlock()
	u.signal()
}

// OnChange calls f after commits entered the door, when an acknowledgement
// arrived and when the space was closed, until remove is called. f must not block and must not call back
// into the space; sessions use it to learn that there is something to send.
func (s *Space) OnChange(f func()) (remove func()) { return s.subs.hook(f) }
