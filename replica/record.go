package replica

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/store"
)

// A commit record holds an envelope without what can be had elsewhere, and its
// parts:
//
//	flags               1: there is an attestation, 2: not on its author's first branch
//	id                  32 bytes, the digest of the commit's id
//	height              uvarint
//	author              uvarint: how many numbers before this one its author's branch begins;
//	                    0: here, and the keys of device and person follow
//	body                uvarint length; what of the envelope's canonical bytes lies between the author and the
//	                    digests of the parts
//	parts               each a uvarint length and its bytes
//
// The digests of the parts are computed. That of the commit before is kept, so
// that a damaged record costs no other one. The record belongs to the store and
// changes with its version.
const (
	flagAttested = 1
	flagBranch   = 2
)

// How canonical envelopes begin, with their version and the length of the
// author's key; how the digest of a part does.
var (
	envelopeHead = []byte{0x8a, history.Version, 0x58, keySize}
	digestHead   = []byte{0x58, digestSize}
)

const digestSize = 32

// encodeCommitRecord writes the record of commit n, which is the end of a branch.
func encodeCommitRecord(c *history.Commit, n history.Num, attested bool, b *branch) []byte {
	size := 96 + len(c.Raw)
	for _, p := range c.Parts {
		size += len(p) + 3
	}
	out := make([]byte, 1, size)
	if attested {
		out[0] = flagAttested
	}
	if b.fork != nil {
		out[0] |= flagBranch
	}
	out = appendDigest(out, c.ID)
	out = binary.AppendUvarint(out, c.Height)
	if out = binary.AppendUvarint(out, n-b.first); n == b.first {
		out = b.identity.Append(c.Env.Author.Append(out))
	}
	body := c.Raw[len(envelopeHead)+keySize : len(c.Raw)-len(c.Parts)*(len(digestHead)+digestSize)]
	out = append(binary.AppendUvarint(out, uint64(len(body))), body...)
	for _, p := range c.Parts {
		out = append(binary.AppendUvarint(out, uint64(len(p))), p...)
	}
	return out
}

// cut is a commit record taken apart. It aliases the record.
type cut struct {
	num            history.Num
	flags          byte
	id             object.ID
	height         uint64
	branch         history.Num // where its author's branch begins
	device, person []byte      // keys, if it begins here
	body           []byte
	parts          []byte // as they are in the record
}

// cutRecord takes the record of commit n apart.
func cutRecord(n history.Num, v []byte) (c cut, err error) {
	if len(v) < 1+digestSize {
		return c, store.ErrCorrupt
	}
	c.num, c.flags, c.id = n, v[0], object.IDFromDigest(object.DagCBOR, [digestSize]byte(v[1:]))
	v = v[1+digestSize:]
	bad := false
	next := func() uint64 {
		u, size := binary.Uvarint(v)
		if size <= 0 {
			bad, v = true, nil
			return 0
		}
		v = v[size:]
		return u
	}
	take := func(size uint64) []byte {
		if size > uint64(len(v)) {
			bad, v = true, nil
			return nil
		}
		b := v[:size:size]
		v = v[size:]
		return b
	}
	c.height = next()
	back := next()
	if c.branch = n - back; back == 0 {
		c.device, c.person = take(keySize), take(keySize)
	}
	c.body = take(next())
	c.parts = v
	if bad || c.branch > n {
		return c, store.ErrCorrupt
	}
	return c, nil
}

// partList takes the parts apart.
func (c *cut) partList() (parts [][]byte, err error) {
	for rest := c.parts; len(rest) > 0; {
		size, n := binary.Uvarint(rest)
		if n <= 0 || size > uint64(len(rest)-n) || len(parts) == history.MaxParts {
			return nil, store.ErrCorrupt
		}
		end := n + int(size)
		parts = append(parts, rest[n:end:end])
		rest = rest[end:]
	}
	return parts, nil
}

// envelope puts the canonical bytes together again.
func (c *cut) envelope(author identity.PublicKey, parts [][]byte) []byte {
	raw := make([]byte, 0, len(envelopeHead)+keySize+len(c.body)+len(parts)*(len(digestHead)+digestSize))
	raw = append(author.Append(append(raw, envelopeHead...)), c.body...)
	for _, p := range parts {
		d := history.PartDigest(p)
		raw = append(append(raw, digestHead...), d[:]...)
	}
	return raw
}

