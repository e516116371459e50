package mesh

import (
	"errors"
	"fmt"

	"github.com/hyperhyperspace/hhs-go/identity"
)

// Reason says why a stream or a channel ended. Reasons are wire constants; one
// that is not known is kept as a number. Those from ReasonSession on belong to
// the protocol inside the streams.
type Reason uint16

// The reasons of this package.
const (
	ReasonDone       Reason = iota // finished, nothing wrong
	ReasonRefused                  // unknown space, or not for this peer: one answer for both
	ReasonFull                     // a member, but no slot is free
	ReasonDuplicate                // another stream of this space to this device is in use
	ReasonSuperseded               // a newer stream or channel took its place
	ReasonIdle                     // a channel nobody used
	ReasonLeft                     // the space was left here
	ReasonShutdown                 // the node ends
	ReasonViolation                // the other side broke the protocol
	ReasonCancelled                // given up in the middle of a message
	ReasonDead                     // nothing was heard for too long; never on the wire
	ReasonLost                     // the transport ended; never on the wire
	ReasonBusy                     // a limit of the node is reached
	ReasonHave                     // introduction not needed: already connected
	ReasonGlare                    // introduction given up for the one in the other direction
	ReasonDisplaced                // made room for another peer; nothing was wrong

	// ReasonSession is the first reason free for the protocol inside streams.
	ReasonSession Reason = 64
)

var reasonNames = [...]string{
	"done", "refused", "full", "duplicate", "superseded", "idle", "left", "shutdown",
	"violation", "cancelled", "dead", "lost", "busy", "have", "glare", "displaced",
}

// String returns the reason's stable word.
func (r Reason) String() string {
	if int(r) < len(reasonNames) {
		return reasonNames[r]
	}
	return fmt.Sprintf("reason-%d", uint16(r))
}

// Sentinels for what callers branch on.
var (
	// ErrClosed matches every *ClosedError: a stream, a channel or the mesh is over.
	ErrClosed = errors.New("mesh: closed")
	// ErrTampered says that a message was changed, lost, repeated or reordered
	// under way, or that the two ends do not share the same transport binding.
	ErrTampered = errors.New("mesh: authentication of a message failed")
	// ErrSelf says that the other end is this very device.
	ErrSelf = errors.New("mesh: connected to itself")
	// ErrTwin says that the other end proved this very device and is another
	// program, as one on a copy of this node's data. It is ErrSelf, too.
	ErrTwin = fmt.Errorf("%w, in another program", ErrSelf)
	// ErrRefused says that the peer does not serve this space to us.
	ErrRefused = errors.New("mesh: the peer did not open the space")
	// ErrPenalised says that the peer misbehaved before and its wait is not over.
	ErrPenalised = errors.New("mesh: the peer is refused for a while after misbehaving")
	// ErrBusy says that a limit on connections is reached.
	ErrBusy = errors.New("mesh: too many connections")
	// ErrTooLarge says that a message exceeds MaxMessage. Nothing was sent.
	ErrTooLarge = errors.New("mesh: message larger than 4 MiB")
	// ErrJoined says that this space is already joined in this mesh.
	ErrJoined = errors.New("mesh: the space is already joined")
	// ErrNoDialer says that no dialer is configured for a URL's scheme.
	ErrNoDialer = errors.New("mesh: no dialer for this kind of URL")
	// ErrNoRTC says that introductions need a WebRTC implementation, and none is configured.
	ErrNoRTC = errors.New("mesh: no WebRTC available")
	// ErrExpired says that an introduction or a handshake took too long.
	ErrExpired = errors.New("mesh: took too long")
)

// ClosedError says why a stream or channel is over.
type ClosedError struct {
	Reason Reason
	Text   string // the other side's words; not to be trusted
	Remote bool   // the other side ended it
	Cause  error  // may be nil
}

// Error names the reason and who gave it.
func (e *ClosedError) Error() string {
	s := "mesh: closed here: " + e.Reason.String()
	if e.Remote {
		s = "mesh: closed by the peer: " + e.Reason.String()
	}
	if e.Text != "" {
		s += fmt.Sprintf(" (%q)", e.Text)
	}
	if e.Cause != nil {
		s += ": " + e.Cause.Error()
	}
	return s
}

// Unwrap gives the cause.
func (e *ClosedError) Unwrap() error { return e.Cause }

// Is makes it an ErrClosed.
func (e *ClosedError) Is(target error) bool { return target == ErrClosed }

// HandshakeError says where a handshake failed. Nothing of it is evidence
// against a device: anyone between the two ends can cause it.
type HandshakeError struct {
	Step string // what was being done
	Err  error
}

// Error names the step and the cause.
func (e *HandshakeError) Error() string { return "mesh: handshake: " + e.Step + ": " + e.Err.Error() }

// Unwrap gives the cause.
func (e *HandshakeError) Unwrap() error { return e.Err }

// VersionError says that the other end speaks another version of the protocol.
type VersionError struct{ Theirs int }

// Error names the version.
func (e *VersionError) Error() string {
	return fmt.Sprintf("mesh: the peer speaks version %d of the protocol, this is version %d: update the older one", e.Theirs, Version)
}

// ProtocolError says what an authenticated peer did wrong.
type ProtocolError struct {
	Peer identity.PublicKey // its device
	Rule string             // the rule it broke
}

// Error names the rule and the peer.
func (e *ProtocolError) Error() string {
	if e.Peer.IsZero() {
		return "mesh: protocol violation: " + e.Rule
	}
	return "mesh: protocol violation by device …" + e.Peer.Short() + ": " + e.Rule
}
