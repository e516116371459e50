package replica

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"

	"github.com/hyperhyperspace/hhs-go/authority"
	"github.com/hyperhyperspace/hhs-go/crdt"
	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/internal/order"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/store"
)

// Tx collects the ops of one Update. It is used inside the function given to
// Update and nowhere else.
type Tx struct {
	space    *Space
	ctx      context.Context
	over     *store.Tx
	past     *lanePast
	height   uint64
	time     int64
	ops      []txOp
	attached []object.ID
	blocks   [][]byte
	carried  int // bytes of blocks
}

type txOp struct {
	op      history.Op
	payload []byte
	shown   bool // applied to the transaction's state
}

// Context is the context given to Update.
func (tx *Tx) Context() context.Context { return tx.ctx }

// Space is the space being updated.
func (tx *Tx) Space() *Space { return tx.space }

// Env gives access to the state of a field as this transaction sees it.
func (tx *Tx) Env(field string) (*crdt.Env, error) {
	f, err := tx.space.field(field)
	if err != nil {
		return nil, err
	}
	return &crdt.Env{State: txState{f.state(tx.over), tx, f}, Past: tx.past, Schema: f.schema, Space: tx.space.id}, nil
}

// txState is a field's state as a transaction sees it. Ops are applied to it
// when it is next read: most transactions write and are done.
type txState struct {
	crdt.State
	tx *Tx
	f  *field
}

// Get implements crdt.State.
func (s txState) Get(key []byte) ([]byte, error) {
	if err := s.tx.catchUp(s.f); err != nil {
		return nil, err
	}
	return s.State.Get(key)
}

// Scan implements crdt.State.
func (s txState) Scan(lo, hi []byte, reverse bool) iter.Seq2[store.KV, error] {
	if err := s.tx.catchUp(s.f); err != nil {
		return func(yield func(store.KV, error) bool) { yield(store.KV{}, err) }
	}
	return s.State.Scan(lo, hi, reverse)
}

// catchUp applies the ops of a field that its state does not show yet.
func (tx *Tx) catchUp(f *field) error {
	env := crdt.Env{State: f.state(tx.over), Past: tx.past, Schema: f.schema, Space: tx.space.id}
	for i := range tx.ops {
		o := &tx.ops[i]
		if o.shown || o.op.Field != f.name {
			continue
		}
		o.shown = true
		if _, err := f.typ.Apply(&env, tx.whole(i), true); err != nil {
			return fmt.Errorf("field %s: %w", f.name, err)
		}
	}
	return nil
}

// whole is op i as the type sees it.
func (tx *Tx) whole(i int) crdt.Op {
	o, node := &tx.ops[i], tx.space.node
	return crdt.Op{Ref: history.OpRef{Index: uint32(i)}, Height: tx.height, Author: node.device(), Identity: node.person(),
		Time: tx.time, Action: o.op.Action, Refs: o.op.Refs, Payload: o.payload}
}

// Do adds the op that a builder of package crdt drafted from Env. It is
// checked and applied to what this transaction reads, and travels in the
// transaction's commit.
func (tx *Tx) Do(field string, d crdt.Draft) error {
	f, err := tx.space.field(field)
	if err != nil {
		return err
	}
	if len(d.Payload) > MaxPayload {
		return fmt.Errorf("field %s: the value has %d bytes, at most %d fit into an op; use a Blob", field, len(d.Payload), MaxPayload)
	}
	tx.ops = append(tx.ops, txOp{op: history.Op{Field: field, Action: d.Action, Refs: d.Refs, Size: len(d.Payload)}, payload: d.Payload})
	last := len(tx.ops) - 1
	if err := f.typ.Check(f.schema, tx.whole(last)); err != nil {
		tx.ops = tx.ops[:last]
		return fmt.Errorf("field %s: %w", field, err)
	}
	return nil
}

// Attach makes an object of this node, with everything on this node it links
// to, part of the space: it travels with the commit. A closure of more than
// MaxAttachObjects objects or MaxAttachBytes bytes is refused.
func (tx *Tx) Attach(id object.ID) error {
	ids, blocks, err := closure(tx.over, id)
	if err != nil {
		return err
	}
	count, size := len(tx.attached), tx.carried
	var fresh []int
	for i, id := range ids {
		if !slices.Contains(tx.attached, id) {
			fresh = append(fresh, i)
			count, size = count+1, size+len(blocks[i])
		}
	}
	if count > MaxAttachObjects || size > MaxAttachBytes {
		return fmt.Errorf("attach object %s: more than %d objects or %d bytes in one commit", id, MaxAttachObjects, MaxAttachBytes)
	}
	for _, i := range fresh {
		tx.attached = append(tx.attached, ids[i])
		tx.blocks = append(tx.blocks, blocks[i])
	}
	tx.carried = size
	return nil
}

