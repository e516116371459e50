package syncer

import (
	"context"
	"errors"
	"iter"
	"slices"
	"sync"

	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/replica"
)

// This file is the work that takes time: reading batches and storing them.

// load answers Open, Load and Cancel, one after the other.
func (d *driver) load(ctx context.Context) {
	var t *transfer
	defer func() { t.close() }()
	for {
		select {
		case <-ctx.Done():
			return
		case e := <-d.loads:
			switch e := e.(type) {
			case Open:
				t.close()
				t = d.open(e)
			case Cancel:
				t.close()
				t = nil
			case Load:
				if t == nil || t.id != e.Transfer {
					continue
				}
				loaded, err := t.load()
				var ev Event = loaded
				if err != nil {
					ev = Failed{err}
				}
				if !d.report(ctx, ev) {
					return
				}
			}
		}
	}
}

// transfer reads one batch ahead, so that the last is known to be the last.
type transfer struct {
	id    int
	next  func() (*history.Batch, error, bool)
	stop  func()
	pack  packer
	pace  func()
	ahead *history.Batch
	total uint64 // commits in all; 0: not known
	given uint64
	err   error
}

// opening is what came to the door between the session's word to open a transfer and its beginning.
type opening struct {
	mu   sync.Mutex
	due  int         // transfers to be opened
	tips []object.ID // of the batches that came since
}

// order takes note that a transfer is to be opened.
func (o *opening) order() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.due == 0 {
		o.tips = nil // the session knows of those before
	}
	o.due++
}

// note tells of a batch that the session knows to come to the door, before it does.
func (o *opening) note(tips []object.ID) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.due > 0 {
		o.tips = append(o.tips, tips...)
	}
}

// open begins a transfer. What the peer holds was said when the transfer was ordered: a batch of its that came to the
// door since is here when this begins to read, and would go back to it (invariant 4). So what it
// brought is added, and nothing comes to the door until the moment is fixed that is read.
func (d *driver) open(e Open) *transfer {
	o := &d.opening
	o.mu.Lock()
	defer o.mu.Unlock()
	o.due--
	return openTransfer(d.replica, Open{e.Transfer, slices.Concat(e.Have, o.tips)}, d.opts)
}

// openTransfer reads the first batch, which fixes the moment.
func openTransfer(r Replica, e Open, opts Options) *transfer {
	t := &transfer{id: e.Transfer, pace: opts.Pace}
	if c, ok := r.(Counter); ok {
		n, err := c.CountMissing(e.Have)
		t.total, t.err = uint64(max(n, 0)), err
	}
	t.next, t.stop = iter.Pull2(r.Batches(e.Have, opts.Batch))
	if t.err == nil {
		t.err = t.pull()
	}
	return t
}

func (t *transfer) close() {
	if t != nil {
		t.stop()
		t.pack.release()
	}
}

func (t *transfer) pull() error {
	b, err, ok := t.next()
	if err != nil {
		return err
	}
	t.ahead = nil
	if ok {
		t.ahead = b
	}
	return nil
}

func (t *transfer) load() (Loaded, error) {
	if t.err != nil {
		return Loaded{}, t.err
	}
	b := t.ahead
	if b == nil {
		return Loaded{Transfer: t.id, Last: true}, nil
	}
	if err := t.pull(); err != nil {
		return Loaded{}, err
	}
	wire, err := history.EncodeBatch(b)
	if err != nil {
		return Loaded{}, err
	}
	t.pace()
	data, err := t.pack.pack(wire)
	if err != nil {
		return Loaded{}, err
	}
	t.given += uint64(len(b.Commits))
	l := Loaded{Transfer: t.id, Data: data, Last: t.ahead == nil}
	if t.ahead != nil {
		l.Left = uint64(len(t.ahead.Commits))
		if t.total > t.given {
			l.Left = t.total - t.given
		}
	}
	return l, nil
}

