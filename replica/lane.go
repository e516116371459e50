package replica

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/store"
)

// Update runs f and makes one commit of the ops it adds to tx. It returns
// when the commit is acknowledged at the level asked for, which is that of the
// node's Config (synced to disk by default) unless one is given:
//
//   - store.Synced, store.Written: it passed the door and is in the store.
//   - store.Memory: it was checked and made and waits to be signed and stored,
//     together with those after it: after lingering at the latest, or as soon as
//     anything in this process reads the space, which then sees it. Only a signer
//     or a store that fails can still lose it, or the end of the process; Unkept
//     tells of a loss, and edits wait for the store from then on. A signer
//     outside of this process may take its time, so that edits wait for the
//     store with it.
//
// If f returns an error nothing is written and that error is returned; if f
// adds no op nothing is written and the receipt names no commit.
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
func (s *Space) Update(ctx context.Context, f func(tx *Tx) error, level ...store.Durability) (Receipt, error) {
	u := &update{ctx: ctx, f: f, level: s.node.cfg.Durable}
	if len(level) > 0 {
		u.level = level[0]
	}
	return s.update(u)
}

// UpdateOn is Update if the copy has just so many commits, as Feed.Next tells, when f runs, and ErrStale otherwise: what f
// writes may rest on what was read then. Commits may still enter between f and its own.
func (s *Space) UpdateOn(ctx context.Context, version uint64, f func(tx *Tx) error) (Receipt, error) {
	return s.update(&update{ctx: ctx, f: f, level: s.node.cfg.Durable, on: &version})
}

func (s *Space) update(u *update) (Receipt, error) {
	ctx := u.ctx
	if u.level == store.Memory && s.prompt() && s.Unkept() == nil {
		r, err := s.updateNow(u)
		if err != nil {
			return Receipt{}, s.updateError(err)
		}
		return r, nil
	}
	u.left, u.done = make(chan struct{}), make(chan struct{})
	if err := s.lane.push(u); err != nil {
		return Receipt{}, s.updateError(err)
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
			return Receipt{}, s.updateError(ctx.Err())
		}
	}
	if u.panicked != nil {
		panic(u.panicked)
	}
	return u.receipt, u.err
}

func (s *Space) updateError(err error) error {
	return fmt.Errorf("update space %s: %w", s.id.Short(), err)
}

// prompt tells that signatures are made in this process, at once.
func (s *Space) prompt() bool {
	_, ok := s.node.Device().Signer.(identity.PrivateKey)
	return ok
}

// Unkept returns why edits were lost that had been acknowledged in memory; nil
// while none was.
func (s *Space) Unkept() error {
	if err := s.lane.unkept.Load(); err != nil {
		return *err
	}
	return nil
}

