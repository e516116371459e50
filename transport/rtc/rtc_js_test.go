package rtc

import (
	"bytes"
	"context"
	"errors"
	"os"
	"syscall/js"
	"testing"

	"github.com/hyperhyperspace/hhs-go/transport"
	"github.com/hyperhyperspace/hhs-go/transport/transporttest"
	"github.com/hyperhyperspace/hhs-go/transport/ws"
)

// peerURL is the URL of transporttest/peer. e2e/transport runs these tests in
// a page with a broker and a peer.
func peerURL(t *testing.T) string {
	t.Helper()
	url := os.Getenv("HHS_TEST_PEER")
	if url == "" {
		t.Skip("needs a browser and a peer: see e2e/transport")
	}
	return url
}

func TestUnavailable(t *testing.T) {
	if js.Global().Get("hhsRTC").Truthy() {
		t.Skip("there is a broker")
	}
	x, _ := exchange()
	if _, err := Dial(t.Context(), x, Config{}); !errors.Is(err, ErrUnavailable) {
		t.Fatalf("dial without a broker: %v", err)
	}
}

// TestConn connects the page to itself: two connections of one broker.
func TestConn(t *testing.T) {
	peerURL(t)
	transporttest.Run(t, func(t *testing.T) (transport.Conn, transport.Conn) {
		x, y := exchange()
		a, b := both(t, x, y, Config{})
		if a.err != nil || b.err != nil {
			t.Fatalf("dial: %v, answer: %v", a.err, b.err)
		}
		if len(a.conn.Info().Binding) != 64 {
			t.Fatalf("binding %x", a.conn.Info().Binding)
		}
		return a.conn, b.conn
	}, transporttest.Unpaced())
}

// TestNative connects the page to a native peer, which answers or dials.
func TestNative(t *testing.T) {
	url := peerURL(t)
	for path, connect := range map[string]func(context.Context, Exchange, Config) (transport.Conn, error){
		"/answer": Dial,
		"/dial":   Answer,
	} {
		t.Run(path, func(t *testing.T) {
			x, err := (&ws.Dialer{}).Dial(t.Context(), url+path)
			if err != nil {
				t.Fatal(err)
			}
			defer x.Close()
			c, err := connect(t.Context(), x, Config{})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			for _, n := range []int{0, 1, 1200, 65535, transport.MaxMessage} {
				msg := bytes.Repeat([]byte{byte(n)}, n)
				if err := c.Send(t.Context(), msg); err != nil {
					t.Fatal(err)
				}
				if got, err := c.Receive(t.Context()); err != nil || !bytes.Equal(got, msg) {
					t.Fatalf("%d bytes came back as %d, %v", n, len(got), err)
				}
			}
		})
	}
}

// TestSendWaits sends to a native peer that never receives.
func TestSendWaits(t *testing.T) {
	x, err := (&ws.Dialer{}).Dial(t.Context(), peerURL(t)+"/answer?hold")
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	c, err := Dial(t.Context(), x, Config{})
	if err != nil {
		t.Fatal(err)
	}
	sent, stop := transporttest.Fill(t, t.Context(), c)
	stop()
	if sent == 0 {
		t.Fatal("not one message was taken")
	}
}
