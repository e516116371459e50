package replica

import (
	"testing"

	"github.com/hyperhyperspace/hhs-go/authority"
	"github.com/hyperhyperspace/hhs-go/crdt"

	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/store"
)

// CutReadmission makes rebuilds work on short lists until the test ends.
func CutReadmission(t testing.TB, commits, size, tail int) {
	before := readmitCut
	readmitCut = readmitLimits{commits, size, tail}
	t.Cleanup(func() { readmitCut = before })
}

// CutPast leaves past versions so many bytes of memory until the test ends.
func CutPast(t testing.TB, bytes int) {
	before := maxPast
	maxPast = bytes
	t.Cleanup(func() { maxPast = before })
}

// Raw adds an op as a modified client would, which looks at nothing before.
func (tx *Tx) Raw(op history.Op) {
	tx.put(txOp{op: op, shown: true})
}

// Collectable tells that nothing keeps a collection of blobs from going on.
func (n *Node) Collectable() bool {
	free := n.blobs.mu.TryLock()
	if free {
		n.blobs.mu.Unlock()
	}
	return free
}

// Number is the local number of a commit.
func (s *Space) Number(t testing.TB, id object.ID) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, ok, err := s.lookup(id)
	if err != nil || !ok {
		t.Fatalf("number of commit %s: %v %v", id, ok, err)
	}
	return n
}

// HasBuilt tells whether a field was put together for what holds in the space now.
func (s *Space) HasBuilt(field string) bool {
	k := s.kind.Load()
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.fields[field] != nil
}

// UndosTogether has all undos of a batch told to the types at its end until the test ends.
func UndosTogether(t testing.TB) {
	before := undoAtOnce
	undoAtOnce = -1
	t.Cleanup(func() { undoAtOnce = before })
}

// CutParts has the door end transactions after so many bytes until the test ends.
func CutParts(t testing.TB, bytes int) {
	before := partSize
	partSize = bytes
	t.Cleanup(func() { partSize = before })
}

// RawValue is Raw with a value.
func (tx *Tx) RawValue(op history.Op, value []byte) {
	op.Size = len(value)
	tx.put(txOp{op: op, payload: value, shown: true})
}

// Leave leaves a past version so many bytes of memory.
func (p *Past) Leave(bytes int) { p.room.left = bytes }

// Allows judges an op by the fields of a manifest, as far as that alone decides.
func (s *Space) Allows(m *authority.Manifest, op *history.Op, value []byte) error {
	f, err := s.newKind(&authority.Founding{Manifest: m}).field(op.Field)
	if err != nil {
		return err
	}
	return f.typ.Check(f.shape.Schema, crdt.Op{Action: op.Action, Refs: op.Refs, Payload: value})
}

// FactsOf is what a value can be found by.
func FactsOf(value []byte) (typ string, links []object.ID, refs []object.Ref) {
	return typeOf(value), linksOf(value), refsOf(value)
}

// Facts counts those of the space.
func (s *Space) Facts(t testing.TB) (n int) {
	prefix := s.keys.field(factFieldNumber)
	err := s.node.view(func(r store.Reader) error {
		for _, err := range r.Scan(prefix, end(prefix), false) {
			if n++; err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// FollowFind is a watcher of a query who looks when again is called: it reads if the answer may be another one.
func (s *Space) FollowFind(t testing.TB, q Query, read func(v *View) error) (again func() (was bool)) {
	want, err := q.check()
	if err != nil {
		t.Fatal(err)
	}
	feed := s.follow(true)
	t.Cleanup(feed.Close)
	known, first := uint64(0), true
	return func() bool {
		was, err := s.findAgain(feed, &want, &known, first, read)
		if first = false; err != nil {
			t.Fatal(err)
		}
		return was
	}
}

// FindRead is what was read at most for a page of a query.
const FindRead = maxFindRead
