package replica

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/hyperhyperspace/hhs-go/authority"
	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/store"
)

// Result says what a batch brought.
type Result struct {
	New int // commits that were not here before
}

// Ingest is the door: every batch, made here or received, enters through it,
// whole or not at all, except that one whose undos make it too large for the store
// enters in parts, each like a batch of its own (door.admit). Commits that are here already are passed over. On an
// error, a *Reject when the batch is at fault, store and memory are as before it, or
// as the last whole part left them, which Result counts.
// It returns when the batch is as durable as the node's Config asks for.
func (s *Space) Ingest(ctx context.Context, b *history.Batch, from Source) (Result, error) {
	return s.ingestAt(ctx, b, from, s.node.cfg.Durable)
}

func (s *Space) ingestAt(ctx context.Context, b *history.Batch, from Source, level store.Durability) (Result, error) {
	res, err := s.enterAt(ctx, b, from, level)
	if err != nil {
		var r *Reject
		if errors.As(err, &r) {
			s.refused(r)
		}
	}
	if res.New > 0 {
		s.subs.signal()
		s.offerAside(ctx, b)
	}
	return res, err
}

// enter runs the door and posts the changes to the subscribers before the next
// batch can enter, so that they hear of them in the order of the door.
func (s *Space) enter(ctx context.Context, b *history.Batch, from Source) (Result, error) {
	return s.enterAt(ctx, b, from, s.node.cfg.Durable)
}

func (s *Space) enterAt(ctx context.Context, b *history.Batch, from Source, level store.Durability) (Result, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	quiet := !s.subs.watched() && !s.journal.used.Load()
	var res Result
	for more := true; more; {
		var part Result
		var changes []Change
		var err error
		if part, more, changes, err = s.ingest(ctx, b, from, level, quiet); err != nil {
			return res, err
		}
		res.New += part.New
		if quiet && part.New > 0 {
			s.subs.missed()
		} else {
			s.subs.post(changes)
		}
	}
	return res, nil
}

// ingest lets a batch enter, or a part of it; more tells that there is another, which enters with the batch given again.
func (s *Space) ingest(ctx context.Context, b *history.Batch, from Source, level store.Durability, quiet bool) (res Result, more bool, changes []Change, err error) {
	if s.closed {
		return Result{}, false, nil, ErrClosed
	}
	snap, err := s.node.cfg.Store.Snapshot()
	if err != nil {
		return Result{}, false, nil, fmt.Errorf("open door of space %s: %w", s.id.Short(), err)
	}
	defer snap.Close()
	d := &door{space: s, from: from, quiet: quiet, kind: s.kind.Load(), before: s.kind.Load(), tx: store.NewTx(snap), snap: snap,
		pending: make(map[object.ID]*entering, len(b.Commits)), chains: map[identity.PublicKey]*chain{}, base: s.graph.Len()}
	if last := s.last.Load(); last != nil {
		d.last = *last
	}
	if err := d.open(b); err != nil || len(d.fresh) == 0 {
		return Result{}, false, nil, err
	}
	if err := d.attestations(ctx, b.Attestations); err != nil {
		return Result{}, false, nil, err
	}
	if err := d.objects(b.Objects); err != nil {
		return Result{}, false, nil, err
	}
	came := len(d.fresh)
	changes, err = d.admit(ctx)
	if err == nil {
		err = s.journal.stored(quiet, changes, func() error { return d.write(ctx, level) })
	}
	if err != nil {
		d.undo()
		return Result{}, false, nil, err
	}
	d.settle()
	return Result{New: len(d.fresh)}, len(d.fresh) < came, changes, nil
}

// paceEvery is how many commits of a batch are looked at between two points
// where others may run, in loops that take a microsecond or so for each.
const paceEvery = 64

