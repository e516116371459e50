package signalling

import (
	"errors"
	"fmt"
)

// Code is the stable word for what a server refuses, on the wire and in
// ServerError. Codes are wire constants; a client treats an unknown one as
// refused.
type Code string

// The codes in use. Those marked (closes) end the connection.
const (
	CodeMalformed Code = "malformed" // (closes) not a message of this protocol, or not one a client sends
	CodeProof     Code = "proof"     // (closes) the signature does not prove the key for this server, nonce, topic and expiry
	CodeName      Code = "name"      // the name the client dialled is not one this server knows as its own (--public-url)
	CodeExpiry    Code = "expiry"    // the expiry asked for has passed or is over an hour away
	CodeTopics    Code = "topics"    // too many topics on this connection
	CodeFull      Code = "full"      // the topic or the server holds as many listeners as it may
	CodeUnknown   Code = "unknown"   // send: no such topic here, or no such handle on it
	CodeBusy      Code = "busy"      // send: the other end does not take messages fast enough; this one is dropped
	CodeReplaced  Code = "replaced"  // the same key listens on the topic over another connection, which takes its place
	CodeExpired   Code = "expired"   // the listening was not renewed in time and has ended
	CodeIdle      Code = "idle"      // (closes) nothing listened to for too long
	CodeLeaving   Code = "leaving"   // (closes) the server is shutting down
)

// ServerError is a refusal by the server.
type ServerError struct {
	Code Code
	Text string // for people, from the server: not to be trusted
}

// Error gives the code and the server's words.
func (e *ServerError) Error() string {
	return fmt.Sprintf("signalling: server refuses (%s): %q", string(e.Code), e.Text)
}

var (
	// ErrClosed says that the client was closed by its owner.
	ErrClosed = errors.New("signalling: client closed")
	// ErrSilent says that the server has not been heard for too long.
	ErrSilent = errors.New("signalling: server is silent")
	// ErrTooLarge says that a body exceeds MaxBody.
	ErrTooLarge = errors.New("signalling: body larger than 16,256 bytes")
	// ErrNotListening says that Send or Unlisten names a topic this client
	// does not listen on.
	ErrNotListening = errors.New("signalling: not listening on this topic")
	// ErrVersion says that the server speaks another version of the protocol.
	ErrVersion = errors.New("signalling: server speaks another version")
)
