// Package meshtest is a network in memory for tests of what uses package mesh:
// URLs that can be dialled, signalling servers, and a stand-in for WebRTC. It
// works inside testing/synctest.
//
// Start with New; hand Dialers, Signalling and RTC to mesh.Config.
package meshtest

import (
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/mesh"
	"github.com/hyperhyperspace/hhs-go/signalling"
	"github.com/hyperhyperspace/hhs-go/transport"
)

// ErrDown is what dialling something that is not there gives.
var ErrDown = errors.New("meshtest: nothing listens there")

// Network connects meshes. All methods may be called from anywhere.
type Network struct {
	// Link controls all pipes made by dialling and by RTC: cut it, pause it.
	Link *transport.Link

	mu      sync.Mutex
	random  *rand.Rand
	delay   time.Duration
	doors   map[string]func(transport.Conn)
	servers map[string]*server
	offers  map[uint64]transport.Conn
	handles uint64
	dials   int
	tap     func(url string, size int, toDialler bool)
}

// New makes a network whose chances follow from seed.
func New(seed uint64) *Network {
	return &Network{
		Link:    &transport.Link{},
		random:  rand.New(rand.NewPCG(seed, 1)),
		doors:   map[string]func(transport.Conn){},
		servers: map[string]*server{},
		offers:  map[uint64]transport.Conn{},
	}
}

// Delay makes every dial, message and event take a random time below d.
func (n *Network) Delay(d time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.delay = d
}

func (n *Network) lag() time.Duration {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.delay == 0 {
		return 0
	}
	return time.Duration(n.random.Int64N(int64(n.delay)))
}

func wait(ctx context.Context, d time.Duration) error {
	if d == 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Dials counts what was dialled: URLs and servers.
func (n *Network) Dials() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.dials
}

// Open lets url be dialled; accept gets the other ends (Mesh.Accept).
func (n *Network) Open(url string, accept func(transport.Conn)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.doors[url] = accept
}

// Shut takes a URL away again; connections stay.
func (n *Network) Shut(url string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.doors, url)
}

// Dialers is for mesh.Config.
func (n *Network) Dialers() map[string]transport.Dialer {
	d := transport.DialerFunc(n.dial)
	return map[string]transport.Dialer{"ws": d, "wss": d}
}

func (n *Network) dial(ctx context.Context, url string) (transport.Conn, error) {
	if err := wait(ctx, n.lag()); err != nil {
		return nil, err
	}
	n.mu.Lock()
	n.dials++
	accept := n.doors[url]
	n.mu.Unlock()
	if accept == nil {
		return nil, ErrDown
	}
	a, b := n.pipe(url)
	accept(b)
	return a, nil
}

// Tap calls f for each message on dialled connections and RTC, before it is sent.
func (n *Network) Tap(f func(url string, size int, toDialler bool)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.tap = f
}

func (n *Network) pipe(url string) (transport.Conn, transport.Conn) {
	see := transport.WithFault(func(p transport.Packet) ([][]byte, error) {
		n.mu.Lock()
		defer n.mu.Unlock()
		if n.tap != nil {
			n.tap(url, len(p.Message), !p.FromFirst)
		}
		return [][]byte{p.Message}, nil
	})
	return transport.Pipe(transport.WithLink(n.Link), see, transport.WithDelay(func(ctx context.Context, _ transport.Packet) error {
		return wait(ctx, n.lag())
	}))
}

// RTC stands in for WebRTC: two messages through the exchange, then a pipe.
func (n *Network) RTC() *mesh.RTC {
	return &mesh.RTC{
		Dial: func(ctx context.Context, x mesh.Exchange) (transport.Conn, error) {
			a, b := n.pipe("rtc")
			n.mu.Lock()
			token := n.random.Uint64()
			n.offers[token] = b
			n.mu.Unlock()
			err := x.Send(ctx, binary.BigEndian.AppendUint64(nil, token))
			if err == nil {
				_, err = x.Receive(ctx)
			}
			n.mu.Lock()
			delete(n.offers, token)
			n.mu.Unlock()
			if err != nil {
				_ = a.Close()
				return nil, err
			}
			return a, nil
		},
		Answer: func(ctx context.Context, x mesh.Exchange) (transport.Conn, error) {
			msg, err := x.Receive(ctx)
			if err != nil || len(msg) != 8 {
				return nil, errors.Join(ErrDown, err)
			}
			n.mu.Lock()
			b := n.offers[binary.BigEndian.Uint64(msg)]
			n.mu.Unlock()
			if b == nil {
				return nil, ErrDown
			}
			return b, x.Send(ctx, []byte("ok"))
		},
	}
}

