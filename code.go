package hhs

import (
	"context"
	"errors"
	"strings"

	"github.com/hyperhyperspace/hhs-go/authority"
	"github.com/hyperhyperspace/hhs-go/blob"
	"github.com/hyperhyperspace/hhs-go/crdt"
	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/schema"
	"github.com/hyperhyperspace/hhs-go/store"
	"github.com/hyperhyperspace/hhs-go/store/idb"
	"github.com/hyperhyperspace/hhs-go/words"
)

// Code is the stable name of an error: the same text in Go, in TypeScript
// (err.code) and on the command line. "internal" is a defect of hhs, "" no
// error.
func Code(err error) string {
	if err == nil {
		return ""
	}
	if as[*FileError](err) { // whatever is wrong with what is in it
		return "file"
	}
	for _, c := range sentinels {
		if errors.Is(err, c.err) {
			return c.code
		}
	}
	switch {
	case as[*schema.Violation](err):
		return "schema"
	case as[*object.ValueError](err):
		return "value"
	case as[*blob.Malformed](err):
		return "blob"
	case as[*LinkError](err):
		return "bad_link"
	case as[*words.Error](err):
		return "bad_words"
	case as[*Reject](err), as[*authority.Refused](err):
		return "refused"
	case as[*crdt.AlreadySet](err):
		return "already_set"
	case as[*crdt.Overflow](err):
		return "overflow"
	case as[*FoldError](err):
		return "fold"
	case as[*crdt.Ignored](err):
		return "schema"
	case as[*crdt.PathError](err), as[*crdt.RangeError](err), as[*crdt.CursorError](err), as[*EditError](err):
		return "invalid"
	case as[*authority.ManifestError](err), as[*schema.Error](err), as[*kindError](err), as[*OpError](err):
		return "invalid"
	}
	return "internal"
}

var sentinels = []struct {
	err  error
	code string
}{
	{ErrPending, "not_ready"}, {ErrOldSchema, "old_schema"}, {ErrSchema, "invalid"}, {ErrUnknownSpace, "not_found"}, {ErrNotFound, "not_found"}, {crdt.ErrNoRecord, "not_found"}, {ErrForked, "forked"}, {ErrBusy, "busy"},
	{ErrClosed, "closed"}, {store.ErrClosed, "closed"},
	{ErrLocked, "locked"}, {ErrFull, "full"}, {ErrNewer, "newer"}, {store.ErrCorrupt, "corrupt"}, {store.ErrReadOnly, "read_only"},
	{ErrKind, "kind_mismatch"}, {ErrOffline, "offline"}, {context.Canceled, "aborted"}, {context.DeadlineExceeded, "aborted"},
	{identity.ErrSignature, "signature"}, {ErrName, "invalid"}, {ErrUndo, "invalid"}, {ErrPast, "read_only"}, {ErrUnbound, "invalid"}, {ErrOtherSpace, "invalid"}, {ErrTxEnded, "closed"}, {ErrTooLarge, "too_large"},
	{ErrValueSize, "too_large"}, {ErrNoField, "invalid"}, {ErrQuery, "invalid"}, {ErrStale, "stale"},
	{idb.ErrUnavailable, "unsupported"},
}

func as[T error](err error) bool {
	var t T
	return errors.As(err, &t)
}

// Path is the part of a value that an error blames, such as "lines[0].text" or
// in a map ["milk"].title, "" when it blames none.
func Path(err error) string {
	var p *crdt.PathError
	if errors.As(err, &p) {
		return strings.TrimPrefix(p.Path, ".")
	}
	var in *crdt.InnerError
	if errors.As(err, &in) {
		return join(strings.TrimPrefix(in.Path, "."), Path(in.Err))
	}
	var v *schema.Violation
	if errors.As(err, &v) {
		return v.Path
	}
	var o *object.ValueError
	if errors.As(err, &o) {
		return o.Path
	}
	var m *authority.ManifestError
	if errors.As(err, &m) {
		return m.Path
	}
	return ""
}
