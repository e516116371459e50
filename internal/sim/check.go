package sim

import (
	"fmt"
	"math/bits"
	"slices"

	"github.com/hyperhyperspace/hhs-go/crdt"
	"github.com/hyperhyperspace/hhs-go/crdt/crdttest"
	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/replica"
)

// honest are the peers that keep to the rules.
func (w *world) honest() []*peer { return w.peers[:len(w.peers)-len(w.opt.Adversaries)] }

// heal lets the honest peers talk without faults until they are equal. Whoever
// was told a commit passes it on, so each one that asks all others once has
// everything; a second round is for what came in the first.
func (w *world) heal() {
	for range 2 {
		for _, p := range w.honest() {
			p.mem.FailAt(1<<40, nil)
			for _, q := range w.honest() {
				if p != q {
					w.pull(p, q)
				}
			}
		}
	}
}

func (w *world) pull(p, q *peer) {
	for b, err := range q.space.Batches(p.known(), 64<<10) {
		if err != nil {
			w.fail("peer %d: read batches: %w", q.number, err)
			return
		}
		wire, err := history.EncodeBatch(b)
		if err == nil {
			b, err = history.DecodeBatch(wire, 0)
		}
		if err == nil {
			_, err = p.space.Ingest(w.ctx, b, replica.Source{Device: q.device.Certificate.Device})
		}
		for isDisk(err) { // faults that were planned before
			_, err = p.space.Ingest(w.ctx, b, replica.Source{Device: q.device.Certificate.Device})
		}
		if err != nil {
			w.fail("peer %d does not take what honest peer %d has: %w", p.number, q.number, err)
			return
		}
	}
}

// check holds the honest replicas to the list in the package comment.
func (w *world) check() {
	first := w.honest()[0]
	m, err := w.model(first.space)
	if err != nil {
		w.fail("model: %w", err)
		return
	}
	w.report.Commits = len(m.commits)
	for _, id := range w.acked { // 3
		if _, ok := m.number[id]; !ok {
			w.fail("acknowledged commit %s is nowhere", id)
			return
		}
	}
	for _, c := range m.commits { // 4
		if w.honestDevice(c.Env.Author) && !w.authored[c.ID] {
			w.fail("commit %s bears the name of a device that did not write it", c.ID)
			return
		}
	}
	w.report.Refused = map[string]int{}
	for _, p := range w.honest() {
		if err := w.checkPeer(p, first, m); err != nil {
			w.fail("peer %d: %w", p.number, err)
			return
		}
	}
	w.report.Forks = len(first.space.Forks())
	for _, h := range first.space.Heads() {
		w.note("end", 0, h.Bytes())
	}
}

func (w *world) honestDevice(k identity.PublicKey) bool {
	return slices.ContainsFunc(w.honest(), func(p *peer) bool { return p.device.Certificate.Device == k })
}

func (w *world) checkPeer(p, first *peer, m *model) error {
	counts, _ := p.space.Refused()
	for rule, n := range counts {
		w.report.Refused[rule] += n
	}
	if err := equal(p.space, first.space); err != nil { // 1
		return err
	}
	heads, n := p.space.Heads(), p.space.Len()
	p.node.Close()
	if err := p.open(); err != nil { // 5
		return fmt.Errorf("reopen: %w", err)
	}
	if !slices.Equal(p.space.Heads(), heads) || p.space.Len() != n {
		return fmt.Errorf("reopened with %d commits and %d heads, had %d and %d", p.space.Len(), len(p.space.Heads()), n, len(heads))
	}
	return m.values(p.space, p == first) // 2; values are read from the store, so this holds for the one before, too
}

// equal compares what two replicas say of their history.
func equal(a, b *replica.Space) error {
	if !slices.Equal(a.Heads(), b.Heads()) || a.Len() != b.Len() {
		return fmt.Errorf("%d commits and heads %v, another has %d and %v", a.Len(), a.Heads(), b.Len(), b.Heads())
	}
	ca, errA := a.Chains(nil)
	cb, errB := b.Chains(nil)
	if errA != nil || errB != nil || !slices.Equal(ca, cb) {
		return fmt.Errorf("chains differ: %v %v, %v %v", ca, errA, cb, errB)
	}
	fa, fb := a.Forks(), b.Forks()
	slices.SortFunc(fa, identity.PublicKey.Compare)
	slices.SortFunc(fb, identity.PublicKey.Compare)
	if !slices.Equal(fa, fb) {
		return fmt.Errorf("forks differ: %v, %v", fa, fb)
	}
	return nil
}