// entering is a commit on its way through the door.
type entering struct {
	commit   *history.Commit
	num      history.Num
	numbered bool
	sig      []byte // nil when a later commit's attestation vouches for it
	covered  bool
	known    authority.Known
	kind     *kind
	judged   bool
	payloads [][]byte
}

// whole is the commit once it is judged and numbered.
func (in *entering) whole() whole {
	return wholeOf(in.commit, in.payloads, in.num, in.commit.Height, author{in.commit.Env.Author, in.known.Identity})
}

// door carries one batch through its checks.
type door struct {
	space    *Space
	from     Source
	fresh    []*entering // commits not here yet, in batch order
	quiet    bool        // nobody watches
	pending  map[object.ID]*entering
	blocks   map[object.ID][]byte
	tx       *store.Tx
	records  store.Batch                   // what nothing reads through tx
	snap     store.Snapshot                // under tx
	chains   map[identity.PublicKey]*chain // as this batch extends them
	kind     *kind                         // with all changes of the schema so far
	before   *kind                         // as it was before this batch
	last     kindFrom                      // see Space
	known    built                         // kinds this batch came by
	bytes    int
	totals   totals
	headList headList    // the heads with this batch
	headIDs  []object.ID // of those, sorted
	holds    bool        // it notes blobs as here
	base     history.Num // numbers below it were here before

	besides beside // the last comparison of a version with an author's own past
}

func (d *door) reject(c *history.Commit, rule string, cause error) error {
	r := &Reject{Space: d.space.id, Rule: rule, Cause: cause, From: d.from}
	if c != nil {
		r.Commit = c.ID
	}
	return r
}

// open passes over what is here already and checks that the past of the rest
// is here or earlier in the batch.
func (d *door) open(b *history.Batch) error {
	room := make([]entering, len(b.Commits))
	d.fresh = make([]*entering, 0, len(b.Commits))
	for i, c := range b.Commits {
		if _, here := d.pending[c.ID]; here {
			continue
		}
		ahead, err := d.ahead(c)
		if err != nil {
			return fmt.Errorf("look up commit: %w", err)
		}
		if !ahead {
			if _, here, err := d.space.lookupFrom(d.snap, c.ID); err != nil {
				return fmt.Errorf("look up commit: %w", err)
			} else if here {
				continue
			}
		}
		for _, e := range c.Edges() {
			if _, inBatch := d.pending[e]; inBatch {
				continue
			}
			_, here, err := d.space.lookupFrom(d.snap, e)
			if err != nil {
				return fmt.Errorf("look up commit: %w", err)
			}
			if !here {
				return d.reject(c, RuleMissingPast, fmt.Errorf("%w: it needs commit %s", ErrMissing, e))
			}
		}
		in := &room[i]
		in.commit, d.pending[c.ID] = c, in
		if i%paceEvery == 0 {
			d.space.node.cfg.Pace()
		}
		d.fresh = append(d.fresh, in)
	}
	return nil
}

// ahead tells, without asking the store, that a commit cannot be here: its seq
// is beyond the ends of all branches of its author. Nearly every new commit is.
func (d *door) ahead(c *history.Commit) (bool, error) {
	known, err := d.space.chain(d.snap, c.Env.Author)
	return known == nil || known.top < c.Env.Seq, err
}

