package sim

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/hyperhyperspace/hhs-go/crdt"
	"github.com/hyperhyperspace/hhs-go/crdt/crdttest"
	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/replica"
	"github.com/hyperhyperspace/hhs-go/store"
)

var errDisk = errors.New("the disk fails")

// peer is one device with its replica. An adversary is one with a kind.
type peer struct {
	w      *world
	number int
	kind   Kind
	device identity.Device
	mem    *store.Mem
	node   *replica.Node
	space  *replica.Space
	opens  uint64

	patience time.Duration   // when it may ask again for what is missing
	flights  map[int]*flight // what is under way to whom

	evil evil
}

// newPeer makes a device and its store. Everything random follows from the seed.
func (w *world) newPeer(number int, kind Kind) (*peer, error) {
	p := &peer{w: w, number: number, kind: kind, mem: store.NewMem(), flights: map[int]*flight{}}
	_, device, err := identity.NewDevice(w.ctx, w.source(number, 0), "sim", 1)
	if err != nil {
		return nil, err
	}
	device.Signer = notary{w.ledger, device.Certificate.Device}
	p.device = device
	return p, p.open()
}

// source is a source of randomness for one use of one peer.
func (w *world) source(number int, use uint64) *rand.ChaCha8 {
	var seed [32]byte
	for i := range 8 {
		seed[i], seed[8+i], seed[16+i] = byte(w.opt.Seed>>(8*i)), byte(number>>(8*i)), byte(use>>(8*i))
	}
	return rand.NewChaCha8(seed)
}

func (p *peer) open() (err error) {
	p.opens++
	p.node, err = replica.Open(p.w.ctx, replica.Config{Store: p.mem, Device: p.device, Verifier: p.w.ledger,
		Rand: p.w.source(p.number, p.opens), Now: func() time.Time { return time.UnixMilli(1_700_000_000_000).Add(p.w.now) }})
	if err == nil && p.space != nil {
		p.space, err = p.node.Space(p.w.space)
	}
	return err
}

func (p *peer) close() {
	p.node.Close()
	if p.evil.twin != nil {
		p.evil.twin.close()
	}
}

// begin joins the space and takes its first commit.
func (p *peer) begin(founding *history.Batch) (err error) {
	if p.space, err = p.node.Join(p.w.ctx, p.w.space); err != nil {
		return err
	}
	if _, err = p.space.Ingest(p.w.ctx, founding, replica.Source{}); err != nil {
		return err
	}
	if p.kind != Equivocator {
		return nil
	}
	if p.evil.twin, err = p.w.newPeer(p.number, Honest); err != nil {
		return err
	}
	p.evil.twin.kind = Equivocator
	p.evil.twin.space, err = p.evil.twin.node.Join(p.w.ctx, p.w.space)
	if err == nil {
		_, err = p.evil.twin.space.Ingest(p.w.ctx, founding, replica.Source{})
	}
	return err
}

// write makes one transaction of n ops and tells the others.
func (p *peer) write(n int) {
	w := p.w
	if p.kind == Backdater {
		p.forge(n)
		return
	}
	self := p
	if p.evil.twin != nil && w.rnd.IntN(2) == 0 {
		self = p.evil.twin
	}
	before := self.space.Heads()
	made := 0
	r, err := self.space.Update(w.ctx, func(tx *replica.Tx) error {
		made = 0
		for range n {
			ok, err := self.draft(tx)
			if err != nil {
				return err
			}
			if ok {
				made++
			}
		}
		return nil
	})
	switch {
	case errors.Is(err, errDisk):
		w.report.Faults++
		p.mem.FailAt(w.nextFault(), errDisk)
		if !slices.Equal(self.space.Heads(), before) {
			w.fail("peer %d: a failed update moved the heads", p.number)
		}
		w.after(time.Second, func() { p.write(n) })
		return
	case errors.Is(err, replica.ErrForked) && p.kind == Equivocator:
		return
	case err != nil:
		w.fail("peer %d: update: %w", p.number, err)
		return
	case made == 0:
		return
	}
	w.note("write", p.number, r.Commit.Bytes())
	w.report.Ops += made
	if p.kind == Honest {
		w.acked = append(w.acked, r.Commit)
	}
	self.push(before)
}

// draft adds one op that fits what is there.
func (p *peer) draft(tx *replica.Tx) (bool, error) {
	f := manifest.Fields[p.w.rnd.IntN(len(manifest.Fields))]
	typ, _ := crdt.ByName(f.Type)
	gen, _ := crdttest.For(typ)
	env, err := tx.Env(f.Name)
	if err != nil {
		return false, err
	}
	d, ok := gen.Draft(p.w.rnd, env, p.device.Certificate.Identity)
	if !ok {
		return false, nil
	}
	var ignored *crdt.Ignored
	err = tx.Do(f.Name, d)
	if errors.As(err, &ignored) {
		return false, nil // the generator also makes values that the schema does not take
	}
	return err == nil, err
}

// push sends what is new since before to everyone.
func (p *peer) push(before []object.ID) {
	for b, err := range p.space.Batches(before, 64<<10) {
		if err != nil {
			p.w.fail("peer %d: read batches: %w", p.number, err)
			return
		}
		if p.kind == Honest {
			for _, c := range b.Commits {
				p.w.authored[c.ID] = true
			}
		}
		p.broadcast(b)
	}
}

func (p *peer) broadcast(b *history.Batch) {
	l := p.letter(b)
	for i := range p.w.peers {
		if l != nil && i != p.number && p.gives(i) {
			p.send(i, l)
		}
	}
}