// ingest hands batches to the door, in order. It goes on with what was received
// when the session is over, and stops with the node.
func (d *driver) ingest(parent, session context.Context) {
	for e := range d.ingests {
		if parent.Err() != nil {
			continue
		}
		turn, err := d.opts.Turns.take(parent, d.opts.Space, d.opts.Source.Device, costOf(e.Data))
		if err != nil {
			continue // the node closes
		}
		began := d.opts.Clock.Now()
		ev := d.admit(parent, e, func(ev Event) { d.report(session, ev) })
		now := d.opts.Clock.Now()
		rest := d.opts.Turns.done(turn, now.Sub(began), now)
		d.report(session, ev)
		if rest != nil {
			d.rest(parent, turn, rest)
		}
	}
}

// rest keeps the door closed after a turn for as long as is needed.
func (d *driver) rest(ctx context.Context, w *turn, r *rest) {
	defer d.opts.Turns.wake(w, r)
	least, stop := d.opts.Clock.Timer(r.least)
	defer stop()
	select {
	case <-least:
	case <-ctx.Done():
		return
	}
	d.opts.Turns.rested(w, r, d.opts.Clock.Now())
	most, stop := d.opts.Clock.Timer(r.most - r.least)
	defer stop()
	select {
	case <-r.over:
	case <-most:
	case <-ctx.Done():
	}
}

// ack records what the peer holds, also what it told last. It waits for the door, so that the session does not.
func (d *driver) ack(ctx context.Context) {
	var failed sync.WaitGroup
	defer failed.Wait()
	known := !d.opts.Source.Device.IsZero()
	for heads := range d.acks {
		if !known {
			continue
		}
		if err := d.replica.Acked(context.WithoutCancel(ctx), d.opts.Source.Device, heads); err != nil {
			known = false
			failed.Go(func() { d.report(ctx, Failed{err}) }) // the session may be waiting for room here
		}
	}
}

// admit hands one batch to the door, after telling what is in it.
func (d *driver) admit(ctx context.Context, e Ingest, tell func(Event)) Ingested {
	ev := Ingested{Round: e.Round}
	b, err := unbatch(e.Data, d.opts.Pace)
	if err != nil {
		ev.Outcome, ev.Err = Broken, err
		return ev
	}
	in := Decoded{Round: e.Round}
	in.Tips, in.Edges = ends(b)
	d.opts.Pace()
	d.opts.Relay.add(in.Tips) // before the door opens: others hear of it at once
	tell(in)
	d.opening.note(in.Tips)
	_, ev.Err = d.replica.Ingest(ctx, b, d.opts.Source)
	ev.Outcome = outcome(ev.Err)
	return ev
}

func unbatch(data []byte, pace func()) (*history.Batch, error) {
	wire, err := unpack(data, pace)
	if err != nil {
		return nil, err
	}
	b, err := history.Pausing{Pause: pace}.DecodeBatch(wire, maxDecoded)
	if err != nil {
		return nil, err
	}
	if n := len(b.Commits); n == 0 || n > maxBatchCommits {
		return nil, malformed("a batch has no commits, or too many")
	}
	return b, nil
}

func outcome(err error) Outcome {
	var reject *replica.Reject
	switch {
	case err == nil:
		return Admitted
	case errors.Is(err, replica.ErrMissing):
		return Missing
	case errors.As(err, &reject):
		return Rejected
	}
	return Unable
}

// ends returns the commits of a batch that no other of it has as an edge, and the
// edges that lead out of it. Nearly every edge is to the commit before.
func ends(b *history.Batch) (tips, edges []object.ID) {
	var others, inside idSet
	named := make([]bool, len(b.Commits))
	for i, c := range b.Commits {
		for _, e := range c.Edges() {
			if i > 0 && e == b.Commits[i-1].ID {
				named[i-1] = true
			} else {
				others.add(e)
			}
		}
	}
	for i, c := range b.Commits {
		switch {
		case others.has(c.ID):
			inside.add(c.ID)
		case !named[i]:
			tips = append(tips, c.ID)
		}
	}
	for id := range inside {
		delete(others, id)
	}
	return tips, others.sorted()
}
