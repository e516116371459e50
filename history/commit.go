package history

import (
	"cmp"
	"errors"
	"slices"

	"github.com/hyperhyperspace/hhs-go/internal/order"
	"github.com/hyperhyperspace/hhs-go/object"
)

// Commit is an envelope with its id and as many of its parts as are loaded. A commit that came from a
// constructor of this package is well formed: its id is that of Raw, Raw is the canonical form of Env,
// and every part present has the digest Env names. It is read only.
type Commit struct {
	ID     object.ID
	Env    *Envelope
	Raw    []byte   // canonical bytes of Env
	Parts  [][]byte // encoded parts, as many as Env.Parts; nil: not loaded
	Height uint64   // 1 + the highest of its edges; computed by a replica, never sent; 0: not computed
}

// NewCommit encodes an envelope and joins it with its encoded parts (nil for those not at hand; parts
// may be nil altogether). env and parts belong to the commit afterwards. *Error when it breaks a rule.
func NewCommit(env *Envelope, parts [][]byte) (*Commit, error) {
	raw, err := env.Encode()
	if err != nil {
		return nil, err
	}
	return join(env, raw, parts)
}

// DecodeCommit is NewCommit for an envelope in its canonical bytes.
func DecodeCommit(raw []byte, parts [][]byte) (*Commit, error) {
	env, err := DecodeEnvelope(raw)
	if err != nil {
		return nil, err
	}
	return join(env, raw, parts)
}

func join(env *Envelope, raw []byte, parts [][]byte) (*Commit, error) {
	c := &Commit{ID: object.Sum(object.DagCBOR, raw), Env: env, Raw: raw, Parts: parts}
	if len(parts) == 0 && len(env.Parts) > 0 {
		c.Parts = make([][]byte, len(env.Parts))
		return c, nil
	}
	if len(parts) != len(env.Parts) {
		return nil, &Error{Rule: RuleDigest, Detail: itoa(len(parts)) + " parts for " + itoa(len(env.Parts)), Commit: c.ID}
	}
	size := len(raw)
	for i, p := range parts {
		if p != nil && (len(p) > MaxPart || PartDigest(p) != env.Parts[i]) {
			return nil, &Error{Rule: RuleDigest, Detail: "part " + itoa(i) + " is not the one the envelope names", Commit: c.ID}
		}
		size += len(p)
	}
	if size > MaxCommit {
		return nil, &Error{Rule: RuleSize, Detail: "over " + itoa(MaxCommit) + " bytes with its parts", Commit: c.ID}
	}
	return c, nil
}

// Edges returns every commit this one has directly in its past, each once: prev, parents, the commits
// of the ops it names, and that of the grant it exercises.
func (c *Commit) Edges() []object.ID { return c.Env.Edges() }

// Edges returns every commit the envelope's has directly in its past, each once; see Commit.Edges.
func (e *Envelope) Edges() []object.ID {
	edges := make([]object.ID, 0, 1+len(e.Parents))
	if !e.Prev.IsZero() {
		edges = append(edges, e.Prev)
	}
	edges = append(edges, e.Parents...)
	known := len(edges)
	for i := range e.Ops {
		for _, r := range e.Ops[i].Refs {
			if n := len(edges); !r.IsZero() && (n == 0 || edges[n-1] != r.Commit) {
				edges = append(edges, r.Commit)
			}
		}
	}
	if !e.Grant.Op.IsZero() {
		edges = append(edges, e.Grant.Op.Commit)
	}
	if len(edges) > known {
		order.By(edges, object.ID.Compare)
		edges = slices.Compact(edges)
	}
	return edges
}

// ErrNoPart says that the part with a payload is not loaded.
var ErrNoPart = errors.New("history: the part with the payload is not loaded")

// Payloads returns the payload of every op: nil where it has none, Body for authority ops. The slices
// alias the parts. With parts that are not loaded the error is ErrNoPart, with one that is malformed or
// does not hold exactly the payloads its ops describe an *Error; the payloads of the other parts are
// there all the same.
func (c *Commit) Payloads() ([][]byte, error) {
	out := make([][]byte, len(c.Env.Ops))
	parts := make([][][]byte, len(c.Parts))
	var failed error
	for i, raw := range c.Parts {
		p, err := c.part(i, raw)
		if err != nil {
			failed = cmp.Or(failed, err)
			continue
		}
		parts[i] = p.Payloads
	}
	for i := range c.Env.Ops {
		op := &c.Env.Ops[i]
		switch {
		case op.Field == "":
			out[i] = op.Body
		case op.Part >= 0 && len(parts[op.Part]) > 0:
			out[i], parts[op.Part] = parts[op.Part][0], parts[op.Part][1:]
		}
	}
	return out, failed
}

// part decodes part i and holds it to its ops' sizes.
func (c *Commit) part(i int, raw []byte) (*Part, error) {
	if raw == nil {
		return nil, ErrNoPart
	}
	p, err := DecodePart(raw)
	if err == nil && !p.fits(c.Env, i) {
		err = broken(RulePart, "part "+itoa(i)+" does not hold the payloads its ops describe")
	}
	if e := (*Error)(nil); errors.As(err, &e) {
		e.Commit = c.ID
	}
	return p, err
}

// fits reports whether the part holds exactly the payloads that the envelope's ops describe for part i.
func (p *Part) fits(e *Envelope, i int) bool {
	n := 0
	for j := range e.Ops {
		if e.Ops[j].Part != i {
			continue
		}
		if n == len(p.Payloads) || len(p.Payloads[n]) != e.Ops[j].Size {
			return false
		}
		n++
	}
	return n == len(p.Payloads)
}

// Attached returns the ids of the objects that the loaded, well-formed parts attach.
func (c *Commit) Attached() []object.ID {
	var ids []object.ID
	for i, raw := range c.Parts {
		if p, err := c.part(i, raw); err == nil {
			ids = append(ids, p.Attached...)
		}
	}
	return ids
}
