package mesh

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/mesh/internal/noise"
	"github.com/hyperhyperspace/hhs-go/transport"
)

func newDevice(t testing.TB) identity.Device {
	t.Helper()
	_, d, err := identity.NewDevice(context.Background(), rand.Reader, "test", 1)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func newHands(t testing.TB) *hands {
	t.Helper()
	static, err := noise.NewKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	d := newDevice(t)
	return &hands{device: d, static: static, verifier: identity.Serial{}, random: rand.Reader, sign: (&patientSigner{signer: d.Signer}).sign}
}

type outcome struct {
	ch  *channel
	err error
}

// shake runs both sides of a handshake.
func shake(ctx context.Context, a, b *hands, ca, cb transport.Conn) (outcome, outcome) {
	var x, y outcome
	var wg sync.WaitGroup
	wg.Go(func() { x.ch, x.err = a.handshake(ctx, ca) })
	wg.Go(func() { y.ch, y.err = b.handshake(ctx, cb) })
	wg.Wait()
	return x, y
}

// Invariant 1: both ends know each other's proven keys, and agree on the channel.
func TestHandshake(t *testing.T) {
	a, b := newHands(t), newHands(t)
	ca, cb := transport.Pipe(transport.WithBinding([]byte("same"), []byte("same")))
	x, y := shake(t.Context(), a, b, ca, cb)
	if x.err != nil || y.err != nil {
		t.Fatal(x.err, y.err)
	}
	if x.ch.hash != y.ch.hash || !x.ch.initiator || y.ch.initiator {
		t.Error("the ends disagree on the channel")
	}
	if x.ch.peer.device() != b.device.Certificate.Device || y.ch.peer.certificate.Identity != a.device.Certificate.Identity {
		t.Error("wrong peer")
	}
	for i := range 3 {
		msg := fmt.Sprint("record ", i)
		if err := x.ch.send(t.Context(), []byte(msg)); err != nil {
			t.Fatal(err)
		}
		if got, err := y.ch.receive(t.Context()); err != nil || string(got) != msg {
			t.Fatalf("got %q, %v", got, err)
		}
	}
	_ = ca.Close()
}

func TestHandshakeRefuses(t *testing.T) {
	same := newHands(t)
	twin := *same
	twin.static, _ = noise.NewKey(rand.Reader)
	wrongKey, other := newHands(t), newDevice(t)
	wrongKey.sign = other.Signer.Sign
	noSigner := newHands(t)
	noSigner.sign = func(context.Context, identity.Statement) ([]byte, error) { return nil, errSigner }
	stolen := newHands(t)
	stolen.device.Certificate = other.Certificate
	forged := newHands(t)
	forged.device.Certificate.Identity = other.Certificate.Identity
	cases := []struct {
		name    string
		a, b    *hands
		binding [2]string
		want    error // of the initiator or the responder
	}{
		{"swapped bindings", newHands(t), newHands(t), [2]string{"one", "two"}, ErrTampered},
		{"missing binding", newHands(t), newHands(t), [2]string{"one", ""}, ErrTampered},
		{"same start of the same node", same, same, [2]string{}, ErrSelf},
		{"same device", same, &twin, [2]string{}, ErrTwin},
		{"initiator signs with another key", wrongKey, newHands(t), [2]string{}, identity.ErrSignature},
		{"responder signs with another key", newHands(t), wrongKey, [2]string{}, identity.ErrSignature},
		{"stolen certificate", stolen, newHands(t), [2]string{}, identity.ErrSignature},
		{"certificate of another identity", newHands(t), forged, [2]string{}, identity.ErrSignature},
		{"signer refuses", noSigner, newHands(t), [2]string{}, errSigner},
	}
	for _, c := range cases {
		ca, cb := transport.Pipe(transport.WithBinding([]byte(c.binding[0]), []byte(c.binding[1])))
		x, y := shake(t.Context(), c.a, c.b, ca, cb)
		var typed *HandshakeError
		if !errors.Is(x.err, c.want) && !errors.Is(y.err, c.want) {
			t.Errorf("%s: got %v and %v, want %v", c.name, x.err, y.err, c.want)
		}
		for _, err := range []error{x.err, y.err} {
			if err != nil && !errors.As(err, &typed) {
				t.Errorf("%s: %v is not a HandshakeError", c.name, err)
			}
		}
		if x.err == nil {
			_ = ca.Close()
		}
		if y.err == nil {
			_ = cb.Close()
		}
	}
}

// Invariant 2: whatever byte is flipped, nobody gets a channel to somebody else
// than they think, and both ends end with a typed error.
func TestHandshakeEveryByteFlipped(t *testing.T) {
	a, b := newHands(t), newHands(t)
	var lengths [2][]int // of the messages of each direction
	record := func(p transport.Packet) ([][]byte, error) {
		i := 1
		if p.FromFirst {
			i = 0
		}
		lengths[i] = append(lengths[i], len(p.Message))
		return [][]byte{p.Message}, nil
	}
	ca, cb := transport.Pipe(transport.WithFault(record))
	if x, y := shake(t.Context(), a, b, ca, cb); x.err != nil || y.err != nil {
		t.Fatal(x.err, y.err)
	}
	if len(lengths[0]) != 3 || len(lengths[1]) != 2 {
		t.Fatalf("unexpected messages: %v", lengths)
	}
	for dir, list := range lengths {
		for number, length := range list {
			for at := range length {
				flipOne(t, a, b, dir == 0, number, at)
			}
		}
	}
}

func flipOne(t *testing.T, a, b *hands, fromFirst bool, number, at int) {
	t.Helper()
	flip := func(p transport.Packet) ([][]byte, error) {
		if p.FromFirst != fromFirst || p.Number != number {
			return [][]byte{p.Message}, nil
		}
		m := append([]byte(nil), p.Message...)
		m[at] ^= 1 << (at % 8)
		return [][]byte{m}, nil
	}
	ca, cb := transport.Pipe(transport.WithFault(flip))
	x, y := shake(t.Context(), a, b, ca, cb)
	hit := x // who received the flipped message
	if fromFirst {
		hit = y
	}
	var typed *HandshakeError
	var version *VersionError
	known := errors.Is(hit.err, ErrTampered) || errors.As(hit.err, &version) || errors.Is(hit.err, transport.ErrClosed)
	if !errors.As(hit.err, &typed) || !known {
		t.Fatalf("message %d of the initiator (%v), byte %d: got %v", number, fromFirst, at, hit.err)
	}
	for _, o := range []outcome{x, y} {
		if o.err == nil { // the last message was hit: this end learns by the close
			if _, err := o.ch.receive(t.Context()); !errors.Is(err, transport.ErrClosed) {
				t.Fatalf("the other end goes on: %v", err)
			}
			_ = o.ch.conn.Close()
		}
	}
}

// A signer that never answers, and a peer that never does, cost ten seconds.
func TestHandshakeIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stuck := newHands(t)
		release := make(chan struct{})
		stuck.sign = (&patientSigner{signer: slowSigner{stuck.device.Signer, release}}).sign
		for name, b := range map[string]*hands{"signer": stuck, "peer": nil} {
			ctx, cancel := within(t.Context(), SystemClock{}, 10*time.Second)
			ca, cb := transport.Pipe()
			began := time.Now()
			if b != nil {
				_, y := shake(ctx, newHands(t), b, ca, cb)
				if !errors.Is(y.err, ErrExpired) {
					t.Errorf("%s: %v", name, y.err)
				}
			} else if _, err := newHands(t).handshake(ctx, ca); !errors.Is(err, ErrExpired) {
				t.Errorf("%s: %v", name, err)
			}
			if d := time.Since(began); d != 10*time.Second {
				t.Errorf("%s: took %v", name, d)
			}
			cancel()
		}
		close(release)
	})
}

