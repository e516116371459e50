package inbox

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
)

var errEnd, errKill = errors.New("end"), errors.New("kill")

func TestEndDeliversFirst(t *testing.T) {
	b := New(100)
	if !b.TryPut([]byte("a")) || !b.Put([]byte("b")) {
		t.Fatal("no room in an empty inbox")
	}
	b.End(errEnd)
	b.End(errKill)
	if b.TryPut(nil) || b.Put(nil) {
		t.Fatal("put after the end")
	}
	for _, want := range []string{"a", "b"} {
		if msg, err := b.Receive(t.Context()); err != nil || string(msg) != want {
			t.Fatalf("received %q, %v", msg, err)
		}
	}
	for range 2 {
		if _, err := b.Receive(t.Context()); err != errEnd {
			t.Fatalf("after the end: %v", err)
		}
	}
	b.Kill(errKill)
	if _, err := b.Receive(t.Context()); err != errKill {
		t.Fatalf("killed: %v", err)
	}
}

func TestKillDrops(t *testing.T) {
	b := New(100)
	b.Put([]byte("a"))
	b.Kill(errKill)
	b.End(errEnd)
	if _, err := b.Receive(t.Context()); err != errKill {
		t.Fatalf("received: %v", err)
	}
}

func TestBound(t *testing.T) {
	b := New(2*overhead + 1)
	n := 0
	for b.TryPut(nil) {
		n++
	}
	if n != 3 {
		t.Fatalf("%d empty messages fit", n)
	}
}

func TestWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(1)
		b.Put([]byte("first"))
		put := make(chan bool)
		go func() { put <- b.Put([]byte("second")) }()
		synctest.Wait()
		select {
		case <-put:
			t.Fatal("Put did not wait for room")
		default:
		}
		if msg, _ := b.Receive(t.Context()); string(msg) != "first" {
			t.Fatalf("received %q", msg)
		}
		if !<-put {
			t.Fatal("second was refused")
		}
		go func() { put <- b.Put([]byte("third")) }()
		synctest.Wait()
		b.Kill(errKill)
		if <-put {
			t.Fatal("third was taken by a killed inbox")
		}
		ctx, cancel := context.WithCancel(t.Context())
		empty := New(1)
		go cancel()
		if _, err := empty.Receive(ctx); !errors.Is(err, context.Canceled) {
			t.Fatalf("cancelled: %v", err)
		}
	})
}
