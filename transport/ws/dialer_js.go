//go:build js

package ws

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"syscall/js"
	"time"

	"github.com/hyperhyperspace/hhs-go/transport"
	"github.com/hyperhyperspace/hhs-go/transport/internal/inbox"
)

// Dialer opens WebSockets through the browser. The zero value is ready to use.
type Dialer struct{}

// Dial opens a connection to a ws or wss URL. Why a connection could not be
// made is something browsers keep to themselves.
func (d *Dialer) Dial(ctx context.Context, url string) (transport.Conn, error) {
	constructor := js.Global().Get("WebSocket")
	if constructor.Type() != js.TypeFunction {
		return nil, fmt.Errorf("dial %s: there is no WebSocket here", url)
	}
	socket, err := construct(constructor, url)
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", url, err)
	}
	c := &conn{
		socket: socket, info: transport.Info{Kind: "ws", Remote: url, Initiator: true},
		inbox: inbox.New(browserInbox), open: make(chan struct{}), over: make(chan struct{}),
	}
	c.attach()
	select {
	case <-c.open:
		return c, nil
	case <-c.over:
		return nil, fmt.Errorf("dial %s: %w", url, errors.Join(errNoConnection, c.err))
	case <-ctx.Done():
		c.Close()
		return nil, fmt.Errorf("dial %s: %w", url, ctx.Err())
	}
}

var errNoConnection = errors.New("no connection (the browser does not say why)")

// construct turns the exception of a bad or forbidden URL into an error.
func construct(constructor js.Value, url string) (socket js.Value, err error) {
	defer thrown(&err)
	socket = constructor.New(url)
	socket.Set("binaryType", "arraybuffer")
	return socket, nil
}

// thrown recovers a JavaScript exception, and nothing else.
func thrown(err *error) {
	switch p := recover().(type) {
	case nil:
	case js.Error:
		*err = p
	default:
		panic(p)
	}
}

// conn is a browser's WebSocket as a transport.Conn. The callbacks never wait.
type conn struct {
	socket js.Value
	info   transport.Info
	inbox  *inbox.Inbox
	funcs  map[string]js.Func

	open   chan struct{} // closed at the open event
	opened sync.Once
	over   chan struct{} // closed when the connection has ended
	ended  sync.Once
	err    error // why; read only after over is closed
}

func (c *conn) attach() {
	c.funcs = map[string]js.Func{
		"onopen": js.FuncOf(func(js.Value, []js.Value) any {
			c.opened.Do(func() { close(c.open) })
			return nil
		}),
		"onmessage": js.FuncOf(func(_ js.Value, args []js.Value) any {
			c.arrived(args[0].Get("data"))
			return nil
		}),
		"onclose": js.FuncOf(func(_ js.Value, args []js.Value) any {
			c.end(closeError(args[0].Get("code").Int(), args[0].Get("reason").String()))
			return nil
		}),
	}
	for name, f := range c.funcs {
		c.socket.Set(name, f)
	}
}

func closeError(code int, reason string) error {
	switch code {
	case 1000, 1001, 1005: // normal, going away, no status
		return transport.ErrClosed
	}
	return &transport.LostError{Kind: "ws", Cause: errors.New("close code " + strconv.Itoa(code) + " " + strconv.Quote(reason))}
}

// arrived keeps a message until it is received.
func (c *conn) arrived(data js.Value) {
	if data.Type() != js.TypeObject {
		c.end(&transport.LostError{Kind: "ws", Cause: errors.New("text message")})
		return
	}
	array := js.Global().Get("Uint8Array").New(data)
	n := array.Length()
	if n > transport.MaxMessage {
		c.end(&transport.LostError{Kind: "ws", Cause: transport.ErrTooLarge})
		return
	}
	msg := make([]byte, n)
	js.CopyBytesToGo(msg, array)
	if !c.inbox.TryPut(msg) {
		c.end(&transport.LostError{Kind: "ws", Cause: errors.New("more arrived than was received")})
	}
}

// end closes the socket and lets go of it; what has arrived can still be
// received. The browser itself sends what is queued and the goodbye.
func (c *conn) end(err error) {
	c.ended.Do(func() {
		c.err = err
		for name := range c.funcs {
			c.socket.Set(name, js.Null())
		}
		func() {
			var ignored error // closing a socket that is closed
			defer thrown(&ignored)
			c.socket.Call("close")
		}()
		for _, f := range c.funcs {
			f.Release()
		}
		c.inbox.End(err)
		close(c.over)
	})
}

// Send hands a message to the browser, and waits while it has too much queued.
func (c *conn) Send(ctx context.Context, msg []byte) (err error) {
	if len(msg) > transport.MaxMessage {
		return transport.ErrTooLarge
	}
	for {
		select {
		case <-c.over:
			return c.err
		default:
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if c.socket.Get("bufferedAmount").Int() <= sendBuffer {
			break
		}
		if err := c.pause(ctx); err != nil {
			return err
		}
	}
	array := js.Global().Get("Uint8Array").New(len(msg))
	js.CopyBytesToJS(array, msg)
	defer thrown(&err)
	c.socket.Call("send", array)
	return nil
}

// pause waits one polling interval.
func (c *conn) pause(ctx context.Context) error {
	timer := time.NewTimer(sendPoll)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-c.over:
		return c.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Receive takes from what has arrived.
func (c *conn) Receive(ctx context.Context) ([]byte, error) { return c.inbox.Receive(ctx) }

// Close ends the connection; the browser finishes it by itself.
func (c *conn) Close() error {
	c.inbox.Kill(transport.ErrClosed)
	c.end(transport.ErrClosed)
	return nil
}

// Info describes the connection.
func (c *conn) Info() transport.Info { return c.info }
