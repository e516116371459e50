package server

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/crypto/acme/autocert"
	"golang.org/x/net/netutil"

	hhs "github.com/hyperhyperspace/hhs-go"
	"github.com/hyperhyperspace/hhs-go/signalling"
	"github.com/hyperhyperspace/hhs-go/transport/ws"
)

// Options say where to listen and what to serve. The zero value listens on
// DefaultAddr, serves no pages and keeps nothing.
type Options struct {
	Dir     string // keeps a chosen address and certificates; "": nothing is kept
	Listen  string // host:port; "": the kept one, port 443 of all interfaces with a certificate, or DefaultAddr
	AnyPort bool   // take a free port where DefaultAddr is busy and nothing was chosen

	TLSCert, TLSKey string // files in PEM
	Domain          string // get a certificate for it by ACME
	PublicURL       string // what a proxy in front is known by

	NoPeer bool // no peer endpoint: others come by WebRTC only
	NoSTUN bool

	Pages   fs.FS // nil: NoPages is said instead
	NoPages string
	Log     *slog.Logger
}

// Hosts is what the server says about itself in hhs.json.
type Hosts struct {
	Servers   []string `json:"servers"`
	Endpoints []string `json:"endpoints"`
	STUN      []string `json:"stun"`
}

// Server listens. It answers once Serve is called.
type Server struct {
	opts   Options
	ln     net.Listener
	stun   net.PacketConn
	origin *url.URL
	hosts  Hosts
	tls    *tls.Config
	pages  *pages
}

// Listen binds the addresses and reads certificates and pages.
func Listen(opts Options) (*Server, error) {
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{opts: opts}
	var err error
	if s.tls, err = opts.tls(); err != nil {
		return nil, err
	}
	if s.pages, err = loadPages(opts.Pages, opts.NoPages, opts.PublicURL != ""); err != nil {
		return nil, err
	}
	if s.ln, err = opts.bind(); err != nil {
		return nil, err
	}
	if s.origin, err = opts.origin(s.ln.Addr()); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.bindSTUN()
	s.hosts = Hosts{Servers: []string{s.socketURL("/signal")}, Endpoints: []string{}, STUN: []string{}}
	if !opts.NoPeer {
		s.hosts.Endpoints = append(s.hosts.Endpoints, s.socketURL("/peer"))
	}
	if s.stun != nil && s.reachable() {
		_, port, err := net.SplitHostPort(s.stun.LocalAddr().String())
		if err != nil {
			return nil, errors.Join(err, s.Close())
		}
		s.hosts.STUN = append(s.hosts.STUN, "stun:"+net.JoinHostPort(s.origin.Hostname(), port))
	}
	return s, nil
}

// bindSTUN opens the UDP port, with the number of the TCP port where it is
// free. Without it peers behind routers find each other less often: said in the
// log, and no reason to stop.
func (s *Server) bindSTUN() {
	if s.opts.NoSTUN {
		return
	}
	tcp, ok := s.ln.Addr().(*net.TCPAddr)
	if !ok {
		return
	}
	for _, port := range []int{tcp.Port, 0} {
		conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: tcp.IP, Port: port, Zone: tcp.Zone})
		if err == nil {
			s.stun = conn
			return
		}
		s.opts.Log.Warn("no STUN on this port", "port", port, "error", err)
	}
}