// slowSigner ignores ctx.
type slowSigner struct {
	identity.Signer
	release chan struct{}
}

func (s slowSigner) Sign(ctx context.Context, st identity.Statement) ([]byte, error) {
	<-s.release
	return s.Signer.Sign(context.WithoutCancel(ctx), st)
}

func TestRekey(t *testing.T) {
	ca, cb := transport.Pipe()
	x, y := shake(t.Context(), newHands(t), newHands(t), ca, cb)
	x.ch.sent, y.ch.got = rekeyEvery-2, rekeyEvery-2
	old := *y.ch.in // goes on with the first key
	for i := range 4 {
		if err := x.ch.send(t.Context(), []byte{byte(i)}); err != nil {
			t.Fatal(err)
		}
		if got, err := y.ch.receive(t.Context()); err != nil || got[0] != byte(i) {
			t.Fatalf("record %d: %v", i, err)
		}
		if _, err := old.Decrypt(nil, nil, x.ch.sealed); (err == nil) != (i < 2) {
			t.Errorf("record %d with the first key: %v", i, err)
		}
	}
	_ = ca.Close()
}

func FuzzProof(f *testing.F) {
	d := newDevice(f)
	good, err := proof{d.Certificate, make([]byte, 64)}.encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:len(good)-1])
	f.Add([]byte{0x82, 0xa0, 0x40})
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := decodeProof(b)
		if err != nil {
			return
		}
		again, err := p.encode()
		if err != nil || string(again) != string(b) {
			t.Fatalf("%x reads and writes back as %x, %v", b, again, err)
		}
	})
}

// FuzzHandshake gives a responder arbitrary messages: it ends with a typed error.
func FuzzHandshake(f *testing.F) {
	h := newHands(f)
	f.Add(append(make([]byte, 32), Version), make([]byte, 64))
	f.Add(append(make([]byte, 32), 9), []byte{})
	f.Add([]byte{}, []byte{})
	f.Fuzz(func(t *testing.T, first, third []byte) {
		if len(first) > transport.MaxMessage || len(third) > transport.MaxMessage {
			return
		}
		ca, cb := transport.Pipe()
		_ = ca.Send(t.Context(), first)
		_ = ca.Send(t.Context(), third)
		_ = ca.Close()
		_, err := h.handshake(t.Context(), cb)
		var typed *HandshakeError
		if !errors.As(err, &typed) {
			t.Fatalf("got %v", err)
		}
	})
}
