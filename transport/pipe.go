package transport

import (
	"context"
	"errors"
	"slices"
	"sync"
)

// Packet is one message under way in a Pipe.
type Packet struct {
	// FromFirst says that the first Conn returned by Pipe sent it.
	FromFirst bool
	// Number counts the messages of this direction from 0.
	Number int
	// Message is the content; hooks must not change or keep it.
	Message []byte
}

// PipeOption changes what a Pipe does.
type PipeOption func(*pipe)

// WithBuffer sets how many messages each direction holds before Send waits.
// The default is PipeBuffer.
func WithBuffer(messages int) PipeOption {
	return func(p *pipe) { p.buffer = max(0, messages) }
}

// WithDelay calls hook in Receive before a message is handed out; the message
// is delayed for as long as the hook takes, later ones wait behind it. When
// the hook returns an error (its ctx ended) Receive returns that error and the
// message stays, to be delayed anew.
func WithDelay(hook func(ctx context.Context, p Packet) error) PipeOption {
	return func(p *pipe) { p.delay = hook }
}

// WithFault calls hook in Send. What it returns goes out instead of the
// message: nothing loses it, two copies repeat it, other bytes corrupt it. An
// error breaks the connection at this very message, which is not delivered;
// both ends then get a *LostError with it.
func WithFault(hook func(p Packet) ([][]byte, error)) PipeOption {
	return func(p *pipe) { p.fault = hook }
}

// WithLink puts the pipe under the control of l.
func WithLink(l *Link) PipeOption {
	return func(p *pipe) { p.link = l }
}

// WithBinding sets Info.Binding of each end; different values play a man in
// the middle.
func WithBinding(first, second []byte) PipeOption {
	return func(p *pipe) { p.binding = [2][]byte{first, second} }
}

// ErrCut is the cause in the *LostError of a connection that Link.Cut broke.
var ErrCut = errors.New("cut")

// Link controls pipes as one would a cable. The zero value is a working link;
// it may carry any number of pipes.
type Link struct {
	mu     sync.Mutex
	pipes  map[*pipe]struct{}
	paused chan struct{} // open while paused, nil otherwise
}

// Cut breaks every pipe on the link: both ends get a *LostError at once and
// messages under way are gone. Pipes made later work.
func (l *Link) Cut() {
	l.mu.Lock()
	broken := l.pipes
	l.pipes = nil
	l.mu.Unlock()
	for p := range broken {
		p.fail(&LostError{Kind: "pipe", Cause: ErrCut})
	}
}

// Pause makes the link silent: nothing arrives and nothing fails, as when a
// process is stopped or a cable is pulled. Not even a close gets through.
func (l *Link) Pause() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.paused == nil {
		l.paused = make(chan struct{})
	}
}

// Resume ends a Pause; what was under way arrives.
func (l *Link) Resume() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.paused != nil {
		close(l.paused)
		l.paused = nil
	}
}

func (l *Link) gate() chan struct{} {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.paused
}

func (l *Link) add(p *pipe) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.pipes == nil {
		l.pipes = make(map[*pipe]struct{})
	}
	l.pipes[p] = struct{}{}
}

func (l *Link) remove(p *pipe) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.pipes, p)
}

// Pipe returns the two ends of a connection in memory; the first is the
// initiator. It starts no goroutine and uses no clock, so it may be used
// inside testing/synctest.
func Pipe(opts ...PipeOption) (Conn, Conn) {
	p := &pipe{buffer: PipeBuffer, lost: make(chan struct{})}
	for _, o := range opts {
		o(p)
	}
	there := make(chan []byte, p.buffer)
	back := make(chan []byte, p.buffer)
	a := &pipeEnd{pipe: p, first: true, out: there, in: back, closed: make(chan struct{})}
	b := &pipeEnd{pipe: p, out: back, in: there, closed: make(chan struct{})}
	a.peer, b.peer = b, a
	p.link.add(p)
	return a, b
}

type pipe struct {
	buffer  int
	delay   func(context.Context, Packet) error
	fault   func(Packet) ([][]byte, error)
	link    *Link
	binding [2][]byte

	once sync.Once
	err  error         // why it was lost; read only after lost is closed
	lost chan struct{} // closed when the connection broke
}

func (p *pipe) fail(err error) {
	p.once.Do(func() {
		p.err = err
		close(p.lost)
		p.link.remove(p)
	})
}