// parts packs the payloads into as few parts as hold them, none when there is
// nothing to carry, and tells each op which part it is in.
func (tx *Tx) parts(rand io.Reader) ([][]byte, error) {
	parts := []*history.Part{{Attached: tx.attached}}
	order.By(tx.attached, object.ID.Compare)
	size := 0
	for i := range tx.ops {
		o := &tx.ops[i]
		o.op.Part = history.NoPart
		if len(o.payload) == 0 {
			continue
		}
		if size += len(o.payload) + 8; size > history.MaxPart-history.MaxPart/8 {
			parts, size = append(parts, &history.Part{}), len(o.payload)+8
		}
		last := parts[len(parts)-1]
		last.Payloads = append(last.Payloads, o.payload)
		o.op.Part = len(parts) - 1
	}
	if len(parts[0].Payloads) == 0 && len(tx.attached) == 0 {
		return nil, nil
	}
	raws := make([][]byte, len(parts))
	for i, p := range parts {
		if _, err := io.ReadFull(rand, p.Salt[:]); err != nil {
			return nil, fmt.Errorf("read randomness: %w", err)
		}
		raw, err := p.Encode()
		if err != nil {
			return nil, err
		}
		raws[i] = raw
	}
	return raws, nil
}

// group is the chain of commits made of the Updates that were waiting.
type group struct {
	space    *Space
	snap     store.Snapshot
	over     *store.Tx
	past     *lanePast
	batch    history.Batch
	updates  []*update
	commitOf []object.ID
	size     int

	prev    object.ID
	seq     uint64
	parents []object.ID
	height  uint64
	cert    bool            // the device's certificate is in the chain
	fresh   *history.Commit // made, not yet part of what the next Update reads
	broken  error           // why the rest of the group cannot be built
}

// newGroup fixes the version that the group builds on.
func (s *Space) newGroup() (*group, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, ErrClosed
	}
	if s.kind.Load() == nil {
		return nil, ErrPending
	}
	g := &group{space: s}
	if err := s.ownTip(g); err != nil {
		return nil, err
	}
	for _, h := range s.graph.Heads() {
		height, err := s.graph.Height(h)
		if err != nil {
			return nil, err
		}
		g.height = max(g.height, height)
	}
	for _, id := range s.headIDs() {
		if id != g.prev {
			g.parents = append(g.parents, id)
		}
	}
	snap, err := s.node.cfg.Store.Snapshot()
	if err != nil {
		return nil, err
	}
	g.snap, g.over = snap, store.NewTx(snap)
	g.past = &lanePast{space: s, at: map[object.ID]int{}}
	return g, nil
}

// ownTip finds the end of this device's own chain.
func (s *Space) ownTip(g *group) error {
	if !s.owed.IsZero() {
		_, here, err := s.lookup(s.owed)
		if err != nil {
			return err
		}
		if !here && s.trouble.Load() != nil && s.node.cfg.Renew != nil {
			return ErrForked // it may never come back, and a fresh key can go on
		}
		if !here {
			return fmt.Errorf("%w: what this device wrote before it left (up to commit %s) has not come back; writing now would make two histories of one key", ErrPending, s.owed)
		}
		s.owed = object.ID{}
	}
	c, err := s.chainOf(s.node.device())
	if err != nil || c == nil {
		return err
	}
	if len(c.branches) > 1 || s.node.elsewhere.Load() {
		return ErrForked
	}
	g.prev, g.seq, g.cert = c.branches[0].tip, c.branches[0].seq, true
	return nil
}

// build runs one Update's function and appends its commit to the group. A
// function that fails, or adds nothing, is answered at once.
func (g *group) build(u *update) {
	if !u.claim(taken) {
		return // its caller gave up
	}
	defer close(u.left)
	if g.broken == nil && g.fresh != nil {
		g.broken = g.replay(g.fresh)
		g.fresh = nil
	}
	err := errors.Join(g.broken, u.ctx.Err())
	tx := &Tx{space: g.space, ctx: u.ctx, over: store.NewTx(g.over), past: g.past, height: g.height + 1, time: g.space.node.cfg.Now().UnixMilli()}
	if err == nil {
		err = u.call(tx)
	}
	switch {
	case err != nil || u.panicked != nil:
		u.finish(Receipt{}, err)
		return
	case tx.Len() == 0:
		u.finish(Receipt{Space: g.space}, nil)
		return
	}
	c, err := g.commit(tx)
	if err != nil {
		u.finish(Receipt{}, fmt.Errorf("update space %s: %w", g.space.id.Short(), err))
		return
	}
	g.updates = append(g.updates, u)
	g.commitOf = append(g.commitOf, c.ID)
}

