package crdt

import (
	"fmt"

	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/store"
)

// Ignored is why an op takes no part in its value: its shape is wrong for the type, or its value breaks the schema.
type Ignored struct {
	Reason string // for people, at most [MaxReason] bytes
	Err    error  // the schema.Violation or object.DecodeError behind it, if any; not stored
}

func (e *Ignored) Error() string { return "crdt: op is ignored: " + e.Reason }

// Unwrap returns the error behind the reason.
func (e *Ignored) Unwrap() error { return e.Err }

// Unknown is a Flip of an op that was never applied to the field: an error of the caller.
type Unknown struct{ Ref history.OpRef }

func (e *Unknown) Error() string {
	return fmt.Sprintf("crdt: op %d of commit %s was never applied to this field", e.Ref.Index, e.Ref.Commit)
}

// CursorError is a cursor of a list or text that none can have made.
type CursorError struct{}

func (*CursorError) Error() string {
	return "not a cursor; take one that was made for this list or text"
}

// Corrupt is state that no Apply or Flip can have written. Rebuilding the field's state from its ops repairs it.
type Corrupt struct {
	Key    []byte
	Reason string
}

func (e *Corrupt) Error() string {
	return fmt.Sprintf("crdt: state at key %x: %s; rebuild the field from its ops", e.Key, e.Reason)
}

// Is makes errors.Is(err, store.ErrCorrupt) true.
func (e *Corrupt) Is(target error) bool { return target == store.ErrCorrupt }

func ignored(reason string, err error) *Ignored {
	if err != nil {
		reason += ": " + err.Error()
	}
	return &Ignored{Reason: clip(reason, MaxReason), Err: err}
}

// clip cuts s to at most n bytes without splitting a character.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && s[n]&0xc0 == 0x80 {
		n--
	}
	return s[:n]
}