// update is one call of Update on its way through the lane.
type update struct {
	ctx      context.Context
	f        func(*Tx) error
	level    store.Durability
	on       *uint64 // how many commits it must be built on; nil: any
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

// call runs the user's function; a panic in it goes on in the caller of Update.
func (u *update) call(tx *Tx) (err error) {
	defer func() {
		if p := recover(); p != nil {
			u.panicked = p
		}
	}()
	return u.f(tx)
}

// lane makes commits of the Updates of one space and device key. Whoever has
// the turn runs functions and adds to the open group; whoever holds admitting
// has what waits signed and put through the door. A goroutine does both for the
// Updates that wait for the store, and lives only while there are some; an
// Update acknowledged in memory takes its turn itself, and what it leaves is
// admitted by a timer, by who reads, or by who finds enough waiting.
type lane struct {
	turn      chan struct{} // holds one while somebody has it
	admitting sync.Mutex
	promised  atomic.Int32 // commits acknowledged and not in the store
	unkept    atomic.Pointer[error]

	mu      sync.Mutex
	queue   []*update
	running bool
	closed  bool
	open    *group // of who has the turn; nil: none
	pending *pending
	timer   *time.Timer // admits what was promised
}

// pending are commits that are to be signed and admitted together.
type pending struct {
	group    *group
	batch    history.Batch
	size     int
	level    store.Durability
	updates  []waiter
	promised int
}

// waiter is an update that is answered when its commit is in the store.
type waiter struct {
	u *update
	r Receipt
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

// close lets nothing more in. What was promised can still be admitted.
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

// runGroup makes the commits of Updates, signs and admits them. What of them
// does not fit one batch is put through in another one.
func (s *Space) runGroup(updates []*update) {
	for len(updates) > 0 {
		updates = s.buildGroup(updates)
		s.settle()
	}
}

// buildGroup returns the updates that are left for another group.
func (s *Space) buildGroup(updates []*update) (rest []*update) {
	s.lane.turn <- struct{}{}
	defer s.endTurn()
	for i, u := range updates {
		if s.lane.full() {
			return updates[i:]
		}
		s.build(u)
	}
	return nil
}

// build runs one Update's function and leaves its commit to be admitted. A
// function that fails, or adds nothing, is answered at once.
func (s *Space) build(u *update) {
	if !u.claim(taken) {
		return // its caller gave up
	}
	defer close(u.left)
	r, made, err := s.make(u)
	switch {
	case err != nil && u.panicked == nil:
		u.finish(Receipt{}, err)
	case !made:
		u.finish(r, err)
	}
}

// updateNow is Update at the level of memory.
func (s *Space) updateNow(u *update) (Receipt, error) {
	select {
	case s.lane.turn <- struct{}{}:
	case <-u.ctx.Done():
		return Receipt{}, u.ctx.Err()
	}
	full := false
	r, err := func() (Receipt, error) {
		defer s.endTurn() // also when the function ends its goroutine
		r, _, err := s.make(u)
		full = s.lane.full()
		return r, err
	}()
	if u.panicked != nil {
		panic(u.panicked)
	}
	if full {
		s.settle()
	}
	return r, err
}

// make runs the function of an update and makes its commit, which then waits to
// be admitted; made tells whether there is one. An error of the function is
// returned as it is. The caller has the turn.
func (s *Space) make(u *update) (r Receipt, made bool, err error) {
	if err := u.ctx.Err(); err != nil {
		return r, false, err
	}
	g, err := s.openGroup(u.on != nil)
	if err != nil {
		return r, false, s.updateError(err)
	}
	if u.on != nil && *u.on != g.base {
		return r, false, s.updateError(ErrStale)
	}
	tx := g.begin(u)
	defer func() { tx.ended = true }()
	err = u.call(tx)
	if err == nil && u.panicked == nil {
		err = tx.release("")
	}
	switch {
	case err != nil || u.panicked != nil:
		return r, false, err
	case tx.Len() == 0:
		return Receipt{Space: s}, false, nil
	}
	list, err := g.commit(tx)
	if err == nil {
		r = Receipt{Space: s, Commit: list[len(list)-1].ID}
	}
	made = err == nil
	if err = errors.Join(err, s.lane.leave(s, g, list, tx, waiter{u, r}, made)); err != nil {
		err = s.updateError(err)
	}
	return r, made, err
}

// openGroup returns the group to build on, a fresh one if it has to be of all that is here.
func (s *Space) openGroup(fresh bool) (*group, error) {
	l := &s.lane
	l.mu.Lock()
	g, closed := l.open, l.closed
	stale := g != nil && (g.waiting == 0 || g.broken != nil)
	l.mu.Unlock()
	if closed {
		return nil, ErrClosed
	}
	if g != nil && !stale && (fresh || len(g.made) >= maxOpen) {
		s.settle() // nothing can be added meanwhile, so that nothing waits then
		stale = true
	}
	if g != nil && !stale {
		return g, nil
	}
	if g != nil {
		g.close()
	}
	own := s.node.device()
	g, err := s.newGroup()
	if errors.Is(err, ErrForked) {
		if err = s.node.renew(s.ctx, own); err == nil {
			g, err = s.newGroup()
		}
	}
	l.mu.Lock()
	l.open = g
	l.mu.Unlock()
	return g, err
}

// endTurn gives the turn back, and with it a version that nothing builds on.
func (s *Space) endTurn() {
	l := &s.lane
	l.mu.Lock()
	g := l.open
	if g != nil && g.waiting == 0 {
		l.open = nil
	} else {
		g = nil
	}
	l.mu.Unlock()
	if g != nil {
		g.close()
	}
	<-l.turn
}

// full tells that no more should wait before what does is admitted.
func (l *lane) full() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.pending != nil && (len(l.pending.batch.Commits) >= maxGroup || l.pending.size >= maxGroupBytes)
}

// leave adds commits to those that wait. whole tells that the update got its own.
func (l *lane) leave(s *Space, g *group, list []*history.Commit, tx *Tx, w waiter, whole bool) error {
	if len(list) == 0 {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if g.broken != nil {
		return g.broken
	}
	if l.closed {
		return ErrClosed
	}
	p := l.pending
	if p == nil {
		p = &pending{group: g, level: store.Memory}
		l.pending = p
	}
	p.batch.Commits = append(p.batch.Commits, list...)
	for _, c := range list {
		p.size += len(c.Raw)
		for _, part := range c.Parts {
			p.size += len(part)
		}
		if undoes(c) {
			p.size += undoSize
		}
	}
	g.waiting += len(list)
	if !whole {
		return nil
	}
	p.batch.Objects = append(p.batch.Objects, tx.blocks...)
	p.size += tx.carried
	p.level = min(p.level, w.u.level)
	if w.u.done != nil {
		p.updates = append(p.updates, w)
		return nil
	}
	p.promised++
	l.promised.Add(1)
	if p.promised > 1 {
		return nil
	}
	if l.timer == nil {
		l.timer = time.AfterFunc(lingering, s.settle)
	} else {
		l.timer.Reset(lingering)
	}
	return nil
}
