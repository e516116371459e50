package replica

import "fmt"

// Feed tells what changes in a space step by step: each step a version, and the changes that lead to it from the one before.
// It is a subscriber as those of Watch are, who looks when he wants to.
type Feed struct {
	space *Space
	box   *subscriber
}

// Follow begins a feed. Close it.
func (s *Space) Follow() *Feed { return s.follow(false) }

func (s *Space) follow(moves bool) *Feed {
	f := &Feed{s, newSubscriber()}
	f.box.moves = moves
	s.subs.add(f.box)
	return f
}

// Next returns a view of the space as it is, how many commits it has, and all changes since the Next before, or since Follow,
// coalesced as for Watch; a Change with Resync says that they are not known any more. Close the view.
func (f *Feed) Next() (v *View, version uint64, changes []Change, err error) {
	s := f.space
	s.settled()
	s.mu.Lock() // nothing enters between the view and the changes
	defer s.mu.Unlock()
	if s.closed {
		return nil, 0, nil, fmt.Errorf("read space %s: %w", s.id.Short(), ErrClosed)
	}
	snap, err := s.node.cfg.Store.Snapshot()
	if err != nil {
		return nil, 0, nil, fmt.Errorf("read space %s: %w", s.id.Short(), closedError(err))
	}
	changes, _ = f.box.take()
	return &View{space: s, snap: snap}, s.graph.Len(), changes, nil
}

// Close ends the feed.
func (f *Feed) Close() { f.space.subs.remove(f.box) }