type pipeEnd struct {
	pipe  *pipe
	peer  *pipeEnd
	first bool
	out   chan<- []byte
	in    <-chan []byte

	once   sync.Once
	closed chan struct{} // closed when this end was closed

	sent     int    // messages given to Send, for Packet.Number
	received int    // messages handed out
	pending  []byte // taken from in, still delayed
	waiting  bool   // pending holds a message
}

func (e *pipeEnd) Send(ctx context.Context, msg []byte) error {
	if len(msg) > MaxMessage {
		return ErrTooLarge
	}
	if err := e.over(); err != nil {
		return err
	}
	packets := [][]byte{msg}
	if e.pipe.fault != nil {
		var err error
		packets, err = e.pipe.fault(Packet{FromFirst: e.first, Number: e.sent, Message: msg})
		if err != nil {
			e.pipe.fail(&LostError{Kind: "pipe", Cause: err})
			return e.pipe.err
		}
	}
	e.sent++
	for _, packet := range packets {
		if err := e.put(ctx, slices.Clone(packet)); err != nil {
			return err
		}
	}
	return nil
}

// put waits for room in the queue. A silent link hides that the other end has
// closed until it is heard again.
func (e *pipeEnd) put(ctx context.Context, msg []byte) error {
	for {
		gate := e.pipe.link.gate()
		closed := e.peer.closed
		if gate != nil {
			closed = nil
		}
		select {
		case e.out <- msg:
			return nil
		case <-e.closed:
			return ErrClosed
		case <-e.pipe.lost:
			return e.pipe.err
		case <-closed:
			return ErrClosed
		case <-gate:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// over returns the error of a connection that has ended, as seen from here.
func (e *pipeEnd) over() error {
	select {
	case <-e.closed:
		return ErrClosed
	default:
	}
	select {
	case <-e.pipe.lost:
		return e.pipe.err
	default:
	}
	if e.pipe.link.gate() != nil {
		return nil
	}
	select {
	case <-e.peer.closed:
		return ErrClosed
	default:
		return nil
	}
}

func (e *pipeEnd) Receive(ctx context.Context) ([]byte, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if gate := e.pipe.link.gate(); gate != nil {
			select {
			case <-gate:
				continue
			case <-e.closed:
				return nil, ErrClosed
			case <-e.pipe.lost:
				return nil, e.pipe.err
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		if !e.waiting {
			msg, err := e.take(ctx)
			if err == nil {
				e.pending, e.waiting = msg, true
			} else if !errors.Is(err, errPeerClosed) {
				return nil, err
			} else if e.pipe.link.gate() == nil {
				return nil, ErrClosed
			}
			continue // the link may have been paused meanwhile
		}
		if e.pipe.delay != nil {
			if err := e.pipe.delay(ctx, Packet{FromFirst: !e.first, Number: e.received, Message: e.pending}); err != nil {
				return nil, err
			}
		}
		msg := e.pending
		e.pending, e.waiting = nil, false
		e.received++
		select {
		case <-e.closed:
			return nil, ErrClosed
		case <-e.pipe.lost:
			return nil, e.pipe.err
		default:
			return msg, nil
		}
	}
}

// errPeerClosed tells Receive that the other end has closed and nothing is
// left, which a silent link may still hide.
var errPeerClosed = errors.New("other end closed")

// take waits for the next message of the queue; messages sent before the other
// end closed come before ErrClosed.
func (e *pipeEnd) take(ctx context.Context) ([]byte, error) {
	select {
	case <-e.closed:
		return nil, ErrClosed
	default:
	}
	select {
	case msg := <-e.in:
		return msg, nil
	case <-e.closed:
		return nil, ErrClosed
	case <-e.pipe.lost:
		return nil, e.pipe.err
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-e.peer.closed:
		select {
		case msg := <-e.in:
			return msg, nil
		default:
			return nil, errPeerClosed
		}
	}
}

func (e *pipeEnd) Close() error {
	e.once.Do(func() {
		close(e.closed)
		select {
		case <-e.peer.closed:
			e.pipe.link.remove(e.pipe)
		default:
		}
	})
	return nil
}

func (e *pipeEnd) Info() Info {
	i := Info{Kind: "pipe", Remote: "pipe", Initiator: e.first, Binding: e.pipe.binding[0]}
	if !e.first {
		i.Binding = e.pipe.binding[1]
	}
	return i
}
