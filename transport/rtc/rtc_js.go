//go:build js

package rtc

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall/js"

	"github.com/hyperhyperspace/hhs-go/transport"
	"github.com/hyperhyperspace/hhs-go/transport/internal/inbox"
)

// The broker of BROKER.md is one object per worker, so there is one hub.
//
//	hhsRTC.create(config: string): number
//	hhsRTC.offer(id): Promise<string>
//	hhsRTC.answer(id, sdp): Promise<string>
//	hhsRTC.accept(id, sdp): Promise<void>
//	hhsRTC.candidate(id, json): void
//	hhsRTC.send(id, bytes: Uint8Array): number    bytes queued, or -1: ended
//	hhsRTC.close(id): void
//	hhsRTC.events = (id, kind, data) => void      set here, once
//
// Event kinds: "candidate" (JSON or ""), "open", "message" (Uint8Array),
// "buffered" (number), "closed" (reason).
type hub struct {
	broker js.Value
	mu     sync.Mutex
	peers  map[int]*peer
}

var theHub = sync.OnceValues(func() (*hub, error) {
	broker := js.Global().Get("hhsRTC")
	if broker.Type() != js.TypeObject {
		return nil, ErrUnavailable
	}
	for _, name := range []string{"create", "offer", "answer", "accept", "candidate", "send", "close"} {
		if broker.Get(name).Type() != js.TypeFunction {
			return nil, fmt.Errorf("%w: hhsRTC has no function %q", ErrUnavailable, name)
		}
	}
	h := &hub{broker: broker, peers: make(map[int]*peer)}
	// The worker's whole life: never released.
	broker.Set("events", js.FuncOf(func(_ js.Value, args []js.Value) any {
		if len(args) >= 2 {
			data := js.Undefined()
			if len(args) > 2 {
				data = args[2]
			}
			h.event(args[0].Int(), args[1].String(), data)
		}
		return nil
	}))
	return h, nil
})

// event passes an event on to its connection. It never waits.
func (h *hub) event(id int, kind string, data js.Value) {
	h.mu.Lock()
	p := h.peers[id]
	h.mu.Unlock()
	if p == nil {
		return
	}
	switch kind {
	case "candidate":
		p.found.add(data.String())
	case "open":
		p.openOnce.Do(func() { close(p.open) })
	case "message":
		p.arrived(data)
	case "buffered":
		p.buffered(data.Int())
	case "closed":
		p.end(closedError(data.String()))
	}
}

func closedError(reason string) error {
	if reason == "" || reason == "close" {
		return transport.ErrClosed
	}
	return &transport.LostError{Kind: "rtc", Cause: errors.New(reason)}
}

// peer is a connection of the broker: first an engine, then a transport.Conn.
type peer struct {
	hub   *hub
	id    int
	info  transport.Info
	inbox *inbox.Inbox
	found *candidates

	mu     sync.Mutex
	queued int           // bytes in the channel as last heard
	room   chan struct{} // queued has become less

	open     chan struct{} // closed when the channel is open
	openOnce sync.Once
	done     chan struct{} // closed when the connection has ended
	ended    sync.Once
	err      error // why; read only after done is closed
}

func newEngine(cfg Config) (engine, error) {
	h, err := theHub()
	if err != nil {
		return nil, err
	}
	p := &peer{
		hub: h, inbox: inbox.New(browserInbox), found: newCandidates(), room: make(chan struct{}, 1),
		open: make(chan struct{}), done: make(chan struct{}),
	}
	id, err := h.call("create", config(cfg))
	if err != nil {
		return nil, fmt.Errorf("rtc: make connection: %w", err)
	}
	p.id = id.Int()
	h.mu.Lock()
	h.peers[p.id] = p
	h.mu.Unlock()
	return p, nil
}

// config is the RTCConfiguration as JSON.
func config(cfg Config) string {
	servers := make([]any, 0, len(cfg.STUN))
	for _, url := range cfg.STUN {
		servers = append(servers, map[string]any{"urls": []any{url}})
	}
	return js.Global().Get("JSON").Call("stringify", map[string]any{"iceServers": servers}).String()
}

// call calls a function of the broker and turns an exception into an error.
func (h *hub) call(name string, args ...any) (v js.Value, err error) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case js.Error:
			err = p
		default:
			panic(p)
		}
	}()
	return h.broker.Call(name, args...), nil
}

