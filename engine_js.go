package hhs

import (
	"context"
	"time"

	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/identity/webkey"
	"github.com/hyperhyperspace/hhs-go/internal/pace"
	"github.com/hyperhyperspace/hhs-go/store/idb"
	"github.com/hyperhyperspace/hhs-go/transport"
	"github.com/hyperhyperspace/hhs-go/transport/rtc"
	"github.com/hyperhyperspace/hhs-go/transport/ws"
)

var platformPace = pace.Point

func platformVerifier() identity.Verifier { return webkey.NewVerifier(context.Background()) }

// openEngine fills in what the options leave open, for a page: IndexedDB,
// non-extractable WebCrypto keys, the browser's WebSocket and the page's
// RTCPeerConnection.
func (n *Node) openEngine(ctx context.Context, dir string, o *options) error {
	if o.store == nil {
		db, err := idb.Open(ctx, dir, idb.Options{Log: o.log, Lost: o.lost})
		if err != nil {
			return err
		}
		n.closers = append(n.closers, db)
		o.store = db
	}
	if o.device == nil {
		d, err := openKeys(ctx, dir, o)
		if err != nil {
			return err
		}
		o.device = &d
	}
	if o.dialers == nil {
		d := &ws.Dialer{}
		o.dialers = map[string]transport.Dialer{"ws": d, "wss": d}
	}
	if o.rtc == nil && rtc.Available() {
		o.rtc = &RTC{
			Dial: func(ctx context.Context, x Exchange) (transport.Conn, error) {
				return rtc.Dial(ctx, x, rtc.Config{STUN: o.stun})
			},
			Answer: func(ctx context.Context, x Exchange) (transport.Conn, error) {
				return rtc.Answer(ctx, x, rtc.Config{STUN: o.stun})
			},
		}
	}
	return nil
}

func openKeys(ctx context.Context, dir string, o *options) (identity.Device, error) {
	if dir == "" {
		_, d, err := identity.NewDevice(ctx, cryptoRand, o.label, time.Now().UnixMilli())
		return d, err
	}
	keys, _, err := webkey.Open(ctx, dir+"-keys", o.label, time.Now().UnixMilli())
	return keys.Device(), err
}
