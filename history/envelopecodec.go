package history

import (
	"math"

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

// DecodeEnvelope reads canonical bytes and nothing else: what it accepts, Encode gives back byte by
// byte. Bodies alias raw. *Error otherwise.
func DecodeEnvelope(raw []byte) (*Envelope, error) {
	if len(raw) > MaxEnvelope {
		return nil, brokenf(RuleSize, "%d bytes, at most %d", len(raw), MaxEnvelope)
	}
	e := new(Envelope)
	d := envelopeReader{r: object.NewReader(raw)}
	d.envelope(e)
	if d.err == nil {
		if err := d.r.End(); err != nil {
			d.bad(RuleForm, "is not the canonical list", err)
		}
	}
	if d.err != nil {
		return nil, d.err
	}
	if err := e.check(); err != nil {
		return nil, err
	}
	return e, checkBlock(e, raw)
}

// envelopeReader reads the pieces; the first error sticks.
type envelopeReader struct {
	r   *object.Reader
	err error
}

func (d *envelopeReader) bad(rule, detail string, cause error) {
	if d.err == nil {
		d.err = wrap(rule, detail, cause)
	}
}

func (d *envelopeReader) envelope(e *Envelope) {
	if n, err := d.r.List(); err != nil || n < 1 {
		d.bad(RuleForm, "is not a list", err)
		return
	} else if version := d.uint(RuleVersion); d.err == nil && version != Version {
		d.bad(RuleVersion, "version "+utoa(version)+" is not known here", nil)
	} else if d.err == nil && n != envelopeItems {
		d.bad(RuleForm, "a list of "+itoa(n)+", not of "+itoa(envelopeItems), nil)
	}
	if d.err != nil {
		return
	}
	e.Version = Version
	e.Author = d.author()
	e.Seq = d.uint(RuleSeq)
	if d.r.Kind() == object.KindNull {
		d.r.Null()
	} else {
		e.Prev = d.link(RuleSeq)
	}
	if n := d.list(RuleParents, MaxParents); n > 0 {
		e.Parents = make([]object.ID, n)
		for i := range e.Parents {
			e.Parents[i] = d.link(RuleParents)
		}
	}
	e.Grant = d.grant()
	e.Epoch = d.uint(RuleEpoch)
	t, err := d.r.Int()
	if err != nil {
		d.bad(RuleTime, "not a time in milliseconds", err)
	}
	e.Time = t
	if n := d.list(RuleOps, MaxOps); n > 0 {
		e.Ops = make([]Op, n)
		for i := 0; i < n && d.err == nil; i++ {
			d.op(&e.Ops[i])
		}
	}
	if n := d.list(RuleParts, MaxParts); n > 0 {
		e.Parts = make([][32]byte, n)
		for i := range e.Parts {
			d.digest(&e.Parts[i])
		}
	}
}

func (d *envelopeReader) author() identity.PublicKey {
	b, err := d.r.Bytes()
	if err != nil {
		d.bad(RuleAuthor, "not bytes", err)
		return identity.PublicKey{}
	}
	k, err := identity.PublicKeyFromBytes(b)
	if err != nil {
		d.bad(RuleAuthor, "not a key of ours", err)
	}
	return k
}

func (d *envelopeReader) digest(to *[32]byte) {
	b, err := d.r.Bytes()
	if err != nil || len(b) != len(to) {
		d.bad(RuleParts, "a digest does not have 32 bytes", err)
		return
	}
	copy(to[:], b)
}

func (d *envelopeReader) uint(rule string) uint64 {
	v, err := d.r.Int()
	if err != nil || v < 0 {
		d.bad(rule, "not a number from 0 on", err)
		return 0
	}
	return uint64(v)
}

// small reads a number from 0 to limit.
func (d *envelopeReader) small(rule string, limit int) int {
	v := d.uint(rule)
	if v > uint64(limit) {
		d.bad(rule, utoa(v)+" is over "+itoa(limit), nil)
		return 0
	}
	return int(v)
}

func (d *envelopeReader) link(rule string) object.ID {
	id, err := d.r.Link()
	if err != nil {
		d.bad(rule, "not a link", err)
	}
	return id
}

func (d *envelopeReader) list(rule string, limit int) int {
	n, err := d.r.List()
	if err != nil {
		d.bad(rule, "not a list", err)
		return 0
	}
	if n > limit {
		d.bad(rule, itoa(n)+" of at most "+itoa(limit), nil)
		return 0
	}
	return n
}

func (d *envelopeReader) grant() GrantRef {
	switch d.r.Kind() {
	case object.KindNull:
		d.r.Null()
		return GrantRef{Index: NoGrant}
	case object.KindList:
		return GrantRef{Op: d.ref(RuleGrant)}
	}
	return GrantRef{Index: d.small(RuleGrant, maxGrants-1)}
}

// opRef reads one of an op's refs: an index alone names an earlier op of the same commit.
func (d *envelopeReader) opRef() OpRef {
	if d.err == nil && d.r.Kind() == object.KindInt {
		return OpRef{Index: uint32(d.small(RuleRefs, MaxOps-1))}
	}
	return d.ref(RuleRefs)
}

func (d *envelopeReader) ref(rule string) OpRef {
	if n := d.list(rule, 2); d.err == nil && n != 2 {
		d.bad(rule, "an op is named by commit and index", nil)
	}
	if d.err != nil {
		return OpRef{}
	}
	id := d.link(rule)
	return OpRef{id, uint32(d.small(rule, MaxOps-1))}
}

func (d *envelopeReader) op(op *Op) {
	items := d.list(RuleOps, payloadItems)
	if d.err == nil && items < plainItems {
		d.bad(RuleOps, "an op is a list of 3, 4 or 5", nil)
	}
	if d.err != nil {
		return
	}
	op.Field, op.Action = d.name(), d.name()
	if n := d.list(RuleRefs, MaxRefs); n > 0 {
		op.Refs = make([]OpRef, n)
		for i := 0; i < n && d.err == nil; i++ {
			op.Refs[i] = d.opRef()
		}
	}
	if d.err != nil {
		return
	}
	op.Part = NoPart
	if (op.Field == "") != (items == inlineItems) {
		d.bad(RuleOps, "an inline body and field \"\" go together", nil)
		return
	}
	switch items {
	case inlineItems:
		body, err := d.r.Raw()
		if err != nil {
			d.bad(RuleOps, "an inline body is not a canonical value", err)
		}
		op.Body, op.Size = body, len(body)
	case payloadItems:
		op.Part = d.small(RuleParts, MaxParts-1)
		op.Size = d.small(RuleParts, MaxPayload)
	}
}

func (d *envelopeReader) name() string {
	b, err := d.r.StringBytes()
	if err != nil {
		d.bad(RuleOps, "a name is not text", err)
		return ""
	}
	if len(b) > MaxField {
		d.bad(RuleOps, "a name is over "+itoa(MaxField)+" bytes", nil)
		return ""
	}
	return string(b)
}

// maxInt is the largest number the object format has.
const maxInt = uint64(math.MaxInt64)
