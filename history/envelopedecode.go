package history

import (
	"math"

	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/object"
)

// DecodeEnvelope reads canonical bytes and nothing else: what it accepts, Encode gives back byte by
// byte. Bodies alias raw. *Error otherwise.
func DecodeEnvelope(raw []byte) (*Envelope, error) {
	e := new(Envelope)
	if err := new(memory).envelope(e, raw); err != nil {
		return nil, err
	}
	return e, nil
}

// envelope is DecodeEnvelope into an empty one.
func (m *memory) envelope(e *Envelope, raw []byte) error {
	if len(raw) > MaxEnvelope {
		return brokenf(RuleSize, "%d bytes, at most %d", len(raw), MaxEnvelope)
	}
	d := m.read(raw)
	d.envelope(e)
	if d.err == nil {
		if err := d.r.End(); err != nil {
			d.bad(RuleForm, "is not the canonical list", err)
		}
	}
	if d.err != nil {
		return d.err
	}
	if err := e.check(); err != nil {
		return err
	}
	return checkBlock(e, raw)
}

// envelopeReader reads the pieces; the first error sticks.
type envelopeReader struct {
	r   *object.Reader
	m   *memory
	err error
}

func (m *memory) read(raw []byte) envelopeReader {
	m.reader.Reset(raw)
	return envelopeReader{r: &m.reader, m: m}
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
		e.Parents = d.m.ids.take(n)
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
		e.Ops = d.m.ops.take(n)
		for i := 0; i < n && d.err == nil; i++ {
			d.op(&e.Ops[i])
		}
	}
	if n := d.list(RuleParts, MaxParts); n > 0 {
		e.Parts = d.m.sums.take(n)
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
		op.Refs = d.m.refs.take(n)
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
	return d.m.name(b)
}

// maxInt is the largest number the object format has.
const maxInt = uint64(math.MaxInt64)
