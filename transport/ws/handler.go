//go:build !js

package ws

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/hyperhyperspace/hhs-go/internal/netlimit"
	"github.com/hyperhyperspace/hhs-go/transport"
)

// Config adjusts a Handler; zero fields mean the defaults of limits.go.
type Config struct {
	// MaxConns bounds the connections at once, PerAddress those from one address
	// group (IPv4 address, IPv6 /64). A further one ends the oldest whose other
	// end has not proven who it is (transport.Proven): of its own group, or of the
	// group with most. It is refused only where all have.
	MaxConns, PerAddress int

	Handshakes           int           // connections that have not sent anything yet; a further one ends the oldest
	HandshakesPerAddress int           // of these, from one address group; likewise
	Rate                 int           // new connections a second from one address group; bursts of twice as many
	FirstMessage         time.Duration // how long a connection may send nothing at first

	// Address tells who a request is from, for the limits and Info.Remote; nil
	// means the socket's address. Behind a reverse proxy it reads the header the
	// proxy sets, and must be given only there: anyone can send headers.
	Address func(*http.Request) string

	// Serve, if not nil, gets each connection instead of Accept. It runs in the
	// request's goroutine and owns the connection.
	Serve func(conn transport.Conn, r *http.Request)
}

func (c Config) withDefaults() Config {
	def := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	def(&c.MaxConns, DefaultMaxConns)
	def(&c.PerAddress, DefaultPerAddress)
	def(&c.Handshakes, DefaultHandshakes)
	def(&c.HandshakesPerAddress, DefaultHandshakesPerAddress)
	def(&c.Rate, DefaultRate)
	if c.FirstMessage <= 0 {
		c.FirstMessage = DefaultFirstMessage
	}
	if c.Address == nil {
		c.Address = func(r *http.Request) string { return r.RemoteAddr }
	}
	return c
}

// Stats counts what a Handler did since it was made, and has open now.
type Stats struct {
	Open       int    // connections now
	Waiting    int    // of these, connections that have not sent anything yet
	Accepted   uint64 // connections upgraded
	Full       uint64 // refused: too many connections in all
	PerAddress uint64 // refused: too many from one address group
	Rate       uint64 // refused: too many from one address group in a second
	Backlog    uint64 // refused: nobody accepts them
	Timeout    uint64 // closed: nothing sent in time
	Evicted    uint64 // closed: nothing sent or nothing proven yet, and others came
	Failed     uint64 // requests that were no WebSocket handshake
}

// Handler is an http.Handler that upgrades requests to WebSockets and a
// transport.Listener that hands them out. It accepts any Origin. The server
// around it should set http.Server.ReadHeaderTimeout.
type Handler struct {
	cfg    Config
	accept chan *conn
	closed chan struct{}
	once   sync.Once

	mu      sync.Mutex
	stats   Stats
	conns   map[string]int     // open, per address group
	strange []*ticket          // nothing proven yet, oldest first
	waiting []*ticket          // nothing sent yet, oldest first
	rates   *netlimit.Rates    // new connections, per address group
	pending map[*conn]struct{} // upgraded, not accepted
}

// ticket is the place of one connection among the limits.
type ticket struct {
	group string
	heard bool   // sent something, or is gone
	out   bool   // counted out
	evict func() // ends the connection; nil while it is being upgraded
}

// NewHandler makes a Handler.
func NewHandler(cfg Config) *Handler {
	cfg = cfg.withDefaults()
	return &Handler{
		cfg: cfg, accept: make(chan *conn, cfg.Handshakes), closed: make(chan struct{}),
		conns: make(map[string]int), pending: make(map[*conn]struct{}), rates: netlimit.NewRates(float64(cfg.Rate), float64(2*cfg.Rate)),
	}
}

// Stats returns the counters.
func (h *Handler) Stats() Stats {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.stats
}

