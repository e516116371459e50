// Package transport carries messages between two processes: a WebSocket, a
// WebRTC data channel or a pipe in memory, all behind one small interface.
//
// Start with Pipe for a test, or with the packages transport/ws and
// transport/rtc for a network. Everything above (the mesh) sees only Conn.
//
// A Conn is a reliable, ordered stream of messages of 0 to MaxMessage bytes.
// It authenticates nobody and encrypts nothing that may be relied on: the
// mesh runs its own secure channel inside and binds it to Info.Binding. A
// Conn does not reconnect, does not fragment and does not watch for silence:
// a peer that went away without a word is found by the keep-alive of whoever
// uses the Conn.
package transport

import (
	"context"
	"errors"
	"fmt"
)

// Info describes a connection. It is the same for the whole life of a Conn.
type Info struct {
	// Kind names the transport: "ws", "rtc" or "pipe".
	Kind string
	// Remote is the other end as far as the transport knows it: a URL when
	// dialled, an address when accepted. It is for people and for limits per
	// address; it is never evidence of who is there.
	Remote string
	// Initiator says that this end dialled. Exactly one end of a connection is
	// the initiator.
	Initiator bool
	// Binding holds bytes both ends agree on if and only if nobody sits between
	// them at this layer: for rtc the SHA-256 DTLS fingerprints of both ends,
	// sorted; nil where the transport has nothing of the kind. It enters the
	// prologue of the secure channel, so that a signalling server that swaps
	// descriptions only causes a failed handshake.
	Binding []byte
}

// Conn is a connection that carries whole messages, in order, each once.
//
// At most one goroutine sends and one receives at a time; Close and Info may
// be called from anywhere. Messages that arrive before the first Receive are
// kept, up to a bound beyond which the other end is made to wait. (In a browser
// it cannot be: there the connection is lost at 4 MiB. Whoever uses a Conn has
// flow control of its own for what may wait long.)
type Conn interface {
	// Send queues one message. It waits while the connection is congested. msg
	// is not kept after Send returns. A message over MaxMessage is refused with
	// ErrTooLarge and changes nothing. A nil error means handed to the network,
	// not received. If ctx ends first, the message may or may not have been
	// sent and the Conn may be closed.
	Send(ctx context.Context, msg []byte) error
	// Receive returns the next message, which belongs to the caller. After an
	// orderly close by the other end it first returns what was sent before,
	// then ErrClosed. If ctx ends first, its error is returned, nothing is lost
	// and the Conn stays usable.
	Receive(ctx context.Context) ([]byte, error)
	// Close ends the connection and frees everything it held. It may take up to
	// CloseLinger to let what Send has accepted leave this machine. After it,
	// Send and Receive return ErrClosed, waiting ones included. Closing twice
	// does nothing.
	Close() error
	// Info describes the connection.
	Info() Info
}

// Proven tells a connection that the other end has proven who it is. One of
// transport/ws then no longer makes room when too many come from its address;
// others do not care.
func Proven(c Conn) {
	if p, ok := c.(interface{ Proven() }); ok {
		p.Proven()
	}
}

// Dialer opens connections to URLs of the schemes it knows. Dial honours ctx
// and leaves nothing behind when it fails.
type Dialer interface {
	Dial(ctx context.Context, url string) (Conn, error)
}

// Listener hands out connections others have opened. After Close, Accept
// returns ErrClosed and connections nobody accepted are closed; accepted ones
// live on.
type Listener interface {
	Accept(ctx context.Context) (Conn, error)
	Close() error
}

// DialerFunc makes a function a Dialer.
type DialerFunc func(ctx context.Context, url string) (Conn, error)

// Dial calls f.
func (f DialerFunc) Dial(ctx context.Context, url string) (Conn, error) { return f(ctx, url) }

var (
	// ErrClosed says that the connection is over, whoever ended it. Every error
	// of Send and Receive but ErrTooLarge and the context's own satisfies
	// errors.Is(err, ErrClosed).
	ErrClosed = errors.New("transport: connection closed")
	// ErrTooLarge says that a message exceeds MaxMessage. The connection is
	// unharmed when Send returns it.
	ErrTooLarge = errors.New("transport: message larger than 64 KiB")
)

// LostError is an ErrClosed with a cause: the connection broke, or the other
// end broke the transport's protocol, instead of closing in order.
type LostError struct {
	Kind  string // transport, as in Info.Kind
	Cause error  // never nil
}

// Error names the transport and the cause.
func (e *LostError) Error() string {
	return fmt.Sprintf("transport: %s connection lost: %v", e.Kind, e.Cause)
}

// Unwrap gives the cause.
func (e *LostError) Unwrap() error { return e.Cause }

// Is makes a lost connection a closed one.
func (e *LostError) Is(target error) bool { return target == ErrClosed }
