package history

import (
	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/object"
)

// OpRef names one op: the commit that holds it and its index there. In the refs of an op a zero
// Commit means the commit that holds the op itself, and Index is then one of its earlier ops.
type OpRef struct {
	Commit object.ID
	Index  uint32
}

// Compare orders by the commit's id, then by index.
func (r OpRef) Compare(o OpRef) int {
	if c := r.Commit.Compare(o.Commit); c != 0 {
		return c
	}
	switch {
	case r.Index < o.Index:
		return -1
	case r.Index > o.Index:
		return 1
	}
	return 0
}

// IsZero reports whether the reference names nothing.
func (r OpRef) IsZero() bool { return r.Commit.IsZero() }

// NoPart is the Part of an op whose payload is in no part: an authority op, which carries its Body in
// the envelope, or an op without a payload.
const NoPart = -1

// Op is one mutation as the envelope describes it.
//
//   - Field "" is an authority op: Part is NoPart and Body is its canonical DAG-CBOR value, which is
//     kept in the envelope and can never be erased. Size is its length.
//   - Any other field is a replicated value. With Part >= 0 the payload is in that part: the first op
//     that names a part has the part's first payload, the next one the second, and so on. Size is the
//     payload's length in bytes, at least 1. With Part NoPart there is no payload, Size is 0.
//
// Refs are the ops this one names, in an order that belongs to the action; each is an edge.
type Op struct {
	Field  string
	Action string
	Refs   []OpRef
	Part   int
	Size   int
	Body   []byte
}

// GrantRef is the grant a commit exercises: NoGrant for the first commit of a space, an index into the
// manifest's grants (0 is the grant to anyone of an open space), or, with Op set, the op that gave it.
type GrantRef struct {
	Index int
	Op    OpRef
}

// NoGrant is the Index of a space's first commit.
const NoGrant = -1

// Envelope is the head of a commit: everything but its payloads. It is kept for ever and alone decides
// the commit's id, its edges and its verdict. See docs/spec/history.md for its bytes.
type Envelope struct {
	Version int                // Version
	Author  identity.PublicKey // the device key
	Seq     uint64             // 1, 2, 3 ... along the author's chain
	Prev    object.ID          // the author's commit Seq-1, zero when Seq is 1
	Parents []object.ID        // ascending by bytes, each once, at most MaxParents, never Prev
	Grant   GrantRef
	Epoch   uint64 // key epoch of the payloads; 0: in the clear
	Time    int64  // wall clock of the author in ms since 1970; advisory, orders nothing
	Ops     []Op
	Parts   [][32]byte // SHA-256 of each encoded part
}
