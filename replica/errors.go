package replica

import (
	"errors"
	"fmt"

	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/object"
)

// Errors a caller branches on. All other refusals are *Reject.
var (
	// ErrMissing says that a commit's past is not here yet. The sender should
	// have sent it: a session answers with a fuller exchange, once.
	ErrMissing = errors.New("past of a commit is missing")
	// ErrUnknownSpace says that this node holds no copy of the space.
	ErrUnknownSpace = errors.New("no such space on this node")
	// ErrPending says that the space was joined but its first commit has not
	// arrived, so it can neither be read nor written.
	ErrPending = errors.New("space has not arrived yet")
	// ErrNotFound says that an object is not on this node or not in this space.
	ErrNotFound = errors.New("not found")
	// ErrClosed is returned by every call after Close or Leave.
	ErrClosed = errors.New("closed")
	// ErrTxEnded is returned by a transaction that is used after the function it
	// was given to.
	ErrTxEnded = errors.New("this transaction has ended; write inside the function given to update")
	// ErrStale says that commits have come since the version that UpdateOn is to
	// write on.
	ErrStale = errors.New("the space has changed since; read what became of it and write again")
	// ErrBusy says that too many Updates wait in the lane already.
	ErrBusy = errors.New("too many updates are waiting")
	// ErrForked says that this device key is in use elsewhere, as after copying a
	// directory or restoring an old backup, and that no fresh one could be made
	// (Config.Renew): it writes no more.
	ErrForked = errors.New("this device key was used in two places")
)

// Source says who handed a batch to the door.
type Source struct {
	// Device is the key of the peer, zero for this node itself.
	Device identity.PublicKey
	// Transport is the peer's connection kind ("ws", "rtc", "pipe"), "file" for
	// what was imported, or "".
	Transport string
}

// here tells that a batch was made on this node.
func (s Source) here() bool { return s.Device.IsZero() && s.Transport == "" }

// Reject is why the door refused a batch: which commit broke which rule, what
// the cause was, and who sent it. It unwraps to its cause.
type Reject struct {
	Space  object.ID
	Commit object.ID // zero when the fault is in the batch as a whole
	Rule   string    // stable code, such as "bad_signature" or "missing_past"
	Cause  error
	From   Source
}

func (r *Reject) Error() string {
	who := "made here"
	switch {
	case !r.From.Device.IsZero():
		who = "from peer " + r.From.Device.Short()
	case !r.From.here():
		who = "from a " + r.From.Transport
	}
	what := "batch"
	if !r.Commit.IsZero() {
		what = "commit " + r.Commit.String()
	}
	return fmt.Sprintf("refused %s in space %s (%s): rule %s: %v", what, r.Space.Short(), who, r.Rule, r.Cause)
}

func (r *Reject) Unwrap() error { return r.Cause }

// Rules a Reject can name besides those of package authority.
const (
	RuleMissingPast   = "missing_past"
	RuleUncovered     = "not_attested"
	RuleBadSignature  = "bad_signature"
	RuleWrongSpace    = "wrong_space"
	RuleMissingPart   = "missing_part"
	RuleMissingObject = "missing_object"
	RuleTooLarge      = "too_large"
	RuleMalformed     = "malformed"
)
