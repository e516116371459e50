//go:build !js

package signalling

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/transport"
)

// neverSigner never answers.
type neverSigner struct{ identity.Signer }

func (neverSigner) Sign(ctx context.Context, _ identity.Statement) ([]byte, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// rawClient speaks the protocol without minding it.
type rawClient struct {
	conn  transport.Conn
	hello *message
}

func newRawClient(t *testing.T, s *Server) *rawClient {
	t.Helper()
	r := &rawClient{conn: pipe(s)}
	t.Cleanup(func() { r.conn.Close() })
	r.hello = r.receive(t)
	if r.hello.kind != kindHello {
		t.Fatalf("first message: %+v", r.hello)
	}
	return r
}

func (r *rawClient) send(t *testing.T, m *message) {
	t.Helper()
	if err := r.conn.Send(t.Context(), m.encode()); err != nil {
		t.Fatal(err)
	}
}

func (r *rawClient) receive(t *testing.T) *message {
	t.Helper()
	raw, err := r.conn.Receive(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	m, err := decode(raw)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// ends reads until the connection ends and returns the code it ended with.
func (r *rawClient) ends(t *testing.T) Code {
	t.Helper()
	code := Code("")
	for {
		raw, err := r.conn.Receive(t.Context())
		if err != nil {
			if !errors.Is(err, transport.ErrClosed) {
				t.Fatal(err)
			}
			return code
		}
		if m, err := decode(raw); err == nil && m.kind == kindError {
			code = m.code
		}
	}
}

// proof makes a listen message as it should be.
func (r *rawClient) proof(t *testing.T, topic Topic, key identity.Signer, lifetime time.Duration) *message {
	t.Helper()
	m := &message{kind: kindListen, topic: topic, key: key.Public(), name: testName, expiry: r.hello.time + lifetime.Milliseconds()}
	sig, err := key.Sign(t.Context(), Proof(m.name, r.hello.nonce, topic, m.expiry))
	if err != nil {
		t.Fatal(err)
	}
	m.sig = sig
	return m
}

func (r *rawClient) listen(t *testing.T, topic Topic, key identity.Signer, lifetime time.Duration) {
	t.Helper()
	r.send(t, r.proof(t, topic, key, lifetime))
	if m := r.receive(t); m.kind != kindListening {
		t.Fatalf("answer to listen: %+v", m)
	}
}

func (r *rawClient) keepAlive(ctx context.Context) {
	tick := time.NewTicker(DefaultPing)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if r.conn.Send(ctx, (&message{kind: kindPing}).encode()) != nil {
				return
			}
			if _, err := r.conn.Receive(ctx); err != nil {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

func TestBadProofs(t *testing.T) {
	key, other := newKey(t), newKey(t)
	for _, c := range []struct {
		name   string
		change func(t *testing.T, r *rawClient, m *message)
		want   Code
	}{
		{"wrong signature", func(_ *testing.T, _ *rawClient, m *message) { m.sig[5]++ }, CodeProof},
		{"no signature", func(_ *testing.T, _ *rawClient, m *message) { m.sig = make([]byte, 64) }, CodeProof},
		{"another key", func(_ *testing.T, _ *rawClient, m *message) { m.key = other.Public() }, CodeProof},
		{"another topic", func(_ *testing.T, _ *rawClient, m *message) { m.topic[0]++ }, CodeProof},
		{"longer life", func(_ *testing.T, _ *rawClient, m *message) { m.expiry++ }, CodeProof},
		{"another name of this server", func(_ *testing.T, _ *rawClient, m *message) { m.name = "localhost:7447" }, CodeProof},
		{"another server", func(t *testing.T, r *rawClient, m *message) {
			m.name = "evil.example:443"
			m.sig, _ = key.Sign(t.Context(), Proof(m.name, r.hello.nonce, m.topic, m.expiry))
		}, CodeName},
		{"expired", func(t *testing.T, r *rawClient, m *message) {
			m.expiry = r.hello.time - 1
			m.sig, _ = key.Sign(t.Context(), Proof(m.name, r.hello.nonce, m.topic, m.expiry))
		}, CodeExpiry},
		{"a day", func(t *testing.T, r *rawClient, m *message) {
			m.expiry = r.hello.time + 24*time.Hour.Milliseconds()
			m.sig, _ = key.Sign(t.Context(), Proof(m.name, r.hello.nonce, m.topic, m.expiry))
		}, CodeExpiry},
	} {
		t.Run(c.name, func(t *testing.T) {
			in(t, func(t *testing.T) {
				s := newServer(t, ServerOptions{})
				r := newRawClient(t, s)
				m := r.proof(t, Topic{1}, key, time.Minute)
				c.change(t, r, m)
				r.send(t, m)
				if got := r.receive(t); got.kind != kindError || got.code != c.want {
					t.Fatalf("answer %+v, want code %q", got, c.want)
				}
				if c.want == CodeProof {
					r.ends(t)
				}
				if st := settled(s); st.Listenings != 0 {
					t.Fatalf("stats %+v", st)
				}
			})
		})
	}
}

// TestReplayedProof uses a proof again on another connection.
func TestReplayedProof(t *testing.T) {
	in(t, func(t *testing.T) {
		s := newServer(t, ServerOptions{})
		a, b := newRawClient(t, s), newRawClient(t, s)
		m := a.proof(t, Topic{1}, newKey(t), time.Minute)
		b.send(t, m)
		if code := b.ends(t); code != CodeProof {
			t.Fatalf("ended with %q", code)
		}
	})
}

// TestRelayedProof puts a server in between that passes everything on to
// another one, under the name its victim dialled.
func TestRelayedProof(t *testing.T) {
	in(t, func(t *testing.T) {
		honest := newServer(t, ServerOptions{})
		victim, evil := transport.Pipe()
		up := pipe(honest)
		relay := func(from, to transport.Conn) {
			for {
				msg, err := from.Receive(t.Context())
				if err != nil || to.Send(t.Context(), msg) != nil {
					from.Close()
					to.Close()
					return
				}
			}
		}
		go relay(evil, up)
		go relay(up, evil)
		c, err := NewClient(t.Context(), victim, "evil.example:443", Config{})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		var refused *ServerError
		if err := c.Listen(t.Context(), Topic{1}, newKey(t)); !errors.As(err, &refused) || refused.Code != CodeName {
			t.Fatalf("listen through a relay: %v", err)
		}
		if st := settled(honest); st.Listenings != 0 {
			t.Fatalf("stats %+v", st)
		}
	})
}

// TestMalformed sends what is no message: every truncation of a good one,
// every message only servers send, and one that is too large. Only the sender
// suffers.
func TestMalformed(t *testing.T) {
	in(t, func(t *testing.T) {
		s := newServer(t, ServerOptions{})
		bystander := newClient(t, s, Config{})
		listen(t, bystander, Topic{1})
		var bad [][]byte
		good := (&message{kind: kindSend, topic: Topic{1}, body: []byte("x")}).encode()
		for i := range good {
			bad = append(bad, good[:i])
		}
		for _, m := range samples(t) {
			switch m.kind {
			case kindHello, kindListening, kindPresent, kindGone, kindMessage, kindError:
				bad = append(bad, m.encode())
			}
		}
		bad = append(bad, make([]byte, MaxMessage+1), make([]byte, transport.MaxMessage))
		for _, b := range bad {
			r := newRawClient(t, s)
			if err := r.conn.Send(t.Context(), b); err != nil {
				t.Fatal(err)
			}
			if code := r.ends(t); code != CodeMalformed {
				t.Errorf("%.40x: ended with %q", b, code)
			}
		}
		if st := settled(s); st.Malformed != uint64(len(bad)) || st.Conns != 1 {
			t.Errorf("stats %+v, want %d malformed", st, len(bad))
		}
		listen(t, bystander, Topic{2})
	})
}

// TestFlippedListen flips every bit of a listen on its way: none is accepted.
func TestFlippedListen(t *testing.T) {
	in(t, func(t *testing.T) {
		s := newServer(t, ServerOptions{})
		key := newKey(t)
		for i := 0; ; i++ {
			r := newRawClient(t, s)
			b := r.proof(t, Topic{1}, key, time.Minute).encode()
			if i >= len(b) {
				break
			}
			b[i] ^= 1 << (i % 8)
			if err := r.conn.Send(t.Context(), b); err != nil {
				t.Fatal(err)
			}
			m := r.receive(t)
			if m.kind != kindError {
				t.Fatalf("byte %d flipped: %+v", i, m)
			}
			r.conn.Close()
		}
		if st := settled(s); st.Listens != 0 {
			t.Fatalf("stats %+v", st)
		}
	})
}

// TestFlippedServer flips every byte of what a server sends: the client ends
// or goes on, and never hears more than was said.
func TestFlippedServer(t *testing.T) {
	for number := range 3 { // hello, listening, present
		for i := range 70 {
			in(t, func(t *testing.T) {
				s := newServer(t, ServerOptions{})
				listen(t, newClient(t, s, Config{}), Topic{1})
				flip := transport.WithFault(func(p transport.Packet) ([][]byte, error) {
					if p.FromFirst || p.Number != number || i >= len(p.Message) {
						return [][]byte{p.Message}, nil
					}
					b := bytes.Clone(p.Message)
					b[i] ^= 0x11
					return [][]byte{b}, nil
				})
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				c, err := NewClient(ctx, pipe(s, flip), testName, Config{})
				if err != nil {
					return
				}
				defer c.Close()
				_ = c.Listen(ctx, Topic{1}, newKey(t))
				for {
					select {
					case e, ok := <-c.Events():
						if !ok {
							return
						}
						if e.Kind == Message || e.Topic != (Topic{1}) {
							t.Fatalf("message %d, byte %d flipped: %+v", number, i, e)
						}
					case <-ctx.Done():
						return
					}
				}
			})
		}
	}
}

// TestFlood sends as fast as it can: the server reads at its own rate, others
// are served as before, nothing is lost and nobody is cut off.
func TestFlood(t *testing.T) {
	in(t, func(t *testing.T) {
		s := newServer(t, ServerOptions{})
		r := newRawClient(t, s)
		start := time.Now()
		go func() {
			for range 500 {
				if r.conn.Send(t.Context(), (&message{kind: kindPing}).encode()) != nil {
					return
				}
			}
		}()
		synctest.Wait()
		other := newClient(t, s, Config{})
		before := time.Now()
		listen(t, other, Topic{1})
		if d := time.Since(before); d > 0 {
			t.Errorf("another client was served %v later", d)
		}
		for range 250 {
			if m := r.receive(t); m.kind != kindPong {
				t.Fatalf("answer %+v", m)
			}
		}
		if d := time.Since(start); d < 20*time.Second {
			t.Errorf("250 messages were read within %v", d)
		}
		if st := settled(s); st.Throttled == 0 {
			t.Errorf("stats %+v", st)
		}
	})
}

// TestProofFlood makes the server check signatures.
func TestProofFlood(t *testing.T) {
	in(t, func(t *testing.T) {
		s := newServer(t, ServerOptions{})
		start := time.Now()
		const n = 30
		for range n { // each costs a connection
			r := newRawClient(t, s)
			m := r.proof(t, Topic{1}, newKey(t), time.Minute)
			m.sig[0]++
			r.send(t, m)
			r.ends(t)
		}
		if st := settled(s); st.BadProofs != n || time.Since(start) > time.Second {
			t.Errorf("stats %+v after %v", st, time.Since(start))
		}
	})
}

// TestSlowListener does not read: messages to it are refused, then it is
// closed, and the sender is not held up.
func TestSlowListener(t *testing.T) {
	in(t, func(t *testing.T) {
		s := newServer(t, ServerOptions{})
		slow := newRawClient(t, s)
		slow.listen(t, Topic{1}, newKey(t), time.Hour)
		c := newClient(t, s, Config{})
		listen(t, c, Topic{1})
		to := next(t, c, Present).Handle
		body := make([]byte, MaxBody)
		sent := 0
		for busy := false; !busy; sent++ {
			if err := c.Send(t.Context(), Topic{1}, to, body); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			select {
			case e := <-c.Events():
				var refused *ServerError
				if e.Kind != Undelivered || !errors.As(e.Err, &refused) || refused.Code != CodeBusy {
					t.Fatalf("event %+v", e)
				}
				busy = true
			default:
			}
			if sent > 100 {
				t.Fatal("a hundred messages are queued for a listener that does not read")
			}
		}
		start := time.Now()
		next(t, c, Gone) // silent, too
		if d := time.Since(start); d > time.Minute {
			t.Errorf("gone after %v", d)
		}
	})
}

func TestIdle(t *testing.T) {
	in(t, func(t *testing.T) {
		s := newServer(t, ServerOptions{})
		c := newClient(t, s, Config{})
		start := time.Now()
		<-c.Done()
		var refused *ServerError
		if !errors.As(c.Err(), &refused) || refused.Code != CodeIdle || time.Since(start) > time.Minute {
			t.Fatalf("after %v: %v", time.Since(start), c.Err())
		}
	})
}

// TestHelloNever dials something that accepts and says nothing, or nonsense.
func TestHelloNever(t *testing.T) {
	in(t, func(t *testing.T) {
		a, b := transport.Pipe()
		if _, err := NewClient(t.Context(), a, testName, Config{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("silent server: %v", err)
		}
		b.Close()
		for name, hello := range map[string]*message{
			"another version": {kind: kindHello, version: Version + 1},
			"no hello":        {kind: kindPing},
			"refusal":         {kind: kindError, code: CodeFull},
		} {
			a, b := transport.Pipe()
			if err := b.Send(t.Context(), hello.encode()); err != nil {
				t.Fatal(err)
			}
			if c, err := NewClient(t.Context(), a, testName, Config{}); err == nil {
				c.Close()
				t.Errorf("%s: accepted", name)
			}
			b.Close()
		}
	})
}

func TestTooLargeBody(t *testing.T) {
	in(t, func(t *testing.T) {
		s := newServer(t, ServerOptions{})
		c := newClient(t, s, Config{})
		listen(t, c, Topic{1})
		if err := c.Send(t.Context(), Topic{1}, Handle{}, make([]byte, MaxBody+1)); !errors.Is(err, ErrTooLarge) {
			t.Fatalf("send: %v", err)
		}
	})
}