type commitRecord struct {
	commit   *history.Commit
	attested bool
	forked   bool        // it is not on its author's first branch
	branch   history.Num // where its branch begins
}

// commits reads the commits of a space, through one reading of the store. It
// remembers what the next one is likely to need. Not safe for concurrent use.
type commits struct {
	keys    keyspace
	r       store.Reader
	dec     history.Decoder
	authors map[history.Num]author // by where their branch begins

	ahead aheadRecords
	last  ops
}

type author struct{ device, person identity.PublicKey }

// maxAuthors bounds what a reader remembers: few authors take turns.
const maxAuthors = 256

func (c *commits) get(n history.Num) (cut, error) {
	v, err := c.r.Get(c.keys.commit(n))
	if err != nil {
		return cut{}, err
	}
	return cutRecord(n, v)
}

// author finds who wrote a commit.
func (c *commits) author(of *cut) (author, error) {
	if a, ok := c.authors[of.branch]; ok {
		return a, nil
	}
	first := *of
	if of.branch != of.num {
		var err error
		if first, err = c.get(of.branch); err != nil {
			return author{}, fmt.Errorf("author: %w", err)
		}
	}
	device, err := identity.PublicKeyFromBytes(first.device)
	if err != nil {
		return author{}, fmt.Errorf("author: %w: %w", store.ErrCorrupt, err)
	}
	person, err := identity.PublicKeyFromBytes(first.person)
	if err != nil {
		return author{}, fmt.Errorf("author: %w: %w", store.ErrCorrupt, err)
	}
	if c.authors == nil || len(c.authors) >= maxAuthors {
		c.authors = map[history.Num]author{}
	}
	c.authors[of.branch] = author{device, person}
	return author{device, person}, nil
}

// commit reads a commit whole.
func (c *commits) commit(n history.Num) (commitRecord, error) {
	v, err := c.r.Get(c.keys.commit(n))
	if err != nil {
		return commitRecord{}, err
	}
	return c.decode(n, v)
}

// decode reads a commit from its record, which it aliases. That the id is the
// hash of what was put together again shows that all of it is as it was written.
func (c *commits) decode(n history.Num, v []byte) (commitRecord, error) {
	rec, told, err := c.join(n, v)
	if err == nil && rec.commit.ID != told {
		err = errHash
	}
	return rec, err
}

var errHash = fmt.Errorf("its bytes have another hash: %w", store.ErrCorrupt)

// join is decode without the comparison; told is the id that the record has.
func (c *commits) join(n history.Num, v []byte) (r commitRecord, told object.ID, err error) {
	rec, err := cutRecord(n, v)
	if err != nil {
		return r, told, err
	}
	who, err := c.author(&rec)
	if err != nil {
		return r, rec.id, err
	}
	parts, err := rec.partList()
	if err != nil {
		return r, rec.id, err
	}
	commit, err := c.dec.Decode(rec.envelope(who.device, parts), parts)
	if err != nil {
		return r, rec.id, fmt.Errorf("%w: %w", store.ErrCorrupt, err)
	}
	commit.Height = rec.height
	return commitRecord{commit, rec.flags&flagAttested != 0, rec.flags&flagBranch != 0, rec.branch}, rec.id, nil
}

// readCommit loads a commit.
func (s *Space) readCommit(r store.Reader, n history.Num) (commitRecord, error) {
	c := commits{keys: s.keys, r: r}
	return c.commit(n)
}

// commitAt reads a commit in a snapshot of its own.
func (s *Space) commitAt(n history.Num) (rec commitRecord, err error) {
	err = s.node.view(func(r store.Reader) error {
		rec, err = s.readCommit(r, n)
		return err
	})
	return rec, err
}