// attestations checks that every new commit is vouched for by a valid
// signature of its author, its own or that of a later commit of the same
// branch in this batch, and keeps the signatures that were needed: all of a batch that
// may enter in parts.
func (d *door) attestations(ctx context.Context, list []history.Attestation) error {
	sigs := make(map[object.ID][]byte, len(list))
	for _, a := range list {
		sigs[a.Commit] = a.Sig
	}
	parts := d.space.verbatim || slices.ContainsFunc(d.fresh, func(in *entering) bool { return undoes(in.commit) })
	var checks []identity.Check
	var at []*entering
	for i := len(d.fresh) - 1; i >= 0; i-- {
		if i%paceEvery == 0 {
			d.space.node.cfg.Pace()
		}
		in := d.fresh[i]
		c := in.commit
		if sig, ok := sigs[c.ID]; !in.covered || ok && parts {
			if !ok {
				return d.reject(c, RuleUncovered, errors.New("no attestation in the batch vouches for it"))
			}
			in.sig = sig
			st := history.AttestationStatement(d.space.id, c.Env.Seq, c.ID)
			checks = append(checks, identity.Check{Key: c.Env.Author, Statement: st, Sig: sig})
			at = append(at, in)
		}
		if prev, ok := d.pending[c.Env.Prev]; ok && prev.commit.Env.Author == c.Env.Author {
			prev.covered = true
		}
	}
	err := d.space.node.cache.Verify(ctx, checks)
	var bad *identity.BadSignature
	if errors.As(err, &bad) && bad.Index < len(at) {
		return d.reject(at[bad.Index].commit, RuleBadSignature, err)
	}
	if err != nil {
		return fmt.Errorf("verify attestations: %w", err)
	}
	return nil
}

// objects indexes the blocks of the batch by the ids of their bytes.
func (d *door) objects(blocks [][]byte) error {
	d.blocks = make(map[object.ID][]byte, len(blocks))
	for _, block := range blocks {
		if len(block) > object.MaxBlock {
			return d.reject(nil, RuleTooLarge, fmt.Errorf("an object of %d bytes, at most %d", len(block), object.MaxBlock))
		}
		// The same bytes may be linked as a value or as raw bytes.
		d.blocks[object.Sum(object.Raw, block)] = block
		d.blocks[object.Sum(object.DagCBOR, block)] = block
	}
	return nil
}

// admit judges the new commits in order and applies them to the transaction. When that has become large it ends with a
// commit up to which signatures vouch for all, so that what is written can be passed on whatever comes of the rest: the
// other commits are fresh no more, and not in the graph. The first batch of a space that is not listed enters whole.
func (d *door) admit(ctx context.Context) ([]Change, error) {
	s := d.space
	a := applier{space: s, tx: d.tx, past: doorPast{d}, ops: doorOps{&commits{keys: s.keys, r: d.snap}, d}, quiet: d.quiet, most: store.MaxBatch}
	if err := a.foresee(d.kind, d.fresh); err != nil {
		return nil, err
	}
	var changes []Change
	var open tips // commits so far that nothing vouches for yet
	for i, in := range d.fresh {
		c := in.commit
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := d.judge(in); err != nil {
			return nil, err
		}
		if err := d.number(in); err != nil {
			return nil, err
		}
		if change := d.takeKind(in); change != nil && !d.quiet {
			changes = append(changes, Change{Schema: change})
		}
		var perr error
		if in.payloads, perr = c.Payloads(); errors.Is(perr, history.ErrNoPart) {
			return nil, d.reject(c, RuleMissingPart, perr)
		}
		// A part that does not fit its ops leaves them without a value: they are
		// ignored. Refusing the commit would part this replica from one that has
		// not loaded the part.
		branch, err := d.extend(in)
		if err == nil {
			err = d.store(in, branch)
		}
		if err != nil {
			return nil, err
		}
		w := in.whole()
		a.kind = in.kind
		ch, err := a.apply(&w)
		if err != nil {
			return nil, fmt.Errorf("apply commit %s: %w", c.ID, err)
		}
		d.noteFacts(in)
		if len(ch) > 0 && changes == nil {
			changes = make([]Change, 0, max(len(ch), len(d.fresh)))
		}
		changes = append(changes, ch...)
		in.kind = in.kind.bare()
		s.node.cfg.Pace()
		if open.remove(c.Env.Prev); in.sig == nil {
			open.add(c.ID)
		}
		if d.tx.Size()+a.undos.weight > partSize && open.empty() && s.unlisted == nil {
			d.fresh = d.fresh[:i+1]
			break
		}
	}
	turned, err := a.turn()
	return append(changes, turned...), err
}

