package history

import (
	"crypto/sha256"
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
	for i, p := range c.Parts {
		n += len(p) + idCost*len(c.contents[i].Attached)
	}
	return n
}

// What the structures around the bytes take.
const (
	commitCost      = int(unsafe.Sizeof(both{})) + 8 + 2*idCost // and the edges to prev and the grant
	opCost          = int(unsafe.Sizeof(Op{})) + 24             // and its payload's slice
	refCost         = int(unsafe.Sizeof(OpRef{})) + idCost      // and its edge
	partCost        = 32 + 24 + int(unsafe.Sizeof(content{}))
	parentCost      = 2 * idCost // and its edge
	idCost          = int(unsafe.Sizeof(object.ID{}))
	objectCost      = 24 + 1 + 3*32 // its slice, and what finds it by hash
	attestationCost = int(unsafe.Sizeof(Attestation{})) + SignatureSize
)

func envelopeCost(e *Envelope) int {
	n := commitCost + parentCost*len(e.Parents) + opCost*len(e.Ops) + partCost*len(e.Parts)
	for i := range e.Ops {
		n += refCost * len(e.Ops[i].Refs)
	}
	return n
}

// Attached lists the objects of the batch under the ids that its commits attach them by, in the order in
// which they do.
func (b *Batch) Attached() []AttachedObject {
	if len(b.Objects) == 0 {
		return nil
	}
	blocks := digests(b.Objects)
	seen := make(map[object.ID]bool, len(b.Objects))
	var out []AttachedObject
	for _, c := range b.Commits {
		for _, id := range c.Attached() {
			if i, ok := blocks[id.Digest()]; ok && !seen[id] {
				seen[id] = true
				out = append(out, AttachedObject{id, b.Objects[i]})
			}
		}
	}
	return out
}

// digests finds blocks by their SHA-256.
func digests(blocks [][]byte) map[[32]byte]int {
	m := make(map[[32]byte]int, len(blocks))
	for i, b := range blocks {
		m[sha256.Sum256(b)] = i
	}
	return m
}
