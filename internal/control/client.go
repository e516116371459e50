package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"time"
)

// ErrNoOwner says that no process answers for the directory now: there is none,
// it is just starting, or just leaving. Nothing was asked.
var ErrNoOwner = errors.New("no process answers for the directory")

// ErrCut says that the process ended while it worked on the call, which may or
// may not have been done.
var ErrCut = errors.New("the process that has the directory open ended before it answered")

// Conn is a call that was greeted and not made yet.
type Conn struct {
	Owner Owner
	conn  net.Conn
}

// Connect reaches the process that has dir open, or says ErrNoOwner.
func Connect(ctx context.Context, dir string) (*Conn, error) {
	n, err := readNote(dir)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoOwner, err)
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", n.Socket)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoOwner, err)
	}
	c := &Conn{conn: conn}
	conn.SetDeadline(time.Now().Add(greetTime))
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	err = writeFrame(conn, hello{n.Token})
	if err == nil {
		err = readFrame(conn, 64<<10, &c.Owner)
	}
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("%w: %w", ErrNoOwner, err)
	}
	conn.SetDeadline(time.Time{})
	return c, nil
}

// Close gives up a call that was not made.
func (c *Conn) Close() error { return c.conn.Close() }

// Call makes the call and gives each result to recv. It returns the *Error of
// the other process, an error of recv, ctx's, or ErrCut.
func (c *Conn) Call(ctx context.Context, method string, args any, recv func(json.RawMessage) error) error {
	defer c.conn.Close()
	defer context.AfterFunc(ctx, func() { c.conn.Close() })()
	body, err := json.Marshal(args)
	if err != nil {
		return err
	}
	err = writeFrame(c.conn, request{Method: method, Args: body})
	for err == nil {
		var a answer
		if err = readFrame(c.conn, maxFrame+1<<10, &a); err != nil {
			break
		}
		if a.End {
			if a.Error != nil {
				return a.Error
			}
			return nil
		}
		if err := recv(a.Result); err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fmt.Errorf("%w: %w", ErrCut, err)
}
