//go:build !js

package signalling

import (
	"errors"
	"net"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hyperhyperspace/hhs-go/transport/ws"
)

// TestOverHTTP meets through a real socket, dialled by address and by name.
func TestOverHTTP(t *testing.T) {
	s := newServer(t, ServerOptions{})
	web := httptest.NewServer(s)
	defer web.Close()
	byAddress := "ws" + strings.TrimPrefix(web.URL, "http")
	byName := strings.Replace(byAddress, "127.0.0.1", "localhost", 1)
	a, err := Dial(t.Context(), &ws.Dialer{}, byAddress, Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	b, err := Dial(t.Context(), &ws.Dialer{}, byName, Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	listen(t, a, Topic{1})
	listen(t, b, Topic{1})
	to := next(t, b, Present).Handle
	next(t, a, Present)
	if err := b.Send(t.Context(), Topic{1}, to, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if m := next(t, a, Message); string(m.Body) != "hello" {
		t.Fatalf("received %q", m.Body)
	}
}

// TestPublicURL: behind a proxy only the configured names prove anything.
func TestPublicURL(t *testing.T) {
	s := newServer(t, ServerOptions{URLs: []string{"https://signal.example/path"}})
	for name, want := range map[string]Code{
		"signal.example:443": "",
		testName:             "",
		"localhost:7447":     "",
		"signal.example:80":  CodeName,
		"other.example:443":  CodeName,
	} {
		c, err := NewClient(t.Context(), pipe(s), name, Config{})
		if err != nil {
			t.Fatal(err)
		}
		var refused *ServerError
		err = c.Listen(t.Context(), Topic{1}, newKey(t))
		if got := errors.As(err, &refused); got != (want != "") || got && refused.Code != want {
			t.Errorf("dialled as %s: %v, want code %q", name, err, want)
		}
		c.Close()
	}
	if _, err := NewServer(ServerOptions{URLs: []string{"not a URL"}}); err == nil {
		t.Error("a server accepts a public URL that is none")
	}
}

func TestDialFails(t *testing.T) {
	for _, url := range []string{"nonsense", "ws://127.0.0.1:1/"} {
		if c, err := Dial(t.Context(), &ws.Dialer{}, url, Config{}); err == nil {
			c.Close()
			t.Errorf("dialled %s", url)
		}
	}
}

// TestFrozenServer stops everything between client and server, as SIGSTOP
// does: the sockets stay open and nothing moves.
func TestFrozenServer(t *testing.T) {
	s := newServer(t, ServerOptions{})
	frozen := make(chan struct{})
	thaw := sync.OnceFunc(func() { close(frozen) })
	var stopped atomic.Bool
	web := httptest.NewUnstartedServer(s)
	web.Listener = freezer{web.Listener, &stopped, frozen}
	web.Start()
	defer web.Close()
	defer thaw()
	c, err := Dial(t.Context(), &ws.Dialer{}, "ws"+strings.TrimPrefix(web.URL, "http"), Config{Ping: 20 * time.Millisecond, Silent: 200 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	listen(t, c, Topic{1})
	stopped.Store(true)
	start := time.Now()
	<-c.Done()
	if d := time.Since(start); !errors.Is(c.Err(), ErrSilent) || d > 2*time.Second {
		t.Fatalf("after %v: %v", d, c.Err())
	}
}

// freezer is a listener whose connections stand still while stopped.
type freezer struct {
	net.Listener
	stopped *atomic.Bool
	thawed  <-chan struct{}
}

func (f freezer) Accept() (net.Conn, error) {
	c, err := f.Listener.Accept()
	return frozenConn{c, f}, err
}

type frozenConn struct {
	net.Conn
	f freezer
}

func (c frozenConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.f.stopped.Load() {
		<-c.f.thawed
	}
	return n, err
}

func (c frozenConn) Write(b []byte) (int, error) {
	if c.f.stopped.Load() {
		<-c.f.thawed
	}
	return c.Conn.Write(b)
}
