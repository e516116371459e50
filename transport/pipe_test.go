package transport_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hyperhyperspace/hhs-go/transport"
	"github.com/hyperhyperspace/hhs-go/transport/transporttest"
)

func TestPipe(t *testing.T) {
	transporttest.Run(t, func(*testing.T) (transport.Conn, transport.Conn) { return transport.Pipe() })
}

func TestPipeUnbuffered(t *testing.T) {
	a, b := transport.Pipe(transport.WithBuffer(0))
	go a.Send(t.Context(), []byte("x"))
	if msg, err := b.Receive(t.Context()); err != nil || string(msg) != "x" {
		t.Fatalf("received %q, %v", msg, err)
	}
}

func TestPipeBinding(t *testing.T) {
	a, b := transport.Pipe(transport.WithBinding([]byte("one"), []byte("two")))
	if string(a.Info().Binding) != "one" || string(b.Info().Binding) != "two" {
		t.Fatalf("bindings %q and %q", a.Info().Binding, b.Info().Binding)
	}
}

func TestPipeFault(t *testing.T) {
	broken := errors.New("broken")
	a, b := transport.Pipe(transport.WithFault(func(p transport.Packet) ([][]byte, error) {
		switch p.Number {
		case 0: // lost
			return nil, nil
		case 1: // twice
			return [][]byte{p.Message, p.Message}, nil
		case 2: // changed
			return [][]byte{[]byte("other")}, nil
		}
		return nil, broken
	}))
	for _, m := range []string{"lost", "twice", "changed"} {
		if err := a.Send(t.Context(), []byte(m)); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{"twice", "twice", "other"} {
		if got, err := b.Receive(t.Context()); err != nil || string(got) != want {
			t.Fatalf("received %q, %v; want %q", got, err, want)
		}
	}
	var lost *transport.LostError
	err := a.Send(t.Context(), []byte("fatal"))
	if !errors.As(err, &lost) || !errors.Is(err, broken) || !errors.Is(err, transport.ErrClosed) {
		t.Fatalf("send over a broken pipe: %v", err)
	}
	if _, err := b.Receive(t.Context()); !errors.Is(err, broken) {
		t.Fatalf("receive from a broken pipe: %v", err)
	}
}

func TestPipeCut(t *testing.T) {
	var link transport.Link
	a, b := transport.Pipe(transport.WithLink(&link))
	if err := a.Send(t.Context(), []byte("under way")); err != nil {
		t.Fatal(err)
	}
	link.Cut()
	for _, c := range []transport.Conn{a, b} {
		if err := c.Send(t.Context(), nil); !errors.Is(err, transport.ErrCut) {
			t.Errorf("send: %v, want ErrCut", err)
		}
	}
	again, _ := transport.Pipe(transport.WithLink(&link))
	if err := again.Send(t.Context(), nil); err != nil {
		t.Errorf("a new pipe over the link: %v", err)
	}
}

func TestPipePause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var link transport.Link
		a, b := transport.Pipe(transport.WithLink(&link))
		type result struct {
			msg []byte
			err error
		}
		got := make(chan result, 2)
		go func() {
			for range 2 {
				msg, err := b.Receive(t.Context())
				got <- result{msg, err}
			}
		}()
		synctest.Wait() // b waits in Receive already
		link.Pause()
		if err := a.Send(t.Context(), []byte("kept")); err != nil {
			t.Fatal(err)
		}
		a.Close()
		time.Sleep(time.Hour)
		select {
		case r := <-got:
			t.Fatalf("over a silent link: %q, %v", r.msg, r.err)
		default:
		}
		if err := b.Send(t.Context(), nil); err != nil {
			t.Errorf("sending into silence: %v", err)
		}
		link.Resume()
		if r := <-got; string(r.msg) != "kept" || r.err != nil {
			t.Errorf("first after the silence: %q, %v", r.msg, r.err)
		}
		if r := <-got; !errors.Is(r.err, transport.ErrClosed) {
			t.Errorf("second after the silence: %v", r.err)
		}
	})
}

func TestPipeDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := transport.Pipe(transport.WithDelay(func(ctx context.Context, p transport.Packet) error {
			select {
			case <-time.After(time.Second):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}))
		start := time.Now()
		if err := a.Send(t.Context(), []byte("late")); err != nil {
			t.Fatal(err)
		}
		short, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if _, err := b.Receive(short); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("before its time: %v", err)
		}
		if msg, err := b.Receive(t.Context()); err != nil || string(msg) != "late" {
			t.Fatalf("received %q, %v", msg, err)
		}
		if d := time.Since(start); d < time.Second {
			t.Fatalf("arrived after %v", d)
		}
	})
}
