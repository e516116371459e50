package replica

import (
	"encoding/binary"
	"fmt"

	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/store"
)

// A commit record is a byte of flags, the height as a uvarint, for a commit
// that is not on its author's first branch where that branch begins, and the
// canonical envelope. It belongs to the store and may change with its version.
const (
	flagAttested = 1
	flagBranch   = 2
)

func encodeCommitRecord(c *history.Commit, attested bool, branch *branch) []byte {
	b := make([]byte, 1, len(c.Raw)+21)
	if attested {
		b[0] = flagAttested
	}
	b = binary.AppendUvarint(b, c.Height)
	if branch.fork != nil {
		b[0] |= flagBranch
		b = binary.AppendUvarint(b, branch.first)
	}
	return append(b, c.Raw...)
}

type commitRecord struct {
	commit   *history.Commit // parts not loaded
	attested bool
	forked   bool        // it is not on its author's first branch
	branch   history.Num // where its branch begins, if forked
}

// readCommit loads a commit without its parts.
func (s *Space) readCommit(r store.Reader, n history.Num) (commitRecord, error) {
	v, err := r.Get(s.keys.commit(n))
	if err != nil {
		return commitRecord{}, err
	}
	return decodeCommitRecord(new(history.Decoder), v)
}

// decodeCommitRecord reads a commit into the memory of dec; the commit aliases v.
func decodeCommitRecord(dec *history.Decoder, v []byte) (commitRecord, error) {
	if len(v) < 2 {
		return commitRecord{}, store.ErrCorrupt
	}
	rec := commitRecord{attested: v[0]&flagAttested != 0, forked: v[0]&flagBranch != 0}
	rest := v[1:]
	height, size := binary.Uvarint(rest)
	if size <= 0 {
		return commitRecord{}, store.ErrCorrupt
	}
	rest = rest[size:]
	if rec.forked {
		if rec.branch, size = binary.Uvarint(rest); size <= 0 {
			return commitRecord{}, store.ErrCorrupt
		}
		rest = rest[size:]
	}
	c, err := dec.Decode(rest, nil)
	if err != nil {
		return commitRecord{}, fmt.Errorf("%w: %w", store.ErrCorrupt, err)
	}
	c.Height = height
	rec.commit = c
	return rec, nil
}

// commitAt reads a commit without its parts, in a snapshot of its own.
func (s *Space) commitAt(n history.Num) (rec commitRecord, err error) {
	err = s.node.view(func(r store.Reader) error {
		rec, err = s.readCommit(r, n)
		return err
	})
	return rec, err
}

// Commit returns a commit of the space without its parts, or ErrNotFound.
func (s *Space) Commit(id object.ID) (*history.Commit, error) {
	s.mu.Lock()
	n, ok, err := s.lookup(id)
	s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, fmt.Errorf("commit %s: %w", id, ErrNotFound)
	}
	rec, err := s.commitAt(n)
	if err == nil && rec.commit.ID != id {
		err = &Damage{Space: s.id, Commit: id, Num: n, What: "envelope", Cause: errOtherHash}
	}
	if err != nil {
		return nil, s.Damaged(err)
	}
	return rec.commit, nil
}

// Attested returns the space's first commit with its attestation, as a batch:
// what shows a stranger who created the space.
func (s *Space) Attested() (*history.Batch, error) {
	var b *history.Batch
	err := s.node.view(func(r store.Reader) error {
		p := packer{space: s, r: r, max: 1}
		read, err := p.window(history.Span{End: 1})
		if err == nil {
			err = p.add(read[0])
		}
		if err == nil {
			b, err = p.flush()
		}
		return err
	})
	return b, err
}
