package identity

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
)

// Verifier checks many signatures. Verify returns nil if all are valid, a
// *BadSignature with the index of the first that is not, or ctx's error. It is
// safe for concurrent use, keeps nothing of checks after it returns, and every
// implementation gives the same answer: the rule in the package comment.
type Verifier interface {
	Verify(ctx context.Context, checks []Check) error
}

// Serial checks one signature after the other in the calling goroutine. Where
// there is one thread, Pause (if not nil) is called every few checks to let
// others run.
type Serial struct{ Pause func() }

// Verify implements Verifier.
func (s Serial) Verify(ctx context.Context, checks []Check) error {
	for i := range checks {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := Verify(checks[i]); err != nil {
			return &BadSignature{Index: i, Cause: err}
		}
		if s.Pause != nil && i%pauseEvery == pauseEvery-1 {
			s.Pause()
		}
	}
	return nil
}

// Parallel spreads the checks over the cores. It is the default where there are
// threads.
type Parallel struct{}

// Verify implements Verifier.
func (Parallel) Verify(ctx context.Context, checks []Check) error {
	workers := min(runtime.GOMAXPROCS(0), (len(checks)+chunk-1)/chunk)
	if workers <= 1 {
		return Serial{}.Verify(ctx, checks)
	}
	run := parallelRun{ctx: ctx, checks: checks, first: len(checks)}
	var wg sync.WaitGroup
	for range workers {
		wg.Go(run.work)
	}
	wg.Wait()
	if run.err != nil {
		return run.err
	}
	return ctx.Err()
}

// parallelRun hands out chunks in ascending order. Whoever fails stops the
// handing out, but chunks already taken are finished, so the lowest failing
// index is always found: the answer does not depend on timing.
type parallelRun struct {
	ctx    context.Context
	checks []Check
	next   atomic.Int64
	stop   atomic.Bool

	mu    sync.Mutex
	first int
	err   error
}

func (r *parallelRun) work() {
	for !r.stop.Load() && r.ctx.Err() == nil {
		lo := int(r.next.Add(chunk)) - chunk
		if lo >= len(r.checks) {
			return
		}
		err := Serial{}.Verify(context.WithoutCancel(r.ctx), r.checks[lo:min(lo+chunk, len(r.checks))])
		if err == nil {
			continue
		}
		r.stop.Store(true)
		r.report(lo, err)
		return
	}
}

func (r *parallelRun) report(lo int, err error) {
	var bad *BadSignature
	if !errors.As(err, &bad) {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if at := lo + bad.Index; at < r.first {
		r.first, r.err = at, &BadSignature{Index: at, Cause: bad.Cause}
	}
}
