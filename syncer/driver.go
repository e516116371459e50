package syncer

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/hyperhyperspace/hhs-go/object"
)

// Options of a session. The zero value is useful for a test.
type Options struct {
	Source Source       // who is at the other end
	Base   []object.ID  // what it is remembered to hold, from earlier sessions; makes the first exchange small
	Relay  *Relay       // shared by the sessions of one space; nil: everything is sent at once
	Report func(Status) // called when the status changes, from one goroutine; must not wait
	Clock  Clock        // nil: the system's
	Batch  int          // bytes of commits per batch; 0: DefaultBatch
	Blobs  *Blobs       // the blocks wanted in the space, shared by its sessions; nil: none
	// ServeBlob reads what the peer asks for; nil: nothing is here. It may be slow.
	ServeBlob ServeBlob
	Turns     *Turns    // shared by the sessions of a node; nil: this one has its own
	Space     object.ID // which door of the node its batches go through
	Pace      func()    // called every few milliseconds of work where there is one thread; nil: not
}

// Run syncs a replica with the peer at the other end of the stream until one of
// them ends it or ctx does. It closes the stream. The error is a *CloseError, or
// ctx's if that ended it. What was received before the end is still stored.
func Run(ctx context.Context, stream Stream, r Replica, opts Options) error {
	if opts.Clock == nil {
		opts.Clock = systemClock{}
	}
	if opts.Batch <= 0 {
		opts.Batch = DefaultBatch
	}
	if opts.Pace == nil {
		opts.Pace = func() {}
	}
	if opts.Blobs == nil {
		opts.Blobs = &Blobs{}
	}
	if opts.Turns == nil {
		opts.Turns = &Turns{}
	}
	d := &driver{
		blobs:  newBlobTraffic(opts.Clock),
		stream: stream, replica: r, opts: opts, session: NewSession(r, opts.Base),
		events: make(chan Event), poke: make(chan struct{}, 1),
		loads: make(chan Effect, maxOutbox), ingests: make(chan Ingest, maxOutbox), acks: make(chan []object.ID, maxOutbox),
		outbox: outbox{wake: make(chan struct{}, 1), empty: make(chan struct{}, 1)},
	}
	return d.run(ctx)
}

// driver binds a Session to goroutines: one each that receives, sends, loads and
// ingests, and the calling one, which alone touches the session.
type driver struct {
	stream  Stream
	replica Replica
	opts    Options
	session *Session

	events  chan Event
	poke    chan struct{}
	loads   chan Effect
	ingests chan Ingest
	acks    chan []object.ID
	outbox  outbox

	opening  opening
	blobs    blobTraffic
	follower *follower
	meter    *bucket

	seen   []object.ID // heads at the last change, to tell relayed ones
	closed *CloseError
}

func (d *driver) run(parent context.Context) error {
	// The goroutines outlive parent by the last words.
	ctx, cancel := context.WithCancel(context.WithoutCancel(parent))
	unsubscribe := d.replica.Subscribe(func() {
		select {
		case d.poke <- struct{}{}:
		default:
		}
	})
	d.seen = d.replica.Heads()
	d.blobs.peer = d.opts.Blobs.join(d.opts.Source.Device, func() { poke(d.blobs.wake) })
	defer d.opts.Blobs.leave(d.blobs.peer)
	d.follower, d.meter = d.opts.Turns.join(d.opts.Space, d.opts.Source.Device, d.opts.Clock.Now())
	defer func() { d.opts.Turns.leave(d.opts.Space, d.follower, d.opts.Clock.Now()) }()
	d.step(ctx, Start{}) // before all else: our hello is the first message, also where much is wanted and the peer's is here at once
	var wg, doors sync.WaitGroup
	wg.Go(func() { d.receive(ctx) })
	wg.Go(func() { d.send(ctx) })
	wg.Go(func() { d.load(ctx) })
	doors.Go(func() { d.ingest(parent, ctx) })
	wg.Go(func() { d.ack(ctx) })
	wg.Go(func() { d.ask(ctx) })
	wg.Go(func() { d.answer(ctx) })

	for d.closed == nil {
		d.step(ctx, d.next(parent))
	}
	unsubscribe()
	if !d.closed.Remote {
		d.lastWords(d.closed.Code)
	}
	// The stream ends first, then what was received is stored, then all is quiet.
	cancel()
	closeErr := d.stream.Close()
	close(d.ingests)
	close(d.acks)
	doors.Wait()
	wg.Wait()
	if err := parent.Err(); err != nil && d.closed.Code == CodeDone && !d.closed.Remote {
		return err
	}
	if d.closed.Cause == nil && closeErr != nil && d.closed.Remote {
		d.closed.Cause = closeErr
	}
	return d.closed
}

