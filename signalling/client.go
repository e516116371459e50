package signalling

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/transport"
)

// Config adjusts a Client. The zero value is what Dial's users want.
type Config struct {
	// Ping is how often the server is asked for a sign of life; 0: DefaultPing.
	Ping time.Duration
	// Silent is how long the server may say nothing before the client closes
	// with ErrSilent; 0: DefaultSilent. It should exceed three times Ping.
	Silent time.Duration
	// Lifetime is how long one proof keeps a topic; 0: DefaultLifetime, at most
	// MaxLifetime. Topics are renewed when three quarters of it have passed.
	Lifetime time.Duration
	// Queue is how many events are held for a slow reader; 0: DefaultQueue.
	Queue int
}

func (c Config) withDefaults() Config {
	if c.Ping <= 0 {
		c.Ping = DefaultPing
	}
	if c.Silent <= 0 {
		c.Silent = DefaultSilent
	}
	if c.Lifetime <= 0 {
		c.Lifetime = DefaultLifetime
	}
	c.Lifetime = min(c.Lifetime, MaxLifetime)
	if c.Queue <= 0 {
		c.Queue = DefaultQueue
	}
	return c
}

// EventKind says what an Event tells.
type EventKind uint8

const (
	// Present: a listener is on the topic; it can be sent to until Gone.
	Present EventKind = iota + 1
	// Gone: a listener told of by Present has left.
	Gone
	// Message: a listener sent Body; Handle says which.
	Message
	// Undelivered: something sent to Handle was dropped; Err is a *ServerError.
	Undelivered
	// Ended: this client no longer listens on the topic and does not try again;
	// Err says why. All handles on it are void.
	Ended
)

// String gives the kind's name.
func (k EventKind) String() string {
	switch k {
	case Present:
		return "present"
	case Gone:
		return "gone"
	case Message:
		return "message"
	case Undelivered:
		return "undelivered"
	case Ended:
		return "ended"
	}
	return "unknown"
}

// Event is one thing that happened on a topic.
type Event struct {
	Kind   EventKind
	Topic  Topic
	Handle Handle // whom it is about
	// Existing, with Present: the other was there first. Of two listeners that
	// meet, one sees the other as Existing and the other does not, so it can
	// decide who makes the offer.
	Existing bool
	Body     []byte // with Message
	Err      error  // with Undelivered and Ended
}

// Client is a connection to one signalling server. It does not reconnect: when
// Done is closed its owner dials another. All methods may be called from
// anywhere.
type Client struct {
	cfg    Config
	conn   transport.Conn
	server string // name as dialled
	hello  message
	begun  time.Time // when hello arrived; hello.time is the server's clock then

	ctx    context.Context // ends with the client
	cancel context.CancelCauseFunc
	done   chan struct{}
	events chan Event
	turn   chan struct{} // holds one token: the right to send
	pulse  chan struct{} // a message has arrived
	// pinging and ponging hold a token while such a message is on its way.
	pinging, ponging chan struct{}
	stalled          atomic.Bool // events are full: not reading the server
	work             sync.WaitGroup

	mu     sync.Mutex
	topics map[Topic]*topicState
}

// topicState is one topic this client listens on, or asks to.
type topicState struct {
	key     identity.Signer
	handle  Handle        // ours, once on
	on      bool          // the server has confirmed
	waiters []chan error  // Listen calls waiting for the server's answer
	stop    chan struct{} // closed when the topic is given up
}

// Dial connects to the signalling server at url and waits for its hello.
func Dial(ctx context.Context, d transport.Dialer, url string, cfg Config) (*Client, error) {
	name, err := ServerName(url)
	if err != nil {
		return nil, err
	}
	conn, err := d.Dial(ctx, url)
	if err != nil {
		return nil, fmt.Errorf("dial signalling server %s: %w", name, err)
	}
	return NewClient(ctx, conn, name, cfg)
}

// NewClient speaks to a server over a connection that is already there; server
// is its name as dialled (see ServerName). It owns conn from now on and closes
// it when it fails.
func NewClient(ctx context.Context, conn transport.Conn, server string, cfg Config) (*Client, error) {
	hello, err := awaitHello(ctx, conn)
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("greet signalling server %s: %w", server, err)
	}
	c := &Client{
		cfg: cfg.withDefaults(), conn: conn, server: server, hello: *hello, begun: time.Now(),
		done: make(chan struct{}), turn: make(chan struct{}, 1), pulse: make(chan struct{}, 1),
		pinging: make(chan struct{}, 1), ponging: make(chan struct{}, 1),
		topics: make(map[Topic]*topicState),
	}
	c.events = make(chan Event, c.cfg.Queue)
	c.ctx, c.cancel = context.WithCancelCause(context.Background())
	c.turn <- struct{}{}
	c.work.Add(2)
	go c.read()
	go c.keep()
	go c.finish()
	return c, nil
}

func awaitHello(ctx context.Context, conn transport.Conn) (*message, error) {
	ctx, cancel := context.WithTimeout(ctx, helloTimeout)
	defer cancel()
	raw, err := conn.Receive(ctx)
	if err != nil {
		return nil, err
	}
	m, err := decode(raw)
	switch {
	case err != nil:
		return nil, err
	case m.kind == kindError:
		return nil, &ServerError{m.code, m.text}
	case m.kind != kindHello:
		return nil, &MessageError{Reason: "first message is not hello"}
	case m.version != Version:
		return nil, fmt.Errorf("%w: %d, this client speaks %d", ErrVersion, m.version, Version)
	}
	return m, nil
}