// server is a signalling server.
type server struct {
	clients []*client
}

// Serve starts a signalling server at a URL.
func (n *Network) Serve(url string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.servers[url] = &server{}
}

// Stop ends a signalling server and its connections.
func (n *Network) Stop(url string) {
	n.mu.Lock()
	s := n.servers[url]
	delete(n.servers, url)
	n.mu.Unlock()
	if s != nil {
		for _, c := range slices.Clone(s.clients) {
			_ = c.Close()
		}
	}
}

// Signalling is for mesh.Config.
func (n *Network) Signalling(ctx context.Context, url string) (mesh.Signalling, error) {
	if err := wait(ctx, n.lag()); err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.dials++
	s := n.servers[url]
	if s == nil {
		return nil, ErrDown
	}
	c := &client{
		n: n, server: s, topics: map[signalling.Topic]signalling.Handle{},
		events: make(chan signalling.Event), queue: make(chan signalling.Event, 1024), closed: make(chan struct{}),
	}
	s.clients = append(s.clients, c)
	go c.deliver()
	return c, nil
}

// client is one connection to a server.
type client struct {
	n      *Network
	server *server
	topics map[signalling.Topic]signalling.Handle // own name on each
	events chan signalling.Event
	queue  chan signalling.Event
	once   sync.Once
	closed chan struct{}
}

func (c *client) deliver() {
	defer close(c.events)
	for {
		select {
		case ev := <-c.queue:
			t := time.NewTimer(c.n.lag())
			select {
			case <-t.C:
			case <-c.closed:
				t.Stop()
				return
			}
			select {
			case c.events <- ev:
			case <-c.closed:
				return
			}
		case <-c.closed:
			return
		}
	}
}

func (c *client) put(ev signalling.Event) {
	select {
	case c.queue <- ev:
	default:
	}
}

func (c *client) Events() <-chan signalling.Event { return c.events }

func (c *client) Listen(ctx context.Context, topic signalling.Topic, _ identity.Signer) error {
	if err := wait(ctx, c.n.lag()); err != nil {
		return err
	}
	c.n.mu.Lock()
	defer c.n.mu.Unlock()
	if _, ok := c.topics[topic]; ok {
		return nil
	}
	c.n.handles++
	var own signalling.Handle
	binary.BigEndian.PutUint64(own[:], c.n.random.Uint64())
	binary.BigEndian.PutUint64(own[8:], c.n.handles)
	for _, o := range c.server.clients {
		if name, ok := o.topics[topic]; ok {
			c.put(signalling.Event{Kind: signalling.Present, Topic: topic, Handle: name, Existing: true})
			o.put(signalling.Event{Kind: signalling.Present, Topic: topic, Handle: own})
		}
	}
	c.topics[topic] = own
	return nil
}

func (c *client) Unlisten(_ context.Context, topic signalling.Topic) error {
	c.n.mu.Lock()
	defer c.n.mu.Unlock()
	c.leave(topic)
	return nil
}

func (c *client) leave(topic signalling.Topic) {
	own, ok := c.topics[topic]
	if !ok {
		return
	}
	delete(c.topics, topic)
	for _, o := range c.server.clients {
		if _, ok := o.topics[topic]; ok {
			o.put(signalling.Event{Kind: signalling.Gone, Topic: topic, Handle: own})
		}
	}
}

func (c *client) Send(_ context.Context, topic signalling.Topic, to signalling.Handle, body []byte) error {
	c.n.mu.Lock()
	defer c.n.mu.Unlock()
	own, ok := c.topics[topic]
	if !ok || len(body) > signalling.MaxBody {
		return signalling.ErrNotListening
	}
	for _, o := range c.server.clients {
		if o.topics[topic] == to {
			o.put(signalling.Event{Kind: signalling.Message, Topic: topic, Handle: own, Body: slices.Clone(body)})
			return nil
		}
	}
	c.put(signalling.Event{Kind: signalling.Undelivered, Topic: topic, Handle: to, Err: signalling.ErrClosed})
	return nil
}

func (c *client) Close() error {
	c.once.Do(func() {
		close(c.closed)
		c.n.mu.Lock()
		defer c.n.mu.Unlock()
		c.server.clients = slices.DeleteFunc(c.server.clients, func(o *client) bool { return o == c })
		var topics []signalling.Topic
		for t := range c.topics {
			topics = append(topics, t)
		}
		slices.SortFunc(topics, func(a, b signalling.Topic) int { return slices.Compare(a[:], b[:]) })
		for _, t := range topics {
			c.leave(t)
		}
	})
	return nil
}