// next waits for the next event.
func (d *driver) next(parent context.Context) Event {
	var expired <-chan time.Time
	if at := d.session.Deadline(); !at.IsZero() {
		c, stop := d.opts.Clock.Timer(max(0, at.Sub(d.opts.Clock.Now())))
		defer stop()
		expired = c
	}
	select {
	case ev := <-d.events:
		return ev
	case <-d.poke:
		return Changed{Relayed: d.relayed()}
	case <-expired:
		return Tick{}
	case <-parent.Done():
		return Stop{}
	}
}

// relayed reports whether all heads that are new came from peers.
func (d *driver) relayed() bool {
	before := d.seen
	d.seen = d.replica.Heads()
	for _, id := range d.seen {
		if _, old := slices.BinarySearchFunc(before, id, object.ID.Compare); !old && !d.opts.Relay.has(id) {
			return false
		}
	}
	return true
}

// step gives the session an event and does what it says.
func (d *driver) step(ctx context.Context, ev Event) {
	for _, e := range d.session.Step(d.opts.Clock.Now(), ev) {
		switch e := e.(type) {
		case Send:
			d.outbox.put(e.Message)
		case Open:
			d.opening.order()
			d.loads <- e
		case Load, Cancel:
			d.loads <- e // the session has few of them open: never full
		case Ingest:
			d.ingests <- e
		case Acked:
			d.acks <- e.Heads // waits where very many come at once
		case Report:
			if d.opts.Report != nil {
				d.opts.Report(e.Status)
			}
		case Close:
			d.closed = e.Err
		}
	}
	if d.follower != nil {
		d.opts.Turns.tell(d.opts.Space, d.follower, d.session.waiting(), d.opts.Clock.Now())
	}
}

// report hands an event to the session unless the session is over.
func (d *driver) report(ctx context.Context, ev Event) bool {
	select {
	case d.events <- ev:
		return true
	case <-ctx.Done():
		return false
	}
}

func (d *driver) receive(ctx context.Context) {
	for {
		data, err := d.stream.Receive(ctx)
		if err != nil {
			d.report(ctx, Cut{err})
			return
		}
		m, err := Decode(data)
		if err != nil {
			d.report(ctx, Malformed{err})
			return
		}
		if mine, err := d.blobMessage(ctx, m); err != nil {
			d.report(ctx, Malformed{err})
			return
		} else if mine {
			continue
		}
		if n := lookups(m); n > 0 && !d.meter.take(ctx, d.opts.Clock, n) {
			return
		}
		if !d.report(ctx, Received{m}) {
			return
		}
	}
}

// lookups is what a message costs of lookRate: nothing where the protocol bounds what it costs.
func lookups(m Message) float64 {
	switch m := m.(type) {
	case *Hello:
		return helloLooks + float64(len(m.Heads.IDs)/looksEach)
	case *Chains:
		return float64((len(m.Base) + len(m.Chains)) / looksEach)
	case *Have:
		return 1 + float64(len(m.Heads.IDs)/looksEach)
	}
	return 0
}

// outbox holds what waits to be sent. The session's own rules bound it.
type outbox struct {
	mu    sync.Mutex
	queue []Message
	busy  bool // a message is being sent
	wake  chan struct{}
	empty chan struct{}
}

func (o *outbox) put(m Message) {
	o.mu.Lock()
	defer o.mu.Unlock()
	last := len(o.queue) - 1
	if _, have := m.(*Have); have && last >= 0 {
		if _, replace := o.queue[last].(*Have); replace {
			o.queue[last] = m
			return
		}
	}
	o.queue = append(o.queue, m)
	poke(o.wake)
}

func (o *outbox) take() (Message, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.busy = len(o.queue) > 0
	if !o.busy {
		poke(o.empty)
		return nil, false
	}
	m := o.queue[0]
	o.queue = slices.Delete(o.queue, 0, 1)
	return m, true
}

func (o *outbox) idle() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.queue) == 0 && !o.busy
}

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func (d *driver) send(ctx context.Context) {
	for {
		m, ok := d.outbox.take()
		if !ok {
			select {
			case <-d.outbox.wake:
				continue
			case m = <-d.blobs.bulk:
			case <-ctx.Done():
				return
			}
		}
		if err := d.stream.Send(ctx, Encode(m)); err != nil {
			d.report(ctx, Cut{err})
			return
		}
	}
}

// lastWords sends a bye and gives it a moment to go out.
func (d *driver) lastWords(code Code) {
	d.outbox.mu.Lock()
	d.outbox.queue = slices.DeleteFunc(d.outbox.queue, func(m Message) bool { _, bulk := m.(*Batch); return bulk })
	d.outbox.mu.Unlock()
	d.outbox.put(&Bye{code})
	timeout, stop := d.opts.Clock.Timer(byeTimeout)
	defer stop()
	for !d.outbox.idle() {
		select {
		case <-d.outbox.empty:
		case ev := <-d.events: // nobody listens any more
			if _, cut := ev.(Cut); cut {
				return
			}
		case <-timeout:
			return
		}
	}
}
