package hhs

import (
	"context"
	"crypto/rand"
	"syscall/js"
	"time"

	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/identity/webkey"
	"github.com/hyperhyperspace/hhs-go/internal/pace"
	"github.com/hyperhyperspace/hhs-go/store/idb"
	"github.com/hyperhyperspace/hhs-go/transport"
	"github.com/hyperhyperspace/hhs-go/transport/rtc"
	"github.com/hyperhyperspace/hhs-go/transport/ws"
)

// engine is what a browser's store can do besides: nothing.
type engine = any

// afterRestore is for directories: nothing restores a browser's data.
func (n *Node) afterRestore(context.Context, string) error { return nil }

var platformPace = pace.Point

func platformVerifier() identity.Verifier { return webkey.NewVerifier(context.Background()) }

// openEngine fills in what the options leave open, for a page: IndexedDB,
// non-extractable WebCrypto keys, the browser's WebSocket and the page's
// RTCPeerConnection.
func (n *Node) openEngine(ctx context.Context, dir string, o *options) error {
	if o.store == nil {
		db, err := idb.Open(ctx, dir, idb.Options{OnLost: o.lost})
		if err != nil {
			return err
		}
		n.closers = append(n.closers, db)
		o.store = db
	}
	if o.device == nil {
		d, err := n.openKeys(ctx, dir, o)
		if err != nil {
			return err
		}
		o.device = &d
	}
	if o.dialers == nil {
		d := &ws.Dialer{}
		o.dialers = map[string]transport.Dialer{"ws": d, "wss": d}
	}
	if o.rtc == nil && js.Global().Get("hhsRTC").Truthy() {
		o.rtc = &RTC{
			Dial: func(ctx context.Context, x Exchange) (transport.Conn, error) {
				return rtc.Dial(ctx, x, n.net.rtcConfig(o))
			},
			Answer: func(ctx context.Context, x Exchange) (transport.Conn, error) {
				return rtc.Answer(ctx, x, n.net.rtcConfig(o))
			},
		}
	}
	return nil
}

func (n *Node) openKeys(ctx context.Context, dir string, o *options) (identity.Device, error) {
	if dir == "" {
		n.fresh = true
		_, d, err := identity.NewDevice(ctx, rand.Reader, o.label, time.Now().UnixMilli())
		return d, err
	}
	keys, made, err := webkey.Open(ctx, dir+"-keys", o.label, time.Now().UnixMilli())
	n.fresh = made
	n.renew = func(ctx context.Context) (identity.Device, error) {
		fresh, err := webkey.Renew(ctx, dir+"-keys", time.Now().UnixMilli())
		return fresh.Device(), err
	}
	return keys.Device(), err
}