// model is all commits with their past, computed the simple way.
type model struct {
	commits []*history.Commit
	number  map[object.ID]int
	past    [][]uint64 // a set of numbers for each commit, without itself
	height  []uint64
	person  map[identity.PublicKey]identity.PublicKey
	shown   map[string]string // by field
}

func (w *world) model(s *replica.Space) (*model, error) {
	m := &model{number: map[object.ID]int{}, person: map[identity.PublicKey]identity.PublicKey{}, shown: map[string]string{}}
	for _, p := range w.peers {
		m.person[p.device.Certificate.Device] = p.device.Certificate.Identity
	}
	for b, err := range s.Batches(nil, 64<<10) {
		if err != nil {
			return nil, err
		}
		for _, c := range b.Commits {
			m.add(c)
		}
	}
	for _, f := range manifest.Fields {
		typ, _ := crdt.ByName(f.Type)
		gen, _ := crdttest.For(typ)
		m.shown[f.Name] = render(gen.Model(m.facts(f.Name), m.before))
	}
	return m, nil
}

func (m *model) add(c *history.Commit) {
	n := len(m.commits)
	m.commits, m.number[c.ID] = append(m.commits, c), n
	past, height := make([]uint64, n/64+1), uint64(1)
	for _, e := range c.Edges() {
		at := m.number[e]
		for i, word := range m.past[at] {
			past[i] |= word
		}
		past[at/64] |= 1 << (at % 64)
		height = max(height, m.height[at]+1)
	}
	m.past, m.height = append(m.past, past), append(m.height, height)
}

// before is the causal order of ops.
func (m *model) before(a, b history.OpRef) bool {
	if a.Commit == b.Commit {
		return a.Index < b.Index
	}
	at, past := m.number[a.Commit], m.past[m.number[b.Commit]]
	return at/64 < len(past) && bits.OnesCount64(past[at/64]>>(at%64)&1) == 1
}

// facts are all ops on a field. Under an open policy all are effective.
func (m *model) facts(field string) (facts []crdttest.Fact) {
	for n, c := range m.commits {
		payloads, err := c.Payloads()
		if err != nil {
			payloads = make([][]byte, len(c.Env.Ops)) // a part that does not fit leaves no values
		}
		for i, op := range c.Env.Ops {
			if op.Field != field {
				continue
			}
			refs := slices.Clone(op.Refs)
			for j := range refs {
				if refs[j].IsZero() || refs[j].Commit.IsZero() {
					refs[j].Commit = c.ID
				}
			}
			facts = append(facts, crdttest.Fact{Effective: true, Op: crdt.Op{Ref: history.OpRef{Commit: c.ID, Index: uint32(i)}, Height: m.height[n],
				Author: c.Env.Author, Identity: m.person[c.Env.Author], Time: c.Env.Time, Action: op.Action, Refs: refs, Payload: payloads[i]}})
		}
	}
	return facts
}

// values compares what a replica shows with the models. thorough reads it in other ways too, which is enough for one of
// those that show the same.
func (m *model) values(s *replica.Space, thorough bool) error {
	view, err := s.View()
	if err != nil {
		return err
	}
	defer view.Close()
	for _, f := range manifest.Fields {
		typ, _ := crdt.ByName(f.Type)
		gen, _ := crdttest.For(typ)
		env, err := view.Env(f.Name)
		if err != nil {
			return err
		}
		shown, err := gen.Read(env)
		if err != nil {
			return fmt.Errorf("read %s: %w", f.Name, err)
		}
		if got := render(shown); got != m.shown[f.Name] {
			return fmt.Errorf("%s shows\n%s\nthe model\n%s", f.Name, got, m.shown[f.Name])
		}
		if thorough && gen.Check != nil {
			if err := gen.Check(env, shown); err != nil {
				return fmt.Errorf("%s: %w", f.Name, err)
			}
		}
	}
	return nil
}

func render(list []crdttest.Shown) string {
	var b []byte
	for _, s := range list {
		b = fmt.Appendf(b, "%x %s/%d", s.Value, s.Ref.Commit, s.Ref.Index)
		for _, o := range s.Others {
			b = fmt.Appendf(b, " or %s/%d", o.Commit, o.Index)
		}
		b = append(b, '\n')
	}
	return string(b)
}