// Commit returns a commit of the space, or ErrNotFound.
func (s *Space) Commit(id object.ID) (*history.Commit, error) {
	s.settled()
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
		p := newPacker(s, r, 1)
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

// indexed lists the numbers that an entry of the index of ids holds: of all
// commits whose ids begin with the same bytes, nearly always of one.
func indexed(v []byte) (nums []history.Num, err error) {
	for len(v) > 0 {
		n, size := binary.Uvarint(v)
		if size <= 0 {
			return nil, store.ErrCorrupt
		}
		nums, v = append(nums, n), v[size:]
	}
	return nums, nil
}

// isCommit tells whether a record is that of a commit with this id.
func isCommit(v []byte, id object.ID) bool {
	d := id.Digest()
	return len(v) > digestSize && bytes.Equal(v[1:1+digestSize], d[:])
}

// readStoredCommit reads a commit with its attestation for a rebuild. A record
// that is not as it was written makes damage; another error is the store's.
func readStoredCommit(r store.Reader, k keyspace, n history.Num) (c *history.Commit, sig []byte, err error) {
	v, err := r.Get(k.commit(n))
	if err != nil {
		return nil, nil, lost("record", err)
	}
	reader := commits{keys: k, r: r}
	rec, told, err := reader.join(n, v)
	if err != nil || rec.commit.ID != told { // the record that names the author may be the damaged one
		if r2, ok := reader.joinByBranch(n, v); ok {
			rec, told, err = r2, r2.commit.ID, nil
		}
	}
	if err == nil && rec.commit.ID != told && !indexes(r, k, rec.commit.ID, n) {
		err = errHash
	}
	if err != nil {
		err = lost("record", err)
		if broken := (*errLost)(nil); errors.As(err, &broken) {
			broken.id = told
		}
		return nil, nil, err
	}
	if sig, err = r.Get(k.attest(n)); err != nil && !errors.Is(err, store.ErrNotFound) {
		return rec.commit, nil, lost("attestation", err)
	}
	return rec.commit, sig, nil
}

// joinByBranch is join with the author that the records of branches name, for
// when the one that the first commit of its branch names will not do.
func (c *commits) joinByBranch(n history.Num, v []byte) (commitRecord, bool) {
	cut, err := cutRecord(n, v)
	if err != nil {
		return commitRecord{}, false
	}
	prefix := c.keys.key(subChain, 0)
	for kv, err := range c.r.Scan(prefix, end(prefix), false) {
		if err != nil {
			return commitRecord{}, false
		}
		key := kv.Key[len(prefix):]
		if len(key) != keySize+8 || binary.BigEndian.Uint64(key[keySize:]) != cut.branch {
			continue
		}
		device, err := identity.PublicKeyFromBytes(key[:keySize])
		if err != nil {
			continue
		}
		c.authors = map[history.Num]author{cut.branch: {device: device}} // whom it signs for is not in an envelope
		if rec, told, err := c.join(n, v); err == nil && rec.commit.ID == told {
			return rec, true
		}
	}
	return commitRecord{}, false
}

// indexes tells whether the index has a commit's id at a number. It bears out
// an id that the record itself contradicts.
func indexes(r store.Reader, k keyspace, id object.ID, n history.Num) bool {
	nums, err := indexedIn(r, k, dataVersion, id)
	return err == nil && slices.Contains(nums, n)
}

// indexedIn lists the numbers that an index of any version has for an id: of
// commits with ids that begin so.
func indexedIn(r store.Reader, k keyspace, version uint64, id object.ID) ([]history.Num, error) {
	d := id.Digest()
	begins := d[:indexSize]
	if version == 1 {
		begins = d[:]
	}
	v, err := r.Get(append(k.key(subIndex, len(begins)), begins...))
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return indexedAt(version, begins, v)
}

// indexedAt reads an entry of an index of any version.
func indexedAt(version uint64, begins, v []byte) ([]history.Num, error) {
	switch {
	case version == 1 && len(begins) == digestSize && len(v) == 8:
		return []history.Num{binary.BigEndian.Uint64(v)}, nil
	case version == dataVersion && len(begins) == indexSize:
		return indexed(v)
	}
	return nil, store.ErrCorrupt
}

// beginning finds a commit of which the id begins so.
func (s *Space) beginning(begins []byte) (id object.ID, here bool, err error) {
	err = s.node.view(func(r store.Reader) error {
		v, err := r.Get(append(s.keys.key(subIndex, indexSize), begins[:indexSize]...))
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		nums, err := indexed(v)
		for _, n := range nums {
			rec, err := (&commits{keys: s.keys, r: r}).get(n)
			if err != nil {
				return err
			}
			if d := rec.id.Digest(); bytes.HasPrefix(d[:], begins) {
				id, here = rec.id, true
			}
		}
		return err
	})
	return id, here, err
}
