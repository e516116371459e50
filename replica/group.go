package replica

import (
	"errors"
	"fmt"
	"slices"

	"github.com/hyperhyperspace/hhs-go/authority"
	"github.com/hyperhyperspace/hhs-go/crdt"
	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/internal/order"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/store"
)

// group is a chain of commits that are made one after another on one version
// of the space: each builds on the one before, in the store already or not. Who
// holds the lane's turn adds to it.
type group struct {
	space  *Space
	kind   *kind // what holds for its next commit
	device identity.Device
	snap   store.Snapshot
	over   *store.Tx  // the version and the commits made; nil until something reads
	shown  int        // how many of them it shows
	envs   []fieldEnv // what those were applied to
	reader commits
	past   lanePast
	made   []made
	base   uint64 // how many commits the version has
	mark   Mark   // of the version
	undoes bool   // some of them take something back, or give it again

	prev    object.ID
	seq     uint64
	parents []object.ID
	height  uint64
	cert    bool // the device's certificate is in the chain

	// Guarded by the mutex of the lane.
	waiting int   // commits that are not admitted
	broken  error // why they were not, so that nothing can follow them
}

// made is a commit of a group.
type made struct {
	commit   *history.Commit
	kind     *kind
	payloads [][]byte
	height   uint64
}

// newGroup fixes the version that the group builds on.
func (s *Space) newGroup() (*group, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, ErrClosed
	}
	k := s.kind.Load()
	if k == nil {
		return nil, ErrPending
	}
	// First the flag, then the key: renew stores them the other way round, so that
	// who sees neither a key in use elsewhere nor its successor is before both.
	if s.node.elsewhere.Load() {
		return nil, ErrForked
	}
	g := &group{space: s, kind: k, device: s.node.Device(), base: s.graph.Len()}
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
	for _, h := range s.headList { // by number: what is merged together lies together
		if h.id != g.prev {
			g.parents = append(g.parents, h.id)
		}
	}
	snap, err := s.node.cfg.Store.Snapshot()
	if err != nil {
		return nil, err
	}
	g.snap, g.reader = snap, commits{keys: s.keys, r: snap}
	g.past = lanePast{space: s}
	s.journal.mu.Lock()
	g.mark = s.journal.mark() // the door is closed meanwhile
	s.journal.mu.Unlock()
	return g, nil
}

// ownTip finds the end of this device's own chain.
func (s *Space) ownTip(g *group) error {
	if s.owed.device == g.author().device {
		_, here, err := s.lookup(s.owed.tip)
		if err != nil {
			return err
		}
		if !here && s.trouble.Load() != nil && s.node.cfg.Renew != nil {
			return ErrForked // it may never come back, and a fresh key can go on
		}
		if !here {
			return fmt.Errorf("%w: what this device wrote before it left (up to commit %s) has not come back; writing now would make two histories of one key", ErrPending, s.owed.tip)
		}
		s.owed = owed{}
	}
	c, err := s.chainOf(g.author().device)
	if err != nil || c == nil {
		return err
	}
	if len(c.branches) > 1 {
		return ErrForked
	}
	g.prev, g.seq, g.cert = c.branches[0].tip, c.branches[0].seq, true
	return nil
}

// author is who writes the group.
func (g *group) author() author {
	return author{g.device.Signer.Public(), g.device.Certificate.Identity}
}

// begin opens a transaction on the end of the group.
func (g *group) begin(u *update) *Tx {
	return &Tx{group: g, space: g.space, ctx: u.ctx, height: g.height + 1, time: g.space.node.cfg.Now().UnixMilli()}
}

// layer is the version with the commits made so far, each under its own id.
func (g *group) layer() (*store.Tx, error) {
	if g.over == nil {
		g.over = store.NewTx(g.snap)
	}
	a := applier{space: g.space, tx: g.over, past: &g.past, ops: groupOps{g}, quiet: true, envs: g.envs}
	defer func() { g.envs = a.envs }()
	for ; g.shown < len(g.made); g.shown++ {
		a.kind = g.made[g.shown].kind
		w, err := a.ops.whole(openCommits + uint64(g.shown))
		if err == nil {
			_, err = a.apply(&w)
		}
		if err != nil {
			return nil, err
		}
	}
	if _, err := a.turn(); err != nil {
		return nil, err
	}
	return g.over, nil
}

// commit turns a transaction into the next commits of the chain: one, and
// before it what merges too many heads, which stays when that one cannot be made.
func (g *group) commit(tx *Tx) (list []*history.Commit, err error) {
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
	if list, err = g.mergeHeads(); err != nil {
		return list, err
	}
	ops := make([]history.Op, 0, len(tx.ops)+1)
	if !g.cert {
		op, err := authority.DeviceOp(g.device.Certificate)
		if err != nil {
			return list, err
		}
		ops = append(ops, op)
	}
	shift := uint32(len(ops))
	for i := range tx.ops {
		o := &tx.ops[i]
		for i, r := range o.op.Refs {
			if r.IsZero() { // an earlier op of this transaction
				o.op.Refs[i].Index += shift
			}
		}
		ops = append(ops, o.op)
	}
	c, err := g.append(ops, parts)
	if err != nil {
		return list, err
	}
	return append(list, c), nil
}

