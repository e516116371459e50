package history

import (
	"crypto/sha256"
	"slices"

	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/object"
)

// DecodeBatch reads the wire form and rebuilds the canonical envelopes and parts, so that the ids are
// computed and never taken from the sender. Every commit passed the checks of DecodeCommit. limit is the
// largest Size accepted, at most MaxBatchSize; 0 stands for that. The batch aliases data, and its
// commits share memory. *Error when the bytes are not a batch.
//
// Not checked here, because it takes the replica: that the edges outside the batch are known, that
// attestations are good and cover every commit, and that attached objects not in the batch are at hand.
func DecodeBatch(data []byte, limit int) (*Batch, error) {
	return Pausing{}.DecodeBatch(data, limit)
}

// Pausing decodes where there is one thread: Pause, if not nil, is called every few commits and lets others run.
type Pausing struct{ Pause func() }

// pauseEvery is how many commits are decoded between two pauses: half a millisecond in WASM.
const pauseEvery = 32

// DecodeBatch is [DecodeBatch] with pauses.
func (p Pausing) DecodeBatch(data []byte, limit int) (*Batch, error) {
	if limit <= 0 || limit > MaxBatchSize {
		limit = MaxBatchSize
	}
	if len(data) > MaxBatchWire {
		return nil, brokenf(RuleBatchSize, "%d bytes, at most %d", len(data), MaxBatchWire)
	}
	d := batchDecoder{wire: wire{buf: data}, left: limit, pause: p.Pause}
	d.arena.chunk = min(arenaChunk, 4*len(data))
	if d.byte() != batchFormat {
		d.fail("is of a version not known here")
	}
	d.tables()
	b := &Batch{Objects: d.objects}
	b.Commits = d.all()
	b.Attestations = d.attestations(b.Commits)
	d.finish()
	if d.err != nil {
		return nil, d.err
	}
	return b, nil
}

// arenaChunk is how much memory for rebuilt bytes is taken at once: few allocations for a large batch,
// little waste for a small one.
const arenaChunk = 32 << 10

// arena hands out room for bytes that are appended.
type arena struct {
	buf   []byte
	chunk int
}

// room makes sure that n bytes can be appended to buf.
func (a *arena) room(n int) {
	if cap(a.buf)-len(a.buf) < n {
		a.buf = make([]byte, 0, max(n, a.chunk))
	}
}

// author is an entry of the table of authors, with its last commit so far.
type author struct {
	key  identity.PublicKey
	last *Commit
}

type batchDecoder struct {
	wire
	left  int // what the batch may still take
	pause func()

	authors []author
	edges   []object.ID
	names   []name
	objects [][]byte
	carried []bool // by some part

	objectSums [][32]byte
	// How many entries of each table are used: a table is in the order of first use.
	usedAuthors, usedEdges, usedNames int

	commits   []*Commit
	lastEntry int // author of the commit before

	arena   arena
	memory  memory
	objSize int // of the objects the current commit attaches
}

// spend takes n bytes from the budget; false when it is used up.
func (d *batchDecoder) spend(n int) bool {
	if d.left -= n; d.left < 0 && d.err == nil {
		d.fail("")
		d.err = broken(RuleBatchSize, "takes more than the limit once decoded")
	}
	return d.err == nil
}

func (d *batchDecoder) refuse(err error) {
	if d.err == nil {
		d.fail("")
		d.err = err
	}
}

func (d *batchDecoder) tables() {
	for n := d.count(identity.KeySize); n > 0 && d.err == nil; n-- {
		k, err := identity.PublicKeyFromBytes(d.take(identity.KeySize))
		if err != nil {
			d.refuse(wrap(RuleAuthor, "not a key of ours", err))
		}
		d.authors = append(d.authors, author{key: k})
	}
	for n := d.count(32); n > 0 && d.err == nil; n-- {
		d.edges = append(d.edges, object.IDFromDigest(object.DagCBOR, [32]byte(d.take(32))))
	}
	for n := d.count(2); n > 0 && d.err == nil; n-- {
		d.names = append(d.names, name{string(d.bytes()), string(d.bytes())})
	}
	n := d.count(1)
	if n == 0 || !d.spend(n*objectCost) {
		return
	}
	d.objects, d.carried, d.objectSums = make([][]byte, n), make([]bool, n), make([][32]byte, n)
	known := make(map[[32]byte]bool, n)
	for i := range d.objects {
		d.objects[i] = d.bytes()
		if len(d.objects[i]) > object.MaxBlock {
			d.refuse(broken(RuleBatchSize, "an object is over the size of a block"))
		}
		if !d.spend(len(d.objects[i])) {
			return
		}
		sum := sha256.Sum256(d.objects[i])
		if known[sum] {
			d.fail("an object is in it twice")
		}
		d.objectSums[i], known[sum] = sum, true
	}
}

