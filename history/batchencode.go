package history

import (
	"encoding/binary"
	"slices"

	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/object"
)

// EncodeBatch returns the wire form, the same for equal batches. *Error with RuleBatch when the batch
// is not in causal order, attests a commit it does not hold, or brings an object that no loaded part in it
// attaches; with RuleBatchSize when it is over MaxBatchWire or MaxBatchSize.
func EncodeBatch(b *Batch) ([]byte, error) {
	if size := b.Size(); size > MaxBatchSize {
		return nil, brokenf(RuleBatchSize, "takes %d bytes, at most %d", size, MaxBatchSize)
	}
	e := batchEncoder{
		batch:   b,
		index:   make(map[object.ID]int, len(b.Commits)),
		authors: make(map[identity.PublicKey]*authorEntry),
		edges:   make(map[object.ID]int),
		names:   make(map[name]int),
		objects: digests(b.Objects),
		carried: make([]bool, len(b.Objects)),
	}
	if err := e.begin(); err != nil {
		return nil, err
	}
	for i := range b.Commits {
		if err := e.commit(i); err != nil {
			return nil, err
		}
	}
	if slices.Contains(e.carried, false) {
		return nil, broken(RuleBatch, "an object is attached by no commit of the batch")
	}
	if err := e.attestations(); err != nil {
		return nil, err
	}
	out := e.assemble()
	if len(out) > MaxBatchWire {
		return nil, brokenf(RuleBatchSize, "%d bytes, at most %d", len(out), MaxBatchWire)
	}
	return out, nil
}

// begin indexes what the batch holds.
func (e *batchEncoder) begin() error {
	size := 0
	for i, c := range e.batch.Commits {
		if _, twice := e.index[c.ID]; twice {
			return &Error{Rule: RuleBatch, Detail: "the batch holds it twice", Commit: c.ID}
		}
		e.index[c.ID] = i
		size += commitRoom
		for _, p := range c.Parts {
			size += len(p)
		}
	}
	e.buf = make([]byte, 0, size)
	if len(e.objects) != len(e.batch.Objects) {
		return broken(RuleBatch, "an object is in the batch twice")
	}
	return nil
}

// commitRoom is what a commit takes besides its parts, most often less.
const commitRoom = 16

// authorEntry is an author of the table, with the last commit of it so far.
type authorEntry struct{ index, last int }

// batchEncoder fills the tables in the order of first use while it writes the commits into buf.
type batchEncoder struct {
	batch *Batch
	buf   []byte
	index map[object.ID]int // every commit of the batch

	authors    map[identity.PublicKey]*authorEntry
	authorList []identity.PublicKey
	edges      map[object.ID]int
	edgeList   []object.ID
	names      map[name]int
	nameList   []name
	objects    map[[32]byte]int
	carried    []bool
}

func (e *batchEncoder) uvarint(v uint64) { e.buf = binary.AppendUvarint(e.buf, v) }

func (e *batchEncoder) count(n int) { e.uvarint(uint64(n)) }

// commit writes commit i.
func (e *batchEncoder) commit(i int) error {
	c := e.batch.Commits[i]
	env := c.Env
	last := &Envelope{}
	var lastID object.ID
	if i > 0 {
		last, lastID = e.batch.Commits[i-1].Env, e.batch.Commits[i-1].ID
	}
	author := e.author(env.Author)
	short := short(c)
	at := len(e.buf)
	e.buf = append(e.buf, 0)
	flags := byte(0)
	if i > 0 && env.Author == last.Author {
		flags |= flagSameAuthor
	} else {
		e.count(author.index)
	}
	if e.chained(env, author) {
		flags |= flagChained
	} else {
		e.uvarint(env.Seq)
		if env.Seq > 1 {
			e.edge(i, env.Prev)
		}
	}
	e.uvarint(zigzag(env.Time - last.Time))
	switch {
	case len(env.Parents) == 0:
	case len(env.Parents) == 1 && env.Parents[0] == lastID:
		flags |= parentsLast
	default:
		flags |= parentsList
		e.count(len(env.Parents))
		for _, p := range env.Parents {
			e.edge(i, p)
		}
	}
	if env.Grant != last.Grant {
		flags |= flagGrant
		e.grant(i, env.Grant)
	}
	if env.Epoch != last.Epoch {
		flags |= flagEpoch
		e.uvarint(env.Epoch)
	}
	if short {
		flags |= flagShort
		e.shortOp(c)
	} else {
		e.ops(i, env)
		e.parts(c)
	}
	e.buf[at] = flags
	author.last = i
	return e.ordered(i, c)
}

// ordered checks that everything commit i names and the batch holds comes before it.
func (e *batchEncoder) ordered(i int, c *Commit) error {
	for _, id := range c.Edges() {
		if j, in := e.index[id]; in && j >= i {
			return &Error{Rule: RuleBatch, Detail: "the batch holds it before a commit of its past", Commit: c.ID}
		}
	}
	return nil
}

func (e *batchEncoder) author(k identity.PublicKey) *authorEntry {
	a, ok := e.authors[k]
	if !ok {
		a = &authorEntry{len(e.authorList), -1}
		e.authors[k] = a
		e.authorList = append(e.authorList, k)
	}
	return a
}

// chained reports whether the author's last commit in the batch tells seq and prev.
func (e *batchEncoder) chained(env *Envelope, a *authorEntry) bool {
	if a.last < 0 {
		return false
	}
	before := e.batch.Commits[a.last]
	return env.Prev == before.ID && env.Seq == before.Env.Seq+1
}

