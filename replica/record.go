package replica

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/store"
)

// A commit record is a byte of flags, the height as a uvarint, and the
// canonical envelope. It belongs to the store and may change with its version.
const flagAttested = 1

func encodeCommitRecord(c *history.Commit, attested bool) []byte {
	b := make([]byte, 1, len(c.Raw)+11)
	if attested {
		b[0] = flagAttested
	}
	b = binary.AppendUvarint(b, c.Height)
	return append(b, c.Raw...)
}

type commitRecord struct {
	commit   *history.Commit // parts not loaded
	attested bool
}

// readCommit loads a commit without its parts.
func (s *Space) readCommit(r store.Reader, n history.Num) (commitRecord, error) {
	v, err := r.Get(s.keys.commit(n))
	if err != nil {
		return commitRecord{}, err
	}
	return decodeCommitRecord(v)
}

func decodeCommitRecord(v []byte) (commitRecord, error) {
	if len(v) < 2 {
		return commitRecord{}, store.ErrCorrupt
	}
	height, size := binary.Uvarint(v[1:])
	if size <= 0 {
		return commitRecord{}, store.ErrCorrupt
	}
	c, err := history.DecodeCommit(v[1+size:], nil)
	if err != nil {
		return commitRecord{}, fmt.Errorf("%w: %w", store.ErrCorrupt, err)
	}
	c.Height = height
	return commitRecord{commit: c, attested: v[0]&flagAttested != 0}, nil
}

// chain is what a replica keeps of one device key: the end of its chain, or of
// each branch when it signed two commits with one seq.
type chain struct {
	branches []branch
}

// branch is one line of an author's commits. first is the commit where it left
// another one; for the one that arrived first it is the author's first commit.
type branch struct {
	first, tipNum history.Num
	seq           uint64
	tip           object.ID
	identity      identity.PublicKey // whom the device signs for
}

func (c *chain) clone() *chain {
	return &chain{branches: append([]branch(nil), c.branches...)}
}

// at finds the branch that ends with a commit.
func (c *chain) at(tip object.ID) int {
	if c == nil {
		return -1
	}
	return slices.IndexFunc(c.branches, func(b branch) bool { return b.tip == tip })
}

func (c *chain) encode() []byte {
	b := make([]byte, 0, 8+90*len(c.branches))
	b = binary.AppendUvarint(b, uint64(len(c.branches)))
	for _, br := range c.branches {
		b = binary.AppendUvarint(b, br.first)
		b = binary.AppendUvarint(b, br.tipNum)
		b = binary.AppendUvarint(b, br.seq)
		d := br.tip.Digest()
		b = append(b, d[:]...)
		b = br.identity.Append(b)
	}
	return b
}

const keySize = 34

func decodeChain(b []byte) (*chain, error) {
	c := &chain{}
	bad := false
	next := func() uint64 {
		v, n := binary.Uvarint(b)
		if n <= 0 {
			bad, b = true, nil
			return 0
		}
		b = b[n:]
		return v
	}
	for count := next(); count > 0 && !bad; count-- {
		br := branch{first: next(), tipNum: next(), seq: next()}
		if len(b) < 32+keySize {
			return nil, store.ErrCorrupt
		}
		br.tip = object.IDFromDigest(object.DagCBOR, [32]byte(b))
		var err error
		if br.identity, err = identity.PublicKeyFromBytes(b[32 : 32+keySize]); err != nil {
			return nil, fmt.Errorf("%w: %w", store.ErrCorrupt, err)
		}
		b = b[32+keySize:]
		c.branches = append(c.branches, br)
	}
	if bad || len(b) != 0 || len(c.branches) == 0 {
		return nil, store.ErrCorrupt
	}
	return c, nil
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
	return rec.commit, err
}

// Attested returns the space's first commit with its attestation, as a batch:
// what shows a stranger who created the space.
func (s *Space) Attested() (*history.Batch, error) {
	var b *history.Batch
	err := s.node.view(func(r store.Reader) error {
		p := packer{space: s, r: r, ends: map[object.ID]openEnd{}}
		defer p.read(history.Span{End: 1})()
		err := p.add(0)
		if err == nil {
			b, err = p.flush()
		}
		return err
	})
	return b, err
}
