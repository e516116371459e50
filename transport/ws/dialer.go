//go:build !js

package ws

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"

	"github.com/coder/websocket"

	"github.com/hyperhyperspace/hhs-go/transport"
)

// Dialer opens WebSockets. The zero value is ready to use; its Dial honours the
// context for the whole opening handshake.
type Dialer struct {
	// TLS adjusts wss connections, for instance with a private certificate
	// authority; nil means the system's.
	TLS *tls.Config
	// NetDial opens the connections beneath, for those who go through something
	// of their own, such as a SOCKS proxy; nil means the system's.
	NetDial func(ctx context.Context, network, address string) (net.Conn, error)
}

// errRedirect is why a redirecting server is not followed.
var errRedirect = errors.New("the server redirects; give the URL it redirects to")

// Dial opens a connection to a ws or wss URL.
func (d *Dialer) Dial(ctx context.Context, url string) (transport.Conn, error) {
	pool := &http.Transport{
		Proxy:             http.ProxyFromEnvironment,
		TLSClientConfig:   d.TLS.Clone(),
		DisableKeepAlives: true,
		DialContext:       d.NetDial,
	}
	taken := &takeBody{base: pool}
	client := &http.Client{
		Transport:     taken,
		CheckRedirect: func(*http.Request, []*http.Request) error { return errRedirect },
	}
	ws, _, err := websocket.Dial(ctx, url, &websocket.DialOptions{HTTPClient: client, CompressionMode: websocket.CompressionDisabled})
	if err != nil {
		pool.CloseIdleConnections()
		return nil, dialError(url, err)
	}
	return newConn(ws, taken.body, transport.Info{Kind: "ws", Remote: url, Initiator: true}, nil, nil), nil
}

// takeBody remembers the response's body, which is the upgraded socket.
type takeBody struct {
	base http.RoundTripper
	body io.Closer
}

func (t *takeBody) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := t.base.RoundTrip(r)
	if err == nil {
		t.body = resp.Body
	}
	return resp, err
}
