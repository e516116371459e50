package ws

import (
	"context"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/hyperhyperspace/hhs-go/transport"
	"github.com/hyperhyperspace/hhs-go/transport/transporttest"
)

// peer is the URL of transporttest/peer. e2e/transport runs these tests in a
// browser with one; without it there is nothing to dial.
func peer(t *testing.T) string {
	t.Helper()
	url := os.Getenv("HHS_TEST_PEER")
	if url == "" {
		t.Skip("needs a browser and a peer: see e2e/transport")
	}
	return url
}

func dial(t *testing.T, url string) transport.Conn {
	t.Helper()
	c, err := (&Dialer{}).Dial(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// second hides that both ends of a relayed connection have dialled.
type second struct{ transport.Conn }

func (s second) Info() transport.Info {
	i := s.Conn.Info()
	i.Initiator = false
	return i
}

func TestConn(t *testing.T) {
	url := peer(t)
	n := 0
	transporttest.Run(t, func(t *testing.T) (transport.Conn, transport.Conn) {
		n++
		pair := url + "/pair?id=" + strconv.Itoa(n)
		return dial(t, pair), second{dial(t, pair)}
	}, transporttest.Unpaced())
}

// TestSendWaits sends to a peer that never receives.
func TestSendWaits(t *testing.T) {
	c := dial(t, peer(t)+"/hold")
	sent, stop := transporttest.Fill(t, t.Context(), c)
	stop()
	if sent == 0 {
		t.Fatal("not one message was taken")
	}
}

func TestDialFails(t *testing.T) {
	base := peer(t)
	for _, url := range []string{"nonsense", "ws://127.0.0.1:1/", base + "/nothing", "ws://user@:0"} {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		if c, err := (&Dialer{}).Dial(ctx, url); err == nil {
			c.Close()
			t.Errorf("dialled %s", url)
		}
		cancel()
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if c, err := (&Dialer{}).Dial(ended, base+"/hold"); err == nil {
		c.Close()
		t.Error("dialled after the context had ended")
	}
}
