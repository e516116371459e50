package sim

import (
	"errors"

	"github.com/hyperhyperspace/hhs-go/authority"
	"github.com/hyperhyperspace/hhs-go/history"
)

func isDisk(err error) bool { return errors.Is(err, errDisk) }

// forgeries sends a peer batches of which none may be let in.
func (p *peer) forgeries(to int) {
	w := p.w
	victim := w.peers[w.rnd.IntN(len(w.peers)-len(w.opt.Adversaries))]
	env := w.draftOf(p)
	env.Author, env.Seq, env.Time = victim.device.Certificate.Device, 1, 1
	op, err := authority.DeviceOp(victim.device.Certificate)
	if err != nil {
		w.fail("forge: %w", err)
		return
	}
	env.Ops = []history.Op{op}
	if chains, err := p.space.Chains(nil); err == nil && w.rnd.IntN(2) == 0 {
		for _, c := range chains { // go on where the victim's chain ends
			if c.Author == env.Author {
				env.Seq, env.Prev, env.Ops = c.Seq+1, c.Tip, nil
			}
		}
	}
	c, err := w.seal(&env, nil)
	if err != nil {
		return // prev among the parents
	}
	for _, b := range []*history.Batch{
		{Commits: []*history.Commit{c}}, // signed by nobody
		p.attested(c),                   // signed by the forger
		p.transplanted(c),               // with a signature of the victim for something else
		p.covered(c),                    // under a commit of the forger's own
	} {
		if b == nil {
			continue
		}
		wire, err := history.EncodeBatch(b)
		if err != nil {
			w.fail("forge: %w", err)
			return
		}
		w.transmit(p.number, to, func() { w.peers[to].receive(p.number, &letter{wire: wire}) })
	}
}

// transplanted takes the attestation of another commit of the same author.
func (p *peer) transplanted(c *history.Commit) *history.Batch {
	for b, err := range p.space.Batches(nil, 8<<10) {
		if err != nil {
			return nil
		}
		for _, a := range b.Attestations {
			for _, o := range b.Commits {
				if o.ID == a.Commit && o.Env.Author == c.Env.Author {
					return &history.Batch{Commits: []*history.Commit{c}, Attestations: []history.Attestation{{Commit: c.ID, Sig: a.Sig}}}
				}
			}
		}
		return nil
	}
	return nil
}

// covered puts the forged commit before one of the forger's, as if that vouched
// for it.
func (p *peer) covered(c *history.Commit) *history.Batch {
	env := history.Envelope{Version: history.Version, Author: p.device.Certificate.Device, Seq: c.Env.Seq + 1, Prev: c.ID}
	own, err := p.w.seal(&env, nil)
	if err != nil {
		return nil
	}
	b := p.attested(own)
	b.Commits = []*history.Commit{c, own}
	return b
}
