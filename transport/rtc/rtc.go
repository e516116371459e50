package rtc

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hyperhyperspace/hhs-go/transport"
)

// Exchange carries the messages with which two peers agree on a connection, in
// order, at most 15 KiB each. Dial and Answer use it from one goroutine for
// Send and one for Receive, and no longer once they have returned. Receive
// must end when its ctx does.
type Exchange interface {
	Send(ctx context.Context, msg []byte) error
	Receive(ctx context.Context) ([]byte, error)
}

// Config adjusts a connection. The zero value works between peers on one
// network.
type Config struct {
	// STUN lists servers that tell a peer behind a router its address, as
	// "stun:host:port".
	STUN []string
	// Timeout bounds Dial and Answer; 0: DefaultTimeout.
	Timeout time.Duration
	// Gather bounds how long the description waits for candidates; 0:
	// DefaultGather.
	Gather time.Duration
	// Remote is what Info.Remote says; "" becomes "rtc".
	Remote string
}

func (c Config) withDefaults() Config {
	if c.Timeout <= 0 {
		c.Timeout = DefaultTimeout
	}
	if c.Gather <= 0 {
		c.Gather = DefaultGather
	}
	if c.Remote == "" {
		c.Remote = "rtc"
	}
	return c
}

var (
	// ErrUnavailable says that there is no WebRTC here.
	ErrUnavailable = errors.New("rtc: WebRTC is not available here")
	// ErrNoPath says that the peers agreed but no connection came about in time:
	// most likely routers or firewalls in between let nothing through.
	ErrNoPath = errors.New("rtc: no path to the peer")
)

// ExchangeError reports a message of the exchange that is not one, or not one
// that may come now.
type ExchangeError struct{ Reason string }

// Error says what is wrong.
func (e *ExchangeError) Error() string { return "rtc: bad message from the peer: " + e.Reason }

// Dial makes a connection to the peer at the other end of x, which calls
// Answer. It leaves nothing behind when it fails.
func Dial(ctx context.Context, x Exchange, cfg Config) (transport.Conn, error) {
	return connect(ctx, x, cfg.withDefaults(), true)
}

// Answer makes a connection to the peer at the other end of x, which calls
// Dial. It leaves nothing behind when it fails.
func Answer(ctx context.Context, x Exchange, cfg Config) (transport.Conn, error) {
	return connect(ctx, x, cfg.withDefaults(), false)
}

func connect(ctx context.Context, x Exchange, cfg Config, initiator bool) (transport.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, cfg.Timeout)
	defer cancel()
	e, err := newEngine(cfg)
	if err != nil {
		return nil, err
	}
	n := &negotiation{engine: e, exchange: x, cfg: cfg, initiator: initiator}
	binding, err := n.run(ctx)
	if err != nil {
		e.abort()
		role := "answer"
		if initiator {
			role = "dial"
		}
		return nil, fmt.Errorf("%s rtc connection: %w", role, err)
	}
	return e.conn(transport.Info{Kind: "rtc", Remote: cfg.Remote, Initiator: initiator, Binding: binding}), nil
}
