//go:build !js

package ws

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"github.com/hyperhyperspace/hhs-go/transport"
	"github.com/hyperhyperspace/hhs-go/transport/internal/inbox"
)

// conn is a WebSocket as a transport.Conn.
type conn struct {
	ws    *websocket.Conn
	raw   io.Closer // the socket, to end a close that takes too long
	info  transport.Info
	inbox *inbox.Inbox

	closing atomic.Bool
	once    sync.Once
	done    chan struct{} // the reader has ended
	onFirst func()        // called at the first message; may be nil
	proven  func()        // called by Proven; may be nil
	onEnd   func()        // called when the connection is over; may be nil
}

func newConn(ws *websocket.Conn, raw io.Closer, info transport.Info, onFirst, onEnd func()) *conn {
	ws.SetReadLimit(transport.MaxMessage)
	c := &conn{ws: ws, raw: raw, info: info, inbox: inbox.New(inboxBytes), done: make(chan struct{}), onFirst: onFirst, onEnd: onEnd}
	go c.read()
	return c
}

// read moves messages from the socket to the inbox until the socket ends. It
// stops reading while the inbox is full: TCP makes the other end wait.
func (c *conn) read() {
	defer close(c.done)
	if c.onEnd != nil {
		defer c.onEnd()
	}
	for first := true; ; first = false {
		kind, msg, err := c.ws.Read(context.Background())
		if err == nil && kind != websocket.MessageBinary {
			err = errors.New("text message")
		}
		if err != nil {
			c.inbox.End(lost(err))
			c.raw.Close()
			return
		}
		if first && c.onFirst != nil {
			c.onFirst()
		}
		c.inbox.Put(msg) // refused only after Close: read on to the other's goodbye
	}
}

// lost tells an orderly end from a broken connection.
func lost(err error) error {
	switch websocket.CloseStatus(err) {
	case websocket.StatusNormalClosure, websocket.StatusGoingAway, websocket.StatusNoStatusRcvd:
		return transport.ErrClosed
	}
	return &transport.LostError{Kind: "ws", Cause: err}
}

// Send writes one frame; TCP makes it wait.
func (c *conn) Send(ctx context.Context, msg []byte) error {
	switch {
	case len(msg) > transport.MaxMessage:
		return transport.ErrTooLarge
	case c.closing.Load():
		return transport.ErrClosed
	}
	err := c.ws.Write(ctx, websocket.MessageBinary, msg)
	switch {
	case err == nil:
		return nil
	case c.closing.Load():
		return transport.ErrClosed
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return lost(err)
}

// Receive takes from the inbox.
func (c *conn) Receive(ctx context.Context) ([]byte, error) { return c.inbox.Receive(ctx) }

// Proven says that the other end has proven who it is; see transport.Proven.
func (c *conn) Proven() {
	if c.proven != nil {
		c.proven()
	}
}

// Info describes the connection.
func (c *conn) Info() transport.Info { return c.info }

// Close says goodbye, waits for the answer at most transport.CloseLinger and
// frees everything.
func (c *conn) Close() error { return c.close(websocket.StatusNormalClosure, "") }

func (c *conn) close(code websocket.StatusCode, reason string) error {
	c.once.Do(func() {
		c.closing.Store(true)
		c.inbox.Kill(transport.ErrClosed)
		force := time.AfterFunc(transport.CloseLinger, func() { c.raw.Close() })
		defer force.Stop()
		// How the goodbye went concerns nobody: the connection is over.
		_ = c.ws.Close(code, reason)
		c.raw.Close()
	})
	<-c.done
	return nil
}

func dialError(url string, err error) error {
	return fmt.Errorf("dial %s: %w", url, err)
}
