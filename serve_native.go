//go:build !js

package hhs

import (
	"errors"
	"net/http"

	"github.com/hyperhyperspace/hhs-go/signalling"
	"github.com/hyperhyperspace/hhs-go/transport/ws"
)

// PeerHandler returns a handler that accepts peers over WebSocket, from any
// origin: every right is proven inside. Mount it where WithEndpoints says. It
// works until the node is closed.
func (n *Node) PeerHandler() (http.Handler, error) {
	if m, err := n.net.open(); err != nil {
		return nil, err
	} else if m == nil {
		return nil, ErrOffline
	}
	h := ws.NewHandler(ws.Config{})
	n.mu.Lock()
	n.closers = append(n.closers, h)
	n.mu.Unlock()
	go func() {
		if err := n.Serve(n.net.ctx, h); err != nil && n.net.ctx.Err() == nil {
			n.opts.log.Warn("peer endpoint ended", "error", err)
		}
	}()
	return h, nil
}

// Handler returns all that others need to reach this node and to meet at it: a
// signalling server at /signal and PeerHandler at /peer. Mount it in any
// http.Server and name both URLs with WithServers and WithEndpoints. It works
// until the node is closed.
func (n *Node) Handler() (http.Handler, error) {
	signal, err := signalling.NewServer(signalling.ServerOptions{Log: n.opts.log})
	if err != nil {
		return nil, err
	}
	peer, err := n.PeerHandler()
	if err != nil {
		return nil, errors.Join(err, signal.Close())
	}
	n.mu.Lock()
	n.closers = append(n.closers, signal)
	n.mu.Unlock()
	mux := http.NewServeMux()
	mux.Handle("/signal", signal)
	mux.Handle("/peer", peer)
	return mux, nil
}