// pick reads an index into a table of n entries of which *used are used so far: a new one is the next.
func (d *batchDecoder) pick(v uint64, n int, used *int) int {
	if v > uint64(*used) || v >= uint64(n) {
		d.fail("an index is outside its table, or the table is not in the order of use")
		return 0
	}
	if v == uint64(*used) {
		*used++
	}
	return int(v)
}

// finish checks that nothing is left over.
func (d *batchDecoder) finish() {
	switch {
	case d.err != nil:
	case len(d.buf) != 0:
		d.fail("bytes follow it")
	case d.usedAuthors != len(d.authors) || d.usedEdges != len(d.edges) || d.usedNames != len(d.names):
		d.fail("a table has entries that nothing uses")
	case slices.Contains(d.carried, false):
		d.refuse(broken(RuleBatch, "an object is attached by no commit of the batch"))
	}
}

func (d *batchDecoder) all() []*Commit {
	n := d.count(smallestCommit)
	d.commits = make([]*Commit, 0, min(n, d.left/commitCost))
	for ; n > 0 && d.err == nil; n-- {
		if d.spend(commitCost) {
			d.commit()
		}
		if d.pause != nil && n%pauseEvery == 0 {
			d.pause()
		}
	}
	return d.commits
}

// commit reads the next commit.
func (d *batchDecoder) commit() {
	pair := &d.memory.both.take(1)[0]
	c, e := &pair.commit, &pair.envelope
	c.Env = e
	before := &Envelope{}
	if n := len(d.commits); n > 0 {
		before = d.commits[n-1].Env
	}
	flags := d.byte()
	a := d.author(flags)
	if d.err != nil {
		return
	}
	e.Version, e.Author = Version, a.key
	d.chain(flags, e, a)
	e.Time = before.Time + unzigzag(d.uvarint())
	d.parents(flags, e)
	e.Grant, e.Epoch = before.Grant, before.Epoch
	if flags&flagGrant != 0 {
		e.Grant = d.grant()
	}
	if flags&flagEpoch != 0 {
		e.Epoch = d.uvarint()
	}
	d.objSize = 0
	if flags&flagShort != 0 {
		d.short(c)
	} else {
		d.readOps(e)
		d.readParts(c)
	}
	if d.err != nil {
		return
	}
	d.seal(c)
	a.last = c
	d.commits = append(d.commits, c)
}

// seal rebuilds the envelope's bytes and with them the id.
func (d *batchDecoder) seal(c *Commit) {
	d.arena.room(c.Env.estimate())
	from := len(d.arena.buf)
	buf, err := c.Env.appendTo(d.arena.buf)
	if err != nil {
		d.refuse(err)
		return
	}
	d.arena.buf = buf
	c.Raw = buf[from:len(buf):len(buf)]
	c.ID, c.edges = object.Sum(object.DagCBOR, c.Raw), d.memory.edges(c.Env)
	size := len(c.Raw) + d.objSize
	for _, p := range c.Parts {
		size += len(p)
	}
	if size > MaxCommit {
		d.refuse(&Error{Rule: RuleSize, Detail: "over " + itoa(MaxCommit) + " bytes with its parts and objects", Commit: c.ID})
	}
	d.spend(len(c.Raw))
}

func (d *batchDecoder) author(flags byte) *author {
	if flags&flagUnused != 0 || flags&maskParents == maskParents {
		d.fail("a commit has flags not known here")
	}
	if flags&flagSameAuthor == 0 {
		d.lastEntry = d.pick(d.uvarint(), len(d.authors), &d.usedAuthors)
	} else if len(d.commits) == 0 {
		d.fail("the first commit has no author before it")
	}
	if d.err != nil {
		return nil
	}
	return &d.authors[d.lastEntry]
}