// edge writes a commit named by commit i: twice the distance back less one inside the batch, else one
// more than twice the index in the table.
func (e *batchEncoder) edge(i int, id object.ID) {
	if j, in := e.index[id]; in {
		e.uvarint(uint64(i-j-1) << 1) // out of order: ordered refuses it
		return
	}
	j, ok := e.edges[id]
	if !ok {
		j = len(e.edgeList)
		e.edges[id] = j
		e.edgeList = append(e.edgeList, id)
	}
	e.uvarint(uint64(j)<<1 | 1)
}

// ref writes twice the index and the commit, or one more than twice the index for an op of commit i itself.
func (e *batchEncoder) ref(i int, r OpRef) {
	if r.IsZero() {
		e.uvarint(uint64(r.Index)<<1 | 1)
		return
	}
	e.uvarint(uint64(r.Index) << 1)
	e.edge(i, r.Commit)
}

func (e *batchEncoder) grant(i int, g GrantRef) {
	switch {
	case !g.Op.IsZero():
		e.count(grantOp)
		e.ref(i, g.Op)
	case g.Index == NoGrant:
		e.count(grantNone)
	default:
		e.count(grantIndex + g.Index)
	}
}

func (e *batchEncoder) name(op *Op) {
	n := name{op.Field, op.Action}
	j, ok := e.names[n]
	if !ok {
		j = len(e.nameList)
		e.names[n] = j
		e.nameList = append(e.nameList, n)
	}
	e.count(j)
}

// short reports whether a commit has the short form.
func short(c *Commit) bool {
	env := c.Env
	if len(env.Ops) != 1 || len(env.Parts) != 1 || env.Ops[0].Part != 0 || len(env.Ops[0].Refs) != 0 {
		return false
	}
	p, err := c.said(0)
	return err == nil && len(p.Attached) == 0
}

func (e *batchEncoder) shortOp(c *Commit) {
	op := &c.Env.Ops[0]
	e.name(op)
	e.count(op.Size)
	p := &c.contents[0].Part
	e.buf = append(e.buf, p.Salt[:]...)
	e.buf = append(e.buf, p.Payloads[0]...)
}

func (e *batchEncoder) ops(i int, env *Envelope) {
	e.count(len(env.Ops))
	for j := range env.Ops {
		op := &env.Ops[j]
		e.name(op)
		e.count(len(op.Refs))
		for _, r := range op.Refs {
			e.ref(i, r)
		}
		if op.Field == "" {
			e.bytes(op.Body)
			continue
		}
		e.count(op.Part + 1)
		if op.Part != NoPart {
			e.count(op.Size)
		}
	}
}

func (e *batchEncoder) bytes(b []byte) {
	e.count(len(b))
	e.buf = append(e.buf, b...)
}

func (e *batchEncoder) parts(c *Commit) {
	e.count(len(c.Env.Parts))
	for i, raw := range c.Parts {
		said, err := c.said(i)
		switch {
		case raw == nil:
			e.buf = append(append(e.buf, partAbsent), c.Env.Parts[i][:]...)
		case err != nil:
			e.buf = append(e.buf, partRaw)
			e.bytes(raw)
		default:
			e.buf = append(append(e.buf, partFields), said.Salt[:]...)
			for _, p := range said.Payloads {
				e.buf = append(e.buf, p...)
			}
			e.attached(said.Attached)
		}
	}
}

// attached writes ids: 0 and the whole id, or 1 + twice the index of the object in the batch, plus one
// more where it is a raw block.
func (e *batchEncoder) attached(ids []object.ID) {
	e.count(len(ids))
	for _, id := range ids {
		j, in := e.objects[id.Digest()]
		if !in {
			e.count(0)
			e.buf = id.Append(e.buf)
			continue
		}
		e.carried[j] = true
		v := 1 + 2*j
		if id.Codec() == object.Raw {
			v++
		}
		e.count(v)
	}
}

// attestations writes them in batch order: how many commits lie between it and the one before, and the signature.
func (e *batchEncoder) attestations() error {
	sigs := make([][]byte, len(e.batch.Commits))
	for _, a := range e.batch.Attestations {
		at, in := e.index[a.Commit]
		if !in || len(a.Sig) != SignatureSize {
			return &Error{Rule: RuleBatch, Detail: "an attestation is of no commit of the batch, or not 64 bytes", Commit: a.Commit}
		}
		if sigs[at] != nil {
			return &Error{Rule: RuleBatch, Detail: "attested twice", Commit: a.Commit}
		}
		sigs[at] = a.Sig
	}
	e.count(len(e.batch.Attestations))
	next := 0
	for at, sig := range sigs {
		if sig == nil {
			continue
		}
		e.count(at - next)
		e.buf = append(e.buf, sig...)
		next = at + 1
	}
	return nil
}

// assemble puts the tables before the commits.
func (e *batchEncoder) assemble() []byte {
	commits := e.buf
	size := 32 + len(commits) + identity.KeySize*len(e.authorList) + 32*len(e.edgeList)
	for _, n := range e.nameList {
		size += 4 + len(n.field) + len(n.action)
	}
	for _, o := range e.batch.Objects {
		size += 4 + len(o)
	}
	e.buf = make([]byte, 0, size)
	e.buf = append(e.buf, batchFormat)
	e.count(len(e.authorList))
	for _, k := range e.authorList {
		e.buf = k.Append(e.buf)
	}
	e.count(len(e.edgeList))
	for _, id := range e.edgeList {
		digest := id.Digest()
		e.buf = append(e.buf, digest[:]...)
	}
	e.count(len(e.nameList))
	for _, n := range e.nameList {
		e.bytes([]byte(n.field))
		e.bytes([]byte(n.action))
	}
	e.count(len(e.batch.Objects))
	for _, o := range e.batch.Objects {
		e.bytes(o)
	}
	e.count(len(e.batch.Commits))
	return append(e.buf, commits...)
}
