//go:build !js

package hhs_test

import (
	"context"
	"testing"
	"time"

	hhs "github.com/hyperhyperspace/hhs-go"
	"github.com/hyperhyperspace/hhs-go/mesh/meshtest"
	"github.com/hyperhyperspace/hhs-go/signalling"
)

// TestNoWords: a space whose peers leave its three words out is found by nobody who has only these, beside one that is.
func TestNoWords(t *testing.T) {
	server := must(signalling.NewServer(signalling.ServerOptions{}))(t)
	defer server.Close()
	at := "ws://" + listen(t, server)
	rtc := meshtest.New(1).RTC()
	open := func(opts ...hhs.Option) *hhs.Node {
		n := must(hhs.Open(within(t), "", append(opts, hhs.InMemory(), hhs.Kinds(Notebook), hhs.WithRTC(rtc), hhs.WithServers(at))...))(t)
		t.Cleanup(func() { ok(t, n.Close()) })
		return n
	}
	ana, ben := open(), open(hhs.WithLimits(hhs.Limits{LookupTime: time.Second}))
	quiet := must(hhs.Create(within(t), ana, Notebook, hhs.WithPeers(hhs.Peers{NoWords: true})))(t)
	loud := must(hhs.Create(within(t), ana, Notebook))(t)
	find := func(ctx context.Context, s *hhs.Space[Notes]) int { return len(must(ben.Lookup(ctx, s.Words()))(t)) }
	for ctx := within(t); find(ctx, loud) == 0; { // it is announced once it has reached the server, and fails when ctx ends
	}
	if n := find(within(t), quiet); n != 0 {
		t.Errorf("%d spaces are found by words that nobody announces", n)
	}
	// The link leads there all the same.
	must(hhs.Join(within(t), ben, Notebook, quiet.Link().String()))(t)
}
