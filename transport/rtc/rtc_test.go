//go:build !js

package rtc

import (
	"bytes"
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/hyperhyperspace/hhs-go/signalling"
	"github.com/hyperhyperspace/hhs-go/transport"
	"github.com/hyperhyperspace/hhs-go/transport/transporttest"
)

func connectPair(t *testing.T) (transport.Conn, transport.Conn) {
	t.Helper()
	x, y := exchange()
	a, b := both(t, x, y, Config{})
	if a.err != nil || b.err != nil {
		t.Fatalf("dial: %v, answer: %v", a.err, b.err)
	}
	return a.conn, b.conn
}

func TestConn(t *testing.T) { transporttest.Run(t, connectPair) }

func TestBinding(t *testing.T) {
	a, b := connectPair(t)
	defer a.Close()
	defer b.Close()
	i, j := a.Info(), b.Info()
	if len(i.Binding) != 64 || !bytes.Equal(i.Binding, j.Binding) {
		t.Fatalf("bindings %x and %x", i.Binding, j.Binding)
	}
	if bytes.Compare(i.Binding[:32], i.Binding[32:]) > 0 {
		t.Fatalf("fingerprints not sorted: %x", i.Binding)
	}
}

// TestFirstWord sends from each end as soon as it is open, before the other
// end's Dial or Answer has returned.
func TestFirstWord(t *testing.T) {
	for range 5 {
		x, y := exchange()
		other := make(chan error, 1)
		go func() {
			c, err := Answer(t.Context(), y, Config{})
			if err != nil {
				other <- err
				return
			}
			defer c.Close()
			if err := c.Send(t.Context(), []byte("from answer")); err != nil {
				other <- err
				return
			}
			msg, err := c.Receive(t.Context())
			if err == nil && string(msg) != "from dial" {
				err = errors.New("received " + string(msg))
			}
			other <- err
		}()
		c, err := Dial(t.Context(), x, Config{})
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Send(t.Context(), []byte("from dial")); err != nil {
			t.Fatal(err)
		}
		if msg, err := c.Receive(t.Context()); err != nil || string(msg) != "from answer" {
			t.Fatalf("received %q, %v", msg, err)
		}
		if err := <-other; err != nil {
			t.Fatal(err)
		}
		c.Close()
	}
}

// TestSwapped plays a signalling server that puts its own fingerprint into the
// offer: no connection comes about.
func TestSwapped(t *testing.T) {
	x, y := exchange()
	x.change = func(msg []byte) []byte {
		s, err := decodeSignal(msg)
		if err != nil || s.kind != kindOffer {
			return msg
		}
		i := strings.Index(s.sdp, "sha-256 ") + len("sha-256 ")
		swapped := "00"
		if s.sdp[i:i+2] == swapped {
			swapped = "11"
		}
		s.sdp = s.sdp[:i] + swapped + s.sdp[i+2:]
		return s.encode()
	}
	a, b := both(t, x, y, Config{Timeout: 3 * time.Second})
	for _, r := range []result{a, b} {
		if r.err == nil {
			defer r.conn.Close()
		}
	}
	if b.err == nil {
		t.Fatal("the answering end accepted a channel whose fingerprint is not in the offer")
	}
}

func TestNobodyAnswers(t *testing.T) {
	x, _ := exchange()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := Dial(ctx, x, Config{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("dial: %v", err)
	}
}

func TestNoPath(t *testing.T) {
	x, y := exchange()
	drop := func(msg []byte) []byte {
		s, err := decodeSignal(msg)
		if err != nil {
			return msg
		}
		s.candidates = nil
		return s.encode()
	}
	x.change, y.change = drop, drop
	a, b := both(t, x, y, Config{Timeout: time.Second})
	if !errors.Is(a.err, ErrNoPath) || !errors.Is(b.err, ErrNoPath) {
		t.Fatalf("dial: %v, answer: %v; want ErrNoPath", a.err, b.err)
	}
}

// TestLateCandidates gathers for no time at all, so that all candidates come
// after the descriptions.
func TestLateCandidates(t *testing.T) {
	x, y := exchange()
	a, b := both(t, x, y, Config{Gather: time.Nanosecond})
	if a.err != nil || b.err != nil {
		t.Fatalf("dial: %v, answer: %v", a.err, b.err)
	}
	a.conn.Close()
	b.conn.Close()
}

func TestBadExchange(t *testing.T) {
	offer := func(sdp string) []byte { return (&signal{kind: kindOffer, sdp: sdp}).encode() }
	for name, msg := range map[string][]byte{
		"empty":         {},
		"noise":         []byte("\xff\xff"),
		"answer first":  (&signal{kind: kindAnswer, sdp: goodSDP}).encode(),
		"no SDP":        offer(""),
		"video":         offer(goodSDP + "m=video 9 UDP/TLS/RTP/SAVPF 96\r\n"),
		"unparsable":    offer(goodSDP + "v=9\r\nz=\r\n"),
		"two keys":      offer(goodSDP + "a=fingerprint:sha-256 " + strings.Repeat("00:", 31) + "00\r\n"),
		"SHA-1":         offer(strings.Replace(goodSDP, "sha-256", "sha-1", 1)),
		"no candidates": {0x82, 0x03, 0xa0},
	} {
		t.Run(name, func(t *testing.T) {
			x, y := exchange()
			x.out <- msg
			var bad *ExchangeError
			if _, err := Answer(t.Context(), y, Config{Timeout: 5 * time.Second}); !errors.As(err, &bad) {
				t.Fatalf("answer: %v, want an ExchangeError", err)
			}
		})
	}
}

// TestTooManyCandidates floods the other end with candidates.
func TestTooManyCandidates(t *testing.T) {
	x, y := exchange()
	for range maxCandidates/maxBatch + 1 {
		many := make([]string, maxBatch)
		x.out <- (&signal{kind: kindCandidates, candidates: many}).encode()
	}
	var bad *ExchangeError
	if _, err := Answer(t.Context(), y, Config{}); !errors.As(err, &bad) {
		t.Fatalf("answer: %v, want an ExchangeError", err)
	}
}

// TestSecondChannel plays a peer that opens a channel of its own.
func TestSecondChannel(t *testing.T) {
	a, b := connectPair(t)
	defer a.Close()
	defer b.Close()
	if _, err := a.(*peer).pc.CreateDataChannel("extra", nil); err != nil {
		t.Fatal(err)
	}
	var lost *transport.LostError
	if _, err := b.Receive(t.Context()); !errors.As(err, &lost) {
		t.Fatalf("received: %v, want a LostError", err)
	}
}

// TestSTUN asks a server for our address: one that answers and one that never
// does, which delays the offer by no more than Gather.
func TestSTUN(t *testing.T) {
	for _, answers := range []bool{true, false} {
		server, err := net.ListenPacket("udp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			defer close(done)
			if answers {
				_ = signalling.ServeSTUN(ctx, server)
			}
		}()
		x, y := exchange()
		a, b := both(t, x, y, Config{STUN: []string{"stun:" + server.LocalAddr().String()}, Gather: 200 * time.Millisecond})
		if a.err != nil || b.err != nil {
			t.Fatalf("dial: %v, answer: %v", a.err, b.err)
		}
		a.conn.Close()
		b.conn.Close()
		cancel()
		<-done
		server.Close()
	}
}
