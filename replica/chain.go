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

// chain is what a replica keeps of one device key: the end of its chain, or of
// each branch when it signed two commits with one seq. The first branch is the
// one that arrived first; each has a record of its own, so that a commit of a
// key with many branches costs no more than another.
type chain struct {
	branches []branch
	top      uint64 // the greatest seq
	counted  int    // branches that the cache counts
	forked   *forked
}

// forked is what the branches of a chain that forked say, so that no commit of
// it costs a step for each of them. Nil for nearly every author.
type forked struct {
	ends   map[object.ID]int   // the branch that a commit ends
	rivals map[object.ID]rival // what followed a commit before another did
	begin  numSet              // where branches begin, and the rivals
}

type rival struct {
	id  object.ID
	num history.Num
}

// branch is one line of an author's commits. first is the commit it begins with.
type branch struct {
	first, tipNum history.Num
	seq           uint64
	tip           object.ID
	identity      identity.PublicKey // whom the device signs for
	fork          *fork              // where it left another one; nil for the first branch
}

// fork is where a branch left another one.
type fork struct {
	at       object.ID   // the commit both follow, zero: both begin there
	first    object.ID   // the commit the branch begins with
	rival    object.ID   // the one that followed at before
	rivalNum history.Num // its number
}

// chainCache holds the chains of the authors who wrote lately, in two
// generations. An author without commits has an empty one. What it holds is what
// the door extends: undone is for a batch that was not admitted after all.
type chainCache struct {
	young, old map[identity.PublicKey]*chain
	branches   int // of the young ones
}

func (m *chainCache) get(device identity.PublicKey) *chain {
	c := m.young[device]
	if c == nil {
		if c = m.old[device]; c != nil {
			m.put(device, c)
		}
	}
	return c
}

func (m *chainCache) put(device identity.PublicKey, c *chain) {
	grown := len(c.branches)
	if was := m.young[device]; was != nil {
		grown -= was.counted
	}
	if m.young == nil || m.young[device] == nil && len(m.young) >= maxChains || m.branches+grown > maxBranches {
		delete(m.young, device)
		m.old, m.young, m.branches = m.young, map[identity.PublicKey]*chain{}, 0
		grown = len(c.branches)
	}
	m.young[device] = c
	m.branches += grown
	c.counted = len(c.branches)
}

// undone forgets what is said of an author: it is read again.
func (m *chainCache) undone(device identity.PublicKey) {
	if c := m.young[device]; c != nil {
		m.branches -= c.counted
	}
	delete(m.young, device)
	delete(m.old, device)
}

// chain returns what is known of an author, nil when there is no commit of
// theirs. r must not be older than what memory says. It needs mu.
func (s *Space) chain(r store.Reader, device identity.PublicKey) (*chain, error) {
	c := s.chains.get(device)
	if c == nil {
		var err error
		if c, err = s.readChain(r, device); err != nil {
			return nil, err
		}
		s.chains.put(device, c)
	}
	if len(c.branches) == 0 {
		return nil, nil
	}
	return c, nil
}

func (s *Space) readChain(r store.Reader, device identity.PublicKey) (*chain, error) {
	c := &chain{}
	prefix := s.keys.author(device)
	for kv, err := range r.Scan(prefix, end(prefix), false) {
		if err == nil {
			err = c.add(kv.Key[len(prefix):], kv.Value)
		}
		if err != nil {
			return nil, fmt.Errorf("read author %s: %w", device.Short(), err)
		}
	}
	return c, nil
}

// chainOf is chain in a snapshot of its own.
func (s *Space) chainOf(device identity.PublicKey) (c *chain, err error) {
	err = s.node.view(func(r store.Reader) error {
		c, err = s.chain(r, device)
		return err
	})
	return c, err
}

// add reads a stored branch; key is the end of its record's.
func (c *chain) add(key, value []byte) error {
	if len(key) != 8 {
		return store.ErrCorrupt
	}
	b, err := decodeBranch(binary.BigEndian.Uint64(key), value)
	if err == nil {
		c.begin(b)
	}
	return err
}

// begin adds a branch, whose first commit arrived after those of the others.
func (c *chain) begin(b branch) {
	c.branches = append(c.branches, b)
	c.top = max(c.top, b.seq)
	if len(c.branches) == 1 {
		return
	}
	f := c.forked
	if f == nil {
		f = &forked{ends: map[object.ID]int{c.branches[0].tip: 0}, rivals: map[object.ID]rival{}}
		c.forked = f
	}
	f.ends[b.tip] = len(c.branches) - 1
	f.begin.add(b.first)
	if b.fork == nil {
		return
	}
	if _, ok := f.rivals[b.fork.at]; !ok {
		f.rivals[b.fork.at] = rival{b.fork.rival, b.fork.rivalNum}
		f.begin.add(b.fork.rivalNum)
	}
}

// extend moves the end of a branch.
func (c *chain) extend(at int, tip object.ID, num history.Num, seq uint64) {
	b := &c.branches[at]
	if c.forked != nil {
		delete(c.forked.ends, b.tip)
		c.forked.ends[tip] = at
	}
	b.tip, b.tipNum, b.seq = tip, num, seq
	c.top = max(c.top, seq)
}

