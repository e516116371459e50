package mesh_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

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