// mergeHeads writes empty commits while there are more heads than a commit
// may have parents.
func (g *group) mergeHeads() (list []*history.Commit, err error) {
	for len(g.parents) > history.MaxParents {
		rest := g.parents[history.MaxParents:]
		g.parents = g.parents[:history.MaxParents]
		var ops []history.Op
		if !g.cert {
			op, err := authority.DeviceOp(g.device.Certificate)
			if err != nil {
				return list, err
			}
			ops = append(ops, op)
		}
		c, err := g.append(ops, nil)
		if err != nil {
			return list, err
		}
		list = append(list, c)
		g.parents = rest
	}
	return list, nil
}

// append makes a commit and moves the end of the chain to it.
func (g *group) append(ops []history.Op, parts [][]byte) (*history.Commit, error) {
	node := g.space.node
	order.By(g.parents, object.ID.Compare)
	env := &history.Envelope{Version: history.Version, Author: g.author().device, Seq: g.seq + 1, Prev: g.prev,
		Parents: g.parents, Time: node.cfg.Now().UnixMilli(), Ops: ops}
	for _, p := range parts {
		env.Parts = append(env.Parts, history.PartDigest(p))
	}
	c, err := history.NewCommit(env, parts)
	if err != nil {
		return nil, err
	}
	payloads, err := c.Payloads()
	if err != nil {
		return nil, err
	}
	g.height++
	c.Height = g.height
	if change := authority.ReadChange(c, g.author().person, g.kind.holds.Changes); change != nil {
		g.kind = g.kind.and(change, openCommits+history.Num(len(g.made)))
	}
	g.undoes = g.undoes || slices.ContainsFunc(ops, func(op history.Op) bool { return op.Field == authority.UndoField })
	g.past.add(c.ID)
	g.made = append(g.made, made{c, g.kind, payloads, g.height})
	g.prev, g.seq, g.parents, g.cert = c.ID, env.Seq, nil, true
	return c, nil
}

// close releases the version the group was built on.
func (g *group) close() { _ = g.snap.Close() } // of a reader: nothing is lost

// ErrNoField is wrapped with the name that no field of the space's kind has.
var ErrNoField = errors.New("no such field in this space")

// Commits that are being made have numbers above all others until the door
// gives them theirs: those of a group count from openCommits, and openCommit is
// the one that a transaction will become.
const (
	openCommits = 1 << 62
	openCommit  = 1 << 63
)

// lanePast answers for commits that are being made: they follow each other,
// and all of the version they build on is before them.
type lanePast struct {
	space *Space
	made  []object.ID
}

func (p *lanePast) add(id object.ID) { p.made = append(p.made, id) }

// at is the place of a commit among those made, found from the last one back:
// who asks means one that was made lately.
func (p *lanePast) at(id object.ID) (int, bool) {
	for i, m := range slices.Backward(p.made) {
		if m == id {
			return i, true
		}
	}
	return 0, false
}

// Before implements crdt.Past.
func (p *lanePast) Before(a, b history.OpRef) (bool, error) {
	ai, aNew := p.at(a.Commit)
	bi, bNew := p.at(b.Commit)
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

// Diff implements crdt.Past. Nothing asks for it: commits that are being made have seen everything.
func (p *lanePast) Diff(a, b []uint64) (onlyA, onlyB []history.Span, err error) {
	return viewPast{p.space}.Diff(a, b)
}

// groupOps reads ops of the version a group builds on and of its own commits.
type groupOps struct{ g *group }

// At implements crdt.Ops.
func (o groupOps) At(num uint64, index uint32) (crdt.Op, error) {
	if num < openCommits {
		return o.g.reader.At(num, index)
	}
	if num-openCommits >= uint64(len(o.g.made)) {
		return crdt.Op{}, fmt.Errorf("commit %d: %w", num, ErrNotFound)
	}
	m := &o.g.made[num-openCommits]
	return opOf(m.commit, num, m.height, o.g.author(), m.payloads, index)
}

// Find implements crdt.Ops.
func (o groupOps) Find(id object.ID) (num, height uint64, err error) {
	if i, ok := o.g.past.at(id); ok {
		return openCommits + uint64(i), o.g.made[i].height, nil
	}
	return viewOps{&o.g.reader, o.g.space}.Find(id)
}

// txOps reads those of a transaction, too.
type txOps struct{ tx *Tx }

// At implements crdt.Ops.
func (o txOps) At(num uint64, index uint32) (crdt.Op, error) {
	if num == openCommit && int(index) < len(o.tx.ops) {
		return o.tx.whole(int(index)), nil
	}
	return groupOps{o.tx.group}.At(num, index)
}

// Find implements crdt.Ops.
func (o txOps) Find(id object.ID) (num, height uint64, err error) {
	return groupOps{o.tx.group}.Find(id)
}
