//go:build !js

package hhs

import (
	"net/http"

	"github.com/hyperhyperspace/hhs-go/transport/ws"
)

// PeerHandler returns a handler that accepts peers over WebSocket, from any
// origin: every right is proven inside. Mount it where WithEndpoints says. It
// works until the node is closed.
func (n *Node) PeerHandler() (http.Handler, error) {
	m, err := n.net.open()
	if err != nil {
		return nil, err
	}
	if m == nil {
		return nil, ErrOffline
	}
	h := ws.NewHandler(ws.Config{})
	n.mu.Lock()
	n.closers = append(n.closers, h)
	n.mu.Unlock()
	go func() {
		if err := m.Serve(n.net.ctx, h); err != nil && n.net.ctx.Err() == nil {
			n.opts.log.Warn("peer endpoint ended", "error", err)
		}
	}()
	return h, nil
}
