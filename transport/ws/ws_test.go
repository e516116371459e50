//go:build !js

package ws

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/hyperhyperspace/hhs-go/transport"
	"github.com/hyperhyperspace/hhs-go/transport/transporttest"
)

// serve starts a Handler and returns it with its URL.
func serve(t *testing.T, cfg Config) (*Handler, string) {
	t.Helper()
	h := NewHandler(cfg)
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	t.Cleanup(func() { h.Close() })
	return h, "ws" + strings.TrimPrefix(s.URL, "http")
}

func connect(t *testing.T, h *Handler, url string) (transport.Conn, transport.Conn) {
	t.Helper()
	a, err := (&Dialer{}).Dial(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	b, err := h.Accept(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return a, b
}

func TestConn(t *testing.T) {
	h, url := serve(t, Config{})
	transporttest.Run(t, func(t *testing.T) (transport.Conn, transport.Conn) { return connect(t, h, url) })
}

// TestReverse runs the suite with the roles of sockets swapped.
func TestReverse(t *testing.T) {
	h, url := serve(t, Config{})
	transporttest.Run(t, func(t *testing.T) (transport.Conn, transport.Conn) {
		a, b := connect(t, h, url)
		return initiator{b, true}, initiator{a, false}
	})
}

type initiator struct {
	transport.Conn
	is bool
}

func (i initiator) Info() transport.Info {
	info := i.Conn.Info()
	info.Initiator = i.is
	return info
}

func raw(t *testing.T, url, origin string) *websocket.Conn {
	t.Helper()
	c, _, err := websocket.Dial(t.Context(), url, &websocket.DialOptions{HTTPHeader: http.Header{"Origin": {origin}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.CloseNow() })
	return c
}

func TestAnyOrigin(t *testing.T) {
	h, url := serve(t, Config{})
	c := raw(t, url, "https://elsewhere.example")
	b, err := h.Accept(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if err := c.Write(t.Context(), websocket.MessageBinary, []byte("hi")); err != nil {
		t.Fatal(err)
	}
	if msg, err := b.Receive(t.Context()); err != nil || string(msg) != "hi" {
		t.Fatalf("received %q, %v", msg, err)
	}
}

func TestBadMessages(t *testing.T) {
	h, url := serve(t, Config{})
	for _, c := range []struct {
		name string
		kind websocket.MessageType
		size int
	}{
		{"text", websocket.MessageText, 2},
		{"too large", websocket.MessageBinary, transport.MaxMessage + 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			peer := raw(t, url, "http://x.example")
			b, err := h.Accept(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			_ = peer.Write(t.Context(), c.kind, make([]byte, c.size)) // may be cut short
			var lost *transport.LostError
			if _, err := b.Receive(t.Context()); !errors.As(err, &lost) {
				t.Fatalf("received: %v, want a LostError", err)
			}
		})
	}
}

// TestBroken cuts the socket without a goodbye.
func TestBroken(t *testing.T) {
	h, url := serve(t, Config{})
	peer := raw(t, url, "http://x.example")
	b, err := h.Accept(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	peer.CloseNow()
	var lost *transport.LostError
	if _, err := b.Receive(t.Context()); !errors.As(err, &lost) || !errors.Is(err, transport.ErrClosed) {
		t.Fatalf("received: %v, want a LostError", err)
	}
}

// TestCloseOfDead closes a connection whose other end does not answer.
func TestCloseOfDead(t *testing.T) {
	h, url := serve(t, Config{})
	raw(t, url, "http://x.example") // never reads, so never answers a close
	b, err := h.Accept(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	b.Close()
	if d := time.Since(start); d > 3*transport.CloseLinger {
		t.Fatalf("closing took %v", d)
	}
}

func TestFirstMessageTimeout(t *testing.T) {
	h, url := serve(t, Config{FirstMessage: 20 * time.Millisecond})
	a, b := connect(t, h, url)
	defer a.Close()
	defer b.Close()
	if _, err := a.Receive(t.Context()); !errors.Is(err, transport.ErrClosed) {
		t.Fatalf("received: %v, want the connection closed", err)
	}
	if s := h.Stats(); s.Timeout != 1 {
		t.Fatalf("stats %+v, want one timeout", s)
	}
}

func TestPerAddress(t *testing.T) {
	h, url := serve(t, Config{PerAddress: 2, Address: func(r *http.Request) string { return r.Header.Get("From") }})
	dial := func(from string) (*websocket.Conn, *http.Response, error) {
		return websocket.Dial(t.Context(), url, &websocket.DialOptions{HTTPHeader: http.Header{"From": {from}}})
	}
	for _, from := range []string{"[2001:db8:1:2::1]:5", "[2001:db8:1:2::ffff]:6", "[2001:db8:1:3::1]:5", "192.0.2.1:1"} {
		c, _, err := dial(from)
		if err != nil {
			t.Fatalf("from %s: %v", from, err)
		}
		defer c.CloseNow()
	}
	for range 2 { // who has proven something stays
		c, err := h.Accept(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		transport.Proven(c)
	}
	_, resp, err := dial("[2001:db8:1:2:aaaa::3]:7")
	if err == nil || resp.StatusCode != http.StatusTooManyRequests {
		t.Fatalf("third from one /64: %v", err)
	}
	if s := h.Stats(); s.PerAddress != 1 || s.Open != 4 {
		t.Fatalf("stats %+v", s)
	}
}

// TestStrangersGiveWay fills a handler with connections that spoke and proved
// nothing: one from their address and one from another get in, the oldest of
// the strangers go, not the one that proved who it is.
func TestStrangersGiveWay(t *testing.T) {
	h, url := serve(t, Config{MaxConns: 5, PerAddress: 4, Address: func(r *http.Request) string { return r.Header.Get("From") }})
	dial := func(from string) (*websocket.Conn, transport.Conn) {
		c, _, err := websocket.Dial(t.Context(), url, &websocket.DialOptions{HTTPHeader: http.Header{"From": {from}}})
		if err != nil {
			t.Fatalf("from %s: %v", from, err)
		}
		t.Cleanup(func() { c.CloseNow() })
		if err := c.Write(t.Context(), websocket.MessageBinary, []byte("here")); err != nil {
			t.Fatal(err)
		}
		b, err := h.Accept(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { b.Close() })
		if _, err := b.Receive(t.Context()); err != nil {
			t.Fatal(err)
		}
		return c, b
	}
	gone := func(b transport.Conn) {
		t.Helper()
		if _, err := b.Receive(t.Context()); !errors.Is(err, transport.ErrClosed) {
			t.Fatalf("a stranger's connection: %v", err)
		}
	}
	_, honest := dial("192.0.2.1:1")
	transport.Proven(honest)
	var strangers []transport.Conn
	for range 3 {
		_, b := dial("192.0.2.1:2")
		strangers = append(strangers, b)
	}
	dial("192.0.2.1:3")
	gone(strangers[0])
	dial("192.0.2.7:1")
	dial("192.0.2.8:1")
	gone(strangers[1])
	if s := h.Stats(); s.Evicted != 2 || s.Open != 5 || s.PerAddress+s.Full != 0 {
		t.Fatalf("stats %+v", s)
	}
	if err := honest.Send(t.Context(), []byte("still here")); err != nil {
		t.Fatal(err)
	}
}

// TestSilentGiveWay fills the handshakes with silent connections: a further
// one gets in and the oldest silent one ends, not the one that spoke.
func TestSilentGiveWay(t *testing.T) {
	h, url := serve(t, Config{Handshakes: 2})
	speaker, b := connect(t, h, url)
	defer speaker.Close()
	defer b.Close()
	if err := speaker.Send(t.Context(), []byte("here")); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Receive(t.Context()); err != nil {
		t.Fatal(err)
	}
	var silent []transport.Conn
	for range 3 {
		a, b := connect(t, h, url)
		defer b.Close()
		defer a.Close()
		silent = append(silent, a)
	}
	if _, err := silent[0].Receive(t.Context()); !errors.Is(err, transport.ErrClosed) {
		t.Fatalf("oldest silent connection: %v, want it closed", err)
	}
	if s := h.Stats(); s.Evicted != 1 || s.Open < 3 {
		t.Fatalf("stats %+v", s)
	}
	if err := b.Send(t.Context(), []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if msg, err := speaker.Receive(t.Context()); err != nil || string(msg) != "hello" {
		t.Fatalf("the one that spoke: %q, %v", msg, err)
	}
}

func TestRate(t *testing.T) {
	h, url := serve(t, Config{Rate: 1})
	for range 2 {
		a, b := connect(t, h, url)
		defer a.Close()
		defer b.Close()
	}
	if c, err := (&Dialer{}).Dial(t.Context(), url); err == nil {
		c.Close()
		t.Fatal("a third connection within the second was let in")
	}
	if s := h.Stats(); s.Rate != 1 {
		t.Fatalf("stats %+v", s)
	}
}

func TestHandlerClose(t *testing.T) {
	h, url := serve(t, Config{})
	a, err := (&Dialer{}).Dial(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Receive(t.Context()); !errors.Is(err, transport.ErrClosed) {
		t.Errorf("connection nobody accepted: %v", err)
	}
	if _, err := h.Accept(t.Context()); !errors.Is(err, transport.ErrClosed) {
		t.Errorf("Accept after Close: %v", err)
	}
	if _, err := (&Dialer{}).Dial(t.Context(), url); err == nil {
		t.Error("dialled a closed handler")
	}
}

func TestDialFails(t *testing.T) {
	redirect := httptest.NewServer(http.RedirectHandler("http://elsewhere.example", http.StatusFound))
	defer redirect.Close()
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	for name, url := range map[string]string{
		"redirect":    "ws" + strings.TrimPrefix(redirect.URL, "http"),
		"not found":   "ws" + strings.TrimPrefix(plain.URL, "http"),
		"bad scheme":  "gopher://127.0.0.1/",
		"nobody":      "ws://127.0.0.1:1/",
		"never ready": "ws://" + silent.Addr().String(),
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			if c, err := (&Dialer{}).Dial(ctx, url); err == nil {
				c.Close()
				t.Fatal("dialled")
			}
		})
	}
}

func TestNotAWebSocket(t *testing.T) {
	h, url := serve(t, Config{})
	resp, err := http.Get("http" + strings.TrimPrefix(url, "ws"))
	if err != nil {
		t.Fatal(err)
	}
	io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	if s := h.Stats(); s.Failed != 1 || s.Open != 0 || s.Waiting != 0 {
		t.Fatalf("stats %+v", s)
	}
}
