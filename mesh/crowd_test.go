package mesh_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/mesh"
	"github.com/hyperhyperspace/hhs-go/mesh/meshtest"
	"github.com/hyperhyperspace/hhs-go/transport"
)

// from is a connection that says it comes from an address.
type from struct {
	transport.Conn
	remote string
}

func (c from) Info() transport.Info {
	i := c.Conn.Info()
	i.Remote = c.remote
	return i
}

// door lets a node be dialled at url, from an address.
func door(net *meshtest.Network, n *node, url, remote string) string {
	net.Open(url, func(c transport.Conn) { n.mesh.Accept(from{c, remote}) })
	return url
}

// Handshakes that are begun and not gone on with do not keep an honest device
// out, whether they come from its address, from one other, or from many.
func TestHalfHandshakesGiveWay(t *testing.T) {
	for name, attacker := range map[string]func(i int) string{
		"one address":    func(int) string { return "203.0.113.9:1" },
		"many addresses": func(i int) string { return fmt.Sprintf("198.51.%d.9:1", i%200) },
		"the same":       func(int) string { return "192.0.2.1:1" },
		"none":           func(int) string { return "" },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				net, l := meshtest.New(21), newLedger()
				net.Delay(20 * time.Millisecond)
				a, b := start(t, net, device(t, "a"), l), start(t, net, device(t, "b"), l)
				defer closeAll(a, b)
				ma := a.join(mesh.Group{Space: space("s")})
				remote := "192.0.2.1:1"
				if name == "none" {
					remote = ""
				}
				door(net, a, "ws://a", remote)
				stop := make(chan struct{})
				defer close(stop)
				go func() { // 33 a second: 33 bytes, then silence
					for i := 0; ; i++ {
						door(net, a, "ws://attacked", attacker(i))
						if c, err := net.Dialers()["ws"].Dial(t.Context(), "ws://attacked"); err == nil {
							_ = c.Send(t.Context(), make([]byte, 33))
						}
						select {
						case <-time.After(30 * time.Millisecond):
						case <-stop:
							return
						}
					}
				}()
				time.Sleep(12 * time.Second)
				b.join(mesh.Group{Space: space("s"), Endpoints: []string{"ws://a"}})
				until(t, 2*time.Second, "an honest peer", func() bool { return peers(ma) == 1 })
			})
		})
	}
}

// Sybils that are first in a space and then quiet do not keep a newcomer out:
// not from one address group, not from many, not without any address. Whoever is
// of use stays, and so does who the application knows.
func TestQuietPeersMakeRoom(t *testing.T) {
	for name, remote := range map[string]func(i int) string{
		"one host":    func(i int) string { return fmt.Sprintf("203.0.113.9:%d", 1000+i) },
		"many groups": func(i int) string { return fmt.Sprintf("198.51.%d.9:1", i) },
		"none":        func(int) string { return "" },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				net, l := meshtest.New(22), newLedger()
				a, friend := start(t, net, device(t, "a"), l), start(t, net, device(t, "friend"), l)
				known, b := start(t, net, device(t, "known"), l), start(t, net, device(t, "b"), l)
				all := []*node{a, friend, known, b}
				a.every, known.every = 0, 0
				ma := a.join(mesh.Group{Space: space("s"), Known: func(d identity.PublicKey) bool { return d == known.key() }})
				friend.join(mesh.Group{Space: space("s"), Endpoints: []string{door(net, a, "ws://a/1", "192.0.2.1:1")}})
				time.Sleep(time.Second)
				known.join(mesh.Group{Space: space("s"), Endpoints: []string{door(net, a, "ws://a/2", "192.0.2.2:1")}})
				for i := range 40 {
					n := start(t, net, device(t, fmt.Sprint("sybil", i)), l)
					n.every = 0
					n.join(mesh.Group{Space: space("s"), Endpoints: []string{door(net, a, fmt.Sprint("ws://a/sybil", i), remote(i))}})
					all = append(all, n)
				}
				defer closeAll(all...)
				time.Sleep(30 * time.Second)
				if n := peers(ma); n < 18 || n > mesh.DefaultIn {
					t.Errorf("%d peers", n)
				}
				has := func(n *node) bool {
					return slices.ContainsFunc(ma.Peers(), func(p mesh.PeerInfo) bool { return p.Device == n.key() })
				}
				if !has(friend) || !has(known) {
					t.Errorf("the useful one %v, the known one %v", has(friend), has(known))
				}
				b.join(mesh.Group{Space: space("s"), Endpoints: []string{door(net, a, "ws://a/3", "192.0.2.3:1")}})
				until(t, 10*time.Second, "a newcomer", func() bool { return has(b) })
				time.Sleep(2 * time.Minute)
				if !has(b) || !has(friend) || !has(known) {
					t.Errorf("later: the newcomer %v, the useful one %v, the known one %v", has(b), has(friend), has(known))
				}
				if c := a.mesh.Counters(); c.Violations+c.Penalised != 0 {
					t.Errorf("%+v", c)
				}
			})
		})
	}
}
