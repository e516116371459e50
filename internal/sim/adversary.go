package sim

import (
	"slices"

	"github.com/hyperhyperspace/hhs-go/authority"
	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/replica"
)

// evil is what an adversary has besides a peer's things.
type evil struct {
	twin  *peer     // an equivocator's other half, for odd peers
	stash []*letter // a replayer's
	prev  object.ID
	seq   uint64
}

// lie makes heads that are not, and leaves out some that are.
func (p *peer) lie(heads []object.ID) []object.ID {
	r := p.w.rnd
	var told []object.ID
	for _, h := range heads {
		if r.IntN(2) == 0 {
			told = append(told, h)
		}
	}
	other := p.w.peers[r.IntN(len(p.w.peers))]
	if r.IntN(2) == 0 {
		told = append(told, other.space.Heads()...)
	}
	if r.IntN(2) == 0 {
		told = append(told, object.Sum(object.DagCBOR, []byte{byte(r.IntN(256)), byte(r.IntN(256))}))
	}
	return told
}

// change is what an omitter does to a batch, and a forger now and then.
func (p *peer) change(b *history.Batch) *history.Batch {
	if p.kind != Omitter || len(b.Commits) < 2 || p.w.rnd.IntN(2) == 0 {
		return b
	}
	out := p.w.rnd.IntN(len(b.Commits))
	gone := b.Commits[out].ID
	return &history.Batch{
		Commits: slices.Delete(slices.Clone(b.Commits), out, out+1),
		Attestations: slices.DeleteFunc(slices.Clone(b.Attestations), func(a history.Attestation) bool {
			return a.Commit == gone
		}),
		Objects: b.Objects,
	}
}

// garble is what a corrupter does to bytes.
func (p *peer) garble(l *letter) *letter {
	if p.kind != Corrupter || p.w.rnd.IntN(3) == 0 {
		return l
	}
	wire := slices.Clone(l.wire)
	for range 1 + p.w.rnd.IntN(3) {
		wire[p.w.rnd.IntN(len(wire))] ^= byte(1 + p.w.rnd.IntN(255))
	}
	if p.w.rnd.IntN(8) == 0 {
		wire = wire[:p.w.rnd.IntN(len(wire))]
	}
	return &letter{wire: wire}
}

// keep stashes what a replayer sends and hears.
func (p *peer) keep(l *letter) {
	if p.kind != Replayer {
		return
	}
	if len(p.evil.stash) < 200 {
		p.evil.stash = append(p.evil.stash, l)
		return
	}
	p.evil.stash[p.w.rnd.IntN(len(p.evil.stash))] = l
}

// mischief is what adversaries do on their own.
func (p *peer) mischief() {
	w := p.w
	to := w.rnd.IntN(len(w.peers))
	switch {
	case to == p.number:
	case p.kind == Replayer:
		for range min(10, len(p.evil.stash)) {
			l := p.evil.stash[w.rnd.IntN(len(p.evil.stash))]
			w.transmit(p.number, to, func() { w.peers[to].receive(p.number, l) })
		}
	case p.kind == Forger:
		p.forgeries(to)
	}
}

// forge makes a commit by hand, on a version of some time ago.
func (p *peer) forge(n int) {
	w := p.w
	d := w.draftOf(p)
	if p.evil.seq == 0 {
		op, err := authority.DeviceOp(p.device.Certificate)
		if err != nil {
			w.fail("forge: %w", err)
			return
		}
		d.Ops = append(d.Ops, op)
	}
	d.Seq, d.Prev = p.evil.seq+1, p.evil.prev
	var payloads [][]byte
	for range n {
		f := manifest.Fields[w.rnd.IntN(len(manifest.Fields))]
		op := history.Op{Field: f.Name, Action: []string{"set", "add", "remove", "append", "dance"}[w.rnd.IntN(5)], Part: history.NoPart}
		if w.rnd.IntN(3) > 0 {
			v, err := object.Encode([]any{"v1", "v2", nil, int64(7)}[w.rnd.IntN(4)])
			if err != nil {
				w.fail("forge: %w", err)
				return
			}
			op.Part, op.Size = 0, len(v)
			payloads = append(payloads, v)
		}
		if w.rnd.IntN(2) == 0 && len(d.Parents) > 0 {
			op.Refs = []history.OpRef{{Commit: d.Parents[0], Index: uint32(w.rnd.IntN(3))}}
		}
		d.Ops = append(d.Ops, op)
	}
	c, err := w.seal(&d, payloads)
	if err != nil {
		w.fail("forge: %w", err)
		return
	}
	b := p.attested(c)
	if _, err := p.space.Ingest(w.ctx, b, replica.Source{}); err != nil {
		if !isDisk(err) {
			w.fail("forge: own door: %w", err)
		}
		p.mem.FailAt(w.nextFault(), errDisk)
		return
	}
	p.evil.seq, p.evil.prev = d.Seq, c.ID
	w.note("forged", p.number, c.ID.Bytes())
	p.broadcast(b)
}

// draftOf is an envelope on commits that were heads some time ago.
func (w *world) draftOf(p *peer) history.Envelope {
	env := history.Envelope{Version: history.Version, Author: p.device.Certificate.Device, Time: w.rnd.Int64() - w.rnd.Int64()}
	for range 1 + w.rnd.IntN(3) {
		id := w.space
		if n := len(w.acked); n > 0 && w.rnd.IntN(4) > 0 {
			id = w.acked[w.rnd.IntN(n)]
		}
		if p.space.Has(id) && id != p.evil.prev && !slices.Contains(env.Parents, id) {
			env.Parents = append(env.Parents, id)
		}
	}
	if len(env.Parents) == 0 {
		env.Parents = []object.ID{w.space}
	}
	slices.SortFunc(env.Parents, object.ID.Compare)
	return env
}

// seal encodes a commit with one part, or none.
func (w *world) seal(env *history.Envelope, payloads [][]byte) (*history.Commit, error) {
	var parts [][]byte
	if payloads != nil {
		raw, err := (&history.Part{Payloads: payloads}).Encode()
		if err != nil {
			return nil, err
		}
		parts, env.Parts = [][]byte{raw}, [][32]byte{history.PartDigest(raw)}
	}
	return history.NewCommit(env, parts)
}

// attested is a batch of one commit, properly signed by this peer.
func (p *peer) attested(c *history.Commit) *history.Batch {
	sig, err := p.device.Signer.Sign(p.w.ctx, history.AttestationStatement(p.w.space, c.Env.Seq, c.ID))
	if err != nil {
		p.w.fail("sign: %w", err)
	}
	return &history.Batch{Commits: []*history.Commit{c}, Attestations: []history.Attestation{{Commit: c.ID, Sig: sig}}}
}