// reachable tells whether the STUN port is where the origin is: a proxy in front
// does not pass UDP on to a port of this machine alone.
func (s *Server) reachable() bool {
	udp, ok := s.stun.LocalAddr().(*net.UDPAddr)
	if !ok || !udp.IP.IsLoopback() {
		return ok
	}
	host := s.origin.Hostname()
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

func (s *Server) socketURL(path string) string {
	u := *s.origin
	u.Scheme = strings.Replace(u.Scheme, "http", "ws", 1)
	u.Path += path
	return u.String()
}

// Hosts is what links and pages should name.
func (s *Server) Hosts() Hosts { return s.hosts }

// Addr is where the server listens.
func (s *Server) Addr() net.Addr { return s.ln.Addr() }

// URL is the address of the pages, without a final slash.
func (s *Server) URL() string { return s.origin.String() }

// Close gives up addresses that were bound. Serve does it itself at its end.
func (s *Server) Close() error {
	err := s.ln.Close()
	if s.stun != nil {
		err = errors.Join(err, s.stun.Close())
	}
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// Serve answers until ctx ends, then finishes what is in progress and returns
// nil. node may be nil: the server then is nobody's peer.
func (s *Server) Serve(ctx context.Context, node *hhs.Node) error {
	defer s.Close()
	signal, err := signalling.NewServer(signalling.ServerOptions{URLs: s.hosts.Servers, Address: s.address(), Log: s.opts.Log})
	if err != nil {
		return fmt.Errorf("start signalling server: %w", err)
	}
	defer signal.Close()
	mux := http.NewServeMux()
	mux.Handle("/signal", signal)
	mux.HandleFunc("/hhs.json", s.serveHosts)
	mux.Handle("/", s.pages)
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	if node != nil && !s.opts.NoPeer {
		peers := ws.NewHandler(ws.Config{Address: s.address()})
		defer peers.Close()
		mux.Handle("/peer", peers)
		wg.Go(func() {
			if err := node.Serve(ctx, peers); err != nil && ctx.Err() == nil {
				s.opts.Log.Warn("peer endpoint ended", "error", err)
			}
		})
	}
	if s.stun != nil {
		wg.Go(func() {
			if err := signalling.ServeSTUN(ctx, s.stun); err != nil {
				s.opts.Log.Warn("STUN ended", "error", err)
			}
		})
	}
	return s.serveHTTP(ctx, mux)
}

func (s *Server) serveHTTP(ctx context.Context, h http.Handler) error {
	web := &http.Server{
		Handler:           h,
		TLSConfig:         s.tls,
		ReadHeaderTimeout: headerTime, ReadTimeout: bodyTime, WriteTimeout: writeTime, IdleTimeout: idleTime,
		MaxHeaderBytes: maxHeader,
		ErrorLog:       slog.NewLogLogger(s.opts.Log.Handler(), slog.LevelDebug),
	}
	ln := netutil.LimitListener(s.ln, maxConns)
	done := make(chan error, 1)
	go func() {
		if s.tls != nil {
			done <- web.ServeTLS(ln, "", "")
		} else {
			done <- web.Serve(ln)
		}
	}()
	select {
	case err := <-done:
		return fmt.Errorf("serve on %s: %w", s.ln.Addr(), err)
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTime)
	defer cancel()
	if err := web.Shutdown(grace); err != nil {
		web.Close()
	}
	<-done
	return nil
}

// serveHosts answers /hhs.json.
func (s *Server) serveHosts(w http.ResponseWriter, r *http.Request) {
	if !readOnly(w, r) {
		return
	}
	body, err := json.Marshal(s.hosts)
	if err != nil {
		http.Error(w, "hhs.json cannot be made", http.StatusInternalServerError)
		return
	}
	harden(w.Header())
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Write(append(body, '\n'))
}

// tls returns nil for a server without certificates.
func (o *Options) tls() (*tls.Config, error) {
	switch {
	case o.Domain != "" && (o.TLSCert != "" || o.TLSKey != ""):
		return nil, errors.New("give either --domain or --tls-cert and --tls-key: one says where a certificate comes from, the other that it is there")
	case (o.TLSCert == "") != (o.TLSKey == ""):
		return nil, errors.New("--tls-cert and --tls-key go together: the certificate chain and its private key, both in PEM")
	case o.Domain != "" && o.Dir == "":
		return nil, errors.New("--domain needs a data directory to keep the certificate in")
	case o.Domain != "":
		m := &autocert.Manager{Prompt: autocert.AcceptTOS, HostPolicy: autocert.HostWhitelist(o.Domain),
			Cache: autocert.DirCache(filepath.Join(o.Dir, "acme"))}
		return m.TLSConfig(), nil
	case o.TLSCert != "":
		cert, err := tls.LoadX509KeyPair(o.TLSCert, o.TLSKey)
		if err != nil {
			return nil, fmt.Errorf("read certificate: %w", err)
		}
		return &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}, nil
	}
	return nil, nil
}

// address tells the limits who a request is from. Behind a proxy that is the
// last address the proxy noted; only a proxy on this machine or its network is
// believed, since anyone can send the header.
func (s *Server) address() func(*http.Request) string {
	if s.opts.PublicURL == "" {
		return nil
	}
	return func(r *http.Request) string {
		proxy, err := netip.ParseAddrPort(r.RemoteAddr)
		if err != nil || !proxy.Addr().IsLoopback() && !proxy.Addr().IsPrivate() {
			return r.RemoteAddr
		}
		noted := r.Header.Values("X-Forwarded-For")
		if len(noted) == 0 {
			return r.RemoteAddr
		}
		list := strings.Split(noted[len(noted)-1], ",")
		return strings.TrimSpace(list[len(list)-1])
	}
}