func (d *batchDecoder) chain(flags byte, e *Envelope, a *author) {
	if flags&flagChained == 0 {
		if e.Seq = d.uvarint(); e.Seq > 1 {
			e.Prev = d.edge()
		}
		return
	}
	if a.last == nil {
		d.fail("a commit has no other of its author before it")
		return
	}
	e.Seq, e.Prev = a.last.Env.Seq+1, a.last.ID
}

// edge reads a commit id as batchEncoder.edge writes it.
func (d *batchDecoder) edge() object.ID {
	v := d.uvarint()
	if v&1 != 0 {
		if i := d.pick(v>>1, len(d.edges), &d.usedEdges); d.err == nil {
			return d.edges[i]
		}
		return object.ID{}
	}
	if v>>1 >= uint64(len(d.commits)) {
		d.fail("an edge points before the batch")
		return object.ID{}
	}
	return d.commits[len(d.commits)-1-int(v>>1)].ID
}

func (d *batchDecoder) ref() OpRef {
	v := d.uvarint()
	if v>>1 >= MaxOps {
		d.fail("an op's index is over the number of ops")
		return OpRef{}
	}
	r := OpRef{Index: uint32(v >> 1)}
	if v&1 == 0 {
		r.Commit = d.edge()
	}
	return r
}

func (d *batchDecoder) parents(flags byte, e *Envelope) {
	n := 0
	switch flags & maskParents {
	case parentsLast:
		if len(d.commits) == 0 {
			d.fail("the first commit has none before it")
			return
		}
		n = 1
	case parentsList:
		n = d.atMost(MaxParents, 1)
	}
	if n == 0 || !d.spend(n*parentCost) {
		return
	}
	e.Parents = d.memory.ids.take(n)
	if flags&maskParents == parentsLast {
		e.Parents[0] = d.commits[len(d.commits)-1].ID
		return
	}
	for i := range e.Parents {
		e.Parents[i] = d.edge()
	}
}

// atMost is count with a limit of the format.
func (d *batchDecoder) atMost(limit, size int) int {
	n := d.count(size)
	if n > limit {
		d.fail("declares more than a commit may have")
		return 0
	}
	return n
}

func (d *batchDecoder) grant() GrantRef {
	switch v := d.uvarint(); {
	case v == grantNone:
		return GrantRef{Index: NoGrant}
	case v == grantOp:
		r := d.ref()
		if r.IsZero() {
			d.fail("a grant is not of the commit that exercises it")
		}
		return GrantRef{Op: r}
	case v-grantIndex < maxGrants:
		return GrantRef{Index: int(v - grantIndex)}
	}
	d.fail("a grant is not one")
	return GrantRef{}
}

func (d *batchDecoder) name(op *Op) {
	if i := d.pick(d.uvarint(), len(d.names), &d.usedNames); d.err == nil {
		op.Field, op.Action = d.names[i].field, d.names[i].action
	}
}

func (d *batchDecoder) size() int {
	v := d.uvarint()
	if v > MaxPayload {
		d.fail("a payload is over its limit")
		return 0
	}
	return int(v)
}

// short reads the one op and the one part of the short form.
func (d *batchDecoder) short(c *Commit) {
	if !d.spend(opCost + partCost) {
		return
	}
	c.Env.Ops = d.memory.ops.take(1)
	op := &c.Env.Ops[0]
	d.name(op)
	op.Size = d.size()
	d.takeParts(c, 1)
	d.fields(c, 0, false)
}

func (d *batchDecoder) readOps(e *Envelope) {
	n := d.atMost(MaxOps, 3)
	if n == 0 || !d.spend(n*opCost) {
		return
	}
	e.Ops = d.memory.ops.take(n)
	for i := 0; i < n && d.err == nil; i++ {
		op := &e.Ops[i]
		d.name(op)
		if refs := d.atMost(MaxRefs, 2); refs > 0 && d.spend(refs*refCost) {
			op.Refs = d.memory.refs.take(refs)
			for j := range op.Refs {
				op.Refs[j] = d.ref()
			}
		}
		op.Part = NoPart
		if op.Field == "" {
			op.Body = d.bytes()
			op.Size = len(op.Body)
			continue
		}
		if v := d.uvarint(); v > MaxParts {
			d.fail("an op names a part that is not there")
		} else if v > 0 {
			op.Part, op.Size = int(v)-1, d.size()
		}
	}
}

