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
// and every part present has the digest Env names. It is read only, and only constructors make one.
type Commit struct {
	ID     object.ID
	Env    *Envelope
	Raw    []byte   // canonical bytes of Env
	Parts  [][]byte // encoded parts, as many as Env.Parts; nil: not loaded
	Height uint64   // 1 + the highest of its edges; computed by a replica, never sent; 0: not computed

	edges    []object.ID
	contents []content // of Parts
}

// content is what a loaded part says, or why it says nothing.
type content struct {
	Part
	err error
}

// NewCommit encodes an envelope and joins it with its encoded parts (nil for those not at hand; parts
// may be nil altogether). env and parts belong to the commit afterwards. *Error when it breaks a rule.
func NewCommit(env *Envelope, parts [][]byte) (*Commit, error) {
	raw, err := env.Encode()
	if err != nil {
		return nil, err
	}
	c := new(Commit)
	if err := new(memory).join(c, env, raw, parts); err != nil {
		return nil, err
	}
	return c, nil
}

// DecodeCommit is NewCommit for an envelope in its canonical bytes.
func DecodeCommit(raw []byte, parts [][]byte) (*Commit, error) {
	return new(Decoder).Decode(raw, parts)
}

// join makes c, which is empty, the commit of an envelope that was checked and raw, its bytes.
func (m *memory) join(c *Commit, env *Envelope, raw []byte, parts [][]byte) error {
	*c = Commit{ID: object.Sum(object.DagCBOR, raw), Env: env, Raw: raw, edges: m.edges(env)}
	n := len(env.Parts)
	if len(parts) != n && len(parts) != 0 {
		return &Error{Rule: RuleDigest, Detail: itoa(len(parts)) + " parts for " + itoa(n), Commit: c.ID}
	}
	c.Parts, c.contents = m.blocks.take(n), m.contents.take(n)
	size := len(raw)
	for i, p := range parts {
		if p == nil {
			continue
		}
		if err := m.load(c, i, p); err != nil {
			return err
		}
		size += len(p)
	}
	if size > MaxCommit {
		return &Error{Rule: RuleSize, Detail: "over " + itoa(MaxCommit) + " bytes with its parts", Commit: c.ID}
	}
	return nil
}

// load adds part i.
func (m *memory) load(c *Commit, i int, part []byte) error {
	if len(part) > MaxPart || PartDigest(part) != c.Env.Parts[i] {
		return &Error{Rule: RuleDigest, Detail: "part " + itoa(i) + " is not the one the envelope names", Commit: c.ID}
	}
	c.Parts[i] = part
	m.open(c, i)
	return nil
}

// open reads what part i says. One that cannot be read says nothing, and that is no fault of the commit.
func (m *memory) open(c *Commit, i int) {
	said := &c.contents[i]
	if said.Part, said.err = m.part(c.Parts[i], c.Env.payloads(i)); said.err == nil && !said.fits(c.Env, i) {
		said.err = broken(RulePart, "part "+itoa(i)+" does not hold the payloads its ops describe")
	}
	if e := (*Error)(nil); errors.As(said.err, &e) {
		said.Part, e.Commit = Part{}, c.ID
	}
}

// payloads is how many ops have theirs in part i.
func (e *Envelope) payloads(i int) int {
	n := 0
	for j := range e.Ops {
		if e.Ops[j].Part == i {
			n++
		}
	}
	return n
}

// said is what part i says, or ErrNoPart, or an *Error.
func (c *Commit) said(i int) (*Part, error) {
	if c.Parts[i] == nil {
		return nil, ErrNoPart
	}
	return &c.contents[i].Part, c.contents[i].err
}

// Edges returns every commit this one has directly in its past, each once: prev, parents, the commits
// of the ops it names, and that of the grant it exercises. The list is the commit's own.
func (c *Commit) Edges() []object.ID { return c.edges }

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
// alias the parts and may be shared. With parts that are not loaded the error is ErrNoPart, with one that
// is malformed or does not hold exactly the payloads its ops describe an *Error; the payloads of the other
// parts are there all the same.
func (c *Commit) Payloads() ([][]byte, error) {
	if len(c.Env.Ops) == 1 && c.Env.Ops[0].Part == 0 && len(c.Parts) == 1 {
		if p, err := c.said(0); err == nil {
			return p.Payloads, nil
		}
	}
	out := make([][]byte, len(c.Env.Ops))
	parts := make([][][]byte, len(c.Parts))
	var failed error
	for i := range c.Parts {
		p, err := c.said(i)
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
	for i := range c.Parts {
		if p, err := c.said(i); err == nil {
			ids = append(ids, p.Attached...)
		}
	}
	return ids
}
