//go:build !js

package signalling

import (
	"context"
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hyperhyperspace/hhs-go/transport"
)

const testName = "127.0.0.1:7447"

var testLocal = &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 7447}

func newServer(t *testing.T, opts ServerOptions) *Server {
	t.Helper()
	s, err := NewServer(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// pipe connects to a server without a network.
func pipe(s *Server, opts ...transport.PipeOption) transport.Conn {
	a, b := transport.Pipe(opts...)
	go s.Serve(b, testLocal)
	return a
}

func newClient(t *testing.T, s *Server, cfg Config, opts ...transport.PipeOption) *Client {
	t.Helper()
	c, err := NewClient(t.Context(), pipe(s, opts...), testName, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func listen(t *testing.T, c *Client, topic Topic) {
	t.Helper()
	if err := c.Listen(t.Context(), topic, newKey(t)); err != nil {
		t.Fatal(err)
	}
}

// next returns the next event, which must be of one kind.
func next(t *testing.T, c *Client, want EventKind) Event {
	t.Helper()
	e, ok := <-c.Events()
	if !ok || e.Kind != want {
		t.Fatalf("event %v %+v (client: %v), want %v", e.Kind, e, c.Err(), want)
	}
	return e
}

// quiet fails if anything happens within d.
func quiet(t *testing.T, c *Client, d time.Duration) {
	t.Helper()
	select {
	case e := <-c.Events():
		t.Fatalf("unexpected event %v %+v (client: %v)", e.Kind, e, c.Err())
	case <-time.After(d):
	}
}

// in runs a test in a bubble whose clock is virtual.
func in(t *testing.T, f func(t *testing.T)) { synctest.Test(t, f) }

func TestMeet(t *testing.T) {
	in(t, func(t *testing.T) {
		s := newServer(t, ServerOptions{})
		a, b := newClient(t, s, Config{}), newClient(t, s, Config{})
		topic := Topic{1}
		listen(t, a, topic)
		listen(t, b, topic)
		first := next(t, a, Present)
		second := next(t, b, Present)
		if first.Existing || !second.Existing {
			t.Errorf("existing: %v for the first, %v for the second", first.Existing, second.Existing)
		}
		if err := a.Send(t.Context(), topic, first.Handle, []byte("offer")); err != nil {
			t.Fatal(err)
		}
		if m := next(t, b, Message); string(m.Body) != "offer" || m.Handle != second.Handle {
			t.Fatalf("received %+v", m)
		}
		if err := b.Send(t.Context(), topic, second.Handle, []byte("answer")); err != nil {
			t.Fatal(err)
		}
		if m := next(t, a, Message); string(m.Body) != "answer" || m.Handle != first.Handle {
			t.Fatalf("received %+v", m)
		}
		b.Close()
		if gone := next(t, a, Gone); gone.Handle != first.Handle {
			t.Fatalf("gone: %+v", gone)
		}
		if err := a.Send(t.Context(), topic, first.Handle, []byte("too late")); err != nil {
			t.Fatal(err)
		}
		var refused *ServerError
		if e := next(t, a, Undelivered); !errors.As(e.Err, &refused) || refused.Code != CodeUnknown || e.Handle != first.Handle {
			t.Fatalf("undelivered: %+v", e)
		}
		if st := settled(s); st.Messages != 2 || st.Bytes != 11 || st.Undelivered != 1 || st.Listens != 2 || st.Conns != 1 || st.Topics != 1 {
			t.Errorf("stats %+v", st)
		}
	})
}

// TestApart: topics do not mix, and handles on them are unrelated.
func TestApart(t *testing.T) {
	in(t, func(t *testing.T) {
		s := newServer(t, ServerOptions{})
		a, b, c := newClient(t, s, Config{}), newClient(t, s, Config{}), newClient(t, s, Config{})
		listen(t, a, Topic{1})
		listen(t, a, Topic{2})
		listen(t, b, Topic{1})
		listen(t, c, Topic{2})
		inOne, inTwo := next(t, b, Present), next(t, c, Present)
		if inOne.Handle == inTwo.Handle {
			t.Fatal("one listener has the same handle on two topics")
		}
		// b learns a's handle on the other topic; it is of no use to it.
		if err := b.Send(t.Context(), Topic{1}, inTwo.Handle, []byte("x")); err != nil {
			t.Fatal(err)
		}
		next(t, b, Undelivered)
		if err := b.Send(t.Context(), Topic{2}, inTwo.Handle, []byte("x")); !errors.Is(err, ErrNotListening) {
			t.Fatalf("send on a topic not listened to: %v", err)
		}
		next(t, a, Present)
		next(t, a, Present)
		quiet(t, a, time.Second)
	})
}

func TestUnlisten(t *testing.T) {
	in(t, func(t *testing.T) {
		s := newServer(t, ServerOptions{})
		a, b := newClient(t, s, Config{}), newClient(t, s, Config{})
		listen(t, a, Topic{1})
		listen(t, b, Topic{1})
		old := next(t, a, Present)
		if err := b.Unlisten(t.Context(), Topic{1}); err != nil {
			t.Fatal(err)
		}
		next(t, a, Gone)
		if err := b.Unlisten(t.Context(), Topic{1}); !errors.Is(err, ErrNotListening) {
			t.Fatalf("second Unlisten: %v", err)
		}
		listen(t, b, Topic{1})
		if again := next(t, a, Present); again.Handle == old.Handle {
			t.Fatal("the handle did not change")
		}
	})
}

// TestRenewal stays for much longer than one proof lasts.
func TestRenewal(t *testing.T) {
	in(t, func(t *testing.T) {
		s := newServer(t, ServerOptions{})
		a, b := newClient(t, s, Config{Lifetime: time.Minute}), newClient(t, s, Config{})
		listen(t, a, Topic{1})
		listen(t, b, Topic{1})
		next(t, a, Present)
		next(t, b, Present)
		quiet(t, b, 3*time.Hour)
		if st := settled(s); st.Listens < 3*60 {
			t.Errorf("only %d listens", st.Listens)
		}
	})
}

// TestExpiry listens once and keeps the connection alive without renewing.
func TestExpiry(t *testing.T) {
	in(t, func(t *testing.T) {
		s := newServer(t, ServerOptions{})
		b := newClient(t, s, Config{})
		listen(t, b, Topic{1})
		r := newRawClient(t, s)
		r.listen(t, Topic{1}, newKey(t), time.Minute)
		next(t, b, Present)
		go r.keepAlive(t.Context())
		start := time.Now()
		next(t, b, Gone)
		if d := time.Since(start); d < 55*time.Second || d > 70*time.Second {
			t.Errorf("gone after %v", d)
		}
	})
}

// TestClockOff gives the server another idea of the time than the client.
func TestServerTime(t *testing.T) {
	c := &Client{hello: message{time: 1000}, begun: time.Now()}
	if off := c.serverTime().Sub(time.UnixMilli(1000)); off < 0 || off > time.Minute {
		t.Fatalf("server time is off by %v", off)
	}
}

func TestSilentServer(t *testing.T) {
	in(t, func(t *testing.T) {
		s := newServer(t, ServerOptions{})
		var link transport.Link
		c := newClient(t, s, Config{}, transport.WithLink(&link))
		listen(t, c, Topic{1})
		quiet(t, c, time.Hour) // alive as long as it answers
		link.Pause()
		start := time.Now()
		<-c.Done()
		if d := time.Since(start); d > 8*time.Second || !errors.Is(c.Err(), ErrSilent) {
			t.Fatalf("after %v: %v", d, c.Err())
		}
		link.Resume()
	})
}

func TestSilentClient(t *testing.T) {
	in(t, func(t *testing.T) {
		s := newServer(t, ServerOptions{})
		var link transport.Link
		a, b := newClient(t, s, Config{}), newClient(t, s, Config{}, transport.WithLink(&link))
		listen(t, a, Topic{1})
		listen(t, b, Topic{1})
		next(t, a, Present)
		link.Pause()
		start := time.Now()
		next(t, a, Gone)
		if d := time.Since(start); d > 30*time.Second {
			t.Errorf("noticed after %v", d)
		}
		link.Resume()
	})
}

// TestStalledReader does not read its events: it is not cut off for it, and
// has lost nothing when it goes on.
func TestStalledReader(t *testing.T) {
	in(t, func(t *testing.T) {
		s := newServer(t, ServerOptions{Silent: time.Hour})
		a := newClient(t, s, Config{Queue: 1})
		listen(t, a, Topic{1})
		for range 5 {
			listen(t, newClient(t, s, Config{}), Topic{1})
		}
		time.Sleep(2 * DefaultSilent)
		for range 5 {
			next(t, a, Present)
		}
		if err := a.Err(); err != nil {
			t.Fatal(err)
		}
	})
}

// TestReplaced listens under one key over two connections, as a page does that
// was reloaded before its old connection was found dead.
func TestReplaced(t *testing.T) {
	in(t, func(t *testing.T) {
		s := newServer(t, ServerOptions{})
		other, old, new := newClient(t, s, Config{}), newClient(t, s, Config{}), newClient(t, s, Config{})
		key := newKey(t)
		listen(t, other, Topic{1})
		if err := old.Listen(t.Context(), Topic{1}, key); err != nil {
			t.Fatal(err)
		}
		first := next(t, other, Present)
		next(t, old, Present)
		if err := new.Listen(t.Context(), Topic{1}, key); err != nil {
			t.Fatal(err)
		}
		var refused *ServerError
		if e := next(t, old, Ended); !errors.As(e.Err, &refused) || refused.Code != CodeReplaced {
			t.Fatalf("ended: %v", e.Err)
		}
		if gone := next(t, other, Gone); gone.Handle != first.Handle {
			t.Fatal("another listener is gone")
		}
		next(t, other, Present)
		if st := settled(s); st.Listenings != 2 {
			t.Errorf("stats %+v", st)
		}
	})
}

func TestServerClose(t *testing.T) {
	in(t, func(t *testing.T) {
		s := newServer(t, ServerOptions{})
		c := newClient(t, s, Config{})
		listen(t, c, Topic{1})
		s.Close()
		<-c.Done()
		var refused *ServerError
		if !errors.As(c.Err(), &refused) || refused.Code != CodeLeaving {
			t.Fatalf("client ended with %v", c.Err())
		}
		if err := c.Listen(t.Context(), Topic{1}, newKey(t)); err == nil {
			t.Fatal("listening at a closed server")
		}
	})
}

func TestSlowSigner(t *testing.T) {
	in(t, func(t *testing.T) {
		s := newServer(t, ServerOptions{})
		c := newClient(t, s, Config{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := c.Listen(ctx, Topic{1}, neverSigner{newKey(t)}); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("listen with a signer that never answers: %v", err)
		}
		listen(t, c, Topic{1}) // the client is as good as before
	})
}

func TestManyTopics(t *testing.T) {
	in(t, func(t *testing.T) {
		s := newServer(t, ServerOptions{Topics: 40})
		c := newClient(t, s, Config{})
		for i := range 40 {
			listen(t, c, Topic{byte(i)})
		}
		var refused *ServerError
		if err := c.Listen(t.Context(), Topic{99}, newKey(t)); !errors.As(err, &refused) || refused.Code != CodeTopics {
			t.Fatalf("one topic too many: %v", err)
		}
		listen(t, c, Topic{3}) // renewing is not another topic
	})
}

func TestFullTopic(t *testing.T) {
	in(t, func(t *testing.T) {
		s := newServer(t, ServerOptions{TopicListeners: 30, Introductions: 4})
		first := newClient(t, s, Config{})
		listen(t, first, Topic{1})
		known := make(map[*Client]int)
		for range 29 {
			c := newClient(t, s, Config{})
			listen(t, c, Topic{1})
			synctest.Wait()
			known[c] = len(c.Events())
		}
		for _, n := range known {
			if n < 1 || n > 4 {
				t.Errorf("a new listener was introduced to %d", n)
			}
		}
		var refused *ServerError
		if err := newClient(t, s, Config{}).Listen(t.Context(), Topic{1}, newKey(t)); !errors.As(err, &refused) || refused.Code != CodeFull {
			t.Fatalf("listener too many: %v", err)
		}
	})
}

// settled returns the counters once nothing moves any more in the bubble.
func settled(s *Server) Stats {
	synctest.Wait()
	return s.Stats()
}
