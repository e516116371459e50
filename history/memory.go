package history

import (
	"slices"

	"github.com/hyperhyperspace/hhs-go/object"
)

// memory hands out what commits are made of, many pieces from one allocation: who decodes a batch or
// reads a history makes few of them. Commits from one memory share it.
type memory struct {
	both     slab[both]
	ops      slab[Op]
	refs     slab[OpRef]
	ids      slab[object.ID]
	sums     slab[[32]byte]
	blocks   slab[[]byte]
	contents slab[content]

	reader object.Reader
	names  [namesKept]string // read lately, so that equal ones share their bytes
	at     int               // the next of names to give up
}

// both is a commit and its envelope, allocated together.
type both struct {
	commit   Commit
	envelope Envelope
}

// slabItems is how many pieces are allocated at once when many are wanted, namesKept how many names of
// fields and actions are remembered: a kind has few of each.
const (
	slabItems = 64
	namesKept = 4
)

// slab hands out slices of T. It allocates more at once the more is taken, so that a single commit costs
// what it needs.
type slab[T any] struct {
	free []T
	next int
}

func (s *slab[T]) take(n int) []T {
	if n > len(s.free) {
		s.free = make([]T, max(n, s.next))
		s.next = min(2*len(s.free), slabItems)
	}
	out := s.free[:n:n]
	s.free = s.free[n:]
	return out
}

// name is string(b), the same one for equal names in a row.
func (m *memory) name(b []byte) string {
	for _, s := range m.names {
		if s == string(b) {
			return s
		}
	}
	s := string(b)
	m.names[m.at], m.at = s, (m.at+1)%namesKept
	return s
}

// edges lists the edges of an envelope; see Commit.Edges.
func (m *memory) edges(e *Envelope) []object.ID {
	if !e.Grant.Op.IsZero() || slices.ContainsFunc(e.Ops, func(op Op) bool { return len(op.Refs) > 0 }) {
		return e.Edges()
	}
	if e.Prev.IsZero() {
		return e.Parents
	}
	edges := m.ids.take(1 + len(e.Parents))
	edges[0] = e.Prev
	copy(edges[1:], e.Parents)
	return edges
}

// Decoder reads many commits from their canonical bytes into memory that they share. The zero value is
// ready. It is not safe for concurrent use.
type Decoder struct{ memory memory }

// Decode is DecodeCommit.
func (d *Decoder) Decode(raw []byte, parts [][]byte) (*Commit, error) {
	pair := &d.memory.both.take(1)[0]
	if err := d.memory.envelope(&pair.envelope, raw); err != nil {
		return nil, err
	}
	if err := d.memory.join(&pair.commit, &pair.envelope, raw, parts); err != nil {
		return nil, err
	}
	return &pair.commit, nil
}