func (d *batchDecoder) readParts(c *Commit) {
	n := d.atMost(MaxParts, 2)
	if n == 0 || !d.spend(n*partCost) {
		return
	}
	d.takeParts(c, n)
	for i := 0; i < n && d.err == nil; i++ {
		switch d.byte() {
		case partAbsent:
			copy(c.Env.Parts[i][:], d.take(32))
		case partRaw:
			c.Parts[i] = d.bytes()
			c.Env.Parts[i] = PartDigest(c.Parts[i])
			if d.spend(len(c.Parts[i])) {
				d.memory.open(c, i)
				d.spend(idCost * len(c.contents[i].Attached))
			}
		case partFields:
			d.fields(c, i, true)
		default:
			d.fail("a part is sent in a way not known here")
		}
	}
}

func (d *batchDecoder) takeParts(c *Commit, n int) {
	c.Env.Parts, c.Parts, c.contents = d.memory.sums.take(n), d.memory.blocks.take(n), d.memory.contents.take(n)
}

// fields rebuilds part i from its salt, the payloads of its ops and, where they are sent, the objects it attaches.
func (d *batchDecoder) fields(c *Commit, i int, attaches bool) {
	p := &c.contents[i].Part
	copy(p.Salt[:], d.take(saltSize))
	p.Payloads = d.memory.blocks.take(c.Env.payloads(i))
	size, n := 32, 0
	for j := range c.Env.Ops {
		if op := &c.Env.Ops[j]; op.Part == i {
			p.Payloads[n] = d.take(op.Size)
			size += 5 + op.Size
			n++
		}
	}
	if attaches {
		d.attached(p)
	}
	if d.err != nil {
		return
	}
	d.arena.room(size + 41*len(p.Attached))
	from := len(d.arena.buf)
	err := p.check()
	if err == nil {
		d.arena.buf, err = p.appendTo(d.arena.buf)
	}
	if err != nil {
		d.refuse(err)
		return
	}
	c.Parts[i] = d.arena.buf[from:len(d.arena.buf):len(d.arena.buf)]
	c.Env.Parts[i] = PartDigest(c.Parts[i])
	d.spend(len(c.Parts[i]))
}

// attached reads ids as batchEncoder.attached writes them.
func (d *batchDecoder) attached(p *Part) {
	n := d.atMost(MaxAttached, 1)
	if n == 0 || !d.spend(n*idCost) {
		return
	}
	p.Attached = d.memory.ids.take(n)
	for j := 0; j < n && d.err == nil; j++ {
		v := d.uvarint()
		if v == 0 {
			id, err := object.IDFromBytes(d.take(36))
			if err != nil {
				d.fail("an attached object has no valid id")
			}
			p.Attached[j] = id
			continue
		}
		v--
		if v>>1 >= uint64(len(d.objects)) {
			d.fail("an attached object is not in the batch")
			return
		}
		i, codec := int(v>>1), object.DagCBOR
		if v&1 != 0 {
			codec = object.Raw
		}
		d.carried[i] = true
		d.objSize += len(d.objects[i])
		p.Attached[j] = object.IDFromDigest(codec, d.objectSums[i])
	}
}

func (d *batchDecoder) attestations(commits []*Commit) []Attestation {
	n := d.count(1 + SignatureSize)
	if n == 0 || !d.spend(n*attestationCost) {
		return nil
	}
	out := make([]Attestation, 0, n)
	next := uint64(0)
	for ; n > 0 && d.err == nil; n-- {
		skipped := d.uvarint()
		if skipped >= uint64(len(commits)) || next+skipped >= uint64(len(commits)) {
			d.fail("an attestation is of no commit of the batch")
			break
		}
		next += skipped
		out = append(out, Attestation{commits[next].ID, d.take(SignatureSize)})
		next++
	}
	return out
}