// Accept returns the next connection.
func (h *Handler) Accept(ctx context.Context) (transport.Conn, error) {
	select {
	case <-h.closed:
		return nil, transport.ErrClosed
	default:
	}
	select {
	case c := <-h.accept:
		h.mu.Lock()
		_, ours := h.pending[c]
		delete(h.pending, c)
		h.mu.Unlock()
		if !ours { // Close has taken it
			return nil, transport.ErrClosed
		}
		return c, nil
	case <-h.closed:
		return nil, transport.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Close refuses new connections and closes those nobody accepted.
func (h *Handler) Close() error {
	h.once.Do(func() { close(h.closed) })
	h.mu.Lock()
	left := h.pending
	h.pending = make(map[*conn]struct{})
	h.mu.Unlock()
	var all sync.WaitGroup
	for c := range left {
		all.Go(func() { c.close(websocket.StatusGoingAway, "closing") })
	}
	all.Wait()
	return nil
}

// ServeHTTP upgrades a request, within the limits.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	remote := h.cfg.Address(r)
	t := h.admit(w, netlimit.Group(remote))
	if t == nil {
		return
	}
	taken := &takeConn{ResponseWriter: w}
	ws, err := websocket.Accept(taken, r, &websocket.AcceptOptions{
		InsecureSkipVerify: true, // any Origin: see the package comment
		CompressionMode:    websocket.CompressionDisabled,
	})
	if err != nil {
		h.count(func(s *Stats) { s.Failed++ })
		h.leave(t)
		return
	}
	h.count(func(s *Stats) { s.Accepted++ })
	c := h.start(ws, taken.conn, transport.Info{Kind: "ws", Remote: remote}, t)
	if h.cfg.Serve != nil {
		h.cfg.Serve(c, r)
		return
	}
	h.offer(c)
}

// start makes the connection, with its deadline for the first message.
func (h *Handler) start(ws *websocket.Conn, raw io.Closer, info transport.Info, t *ticket) *conn {
	late := time.AfterFunc(h.cfg.FirstMessage, func() {
		h.count(func(s *Stats) { s.Timeout++ })
		raw.Close()
	})
	h.mu.Lock()
	t.evict = func() { raw.Close() }
	h.mu.Unlock()
	c := newConn(ws, raw, info,
		func() { late.Stop(); h.heard(t) },
		func() { late.Stop(); h.leave(t) })
	c.proven = func() { h.proven(t) }
	return c
}

// offer queues a connection for Accept.
func (h *Handler) offer(c *conn) {
	h.mu.Lock()
	queued := false
	select {
	case <-h.closed:
	default:
		select {
		case h.accept <- c:
			h.pending[c] = struct{}{}
			queued = true
		default:
			h.stats.Backlog++
		}
	}
	h.mu.Unlock()
	if !queued {
		c.close(websocket.StatusTryAgainLater, "busy")
	}
}

// admit counts a connection in, or answers the request with the refusal and
// returns nil.
func (h *Handler) admit(w http.ResponseWriter, group string) *ticket {
	select {
	case <-h.closed:
		http.Error(w, "closing", http.StatusServiceUnavailable)
		return nil
	default:
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case !h.rates.Take(group, time.Now()):
		h.stats.Rate++
		http.Error(w, "too many new connections from your address, try again later", http.StatusTooManyRequests)
	case h.conns[group] >= h.cfg.PerAddress && !h.displace(func(g string) bool { return g == group }):
		h.stats.PerAddress++
		http.Error(w, "too many connections from your address", http.StatusTooManyRequests)
	case h.stats.Open >= h.cfg.MaxConns && !h.displace(h.crowd()):
		h.stats.Full++
		http.Error(w, "too many connections", http.StatusServiceUnavailable)
	default:
		h.makeRoom(group)
		t := &ticket{group: group}
		h.stats.Open++
		h.conns[group]++
		h.waiting = append(h.waiting, t)
		h.strange = append(h.strange, t)
		h.stats.Waiting = len(h.waiting)
		return t
	}
	return nil
}

// makeRoom ends the oldest connection that has sent nothing yet where there are
// too many of these, so that silent ones never keep out one that speaks: an
// honest peer needs a round trip, a hoarder is replaced. The caller holds mu.
func (h *Handler) makeRoom(group string) {
	same := 0
	var oldest, oldestSame *ticket
	for _, t := range h.waiting {
		if t.evict == nil {
			continue
		}
		if oldest == nil {
			oldest = t
		}
		if t.group == group {
			same++
			if oldestSame == nil {
				oldestSame = t
			}
		}
	}
	victim := oldestSame
	if same < h.cfg.HandshakesPerAddress {
		victim = oldest
		if len(h.waiting) < h.cfg.Handshakes {
			return
		}
	}
	if victim != nil {
		h.stats.Evicted++
		h.spoke(victim)
		go victim.evict() // closing a TLS socket may wait
	}
}

// displace ends the oldest connection of some groups that has proven nothing,
// and reports whether there was one. The caller holds mu.
func (h *Handler) displace(from func(group string) bool) bool {
	for _, t := range h.strange {
		if t.evict != nil && from(t.group) {
			h.stats.Evicted++
			h.gone(t)
			go t.evict() // closing a TLS socket may wait
			return true
		}
	}
	return false
}

// crowd returns the groups with most connections that have proven nothing. The
// caller holds mu.
func (h *Handler) crowd() func(group string) bool {
	count, most := map[string]int{}, 0
	for _, t := range h.strange {
		if t.evict != nil {
			count[t.group]++
			most = max(most, count[t.group])
		}
	}
	return func(group string) bool { return count[group] == most }
}

// proven notes that a connection need not make room any more.
func (h *Handler) proven(t *ticket) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.spoke(t)
	h.known(t)
}

func (h *Handler) known(t *ticket) {
	h.strange = slices.DeleteFunc(h.strange, func(o *ticket) bool { return o == t })
}

// heard notes that a connection no longer waits for its first message.
func (h *Handler) heard(t *ticket) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.spoke(t)
}

func (h *Handler) spoke(t *ticket) {
	if t.heard {
		return
	}
	t.heard = true
	h.waiting = slices.DeleteFunc(h.waiting, func(o *ticket) bool { return o == t })
	h.stats.Waiting = len(h.waiting)
}

// leave counts a connection out.
func (h *Handler) leave(t *ticket) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.gone(t)
}

// gone counts a connection out, once.
func (h *Handler) gone(t *ticket) {
	if t.out {
		return
	}
	t.out = true
	h.spoke(t)
	h.known(t)
	h.stats.Open--
	decrease(h.conns, t.group)
}

func decrease(m map[string]int, key string) {
	if m[key]--; m[key] <= 0 {
		delete(m, key)
	}
}

func (h *Handler) count(change func(*Stats)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	change(&h.stats)
}

// takeConn remembers the hijacked socket.
type takeConn struct {
	http.ResponseWriter
	conn net.Conn
}

func (t *takeConn) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(t.ResponseWriter).Hijack()
	t.conn = conn
	return conn, rw, err
}
