//go:build !js

// Command peer is the native other end in tests of the transports of a browser.
// It listens on a port of 127.0.0.1, prints its WebSocket URL and ends when its
// standard input does.
//
//	/pair?id=ID   joins the first two connections with one ID
//	/hold         takes a connection and never receives
//	/answer       answers WebRTC; the connection is the exchange. What arrives
//	              over the channel is sent back
//	/dial         the same, but dials
//	/answer?hold  answers WebRTC and never receives
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"

	"github.com/hyperhyperspace/hhs-go/transport"
	"github.com/hyperhyperspace/hhs-go/transport/rtc"
	"github.com/hyperhyperspace/hhs-go/transport/ws"
)

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, "peer:", err)
		os.Exit(1)
	}
	ctx, cancel := context.WithCancel(context.Background())
	p := &pairs{waiting: make(map[string]transport.Conn)}
	mux := http.NewServeMux()
	handle := func(path string, serve func(conn transport.Conn, r *http.Request)) {
		mux.Handle(path, ws.NewHandler(ws.Config{Serve: serve}))
	}
	handle("/pair", func(c transport.Conn, r *http.Request) { p.join(ctx, c, r.URL.Query().Get("id")) })
	handle("/hold", func(transport.Conn, *http.Request) { <-ctx.Done() })
	handle("/answer", func(c transport.Conn, r *http.Request) { data(ctx, c, rtc.Answer, r.URL.Query().Has("hold")) })
	handle("/dial", func(c transport.Conn, _ *http.Request) { data(ctx, c, rtc.Dial, false) })
	fmt.Printf("ws://%s\n", listener.Addr())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
		listener.Close()
	}()
	_ = http.Serve(listener, mux)
}

// pairs joins connections.
type pairs struct {
	mu      sync.Mutex
	waiting map[string]transport.Conn
}

func (p *pairs) join(ctx context.Context, c transport.Conn, id string) {
	p.mu.Lock()
	other := p.waiting[id]
	if other == nil {
		p.waiting[id] = c
	} else {
		delete(p.waiting, id)
	}
	p.mu.Unlock()
	if other == nil {
		return
	}
	go relay(ctx, c, other)
	relay(ctx, other, c)
}

// relay passes on what one end sends, and its end.
func relay(ctx context.Context, from, to transport.Conn) {
	defer to.Close()
	for {
		msg, err := from.Receive(ctx)
		if err != nil || to.Send(ctx, msg) != nil {
			return
		}
	}
}

// data makes a data channel and sends back what arrives over it.
func data(ctx context.Context, exchange transport.Conn, make func(context.Context, rtc.Exchange, rtc.Config) (transport.Conn, error), hold bool) {
	c, err := make(ctx, exchange, rtc.Config{})
	if err != nil {
		fmt.Fprintln(os.Stderr, "peer:", err)
		exchange.Close()
		return
	}
	defer c.Close()
	defer exchange.Close()
	if hold {
		<-ctx.Done()
		return
	}
	for {
		msg, err := c.Receive(ctx)
		if err != nil || c.Send(ctx, msg) != nil {
			return
		}
	}
}
