//go:build !js

package signalling

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/internal/log"
	"github.com/hyperhyperspace/hhs-go/transport"
	"github.com/hyperhyperspace/hhs-go/transport/ws"
)

// ServerOptions adjust a Server; zero fields mean the defaults of
// server_limits.go.
type ServerOptions struct {
	// URLs are the addresses clients dial (--public-url, --domain), of which
	// host and port count. A server always knows the address a connection came
	// in at, and localhost where that is loopback; behind a proxy, a router or a
	// DNS name, URLs must say it. A listener who dialled another name is refused
	// with CodeName: it would be proving its key to somebody else.
	URLs []string

	MaxConns, PerAddress       int
	Topics                     int // per connection
	Listenings, TopicListeners int // in all, per topic
	Introductions              int
	Ping, Silent, Idle         time.Duration

	// Address tells who a request is from; nil: the socket's address. See
	// ws.Config.
	Address func(*http.Request) string
	// Log gets one line per closed connection at level debug, without topics,
	// keys, handles or bodies. nil: nothing is logged.
	Log log.Logger
	// Rand is where nonces, handles and samples come from; nil: crypto/rand.
	Rand io.Reader
}

func (o ServerOptions) withDefaults() ServerOptions {
	number := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	duration := func(v *time.Duration, d time.Duration) {
		if *v <= 0 {
			*v = d
		}
	}
	number(&o.MaxConns, DefaultMaxConns)
	number(&o.PerAddress, DefaultPerAddress)
	number(&o.Topics, DefaultTopics)
	number(&o.Listenings, DefaultListenings)
	number(&o.TopicListeners, DefaultTopicListeners)
	number(&o.Introductions, DefaultIntroductions)
	duration(&o.Ping, DefaultServerPing)
	duration(&o.Silent, DefaultServerSilent)
	duration(&o.Idle, DefaultIdle)
	if o.Log == nil {
		o.Log = log.Discard
	}
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	return o
}

// Stats counts what a server did since it was made, and holds now. It is what
// may be published: no number tells one user from another.
type Stats struct {
	WebSocket ws.Stats // connections, and those refused at the door

	Conns, Listenings, Topics int // now

	Listens     uint64 // listens accepted, renewals included
	Messages    uint64 // messages passed on
	Bytes       uint64 // of these, bytes of bodies
	Undelivered uint64 // sends refused: unknown or busy
	Refused     uint64 // listens refused: name, expiry, limits
	BadProofs   uint64 // connections closed for a signature that proves nothing
	Malformed   uint64 // connections closed for bytes that are no message
	Slow        uint64 // connections closed for not reading
	Silent      uint64 // connections closed for silence
	Idle        uint64 // connections closed for listening to nothing
	Throttled   uint64 // times a connection was read more slowly
}

// Server introduces listeners to each other. It is an http.Handler for the
// WebSocket clients connect to; any Origin may, since
// nothing here rests on where a page came from (docs/security.md).
type Server struct {
	opts  ServerOptions
	names []string // as in Proof
	ws    *ws.Handler
	hub   *hub

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	conns  sync.WaitGroup

	mu     sync.Mutex
	closed bool
	stats  Stats
}

// NewServer makes a server. It fails only for a URL that is none.
func NewServer(opts ServerOptions) (*Server, error) {
	if len(opts.URLs) > maxNames {
		return nil, fmt.Errorf("signalling: %d URLs for one server, at most %d", len(opts.URLs), maxNames)
	}
	s := &Server{opts: opts.withDefaults()}
	for _, url := range opts.URLs {
		name, err := ServerName(url)
		if err != nil {
			return nil, err
		}
		s.names = append(s.names, name)
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.hub = newHub(s)
	s.ws = ws.NewHandler(ws.Config{
		MaxConns: s.opts.MaxConns, PerAddress: s.opts.PerAddress, Address: s.opts.Address,
		Serve: func(conn transport.Conn, r *http.Request) {
			local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
			s.Serve(conn, local)
		},
	})
	return s, nil
}

// ServeHTTP serves one client over a WebSocket.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.ws.ServeHTTP(w, r) }

// Serve serves one client over a connection, which it owns, until it ends.
// local is the address it came in at; nil: unknown.
func (s *Server) Serve(conn transport.Conn, local net.Addr) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		conn.Close()
		return
	}
	s.conns.Add(1)
	s.stats.Conns++
	s.mu.Unlock()
	defer s.conns.Done()
	names := append(localNames(local), s.names...)
	reason := newSession(s, conn, names).run()
	s.count(func(st *Stats) { st.Conns-- })
	s.opts.Log.Debug("signalling connection ended", "reason", reason)
}

// localNames are the names of the address a connection came in at.
func localNames(local net.Addr) []string {
	tcp, ok := local.(*net.TCPAddr)
	if !ok {
		return nil
	}
	addr := tcp.AddrPort().Addr().Unmap().WithZone("")
	port := fmt.Sprint(tcp.Port)
	names := []string{net.JoinHostPort(addr.String(), port)}
	if addr.IsLoopback() {
		names = append(names, "localhost:"+port)
	}
	return names
}

// Stats returns the counters.
func (s *Server) Stats() Stats {
	listenings, topics := s.hub.size()
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.stats
	st.WebSocket = s.ws.Stats()
	st.Listenings, st.Topics = listenings, topics
	return st
}

func (s *Server) count(change func(*Stats)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.stats)
}

// Close ends all connections with CodeLeaving and waits for them.
func (s *Server) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.ws.Close()
	s.cancel()
	s.conns.Wait()
	return nil
}

// verify checks that a listen message proves its key on this connection.
func verify(m *message, nonce [32]byte) error {
	return identity.Verify(identity.Check{Key: m.key, Statement: Proof(m.name, nonce, m.topic, m.expiry), Sig: m.sig})
}
