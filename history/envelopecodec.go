package history

import (
	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/object"
)

// The number of items of each list of the format.
const (
	envelopeItems = 10
	inlineItems   = 4 // field "", action, refs, body
	plainItems    = 3 // field, action, refs
	payloadItems  = 5 // field, action, refs, part, size
)

// Encode returns the canonical bytes. *Error when the envelope breaks a rule.
func (e *Envelope) Encode() ([]byte, error) {
	return e.appendTo(make([]byte, 0, e.estimate()))
}

// estimate is a length that the encoding rarely exceeds.
func (e *Envelope) estimate() int {
	n := 104 + 41*len(e.Parents) + 34*len(e.Parts)
	for i := range e.Ops {
		op := &e.Ops[i]
		n += 16 + len(op.Field) + len(op.Action) + 45*len(op.Refs) + len(op.Body)
	}
	return n
}

// appendTo appends the canonical bytes to dst.
func (e *Envelope) appendTo(dst []byte) ([]byte, error) {
	if err := e.check(); err != nil {
		return nil, err
	}
	w := object.Writer{Buf: dst}
	w.List(envelopeItems)
	w.Int(int64(e.Version))
	var key [identity.KeySize]byte
	w.Bytes(e.Author.Append(key[:0]))
	w.Int(int64(e.Seq))
	if e.Prev.IsZero() {
		w.Null()
	} else {
		w.Link(e.Prev)
	}
	w.List(len(e.Parents))
	for _, p := range e.Parents {
		w.Link(p)
	}
	writeGrant(&w, e.Grant)
	w.Int(int64(e.Epoch))
	w.Int(e.Time)
	w.List(len(e.Ops))
	for i := range e.Ops {
		writeOp(&w, &e.Ops[i])
	}
	w.List(len(e.Parts))
	for i := range e.Parts {
		w.Bytes(e.Parts[i][:])
	}
	if err := w.Err(); err != nil {
		return nil, wrap(RuleForm, "cannot be encoded", err)
	}
	return w.Buf, checkBlock(e, w.Buf[len(dst):])
}

// checkBlock holds the whole block to the limits of envelopes, and of objects where inline bodies could pass them.
func checkBlock(e *Envelope, block []byte) error {
	if len(block) > MaxEnvelope {
		return brokenf(RuleSize, "%d bytes, at most %d", len(block), MaxEnvelope)
	}
	for i := range e.Ops {
		if e.Ops[i].Field == "" {
			if err := object.Check(block); err != nil {
				return wrap(RuleOps, "an inline body is not a canonical value", err)
			}
			break
		}
	}
	return nil
}

func writeGrant(w *object.Writer, g GrantRef) {
	switch {
	case !g.Op.IsZero():
		writeRef(w, g.Op)
	case g.Index == NoGrant:
		w.Null()
	default:
		w.Int(int64(g.Index))
	}
}

// writeRef writes [commit, index], or the index alone for an earlier op of the same commit.
func writeRef(w *object.Writer, r OpRef) {
	if r.IsZero() {
		w.Int(int64(r.Index))
		return
	}
	w.List(2)
	w.Link(r.Commit)
	w.Int(int64(r.Index))
}

func writeOp(w *object.Writer, op *Op) {
	items := payloadItems
	switch {
	case op.Field == "":
		items = inlineItems
	case op.Part == NoPart:
		items = plainItems
	}
	w.List(items)
	w.String(op.Field)
	w.String(op.Action)
	w.List(len(op.Refs))
	for _, r := range op.Refs {
		writeRef(w, r)
	}
	switch items {
	case inlineItems:
		w.Raw(op.Body)
	case payloadItems:
		w.Int(int64(op.Part))
		w.Int(int64(op.Size))
	}
}
