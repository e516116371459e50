//go:build !js

package hhs_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	hhs "github.com/hyperhyperspace/hhs-go"
	"github.com/hyperhyperspace/hhs-go/mesh/meshtest"
	"github.com/hyperhyperspace/hhs-go/transport"
)

// parted are two halves of a network that can lose each other.
type parted struct {
	half  [2]*meshtest.Network
	doors map[string]func(transport.Conn)

	mu     sync.Mutex
	across *meshtest.Network // nil while nothing gets across
}

func newParted(seed uint64) *parted {
	p := &parted{half: [2]*meshtest.Network{meshtest.New(4 * seed), meshtest.New(4*seed + 1)}, doors: map[string]func(transport.Conn){}}
	for _, n := range p.half {
		n.Delay(lag)
	}
	return p
}

// join connects the halves, anew if they were before: no connection of then comes back.
func (p *parted) join(n *meshtest.Network) {
	n.Delay(lag)
	for url, accept := range p.doors {
		n.Open(url, accept)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.across = n
}

// part makes connections across silent, for ever, and new ones impossible until the halves are joined.
func (p *parted) part() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.across.Link.Pause()
	p.across = nil
}

// dialer is that of a node in one of the halves.
func (p *parted) dialer(mine int) transport.Dialer {
	return transport.DialerFunc(func(ctx context.Context, url string) (transport.Conn, error) {
		p.mu.Lock()
		via := p.across
		p.mu.Unlock()
		if halfOf(url) == mine {
			via = p.half[mine]
		}
		if via == nil {
			return nil, meshtest.ErrDown
		}
		return via.Dialers()["ws"].Dial(ctx, url)
	})
}

// The nodes can be dialled at ws://0, ws://1 and so on.
const parties = 8

func urlOf(i int) string { return fmt.Sprint("ws://", i) }

func halfOf(url string) int {
	i, err := strconv.Atoi(strings.TrimPrefix(url, "ws://"))
	if err != nil {
		panic(err) // this test makes all of them
	}
	return i * 2 / parties
}

const (
	// lag is the most a message takes: half of it on average, so that there and back is 100 milliseconds.
	lag = 100 * time.Millisecond
	// healWithin is R12: how long after a partition all are to have everything, in simulated time.
	healWithin = 5 * time.Second
)

// Eight peers, 100 milliseconds there and back, are apart for 30 seconds, four and four, and both halves write. Their
// connections do not survive it: in the end they dial again.
func TestPartition(t *testing.T) {
	const each, apart = 10, 30 * time.Second
	var worst time.Duration
	for seed := range uint64(5) {
		synctest.Test(t, func(t *testing.T) {
			net := newParted(seed)
			nodes := net.open(t)
			net.join(meshtest.New(4*seed + 2))
			spaces := inOneSpace(t, nodes)
			written := 0
			write := func() {
				for _, s := range spaces {
					for range each {
						write(t, s, fmt.Sprint(written))
						written++
						time.Sleep(lag / 10)
					}
				}
			}
			write()
			settle(t, spaces, written, time.Minute)

			net.part()
			begun := time.Now()
			write()
			time.Sleep(apart - time.Since(begun))
			for i, s := range spaces {
				if n := must(s.Root().Lines.Len())(t); n != written-parties*each/2 {
					t.Fatalf("seed %d: peer %d has %d of %d lines: the halves are not apart, or one is not together", seed, i, n, written)
				}
			}
			net.join(meshtest.New(4*seed + 3))
			took := settle(t, spaces, written, healWithin)
			t.Logf("seed %d: %v", seed, took)
			worst = max(worst, took)
		})
	}
	t.Logf("partitions healed within %.1f simulated seconds", worst.Seconds())
}

// open makes the nodes.
func (p *parted) open(t *testing.T) (nodes []*hhs.Node) {
	for i := range parties {
		url := urlOf(i)
		n := must(hhs.Open(t.Context(), "", hhs.InMemory(), hhs.Kinds(Notebook), hhs.WithDialer("ws", p.dialer(halfOf(url))),
			hhs.WithRTC(nil), hhs.WithEndpoints(url)))(t)
		t.Cleanup(func() { ok(t, n.Close()) })
		p.doors[url] = func(c transport.Conn) { _ = n.Accept(c) } // fails when the node is closed
		p.half[halfOf(url)].Open(url, p.doors[url])
		nodes = append(nodes, n)
	}
	return nodes
}

// inOneSpace makes a space that all nodes are in, with a link that names all that came before.
func inOneSpace(t *testing.T, nodes []*hhs.Node) []*hhs.Space[Notes] {
	first := must(hhs.Create(t.Context(), nodes[0], Notebook))(t)
	link, spaces := first.Link(), []*hhs.Space[Notes]{first}
	for i, n := range nodes[1:] {
		spaces = append(spaces, must(hhs.Join(t.Context(), n, Notebook, link.String()))(t))
		link.Endpoints = append(link.Endpoints, urlOf(i+1))
	}
	return spaces
}

// settle returns after how long all had all lines.
func settle(t *testing.T, spaces []*hhs.Space[Notes], lines int, limit time.Duration) time.Duration {
	begun := time.Now()
	for _, s := range spaces {
		for must(s.Root().Lines.Len())(t) != lines {
			if time.Since(begun) > limit {
				t.Fatalf("after %v a peer has %d of %d lines", limit, must(s.Root().Lines.Len())(t), lines)
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
	return time.Since(begun)
}
