package syncer

import "strconv"

// Code says why a session was ended; it travels in the last message. Values are
// part of the protocol; one that is not known here is kept as it came.
type Code uint64

// The codes. Malformed, Unknown, Protocol, Rejected, Missing, Stalled and BadBlock say that the other
// side is at fault.
const (
	CodeDone      Code = 0 // an orderly end
	CodeVersion   Code = 1 // another protocol version
	CodeMalformed Code = 2 // bytes that are no message
	CodeUnknown   Code = 3 // a kind of message that does not exist
	CodeProtocol  Code = 4 // a message that may not come now
	CodeRejected  Code = 5 // a batch that the door refused
	CodeMissing   Code = 6 // commits whose past did not come, asked for twice
	CodeStalled   Code = 7 // nothing came of what was owed
	CodeLocal     Code = 8 // this side cannot go on: its store fails, or its node is closing
	CodeBadBlock  Code = 9 // a block of a blob with another hash than the one asked for
)

// String returns the stable name of the code.
func (c Code) String() string {
	names := [...]string{"done", "version", "malformed", "unknown_message", "protocol", "rejected", "missing_past", "stalled", "local", "bad_block"}
	if c < Code(len(names)) {
		return names[c]
	}
	return "code_" + strconv.FormatUint(uint64(c), 10)
}

// PeerFault reports whether the code blames whoever it is said to.
func (c Code) PeerFault() bool {
	return c >= CodeMalformed && c <= CodeStalled || c == CodeBadBlock
}

// CloseError is why a session ended. Where Remote is false and Code.PeerFault is
// true, the peer misbehaved and should not be met again soon.
type CloseError struct {
	Code   Code
	Remote bool   // the peer ended it
	Detail string // for people; not sent
	Cause  error
}

func (e *CloseError) Error() string {
	s := "syncer: session closed"
	if e.Remote {
		s += " by the peer"
	}
	s += ": " + e.Code.String()
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	if e.Cause != nil {
		s += ": " + e.Cause.Error()
	}
	return s
}

// Unwrap returns the cause: a *replica.Reject, a *MessageError, a store's error.
func (e *CloseError) Unwrap() error { return e.Cause }

// MessageError says what is wrong with the bytes of a message.
type MessageError struct {
	Code   Code
	Detail string
}

func (e *MessageError) Error() string { return "syncer: bad message: " + e.Detail }

func malformed(detail string) error { return &MessageError{CodeMalformed, detail} }