// await waits for a promise of the broker, the connection's end or ctx.
func (p *peer) await(ctx context.Context, name string, args ...any) (js.Value, error) {
	promise, err := p.hub.call(name, args...)
	if err != nil {
		return js.Undefined(), fmt.Errorf("rtc: %s: %w", name, err)
	}
	type outcome struct {
		value js.Value
		err   error
	}
	settled := make(chan outcome, 1)
	var kept, broken js.Func
	release := func() { kept.Release(); broken.Release() }
	first := func(args []js.Value) js.Value {
		if len(args) == 0 {
			return js.Undefined()
		}
		return args[0]
	}
	// The promise always settles (close rejects it), so both are released.
	kept = js.FuncOf(func(_ js.Value, args []js.Value) any {
		settled <- outcome{value: first(args)}
		release()
		return nil
	})
	broken = js.FuncOf(func(_ js.Value, args []js.Value) any {
		settled <- outcome{err: fmt.Errorf("rtc: %s: %w", name, rejection(first(args)))}
		release()
		return nil
	})
	promise.Call("then", kept, broken)
	select {
	case o := <-settled:
		return o.value, o.err
	case <-p.done:
		return js.Undefined(), p.err
	case <-ctx.Done():
		return js.Undefined(), ctx.Err()
	}
}

// rejection makes an error of whatever a promise was rejected with.
func rejection(reason js.Value) error {
	if reason.Type() == js.TypeObject {
		return js.Error{Value: reason}
	}
	return errors.New(reason.String())
}

func (p *peer) text(ctx context.Context, name string, args ...any) (string, error) {
	v, err := p.await(ctx, name, args...)
	if err != nil {
		return "", err
	}
	if v.Type() != js.TypeString {
		return "", fmt.Errorf("rtc: %s: the page returned no description", name)
	}
	return v.String(), nil
}

func (p *peer) offer(ctx context.Context) (string, error) { return p.text(ctx, "offer", p.id) }

func (p *peer) answer(ctx context.Context, offer string) (string, error) {
	return p.text(ctx, "answer", p.id, offer)
}

func (p *peer) accept(ctx context.Context, answer string) error {
	_, err := p.await(ctx, "accept", p.id, answer)
	return err
}

// candidate ignores what the page cannot use.
func (p *peer) candidate(json string) { _, _ = p.hub.call("candidate", p.id, json) }

func (p *peer) gathered() *candidates   { return p.found }
func (p *peer) opened() <-chan struct{} { return p.open }
func (p *peer) over() <-chan struct{}   { return p.done }
func (p *peer) cause() error            { return p.err }
func (p *peer) abort()                  { p.Close() }

func (p *peer) conn(info transport.Info) transport.Conn {
	p.info = info
	return p
}

// arrived keeps a message until it is received.
func (p *peer) arrived(data js.Value) {
	if data.Type() != js.TypeObject {
		p.end(&transport.LostError{Kind: "rtc", Cause: errors.New("text message")})
		return
	}
	n := data.Length()
	if n > transport.MaxMessage {
		p.end(&transport.LostError{Kind: "rtc", Cause: transport.ErrTooLarge})
		return
	}
	msg := make([]byte, n)
	js.CopyBytesToGo(msg, data)
	if !p.inbox.TryPut(msg) {
		p.end(&transport.LostError{Kind: "rtc", Cause: errors.New("more arrived than was received")})
	}
}

// buffered notes how much the channel has queued.
func (p *peer) buffered(n int) {
	p.mu.Lock()
	p.queued = n
	p.mu.Unlock()
	select {
	case p.room <- struct{}{}:
	default:
	}
}

// end closes the connection at the page and lets go of it; what has arrived
// can still be received. The page lets leave what was sent.
func (p *peer) end(err error) {
	p.ended.Do(func() {
		p.err = err
		p.hub.mu.Lock()
		delete(p.hub.peers, p.id)
		p.hub.mu.Unlock()
		_, _ = p.hub.call("close", p.id)
		p.inbox.End(err)
		close(p.done)
	})
}

// Send hands a message to the page, and waits while the channel has too much
// queued.
func (p *peer) Send(ctx context.Context, msg []byte) error {
	if len(msg) > transport.MaxMessage {
		return transport.ErrTooLarge
	}
	for {
		select {
		case <-p.done:
			return p.err
		default:
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		p.mu.Lock()
		full := p.queued > sendBuffer
		p.mu.Unlock()
		if !full {
			break
		}
		select {
		case <-p.room:
		case <-p.done:
		case <-ctx.Done():
		}
	}
	array := js.Global().Get("Uint8Array").New(len(msg))
	js.CopyBytesToJS(array, msg)
	queued, err := p.hub.call("send", p.id, array)
	if err == nil && queued.Int() < 0 {
		err = errClosing
	}
	if err != nil {
		p.end(&transport.LostError{Kind: "rtc", Cause: err})
		return p.err
	}
	p.mu.Lock()
	p.queued = queued.Int()
	p.mu.Unlock()
	return nil
}

// errClosing is why Send fails when the page says that it has ended before the
// event arrives.
var errClosing = errors.New("the channel is closing")

// Receive takes from what has arrived.
func (p *peer) Receive(ctx context.Context) ([]byte, error) { return p.inbox.Receive(ctx) }

// Close ends the connection; the page finishes it by itself.
func (p *peer) Close() error {
	p.inbox.Kill(transport.ErrClosed)
	p.end(transport.ErrClosed)
	return nil
}

// Info describes the connection.
func (p *peer) Info() transport.Info { return p.info }
