package replica

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/hyperhyperspace/hhs-go/history"
)

// Update runs f and makes one commit of the ops it adds to tx. It returns
// when the commit passed the door and is as durable as the node's Config says
// (synced to disk by default). If f returns an error nothing is written and
// that error is returned; if f adds no op nothing is written and the receipt
// names no commit.
//
// Reads inside f see one version of the space and the ops of this tx. f may
// run on another goroutine, must not block on other Updates of this space,
// and must not keep tx.
//
// When ctx ends first, Update returns its error. An edit that was not being
// signed yet is then dropped; one that was may still be written.
func (s *Space) Update(ctx context.Context, f func(tx *Tx) error) (Receipt, error) {
	u := &update{ctx: ctx, f: f, left: make(chan struct{}), done: make(chan struct{})}
	if err := s.lane.push(u); err != nil {
		return Receipt{}, fmt.Errorf("update space %s: %w", s.id.Short(), err)
	}
	go s.lane.run(s)
	select {
	case <-u.done:
	case <-ctx.Done():
		if !s.lane.drop(u) {
			<-u.left // f is not running any more once this is closed
		}
		select {
		case <-u.done:
		default:
			return Receipt{}, fmt.Errorf("update space %s: %w", s.id.Short(), ctx.Err())
		}
	}
	if u.panicked != nil {
		panic(u.panicked)
	}
	return u.receipt, u.err
}

// update is one call of Update on its way through the lane.
type update struct {
	ctx      context.Context
	f        func(*Tx) error
	left     chan struct{} // closed when f will not run (any more)
	done     chan struct{} // closed when receipt and err are set
	receipt  Receipt
	err      error
	panicked any
}

func (u *update) finish(r Receipt, err error) {
	u.receipt, u.err = r, err
	close(u.done)
}

// lane is the queue of Updates of one space and device key. One goroutine at
// a time takes a group from it, makes it a chain of commits and signs the
// last one. It lives only while there is work.
type lane struct {
	mu      sync.Mutex
	queue   []*update
	running bool
	closed  bool
}

func (l *lane) push(u *update) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.closed:
		return ErrClosed
	case len(l.queue) >= maxLane:
		return ErrBusy
	}
	l.queue = append(l.queue, u)
	return nil
}

// drop takes a waiting update out of the queue; false if it was taken already.
func (l *lane) drop(u *update) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, q := range l.queue {
		if q == u {
			l.queue = append(l.queue[:i], l.queue[i+1:]...)
			return true
		}
	}
	return false
}

func (l *lane) take() []*update {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := min(len(l.queue), maxGroup)
	group := append([]*update(nil), l.queue[:n]...)
	l.queue = l.queue[n:]
	if n == 0 {
		l.running = false
	}
	return group
}

func (l *lane) close() {
	l.mu.Lock()
	queue := l.queue
	l.queue, l.closed = nil, true
	l.mu.Unlock()
	for _, u := range queue {
		close(u.left)
		u.finish(Receipt{}, ErrClosed)
	}
}

func (l *lane) run(s *Space) {
	l.mu.Lock()
	if l.running {
		l.mu.Unlock()
		return
	}
	l.running = true
	l.mu.Unlock()
	for {
		group := l.take()
		if len(group) == 0 {
			return
		}
		s.runGroup(group)
	}
}

// runGroup makes the commits of a group, signs and admits them. What of the
// group does not fit one batch is put through in another one.
func (s *Space) runGroup(group []*update) {
	for len(group) > 0 {
		g, err := s.newGroup()
		if err != nil {
			for _, u := range group {
				close(u.left)
				u.finish(Receipt{}, fmt.Errorf("update space %s: %w", s.id.Short(), err))
			}
			return
		}
		n := 0
		for n < len(group) && g.size < maxGroupBytes {
			g.build(group[n])
			n++
		}
		group = group[n:]
		g.snap.Close()
		err = s.admitGroup(g)
		for i, u := range g.updates {
			if err != nil {
				u.finish(Receipt{}, fmt.Errorf("update space %s: %w", s.id.Short(), err))
				continue
			}
			u.finish(Receipt{Space: s, Commit: g.commitOf[i]}, nil)
		}
	}
}

func (s *Space) admitGroup(g *group) error {
	if len(g.batch.Commits) == 0 {
		return nil
	}
	last := g.batch.Commits[len(g.batch.Commits)-1]
	ctx, cancel := g.context()
	defer cancel()
	sig, err := s.node.sign(ctx, history.AttestationStatement(s.id, last.Env.Seq, last.ID))
	if err != nil {
		return err
	}
	g.batch.Attestations = []history.Attestation{{Commit: last.ID, Sig: sig}}
	_, err = s.Ingest(context.WithoutCancel(ctx), &g.batch, Source{})
	return err
}

// context ends when every caller of the group has given up.
func (g *group) context() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(context.Background())
	var mu sync.Mutex
	left := len(g.updates)
	stops := make([]func() bool, 0, left)
	for _, u := range g.updates {
		stops = append(stops, context.AfterFunc(u.ctx, func() {
			mu.Lock()
			defer mu.Unlock()
			if left--; left == 0 {
				cancel(errors.New("every caller gave up"))
			}
		}))
	}
	return ctx, func() {
		for _, stop := range stops {
			stop()
		}
		cancel(nil)
	}
}