// call runs the user's function; a panic in it goes on in the caller of Update.
func (u *update) call(tx *Tx) (err error) {
	defer func() {
		if p := recover(); p != nil {
			u.panicked = p
		}
	}()
	return u.f(tx)
}

// commit turns a transaction into the next commit of the chain.
func (g *group) commit(tx *Tx) (*history.Commit, error) {
	if err := g.mergeHeads(); err != nil {
		return nil, err
	}
	parts, err := tx.parts(g.space.node.cfg.Rand)
	if err != nil {
		return nil, err
	}
	size := tx.carried
	for _, p := range parts {
		size += len(p)
	}
	if size > maxTx {
		return nil, fmt.Errorf("the values and attached objects of one transaction have %d bytes, at most %d; use several", size, maxTx)
	}
	ops := make([]history.Op, 0, len(tx.ops)+1)
	if !g.cert {
		op, err := authority.DeviceOp(g.space.node.Device().Certificate)
		if err != nil {
			return nil, err
		}
		ops = append(ops, op)
	}
	shift := uint32(len(ops))
	for _, o := range tx.ops {
		for i, r := range o.op.Refs {
			if r.IsZero() { // an earlier op of this transaction
				o.op.Refs[i].Index += shift
			}
		}
		ops = append(ops, o.op)
	}
	c, err := g.append(ops, parts)
	if err != nil {
		return nil, err
	}
	g.batch.Objects = append(g.batch.Objects, tx.blocks...)
	g.size += tx.carried
	g.fresh = c
	return c, nil
}

// mergeHeads writes empty commits while there are more heads than a commit
// may have parents.
func (g *group) mergeHeads() error {
	for len(g.parents) > history.MaxParents {
		rest := slices.Clone(g.parents[history.MaxParents:])
		g.parents = g.parents[:history.MaxParents]
		var ops []history.Op
		if !g.cert {
			op, err := authority.DeviceOp(g.space.node.Device().Certificate)
			if err != nil {
				return err
			}
			ops = append(ops, op)
		}
		if _, err := g.append(ops, nil); err != nil {
			return err
		}
		g.parents = rest
	}
	return nil
}

// append makes a commit and moves the end of the chain to it.
func (g *group) append(ops []history.Op, parts [][]byte) (*history.Commit, error) {
	node := g.space.node
	env := &history.Envelope{Version: history.Version, Author: node.device(), Seq: g.seq + 1, Prev: g.prev,
		Parents: g.parents, Time: node.cfg.Now().UnixMilli(), Ops: ops}
	for _, p := range parts {
		env.Parts = append(env.Parts, history.PartDigest(p))
	}
	c, err := history.NewCommit(env, parts)
	if err != nil {
		return nil, err
	}
	g.height++
	g.past.at[c.ID] = len(g.past.at)
	g.batch.Commits = append(g.batch.Commits, c)
	g.prev, g.seq, g.parents, g.cert = c.ID, env.Seq, nil, true
	g.size += len(c.Raw)
	for _, p := range parts {
		g.size += len(p)
	}
	return c, nil
}

// replay applies a finished commit to the group's state, so that the next
// Update of the group reads it under its real id.
func (g *group) replay(c *history.Commit) error {
	a := applier{space: g.space, kind: g.space.kind.Load(), tx: g.over, past: g.past, device: g.space.node.device(), person: g.space.node.person()}
	p, err := c.Payloads()
	if err == nil {
		_, err = a.apply(c, p, g.height, true)
	}
	return err
}

// errNoField is wrapped with the field's name.
var errNoField = errors.New("no such field in this space")

// lanePast answers for commits that are being made: they follow each other,
// and all of the version they build on is before them.
type lanePast struct {
	space *Space
	at    map[object.ID]int
}

// Before implements crdt.Past.
func (p *lanePast) Before(a, b history.OpRef) (bool, error) {
	ai, aNew := p.at[a.Commit]
	bi, bNew := p.at[b.Commit]
	switch {
	case a.Commit == b.Commit:
		return a.Index < b.Index, nil
	case aNew && bNew:
		return ai < bi, nil
	case aNew || bNew:
		return bNew, nil
	}
	p.space.mu.Lock()
	defer p.space.mu.Unlock()
	return p.space.before(a, b)
}

// Len is the number of ops and attached objects so far; a transaction with
// none writes nothing.
func (tx *Tx) Len() int { return len(tx.ops) + len(tx.attached) }
