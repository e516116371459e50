package replica

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

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
// A device that left the space and joined it again gets ErrPending until what it
// wrote before has come back.
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
		if u.claim(dropped) {
			s.lane.drop(u)
		} else {
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
	state    atomic.Int32
	left     chan struct{} // closed when f has run and, if it was for nothing, done is closed
	done     chan struct{} // closed when receipt and err are set
	answered bool          // done is closed; of the lane's goroutine
	receipt  Receipt
	err      error
	panicked any
}

// The states of an update: it waits, until either the lane takes it to run its
// function or its caller gives up.
const (
	waiting int32 = iota
	taken
	dropped
)

func (u *update) claim(state int32) bool { return u.state.CompareAndSwap(waiting, state) }

func (u *update) finish(r Receipt, err error) {
	if err != nil && u.ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = u.ctx.Err() // it may have ended for another reason
	}
	u.receipt, u.err, u.answered = r, err, true
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

// drop takes an update out of the queue unless it left it already.
func (l *lane) drop(u *update) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if at := slices.Index(l.queue, u); at >= 0 {
		l.queue = slices.Delete(l.queue, at, at+1)
	}
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
	var group []*update
	defer func() {
		if len(group) > 0 {
			l.abandon(s, group)
		}
	}()
	for {
		if group = l.take(); len(group) == 0 {
			return
		}
		s.runGroup(group)
		// A caller that writes again at once then finds this goroutine, whose
		// stack has grown already: a tenth of the CPU of a small commit.
		runtime.Gosched()
	}
}

// abandon is for a function that ended its goroutine (runtime.Goexit, as a
// test's Fatal does) and the lane's with it.
func (l *lane) abandon(s *Space, group []*update) {
	for _, u := range group {
		if u.answered {
			continue
		}
		mine := u.claim(taken)
		u.finish(Receipt{}, errExited)
		if mine { // build has closed it otherwise
			close(u.left)
		}
	}
	l.mu.Lock()
	l.running = false
	l.mu.Unlock()
	go l.run(s)
}

var errExited = errors.New("a function given to Update ended its goroutine")

// runGroup makes the commits of a group, signs and admits them. What of the
// group does not fit one batch is put through in another one.
func (s *Space) runGroup(group []*update) {
	for len(group) > 0 {
		own := s.node.device()
		g, err := s.newGroup()
		if errors.Is(err, ErrForked) {
			if err = s.node.renew(s.ctx, own); err == nil {
				g, err = s.newGroup()
			}
		}
		if err != nil {
			for _, u := range group {
				u.finish(Receipt{}, fmt.Errorf("update space %s: %w", s.id.Short(), err))
			}
			return
		}
		group = s.buildGroup(g, group)
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

// buildGroup returns the updates that are left for another group.
func (s *Space) buildGroup(g *group, updates []*update) (rest []*update) {
	defer g.snap.Close()
	n := 0
	for n < len(updates) && g.size < maxGroupBytes {
		g.build(updates[n])
		n++
	}
	return updates[n:]
}

func (s *Space) admitGroup(g *group) error {
	if len(g.batch.Commits) == 0 {
		return nil
	}
	for _, c := range g.batch.Commits {
		if c.Env.Author != s.node.device() {
			return errRenewed
		}
	}
	last := g.batch.Commits[len(g.batch.Commits)-1]
	ctx, cancel := g.context()
	defer cancel()
	sig, err := s.node.sign(ctx, history.AttestationStatement(s.id, last.Env.Seq, last.ID))
	if s.ctx.Err() != nil {
		return ErrClosed
	}
	if err != nil {
		return err
	}
	if last.Env.Author != s.node.device() {
		return errRenewed
	}
	g.batch.Attestations = []history.Attestation{{Commit: last.ID, Sig: sig}}
	_, err = s.Ingest(context.WithoutCancel(ctx), &g.batch, Source{})
	return err
}

// context ends when every caller of the group has given up, or the space is
// closed.
func (g *group) context() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(g.space.ctx)
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
