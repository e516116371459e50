// Package transporttest is the contract of transport.Conn as tests. Every
// transport runs it, on every platform.
package transporttest

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"testing"
	"time"

	"github.com/hyperhyperspace/hhs-go/transport"
)

// patience bounds one test; it is met only when something hangs.
const patience = 30 * time.Second

// Option says what is special about a transport.
type Option func(*suite)

// Unpaced says that a receiver cannot make the sender wait (a browser's): it
// loses the connection instead, and says so.
func Unpaced() Option { return func(s *suite) { s.flood = testOverflow } }

type suite struct {
	flood func(*testing.T, context.Context, transport.Conn, transport.Conn)
}

// Run checks the connections that connect makes: two ends of one connection,
// the initiator first. It closes them.
func Run(t *testing.T, connect func(t *testing.T) (initiator, other transport.Conn), opts ...Option) {
	s := suite{flood: testBackpressure}
	for _, o := range opts {
		o(&s)
	}
	for _, c := range []struct {
		name string
		test func(*testing.T, context.Context, transport.Conn, transport.Conn)
	}{
		{"Info", testInfo},
		{"Sizes", testSizes},
		{"TooLarge", testTooLarge},
		{"OrderBothWays", testOrder},
		{"BeforeReceive", testBeforeReceive},
		{"SendKeepsNothing", testSendKeepsNothing},
		{"CancelledReceive", testCancelledReceive},
		{"Flood", s.flood},
		{"CloseDeliversFirst", testCloseDeliversFirst},
		{"CloseWakes", testCloseWakes},
		{"CloseTwice", testCloseTwice},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, b := connect(t)
			t.Cleanup(func() { b.Close() })
			t.Cleanup(func() { a.Close() })
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			t.Cleanup(cancel)
			c.test(t, ctx, a, b)
		})
	}
}

func testInfo(t *testing.T, _ context.Context, a, b transport.Conn) {
	i, j := a.Info(), b.Info()
	if !i.Initiator || j.Initiator {
		t.Errorf("initiator: %v and %v, want true and false", i.Initiator, j.Initiator)
	}
	if i.Kind == "" || i.Kind != j.Kind {
		t.Errorf("kinds %q and %q", i.Kind, j.Kind)
	}
	if !bytes.Equal(i.Binding, j.Binding) {
		t.Errorf("bindings differ: %x and %x", i.Binding, j.Binding)
	}
	if i.Remote == "" || j.Remote == "" {
		t.Errorf("remotes %q and %q", i.Remote, j.Remote)
	}
}

func testSizes(t *testing.T, ctx context.Context, a, b transport.Conn) {
	for _, n := range []int{1, 0, 2, 125, 126, 127, 1200, 16 << 10, 65535, transport.MaxMessage, 0, 3} {
		msg := bytes.Repeat([]byte{byte(n)}, n)
		mustSend(t, ctx, a, msg)
		if got := mustReceive(t, ctx, b); !bytes.Equal(got, msg) {
			t.Fatalf("sent %d bytes, received %d others", n, len(got))
		}
	}
}

func testTooLarge(t *testing.T, ctx context.Context, a, b transport.Conn) {
	if err := a.Send(ctx, make([]byte, transport.MaxMessage+1)); !errors.Is(err, transport.ErrTooLarge) {
		t.Fatalf("sending too much: %v, want ErrTooLarge", err)
	}
	mustSend(t, ctx, a, []byte("still fine"))
	if got := mustReceive(t, ctx, b); string(got) != "still fine" {
		t.Fatalf("received %q", got)
	}
}

