package replica

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/hyperhyperspace/hhs-go/history"
)

// pause lets no more be made until resume is called, and admits what was
// acknowledged. What waits for a signer is not waited for: it may never come.
func (s *Space) pause(ctx context.Context) (resume func(), err error) {
	select {
	case s.lane.turn <- struct{}{}:
		s.settled()
		return s.endTurn, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// settled makes a reader see what was acknowledged in memory.
func (s *Space) settled() {
	if s.lane.promised.Load() > 0 {
		s.settle()
	}
}

// settle has what waits signed and admitted.
func (s *Space) settle() {
	l := &s.lane
	l.admitting.Lock()
	defer l.admitting.Unlock()
	l.mu.Lock()
	p := l.pending
	l.pending = nil
	l.mu.Unlock()
	if p == nil {
		return
	}
	err := s.admit(p)
	l.mu.Lock()
	var after *pending // made meanwhile, on what is not there now
	if err != nil {
		p.group.broken = err
		if l.pending != nil && l.pending.group == p.group {
			after, l.pending = l.pending, nil
		}
	}
	l.mu.Unlock()
	s.answer(p, err)
	if after != nil {
		s.answer(after, err)
	}
}

// answer tells the outcome to all who wait for it.
func (s *Space) answer(p *pending, err error) {
	l := &s.lane
	l.mu.Lock()
	p.group.waiting -= len(p.batch.Commits)
	l.mu.Unlock()
	if err != nil && p.promised > 0 {
		err := fmt.Errorf("%d edits of space %s that were acknowledged in memory are lost: %w", p.promised, s.id.Short(), err)
		s.node.cfg.Log.Error("edits are lost", "error", err)
		l.unkept.CompareAndSwap(nil, &err)
	}
	l.promised.Add(-int32(p.promised))
	for _, w := range p.updates {
		if err != nil {
			w.u.finish(Receipt{}, s.updateError(err))
			continue
		}
		w.u.finish(w.r, nil)
	}
	select { // nobody builds on the group: its version need not be kept
	case l.turn <- struct{}{}:
		s.endTurn()
	default:
	}
}

func (s *Space) admit(p *pending) error {
	last := p.batch.Commits[len(p.batch.Commits)-1]
	if last.Env.Author != s.node.device() || s.node.elsewhere.Load() {
		return errRenewed
	}
	ctx, cancel := p.context(s)
	defer cancel()
	sig, err := s.node.sign(ctx, history.AttestationStatement(s.id, last.Env.Seq, last.ID))
	if s.ctx.Err() != nil {
		return ErrClosed
	}
	if err != nil {
		return err
	}
	p.batch.Attestations = []history.Attestation{{Commit: last.ID, Sig: sig}}
	_, err = s.ingestAt(context.WithoutCancel(ctx), &p.batch, Source{}, p.level)
	return err
}

// context ends when every caller has given up, none of whom was promised
// anything, or the space is closed.
func (p *pending) context(s *Space) (context.Context, context.CancelFunc) {
	if p.promised > 0 {
		return s.ctx, func() {}
	}
	ctx, cancel := context.WithCancelCause(s.ctx)
	var mu sync.Mutex
	left := len(p.updates)
	stops := make([]func() bool, 0, left)
	for _, w := range p.updates {
		stops = append(stops, context.AfterFunc(w.u.ctx, func() {
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
