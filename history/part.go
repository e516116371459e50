package history

import (
	"crypto/sha256"

	"github.com/hyperhyperspace/hhs-go/object"
)

// Part is a block of payloads. Its digest is in the envelope; it may be absent, ciphertext or erased
// without touching any verdict. See docs/spec/history.md for its bytes.
type Part struct {
	Salt     [16]byte    // random, so that a digest betrays no guessable payload
	Payloads [][]byte    // in the order of the ops that name the part
	Attached []object.ID // objects that travel with the commit
}

// PartDigest is the digest of an encoded part.
func PartDigest(part []byte) [32]byte { return sha256.Sum256(part) }

// Encode returns the canonical bytes: the list [salt, [payload ...], [link ...]], payloads as byte
// strings. *Error when a limit is passed.
func (p *Part) Encode() ([]byte, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	size := 32 + 41*len(p.Attached)
	for _, b := range p.Payloads {
		size += 5 + len(b)
	}
	return p.appendTo(make([]byte, 0, size))
}

func (p *Part) appendTo(dst []byte) ([]byte, error) {
	w := object.Writer{Buf: dst}
	w.List(3)
	w.Bytes(p.Salt[:])
	w.List(len(p.Payloads))
	for _, b := range p.Payloads {
		w.Bytes(b)
	}
	w.List(len(p.Attached))
	for _, id := range p.Attached {
		w.Link(id)
	}
	if err := w.Err(); err != nil {
		return nil, wrap(RulePart, "cannot be encoded", err)
	}
	if n := len(w.Buf) - len(dst); n > MaxPart {
		return nil, brokenf(RulePart, "%d bytes, at most %d", n, MaxPart)
	}
	return w.Buf, nil
}

func (p *Part) check() error {
	switch {
	case len(p.Payloads) > MaxOps:
		return broken(RulePart, itoa(len(p.Payloads))+" payloads of at most "+itoa(MaxOps))
	case len(p.Attached) > MaxAttached:
		return broken(RulePart, itoa(len(p.Attached))+" attached objects of at most "+itoa(MaxAttached))
	}
	for _, b := range p.Payloads {
		if len(b) == 0 || len(b) > MaxPayload {
			return broken(RulePart, "a payload has 1 to "+itoa(MaxPayload)+" bytes")
		}
	}
	for i, id := range p.Attached {
		if id.IsZero() || i > 0 && p.Attached[i-1].Compare(id) >= 0 {
			return broken(RulePart, "attached objects are not ascending, or one of them twice")
		}
	}
	return nil
}

// DecodePart reads the canonical bytes of a part and nothing else. Payloads alias raw. *Error otherwise.
//
// A part that cannot be decoded does not change its commit's verdict, because another replica may not
// have loaded it: its ops are ignored by their values, and it attaches nothing.
func DecodePart(raw []byte) (*Part, error) {
	p, err := new(memory).part(raw, anyNumber)
	if err != nil {
		return nil, err
	}
	return &p, nil
}

// anyNumber of payloads is fine with memory.part.
const anyNumber = -1

// part decodes a part that has a given number of payloads.
func (m *memory) part(raw []byte, payloads int) (p Part, err error) {
	if len(raw) > MaxPart {
		return p, brokenf(RulePart, "%d bytes, at most %d", len(raw), MaxPart)
	}
	d := m.read(raw)
	if n := d.list(RulePart, 3); d.err == nil && n != 3 {
		d.bad(RulePart, "not a list of 3", nil)
	}
	if salt, err := d.r.Bytes(); err != nil || len(salt) != saltSize {
		d.bad(RulePart, "the salt does not have 16 bytes", err)
	} else {
		copy(p.Salt[:], salt)
	}
	n := d.list(RulePart, MaxOps)
	if payloads != anyNumber && n != payloads {
		d.bad(RulePart, itoa(n)+" payloads for "+itoa(payloads)+" ops", nil)
	}
	if d.err == nil && n > 0 {
		p.Payloads = m.blocks.take(n)
	}
	for i := range p.Payloads {
		b, err := d.r.Bytes()
		if err != nil {
			d.bad(RulePart, "a payload is not bytes", err)
		}
		p.Payloads[i] = b
	}
	if n := d.list(RulePart, MaxAttached); d.err == nil && n > 0 {
		p.Attached = m.ids.take(n)
	}
	for i := range p.Attached {
		p.Attached[i] = d.link(RulePart)
	}
	if err := d.r.End(); err != nil {
		d.bad(RulePart, "is not the canonical list", err)
	}
	if d.err != nil {
		return Part{}, d.err
	}
	return p, p.check()
}