// number gives the commit its place in the graph.
func (d *door) number(in *entering) error {
	edges := in.commit.Edges()
	nums := make([]history.Num, 0, len(edges))
	for _, e := range edges {
		n, ok, err := d.find(e)
		if err != nil || !ok {
			return fmt.Errorf("look up commit %s: %w", e, errors.Join(err, missingRef(history.OpRef{Commit: e}, ok)))
		}
		nums = append(nums, n)
	}
	n, err := d.space.graph.Add(nums)
	if err != nil {
		return err
	}
	in.num, in.numbered = n, true
	in.commit.Height, err = d.space.graph.Height(n)
	return err
}

// find looks a commit up among those of this batch and those here before.
func (d *door) find(id object.ID) (history.Num, bool, error) {
	if in, ok := d.pending[id]; ok {
		return in.num, in.numbered, nil
	}
	return d.space.lookupFrom(d.snap, id)
}

// extend moves the end of the author's chain, or begins a branch when the
// author signed another commit with this seq. It returns the branch that ends
// with the commit now.
func (d *door) extend(in *entering) (*branch, error) {
	s, env := d.space, in.commit.Env
	c, err := d.chain(env.Author)
	if err != nil {
		return nil, err
	}
	if c == nil {
		c = &chain{}
	}
	d.chains[env.Author] = c // from here on it says more than the store
	at := c.at(env.Prev)
	if at >= 0 {
		c.extend(at, in.commit.ID, in.num, env.Seq)
	} else {
		b := branch{first: in.num, tipNum: in.num, tip: in.commit.ID, seq: env.Seq, identity: in.known.Identity}
		if at = len(c.branches); at > 0 {
			r, ok, err := judgePast{d, env.Author}.rival(c, env.Author, env.Prev)
			if err != nil || !ok {
				return nil, fmt.Errorf("fork of commit %s: %w", in.commit.ID, errors.Join(err, store.ErrCorrupt))
			}
			b.fork = &fork{at: env.Prev, first: in.commit.ID, rival: r.id, rivalNum: r.num}
			s.node.cfg.Log.Warn("a device key signed two commits with one seq",
				"space", s.id, "device", env.Author, "commit", in.commit.ID, "other", r.id)
		}
		c.begin(b)
	}
	b := &c.branches[at]
	if env.Seq%markEvery == 0 {
		d.tx.Put(s.keys.mark(env.Author, b.first, env.Seq), appendNum(nil, in.num))
	}
	return b, nil
}

// chain is the author's chain as this batch has extended it.
func (d *door) chain(device identity.PublicKey) (*chain, error) {
	if c := d.chains[device]; c != nil {
		return c, nil
	}
	return d.space.chain(d.snap, device)
}

// store puts the commit's records into the transaction.
func (d *door) store(in *entering, b *branch) error {
	s, c := d.space, in.commit
	index := s.keys.index(c.ID)
	same, err := d.tx.Get(index) // of commits whose ids begin alike
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("index of commit %s: %w", c.ID, err)
	}
	d.tx.Put(index, binary.AppendUvarint(same, in.num))
	d.tx.Put(s.keys.commit(in.num), encodeCommitRecord(c, in.num, in.sig != nil, b))
	if in.sig != nil {
		d.records.Put(s.keys.attest(in.num), in.sig)
	}
	d.bytes += len(c.Raw)
	for _, part := range c.Parts {
		d.bytes += len(part)
	}
	if err := d.holdBlobs(in); err != nil {
		return fmt.Errorf("blobs of commit %s: %w", c.ID, err)
	}
	return d.attach(in, c.Attached())
}

