//go:build !js

package mesh_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/hyperhyperspace/hhs-go/mesh"
	"github.com/hyperhyperspace/hhs-go/signalling"
	"github.com/hyperhyperspace/hhs-go/transport"
	"github.com/hyperhyperspace/hhs-go/transport/rtc"
	"github.com/hyperhyperspace/hhs-go/transport/ws"
)

// Three nodes over real sockets: two meet at a real signalling server and
// connect by WebRTC, the third dials one of them and finds the space by its words.
func TestOverRealNetwork(t *testing.T) {
	dialer, l := &ws.Dialer{}, newLedger()
	real := func(name string) *node {
		d := device(t, name)
		m, err := mesh.New(mesh.Config{
			Device:  d,
			Dialers: map[string]transport.Dialer{"ws": dialer},
			RTC: &mesh.RTC{
				Dial: func(ctx context.Context, x mesh.Exchange) (transport.Conn, error) {
					return rtc.Dial(ctx, x, rtc.Config{})
				},
				Answer: func(ctx context.Context, x mesh.Exchange) (transport.Conn, error) {
					return rtc.Answer(ctx, x, rtc.Config{})
				},
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		return &node{t: t, name: name, device: d, mesh: m, ledger: l, every: time.Millisecond}
	}
	a, b, c := real("a"), real("b"), real("c")
	defer closeAll(a, b, c)

	server, err := signalling.NewServer(signalling.ServerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	door := ws.NewHandler(ws.Config{Serve: func(conn transport.Conn, _ *http.Request) { b.mesh.Accept(conn) }})
	defer door.Close()
	mux := http.NewServeMux()
	mux.Handle("/signal", server)
	mux.Handle("/peer", door)
	web := httptest.NewServer(mux)
	defer web.Close()
	base := "ws" + strings.TrimPrefix(web.URL, "http")

	g := mesh.Group{
		Space: space("s"), Servers: []string{base + "/signal"},
		Announce: true, Words: 42, Candidate: func() []byte { return []byte("the record") },
	}
	ma, mb := a.join(g), b.join(g)
	wait(t, ma, func() bool { return peers(ma) == 1 && ma.Peers()[0].Transport == "rtc" })
	wait(t, mb, func() bool { return peers(mb) == 1 && mb.Peers()[0].Direct })
	for _, how := range [][2][]string{{{base + "/signal"}, nil}, {nil, {base + "/peer"}}} {
		found, err := c.mesh.Lookup(t.Context(), 42, how[0], how[1])
		if err != nil || len(found) != 1 || string(found[0].Record) != "the record" {
			t.Errorf("%v: %v, %v", how, found, err)
		}
	}
	mc := c.join(mesh.Group{Space: space("s"), Servers: g.Servers, Endpoints: []string{base + "/peer"}})
	wait(t, mc, func() bool { return peers(mc) == 2 })
	wait(t, ma, func() bool { return peers(ma) == 2 })
	server.Close()
	wait(t, ma, func() bool { return ma.Status().Servers == 0 })
	if peers(ma) != 2 {
		t.Error("the peers do not go on without the server")
	}
}

// wait waits for a condition of a group.
func wait(t *testing.T, mb *mesh.Membership, ok func() bool) {
	t.Helper()
	end := time.After(20 * time.Second)
	for {
		changed := mb.Changed()
		if ok() {
			return
		}
		select {
		case <-changed:
		case <-end:
			t.Fatalf("not in time: %+v, %+v", mb.Status(), mb.Peers())
		}
	}
}