// gives tells whether this half of an equivocator serves a peer.
func (p *peer) gives(to int) bool {
	if p.kind != Equivocator {
		return true
	}
	return (to%2 == 0) == (p.evil.twin != nil)
}

// gossip compares with a peer chosen at random.
func (p *peer) gossip() {
	w := p.w
	if w.now > duration {
		return
	}
	w.after(w.opt.Gossip/2+w.upTo(w.opt.Gossip), p.gossip)
	if w.chance(w.opt.Crash) && p.evil.twin == nil {
		p.restart()
		if w.failed != nil {
			return
		}
	}
	if to := w.rnd.IntN(len(w.peers)); to != p.number {
		p.ask(to)
	}
	p.mischief()
}

// restart ends the process and starts it again from its store.
func (p *peer) restart() {
	heads, n := p.space.Heads(), p.space.Len()
	p.node.Close()
	if err := p.open(); err != nil {
		p.w.fail("peer %d: reopen: %w", p.number, err)
		return
	}
	p.w.report.Restarted++
	p.w.note("restart", p.number, nil)
	if !slices.Equal(p.space.Heads(), heads) || p.space.Len() != n {
		p.w.fail("peer %d: reopened with %d commits, had %d", p.number, p.space.Len(), n)
	}
}

// ask tells a peer what is here, so that it answers with what is missing.
func (p *peer) ask(to int) {
	have := p.known()
	if p.kind == Liar {
		have = p.lie(have)
	}
	p.w.transmit(p.number, to, func() { p.w.peers[to].asked(p.number, have) })
}

// known are the heads, and the ends of all chains for a peer that has not heard of the heads: a session tells as much.
func (p *peer) known() []object.ID {
	have := p.space.Heads()
	tips, err := p.space.Chains(nil)
	if err != nil {
		p.w.fail("peer %d: chains: %w", p.number, err)
	}
	for _, t := range tips {
		have = append(have, t.Tip)
	}
	return have
}

// asked answers with everything that is not in the past of what another has.
func (p *peer) asked(by int, have []object.ID) {
	self := p
	if p.evil.twin != nil && !p.gives(by) {
		self = p.evil.twin
	}
	if f := self.flights[by]; f != nil && p.w.now < f.lands {
		have = append(have, f.heads...)
	}
	self.flights[by] = &flight{self.space.Heads(), p.w.now + p.w.opt.Latency}
	for b, err := range self.space.Batches(have, 16<<10) {
		if err != nil {
			p.w.fail("peer %d: read batches: %w", p.number, err)
			return
		}
		self.sendBatch(by, b)
	}
}

// flight is what was sent to a peer and may still arrive: it is not sent again before that.
type flight struct {
	heads []object.ID
	lands time.Duration
}

// letter is a batch in its wire form. Those who get the same bytes share what is
// read from them.
type letter struct {
	wire []byte
	b    *history.Batch
	err  error
}

func (l *letter) open() (*history.Batch, error) {
	if l.b == nil && l.err == nil {
		l.b, l.err = history.DecodeBatch(l.wire, 0)
	}
	return l.b, l.err
}

func (p *peer) letter(b *history.Batch) *letter {
	wire, err := history.EncodeBatch(p.change(b))
	if err != nil {
		p.w.fail("peer %d: encode a batch: %w", p.number, err)
		return nil
	}
	return &letter{wire: wire}
}

// sendBatch puts a batch on the network.
func (p *peer) sendBatch(to int, b *history.Batch) {
	if l := p.letter(b); l != nil {
		p.send(to, l)
	}
}

func (p *peer) send(to int, l *letter) {
	l = p.garble(l)
	p.keep(l)
	p.w.transmit(p.number, to, func() { p.w.peers[to].receive(p.number, l) })
}

// transmit delivers a message once, not at all, or twice, some time later.
func (w *world) transmit(from, to int, deliver func()) {
	if w.chance(w.opt.Loss) {
		return
	}
	copies := 1
	if w.chance(w.opt.Duplicate) {
		copies = 2
	}
	for range copies {
		w.after(w.upTo(w.opt.Latency), func() {
			if w.side[from] == w.side[to] {
				deliver()
			}
		})
	}
}

// receive takes a batch from a peer to the door.
func (p *peer) receive(from int, l *letter) {
	w := p.w
	p.keep(l)
	self := p
	if p.evil.twin != nil && !p.gives(from) {
		self = p.evil.twin
	}
	b, err := l.open()
	if err != nil {
		w.note("malformed", p.number, nil)
		if w.peers[from].kind == Honest {
			w.fail("peer %d: a batch of honest peer %d: %w", p.number, from, err)
		}
		return
	}
	res, err := self.space.Ingest(w.ctx, b, replica.Source{Device: w.peers[from].device.Certificate.Device})
	var refused *replica.Reject
	switch {
	case errors.Is(err, errDisk):
		w.report.Faults++
		p.mem.FailAt(w.nextFault(), errDisk)
		w.note("fault", p.number, nil)
	case errors.As(err, &refused):
		w.note("refused "+refused.Rule, p.number, refused.Commit.Bytes())
		if refused.Rule == replica.RuleMissingPast {
			if self.patience <= w.now && w.now < duration { // what it lacks is likely on its way
				self.patience = w.now + w.opt.Latency + w.opt.Gossip
				self.ask(from)
			}
			return
		}
		if p.kind == Honest && w.peers[from].kind == Honest {
			w.fail("peer %d blames honest peer %d: %w", p.number, from, err)
		}
	case err != nil:
		w.fail("peer %d: ingest from %d: %w", p.number, from, err)
	case res.New > 0:
		w.note(fmt.Sprint("admitted ", res.New), p.number, nil)
	}
}