func testOrder(t *testing.T, ctx context.Context, a, b transport.Conn) {
	const n = 500
	results := make(chan error, 4)
	send := func(c transport.Conn) {
		for i := range n {
			msg := make([]byte, 4+i*7%3000)
			binary.BigEndian.PutUint32(msg, uint32(i))
			if err := c.Send(ctx, msg); err != nil {
				results <- err
				return
			}
		}
		results <- nil
	}
	receive := func(c transport.Conn) {
		for i := range n {
			msg, err := c.Receive(ctx)
			if err != nil {
				results <- err
				return
			}
			if len(msg) != 4+i*7%3000 || binary.BigEndian.Uint32(msg) != uint32(i) {
				results <- errors.New("message out of order or of another size")
				return
			}
		}
		results <- nil
	}
	go send(a)
	go send(b)
	go receive(a)
	go receive(b)
	for range 4 {
		if err := <-results; err != nil {
			t.Fatal(err)
		}
	}
}

func testBeforeReceive(t *testing.T, ctx context.Context, a, b transport.Conn) {
	for i := range 10 {
		mustSend(t, ctx, a, []byte{byte(i)})
	}
	mustSend(t, ctx, b, []byte("answer")) // b's sending says nothing about its receiving
	mustReceive(t, ctx, a)
	for i := range 10 {
		if got := mustReceive(t, ctx, b); len(got) != 1 || got[0] != byte(i) {
			t.Fatalf("message %d is %x", i, got)
		}
	}
}

func testSendKeepsNothing(t *testing.T, ctx context.Context, a, b transport.Conn) {
	buf := []byte("first")
	mustSend(t, ctx, a, buf)
	copy(buf, "other")
	got := mustReceive(t, ctx, b)
	if string(got) != "first" {
		t.Fatalf("received %q, want what was in the buffer when it was sent", got)
	}
	copy(got, "mine!")
	mustSend(t, ctx, a, []byte("again"))
	if again := mustReceive(t, ctx, b); string(again) != "again" || string(got) != "mine!" {
		t.Fatalf("received %q; the earlier message became %q", again, got)
	}
}

func testCancelledReceive(t *testing.T, ctx context.Context, a, b transport.Conn) {
	short, cancel := context.WithCancel(ctx)
	got := make(chan error, 1)
	go func() {
		_, err := b.Receive(short)
		got <- err
	}()
	cancel()
	if err := <-got; !errors.Is(err, context.Canceled) {
		t.Fatalf("cancelled Receive: %v", err)
	}
	mustSend(t, ctx, a, []byte("not lost"))
	if msg := mustReceive(t, ctx, b); string(msg) != "not lost" {
		t.Fatalf("received %q", msg)
	}
}

// enough is more messages of the largest size than any transport may hold.
const enough = 64 << 20 / transport.MaxMessage

// testBackpressure sends without receiving until Send waits, which it must
// before a fast sender fills the memory of one that is slow.
func testBackpressure(t *testing.T, ctx context.Context, a, b transport.Conn) {
	sent, resume := Fill(t, ctx, a)
	for i := range sent { // all that was sent is there, in order
		if got := mustReceive(t, ctx, b); binary.BigEndian.Uint32(got) != uint32(i) {
			t.Fatalf("message %d is number %d", i, binary.BigEndian.Uint32(got))
		}
	}
	mustReceive(t, ctx, b) // the waiting Send went on
	resume()
}

// Fill sends numbered messages of the largest size until Send waits, and fails
// if it never does. It returns how many Sends have returned; one more waits,
// which resume ends, with the connection.
func Fill(t *testing.T, ctx context.Context, c transport.Conn) (sent int, resume func()) {
	t.Helper()
	progress := make(chan int)
	done := make(chan error, 1)
	sending, stop := context.WithCancel(ctx)
	go func() {
		defer close(progress)
		msg := make([]byte, transport.MaxMessage)
		for i := range enough {
			binary.BigEndian.PutUint32(msg, uint32(i))
			if err := c.Send(sending, msg); err != nil {
				done <- err
				return
			}
			progress <- i + 1
		}
		done <- nil
	}()
	for waiting := false; !waiting; {
		quiet := time.NewTimer(500 * time.Millisecond)
		select {
		case n, ok := <-progress:
			if !ok {
				stop()
				t.Fatalf("after %d messages nobody received: %v; want Send to wait", sent, <-done)
			}
			sent = n
		case <-quiet.C:
			waiting = true
		}
		quiet.Stop()
	}
	go func() {
		for range progress {
		}
	}()
	return sent, func() {
		stop()
		c.Close()
		<-done
	}
}