// attach stores the objects that a part lists; each must be in the batch or
// attached in this space already. Having it for another reason is not enough:
// otherwise a peer could learn what else this node keeps.
//
// What is attached already counts against the limits, too: otherwise it would
// depend on the order of arrival whether a commit is admitted.
func (d *door) attach(in *entering, ids []object.ID) error {
	c := in.commit
	if len(ids) > MaxAttachObjects {
		return d.reject(c, RuleTooLarge, fmt.Errorf("attaches %d objects, at most %d", len(ids), MaxAttachObjects))
	}
	size := 0
	for i, id := range ids {
		key := d.space.keys.attached(id)
		block, known, err := d.attached(key, id)
		if err != nil {
			return err
		}
		if !known {
			var came bool
			if block, came = d.blocks[id]; !came {
				return d.reject(c, RuleMissingObject, fmt.Errorf("attached object %s did not come with it", id))
			}
		}
		if size += len(block); size > MaxAttachBytes {
			return d.reject(c, RuleTooLarge, fmt.Errorf("attaches more than %d bytes", MaxAttachBytes))
		}
		if known {
			continue
		}
		if id.Codec() == object.DagCBOR {
			if err := object.Check(block); err != nil {
				return d.reject(c, RuleMalformed, fmt.Errorf("attached object %s: %w", id, err))
			}
			d.noteObject(in, i, block)
		}
		d.tx.Put(key, appendNum(nil, in.num))
		d.tx.Put(objectKey(id), block)
		d.bytes += len(block)
	}
	return nil
}

// attached returns the block of an object that the space attaches already.
func (d *door) attached(key []byte, id object.ID) (block []byte, known bool, err error) {
	if _, err := d.tx.Get(key); errors.Is(err, store.ErrNotFound) {
		return nil, false, nil
	} else if err != nil {
		return nil, false, err
	}
	block, err = d.tx.Get(objectKey(id))
	return block, err == nil, err
}

// write makes what was admitted one transaction of the store.
func (d *door) write(ctx context.Context, level store.Durability) error {
	s := d.space
	if d.holds { // none of them is removed meanwhile
		s.node.blobs.mu.Lock()
		defer s.node.blobs.mu.Unlock()
	}
	for run := range s.graph.Dirty() {
		d.tx.Put(s.keys.run(run.Start), history.AppendRun(nil, run))
	}
	for device, c := range d.chains {
		for i := range c.branches {
			if b := &c.branches[i]; b.tipNum >= d.base { // it was extended
				d.tx.Put(s.keys.chain(device, b.first), b.encode())
			}
		}
	}
	d.heads()
	if s.unlisted != nil {
		s.unlisted(d.tx)
	}
	if d.goesOn() {
		d.tx.Put(elsewhereKey(), s.node.device().Bytes())
	}
	d.totals = s.totals.with(d.bytes, s.node.cfg.Now())
	d.tx.Put(s.keys.key(subTotals, 0), d.totals.encode())
	d.tx.AddTo(&d.records)
	if err := s.node.cfg.Store.Apply(ctx, &d.records, level); err != nil {
		return fmt.Errorf("write %d commits of space %s: %w", len(d.fresh), s.id.Short(), err)
	}
	return nil
}

// settle makes what is in the store now what memory says too.
func (d *door) settle() {
	s := d.space
	s.graph.Flush()
	if d.goesOn() {
		if own := s.node.device(); !s.node.elsewhere.Swap(true) {
			s.node.renewSoon(own)
		}
	}
	s.totals, s.unlisted = d.totals, nil
	for device, c := range d.chains {
		s.chains.put(device, c)
	}
	for _, in := range d.fresh {
		s.node.recent.put(s.keys, in.commit.ID, in.num)
	}
	s.headList = d.headList
	s.heads.Store(&d.headIDs)
	s.kind.Store(d.kind)
	if d.last.kind == nil {
		d.last.kind = d.kind
	}
	s.last.Store(&d.last)
}

// undo forgets what the batch changed in memory; the store holds none of it.
func (d *door) undo() {
	d.space.graph.Rollback()
	for device := range d.chains {
		d.space.chains.undone(device)
	}
}