// Server returns the server's name as dialled.
func (c *Client) Server() string { return c.server }

// Events returns what happens on the topics listened to. The channel is closed
// when the client is; a reader that stops reading stops the connection.
func (c *Client) Events() <-chan Event { return c.events }

// Done is closed when the client has ended, by Close or by itself.
func (c *Client) Done() <-chan struct{} { return c.done }

// Err says why the client ended: ErrClosed after Close, ErrSilent, a
// *ServerError, a *MessageError or the transport's error. It is nil before.
func (c *Client) Err() error {
	select {
	case <-c.done:
		return context.Cause(c.ctx)
	default:
		return nil
	}
}

// Close ends the client and waits until nothing of it runs.
func (c *Client) Close() error {
	c.cancel(ErrClosed)
	<-c.done
	return nil
}

// finish waits for the end and frees everything.
func (c *Client) finish() {
	<-c.ctx.Done()
	c.conn.Close()
	c.work.Wait()
	c.mu.Lock()
	for _, t := range c.topics {
		t.settle(context.Cause(c.ctx))
	}
	c.topics = nil
	c.mu.Unlock()
	close(c.events)
	close(c.done)
}

// Listen announces this client on a topic under key, keeps it announced until
// Unlisten or Close, and returns when the server has confirmed. From then on
// Events tells who else is there. Listening again on a topic renews it. A
// *ServerError says that the server refused.
func (c *Client) Listen(ctx context.Context, topic Topic, key identity.Signer) error {
	answer := make(chan error, 1)
	c.mu.Lock()
	if c.topics == nil {
		c.mu.Unlock()
		return context.Cause(c.ctx)
	}
	t := c.topics[topic]
	fresh := t == nil
	if fresh {
		t = &topicState{key: key, stop: make(chan struct{})}
		c.topics[topic] = t
	}
	t.key = key
	t.waiters = append(t.waiters, answer)
	c.mu.Unlock()
	err := c.announce(ctx, topic, key)
	if err == nil {
		select {
		case err = <-answer:
		case <-ctx.Done():
			err = ctx.Err()
		case <-c.ctx.Done():
			err = context.Cause(c.ctx)
		}
	}
	if err != nil {
		c.abandon(topic, t, answer)
		return fmt.Errorf("listen at signalling server %s: %w", c.server, err)
	}
	return nil
}

// abandon undoes a Listen that failed, unless the topic was on before it.
func (c *Client) abandon(topic Topic, t *topicState, answer chan error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, w := range t.waiters {
		if w == answer {
			t.waiters = append(t.waiters[:i], t.waiters[i+1:]...)
			break
		}
	}
	if c.topics[topic] == t && !t.on && len(t.waiters) == 0 {
		delete(c.topics, topic)
		close(t.stop)
	}
}

// announce signs and sends one listen.
func (c *Client) announce(ctx context.Context, topic Topic, key identity.Signer) error {
	expiry := c.serverTime().Add(c.cfg.Lifetime).UnixMilli()
	sig, err := key.Sign(ctx, Proof(c.server, c.hello.nonce, topic, expiry))
	if err != nil {
		return fmt.Errorf("prove listening key: %w", err)
	}
	return c.send(ctx, &message{kind: kindListen, topic: topic, key: key.Public(), name: c.server, expiry: expiry, sig: sig})
}

// serverTime is now by the server's clock, so that a wrong clock here does no
// harm. A server that lies about it gains nothing: proofs are bound to it and
// to this connection.
func (c *Client) serverTime() time.Time {
	return time.UnixMilli(c.hello.time).Add(time.Since(c.begun))
}

// Unlisten leaves a topic. Events about it that are already queued still come.
func (c *Client) Unlisten(ctx context.Context, topic Topic) error {
	c.mu.Lock()
	t := c.topics[topic]
	if t != nil {
		delete(c.topics, topic)
		t.settle(ErrNotListening)
	}
	c.mu.Unlock()
	if t == nil {
		return ErrNotListening
	}
	return c.send(ctx, &message{kind: kindUnlisten, topic: topic})
}

// Send passes body, at most MaxBody bytes, to a listener that Events told of.
// nil means sent, not delivered: Undelivered may follow.
func (c *Client) Send(ctx context.Context, topic Topic, to Handle, body []byte) error {
	if len(body) > MaxBody {
		return ErrTooLarge
	}
	c.mu.Lock()
	on := c.topics[topic] != nil && c.topics[topic].on
	c.mu.Unlock()
	if !on {
		if err := context.Cause(c.ctx); err != nil {
			return err
		}
		return ErrNotListening
	}
	return c.send(ctx, &message{kind: kindSend, topic: topic, handle: to, body: body})
}

// send writes one message when it is its turn.
func (c *Client) send(ctx context.Context, m *message) error {
	select {
	case <-c.turn:
	case <-ctx.Done():
		return ctx.Err()
	case <-c.ctx.Done():
		return context.Cause(c.ctx)
	}
	defer func() { c.turn <- struct{}{} }()
	err := c.conn.Send(ctx, m.encode())
	if err == nil || ctx.Err() != nil && !errors.Is(err, transport.ErrClosed) {
		return err
	}
	c.cancel(err)
	return context.Cause(c.ctx)
}

// settle ends a topic for everyone who waits for it. The caller holds mu.
func (t *topicState) settle(err error) {
	for _, w := range t.waiters {
		w <- err
	}
	t.waiters = nil
	close(t.stop)
}