// testOverflow sends without receiving until the connection is lost; what the
// other end kept until then can be received.
func testOverflow(t *testing.T, ctx context.Context, a, b transport.Conn) {
	sent := make(chan int, 1)
	go func() {
		msg := make([]byte, transport.MaxMessage)
		for i := range enough {
			binary.BigEndian.PutUint32(msg, uint32(i))
			if a.Send(ctx, msg) != nil {
				sent <- i
				return
			}
		}
		sent <- enough
	}()
	if n := <-sent; n == enough {
		t.Fatalf("%d messages were taken that nobody received", n)
	}
	for i := 0; ; i++ {
		msg, err := b.Receive(ctx)
		if err != nil {
			var lost *transport.LostError
			if i == 0 || !errors.As(err, &lost) {
				t.Fatalf("after %d messages: %v, want a LostError", i, err)
			}
			return
		}
		if binary.BigEndian.Uint32(msg) != uint32(i) {
			t.Fatalf("message %d is number %d", i, binary.BigEndian.Uint32(msg))
		}
	}
}

func testCloseDeliversFirst(t *testing.T, ctx context.Context, a, b transport.Conn) {
	for i := range 8 {
		mustSend(t, ctx, a, []byte{byte(i)})
	}
	a.Close()
	for i := range 8 {
		if got := mustReceive(t, ctx, b); len(got) != 1 || got[0] != byte(i) {
			t.Fatalf("message %d is %x", i, got)
		}
	}
	if msg, err := b.Receive(ctx); !errors.Is(err, transport.ErrClosed) {
		t.Fatalf("after the other end closed: %x, %v; want ErrClosed", msg, err)
	}
	if _, err := b.Receive(ctx); !errors.Is(err, transport.ErrClosed) {
		t.Fatalf("second Receive: %v, want ErrClosed", err)
	}
}

func testCloseWakes(t *testing.T, ctx context.Context, a, b transport.Conn) {
	results := make(chan error, 2)
	for _, c := range []transport.Conn{a, b} {
		go func() {
			_, err := c.Receive(ctx)
			results <- err
		}()
	}
	if err := a.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	for range 2 {
		if err := <-results; !errors.Is(err, transport.ErrClosed) {
			t.Errorf("waiting Receive: %v, want ErrClosed", err)
		}
	}
	if err := a.Send(ctx, []byte("x")); !errors.Is(err, transport.ErrClosed) {
		t.Errorf("Send after Close: %v, want ErrClosed", err)
	}
	if _, err := a.Receive(ctx); !errors.Is(err, transport.ErrClosed) {
		t.Errorf("Receive after Close: %v, want ErrClosed", err)
	}
}

func testCloseTwice(t *testing.T, ctx context.Context, a, b transport.Conn) {
	results := make(chan error, 6)
	for range 3 {
		go func() { results <- a.Close() }()
		go func() { results <- b.Close() }()
	}
	for range 6 {
		if err := <-results; err != nil {
			t.Errorf("close: %v", err)
		}
	}
}

func mustSend(t *testing.T, ctx context.Context, c transport.Conn, msg []byte) {
	t.Helper()
	if err := c.Send(ctx, msg); err != nil {
		t.Fatalf("send %d bytes: %v", len(msg), err)
	}
}

func mustReceive(t *testing.T, ctx context.Context, c transport.Conn) []byte {
	t.Helper()
	msg, err := c.Receive(ctx)
	if err != nil {
		t.Fatalf("receive: %v", err)
	}
	return msg
}