// at finds the branch that ends with a commit.
func (c *chain) at(tip object.ID) int {
	switch {
	case c == nil || len(c.branches) == 0:
		return -1
	case c.forked != nil:
		if at, ok := c.forked.ends[tip]; ok {
			return at
		}
		return -1
	case c.branches[0].tip == tip:
		return 0
	}
	return -1
}

// starting finds the branch that begins with a number.
func (c *chain) starting(first history.Num) (*branch, bool) {
	at, ok := slices.BinarySearchFunc(c.branches, first, func(b branch, n history.Num) int {
		switch {
		case b.first < n:
			return -1
		case b.first > n:
			return 1
		}
		return 0
	})
	if !ok {
		return nil, false
	}
	return &c.branches[at], true
}

// holding finds the branch that an admitted commit is on.
func (c *chain) holding(rec *commitRecord) (*branch, error) {
	if c == nil || len(c.branches) == 0 {
		return nil, ErrMissing
	}
	if !rec.forked {
		return &c.branches[0], nil
	}
	b, ok := c.starting(rec.branch)
	if !ok {
		return nil, store.ErrCorrupt
	}
	return b, nil
}

const keySize = 34

func (b *branch) encode() []byte {
	out := binary.AppendUvarint(make([]byte, 0, 150), b.tipNum)
	out = binary.AppendUvarint(out, b.seq)
	out = appendDigest(out, b.tip)
	out = b.identity.Append(out)
	if f := b.fork; f != nil {
		out = appendDigest(appendDigest(appendDigest(out, f.at), f.first), f.rival)
		out = binary.AppendUvarint(out, f.rivalNum)
	}
	return out
}

func appendDigest(out []byte, id object.ID) []byte {
	d := id.Digest()
	return append(out, d[:]...)
}

// decodeBranch reads the record of the branch that begins with first.
func decodeBranch(first history.Num, rec []byte) (branch, error) {
	b := branch{first: first}
	bad := false
	next := func() uint64 {
		v, n := binary.Uvarint(rec)
		if n <= 0 {
			bad, rec = true, nil
			return 0
		}
		rec = rec[n:]
		return v
	}
	id := func() object.ID {
		if len(rec) < 32 {
			bad, rec = true, nil
			return object.ID{}
		}
		d := [32]byte(rec)
		rec = rec[32:]
		if d == ([32]byte{}) {
			return object.ID{}
		}
		return object.IDFromDigest(object.DagCBOR, d)
	}
	b.tipNum, b.seq = next(), next()
	b.tip = id()
	if len(rec) < keySize {
		return branch{}, store.ErrCorrupt
	}
	var err error
	if b.identity, err = identity.PublicKeyFromBytes(rec[:keySize]); err != nil {
		return branch{}, fmt.Errorf("%w: %w", store.ErrCorrupt, err)
	}
	if rec = rec[keySize:]; len(rec) > 0 {
		b.fork = &fork{at: id(), first: id(), rival: id(), rivalNum: next()}
	}
	if bad || len(rec) != 0 {
		return branch{}, store.ErrCorrupt
	}
	return b, nil
}

// markEvery is how many commits of a branch lie between two marks: records that
// say which number has which seq, so that a commit of a long branch is found in
// a bounded number of steps. They are needed only when an author forks.
const markEvery = 16

// mark is the key of a mark; seq is a multiple of markEvery.
func (k keyspace) mark(author identity.PublicKey, first history.Num, seq uint64) []byte {
	key := append(k.key(subMark, 50), author.Bytes()...)
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(key, first), seq)
}

// follower finds the commit that follows prev on prev's own branch: what a new
// branch that leaves there is the rival of. ok is false when nothing does.
func (p judgePast) follower(author identity.PublicKey, c *chain, prev object.ID) (id object.ID, n history.Num, ok bool, err error) {
	b := &c.branches[0]
	want := uint64(1)
	if !prev.IsZero() {
		num, here, err := p.d.find(prev)
		if err != nil || !here {
			return id, 0, false, err
		}
		rec, err := p.d.space.readCommit(p.d.tx, num)
		if err != nil {
			return id, 0, false, err
		}
		if rec.commit.Env.Author != author {
			return id, 0, false, nil
		}
		want = rec.commit.Env.Seq + 1
		if b, err = c.holding(&rec); err != nil {
			return id, 0, false, err
		}
	}
	n = b.tipNum
	if at := (want + markEvery - 1) / markEvery * markEvery; at <= b.seq {
		v, err := p.d.tx.Get(p.d.space.keys.mark(author, b.first, at))
		if err != nil || len(v) != 8 {
			return id, 0, false, fmt.Errorf("mark of an author's branch: %w: %w", store.ErrCorrupt, err)
		}
		n = binary.BigEndian.Uint64(v)
	}
	for steps := 0; steps <= markEvery; steps++ {
		rec, err := p.d.space.readCommit(p.d.tx, n)
		if err != nil {
			return id, 0, false, err
		}
		switch seq := rec.commit.Env.Seq; {
		case seq == want:
			return rec.commit.ID, n, true, nil
		case seq < want:
			return id, 0, false, nil
		}
		if n, ok, err = p.d.find(rec.commit.Env.Prev); err != nil || !ok {
			return id, 0, false, err
		}
	}
	return id, 0, false, store.ErrCorrupt
}
