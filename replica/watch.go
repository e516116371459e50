package replica

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"

	"github.com/hyperhyperspace/hhs-go/authority"
	"github.com/hyperhyperspace/hhs-go/crdt"
	"github.com/hyperhyperspace/hhs-go/object"
)

// Change is one visible change of one field, delivered after it is durable.
type Change struct {
	Field string
	crdt.Change
	// Undo is the undo or redo that has the change come about, without what it
	// names: Op was made before. nil: Op itself does.
	Undo *crdt.Op
	// Schema is a change of the schema of the space: what AnySpace.Manifest gives
	// is another one now. All other fields are then empty.
	Schema *authority.Change
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
func (c *Change) Keys() []string { return keysOf(c.Path) }

func keysOf(path []crdt.Step) (keys []string) {
	for _, s := range path {
		if s.Key != "" {
			keys = append(keys, s.Key)
		}
	}
	return keys
}

// Values are Before and After as object values, nil for none.
func (c *Change) Values() (before, after any, err error) {
	for _, x := range []struct {
		block []byte
		value *any
	}{{c.Before, &before}, {c.After, &after}} {
		if x.block == nil {
			continue
		}
		if *x.value, err = object.Decode(x.block); err != nil {
			return nil, nil, fmt.Errorf("value of a change: %w", err)
		}
	}
	return before, after, nil
}

// size is about what a change takes in memory, in bytes. A value that is both
// the op's and the one shown counts twice: it may be two.
func (c *Change) size() int {
	const refSize, stepSize = 48, 80
	size := stepSize * len(c.Path)
	for _, s := range c.Path {
		size += len(s.Key)
	}
	return size + len(c.Key) + len(c.Before) + len(c.After) + crdt.Size(c.Edits) + len(c.Op.Payload) + refSize*len(c.Op.Refs)
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
	o.Edits = slices.Clone(c.Edits)
	for i := range o.Edits {
		for _, part := range [2]*crdt.Content{&o.Edits[i].Deleted, &o.Edits[i].Inserted} {
			part.Text = strings.Clone(part.Text)
		}
	}
	return o
}

// pendingChange is a change that a subscriber has not taken yet.
type pendingChange struct {
	Change
	edits *crdt.Edits // of a list or text; Change.Edits is empty meanwhile
}

func newPending(c Change) pendingChange {
	if c.Edits == nil {
		return pendingChange{Change: c}
	}
	w := pendingChange{c, new(crdt.Edits)}
	w.edits.Add(c.Edits)
	w.Edits = nil
	return w
}

// join takes in a later change at the same place. What different people did to
// a list or text stays apart: a change says who.
func (w *pendingChange) join(c Change) bool {
	switch {
	case w.edits == nil:
		c.Before = w.Before
	case w.Cause().Identity != c.Cause().Identity:
		return false
	default:
		w.edits.Add(c.Edits)
		c.Edits = nil
	}
	w.Change = c
	return true
}

func (w *pendingChange) size() int {
	if w.edits != nil {
		return w.Change.size() + w.edits.Size()
	}
	return w.Change.size()
}

// subscriber is a mailbox that never makes the door wait. Changes that it has
// not taken yet are coalesced per field and key: the first Before and the last
// After of the run, and all Edits as one.
type subscriber struct {
	moves   bool // it is told of changes of who added an element of a set
	mu      sync.Mutex
	pending []pendingChange
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
		if c.Moved && !b.moves {
			continue
		}
		b.add(c)
		if c.Lost || len(b.pending) > maxPendingChanges || b.size > maxPendingBytes {
			b.pending, b.index, b.size, b.resync = nil, map[string]int{}, 0, true
		}
	}
	b.poke()
}

func (b *subscriber) add(c Change) {
	place := c.Field + "\x00" + c.Place()
	if i, ok := b.index[place]; ok {
		w := &b.pending[i]
		was := w.size()
		if w.join(c) {
			b.size += w.size() - was
			return
		}
	}
	w := newPending(c)
	b.index[place] = len(b.pending)
	b.pending = append(b.pending, w)
	b.size += w.size()
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
	closed = b.closed
	for i := range b.pending {
		w := &b.pending[i]
		if w.edits == nil {
			changes = append(changes, w.Change)
		} else if w.Edits = w.edits.All(); w.Edits != nil { // else all is as it was
			changes = append(changes, w.Change)
		}
	}
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
