package crdttest

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/hyperhyperspace/hhs-go/crdt"
	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/object"
)

// people and devices: five devices of four identities, so that one identity writes concurrently with itself.
const devices = 5

// commit is a commit of the simulated history. Its id is random: a type must not care.
type commit struct {
	id      object.ID
	author  int
	height  uint64
	parents []int
	past    numbers // without itself
	ops     []crdt.Op
}

// sim is a history and the replicas that make it.
type sim struct {
	typ      crdt.Type
	gen      Gen
	r        *rand.Rand
	keys     [devices]identity.PublicKey
	people   [devices]identity.PublicKey
	commits  []*commit
	number   map[object.ID]int
	replicas []*replica
	quiet    bool // changes are not followed
	seldom   int  // one in so many calls is made again, and its state compared
}

// replica is what one author has, and what it thinks of it.
type replica struct {
	has     []int // in the order they came
	known   numbers
	verdict map[history.OpRef]bool // effective
	state   *State
	shown   map[string][]byte // by key, kept from the changes alone
	listed  [][]byte          // the same of a type with Follow
	before  [][]byte          // what it was a while ago
	edits   crdt.Edits        // and all that was told since
	env     *crdt.Env         // kept from call to call
}

func newReplica() *replica {
	return &replica{verdict: map[history.OpRef]bool{}, state: NewState(), shown: map[string][]byte{}}
}

// take notes that a replica has a commit now.
func (p *replica) take(n int) {
	p.has = append(p.has, n)
	p.known.add(n)
}

// simulate makes one history and checks it all along.
func simulate(typ crdt.Type, gen Gen, r *rand.Rand, steps int) *failure {
	s := newSim(typ, gen, r)
	for range steps {
		if f := s.step(); f != nil {
			return f
		}
	}
	return s.converge()
}

func newSim(typ crdt.Type, gen Gen, r *rand.Rand) *sim {
	s := &sim{typ: typ, gen: gen, r: r, number: map[object.ID]int{}, seldom: 8}
	for i := range s.keys {
		s.keys[i], s.people[i] = key(byte(1+i)), key(byte(101+min(i, devices-2)))
		s.replicas = append(s.replicas, newReplica())
	}
	return s
}

// key makes a public key: any point will do, nothing is signed. The tag is that of Ed25519.
func key(n byte) identity.PublicKey {
	b := append([]byte{0xed, 0x01}, bytes.Repeat([]byte{n}, 32)...)
	k, err := identity.PublicKeyFromBytes(b)
	if err != nil {
		panic(fmt.Sprintf("crdttest: key %d: %v", n, err)) // a constant of this package is wrong
	}
	return k
}

// Before implements crdt.Past.
func (s *sim) Before(a, b history.OpRef) (bool, error) {
	an, aok := s.number[a.Commit]
	bn, bok := s.number[b.Commit]
	if !aok || !bok || an == bn {
		return false, fmt.Errorf("crdttest: the type asks for the order of %v and %v", a, b)
	}
	return s.commits[bn].past.has(an), nil
}

// before is the causal order of ops, for models.
func (s *sim) before(a, b history.OpRef) bool {
	if a.Commit == b.Commit {
		return a.Index < b.Index
	}
	return s.commits[s.number[b.Commit]].past.has(s.number[a.Commit])
}

func (s *sim) env(p *replica) *crdt.Env {
	if s.gen.Keep && p.env != nil && s.r.IntN(5) > 0 {
		return p.env
	}
	env := &crdt.Env{State: p.state, Past: s, Ops: s, Schema: s.gen.Schema}
	if s.gen.Env != nil {
		s.gen.Env(env)
	}
	p.env = env
	return env
}

// Diff implements crdt.Past.
func (s *sim) Diff(a, b []uint64) (onlyA, onlyB []history.Span, err error) {
	within := func(version []uint64) (all numbers) {
		for _, v := range version {
			all.addAll(s.commits[v].past)
			all.add(int(v))
		}
		return all
	}
	inA, inB := within(a), within(b)
	return inA.without(inB), inB.without(inA), nil
}

// stateOf writes out a replica's state.
func (s *sim) stateOf(p *replica) (string, *failure) {
	if s.gen.State == nil {
		return p.state.bytes(), nil
	}
	state, err := s.gen.State(s.env(p))
	if err != nil {
		return "", s.fail("read everything: %v", err)
	}
	return state, nil
}

// dumpOf writes a state for people.
func (s *sim) dumpOf(state string) string {
	if s.gen.State == nil {
		return dump(state)
	}
	return state
}

// step lets one author do one thing.
func (s *sim) step() *failure {
	a := s.r.IntN(devices)
	var f *failure
	switch n := s.r.IntN(100); {
	case n < 50:
		f = s.write(a)
	case n < 75:
		f = s.merge(s.replicas[a], s.replicas[s.r.IntN(devices)])
	case n < 90:
		f = s.flipSome(s.replicas[a])
	default:
		f = s.flipSuffix(s.replicas[a])
	}
	if f != nil {
		return f
	}
	return s.compare(s.replicas[a], fmt.Sprintf("replica %s", name(a)))
}

// write makes a commit of one to three ops, now and then of many, so that they meet on one key.
func (s *sim) write(a int) *failure {
	p := s.replicas[a]
	var seed [16]byte
	binary.BigEndian.PutUint64(seed[:], s.r.Uint64())
	binary.BigEndian.PutUint64(seed[8:], uint64(len(s.commits)))
	c := &commit{id: object.Sum(object.DagCBOR, seed[:]), author: a, past: slices.Clone(p.known), height: 1}
	for _, n := range p.has {
		c.height = max(c.height, s.commits[n].height+1)
		if !s.seen(p.has, n) {
			c.parents = append(c.parents, n)
		}
	}
	n := len(s.commits)
	s.commits, s.number[c.id] = append(s.commits, c), n
	p.take(n)
	ops := 1 + s.r.IntN(3)
	if s.r.IntN(8) == 0 {
		ops = 4 + s.r.IntN(20)
	}
	for range ops {
		d, ok := s.gen.Draft(s.r, s.env(p), s.people[a])
		if s.r.IntN(8) == 0 {
			d, ok = s.hostile(d, p), true
		}
		if !ok {
			continue
		}
		op := crdt.Op{Ref: history.OpRef{Commit: c.id, Index: uint32(len(c.ops))}, Num: uint64(n), Height: c.height, Author: s.keys[a],
			Identity: s.people[a], Time: int64(s.r.Uint64() >> 20), Action: d.Action, Refs: d.Refs, Payload: d.Payload}
		c.ops = append(c.ops, op)
		if f := s.apply(p, op, s.r.IntN(10) > 0); f != nil {
			return f
		}
	}
	return nil
}

// seen tells whether a commit is in the past of one of others; the last ones know most.
func (s *sim) seen(has []int, n int) bool {
	for _, m := range slices.Backward(has) {
		if s.commits[m].past.has(n) {
			return true
		}
	}
	return false
}

// hostile makes of a draft what a modified client might send: the door admits it as long as it names what is there.
func (s *sim) hostile(d crdt.Draft, p *replica) crdt.Draft {
	switch s.r.IntN(6) {
	case 0:
		d.Action = []string{"", "set", "add", "remove", "append", "drop", "edit"}[s.r.IntN(7)]
	case 1:
		d.Payload = nil
	case 2:
		d.Payload = append(bytes.Clone(d.Payload), 0)
	case 3:
		d.Payload = []byte{0xf6} // null
	case 4:
		d.Refs = nil
	}
	for range s.r.IntN(3) {
		c := s.commits[p.has[s.r.IntN(len(p.has))]]
		if len(c.ops) > 0 && c != s.commits[len(s.commits)-1] {
			d.Refs = append(d.Refs, c.ops[s.r.IntN(len(c.ops))].Ref)
		}
	}
	return d
}

// apply gives an op to a replica, follows the changes, and now and then tells its verdict again.
func (s *sim) apply(p *replica, op crdt.Op, effective bool) *failure {
	p.verdict[op.Ref] = effective
	changes, err := s.typ.Apply(s.env(p), op, effective)
	if err != nil {
		return s.fail("apply %s: %v", s.opName(op), err)
	}
	if f := s.follow(p, changes, "apply "+s.opName(op)); f != nil || s.r.IntN(s.seldom) > 0 {
		return f
	}
	return s.again(p, op)
}

// flip tells a replica a verdict.
func (s *sim) flip(p *replica, op crdt.Op, effective bool) *failure {
	p.verdict[op.Ref] = effective
	changes, err := s.typ.Flip(s.env(p), op, effective)
	if err != nil {
		return s.fail("flip %s to effective=%v: %v", s.opName(op), effective, err)
	}
	what := fmt.Sprintf("flip %s to effective=%v", s.opName(op), effective)
	if f := s.follow(p, changes, what); f != nil || s.r.IntN(s.seldom) > 0 {
		return f
	}
	return s.again(p, op)
}

// again tells what is known already.
func (s *sim) again(p *replica, op crdt.Op) *failure {
	was := p.state.bytes()
	changes, err := s.typ.Flip(s.env(p), op, p.verdict[op.Ref])
	if err != nil || len(changes) > 0 || p.state.bytes() != was {
		return s.fail("telling %s again: changes %v, error %v, state\n%sthen\n%s", s.opName(op), changes, err, dump(was), p.state.Dump())
	}
	return nil
}

// merge brings everything from one replica to another, in some causal order.
func (s *sim) merge(to, from *replica) *failure {
	var missing []int
	for _, n := range from.has {
		if !to.known.has(n) {
			missing = append(missing, n)
		}
	}
	for len(missing) > 0 {
		i := s.r.IntN(len(missing))
		n := missing[i]
		if s.commits[n].past.meets(missing) {
			continue // not all of its past is there
		}
		missing = slices.Delete(missing, i, i+1)
		to.take(n)
		for _, op := range s.commits[n].ops {
			if f := s.apply(to, op, s.r.IntN(7) > 0); f != nil {
				return f
			}
		}
	}
	return nil
}

// flipSome changes the verdict on some ops.
func (s *sim) flipSome(p *replica) *failure {
	for range 1 + s.r.IntN(4) {
		if len(p.has) == 0 {
			return nil
		}
		c := s.commits[p.has[s.r.IntN(len(p.has))]]
		if len(c.ops) == 0 {
			continue
		}
		op := c.ops[s.r.IntN(len(c.ops))]
		if f := s.flip(p, op, !p.verdict[op.Ref]); f != nil {
			return f
		}
	}
	return nil
}

// flipSuffix makes all ops of an author from some commit on void, or effective, in some order.
func (s *sim) flipSuffix(p *replica) *failure {
	a, to := s.r.IntN(devices), s.r.IntN(2) == 0
	var ops []crdt.Op
	for n, c := range s.commits {
		if p.known.has(n) && c.author == a {
			ops = append(ops, c.ops...)
		}
	}
	if len(ops) == 0 {
		return nil
	}
	ops = ops[s.r.IntN(len(ops)):]
	switch s.r.IntN(3) {
	case 0:
		slices.Reverse(ops)
	case 1:
		s.r.Shuffle(len(ops), func(i, j int) { ops[i], ops[j] = ops[j], ops[i] })
	}
	for _, op := range ops {
		if f := s.flip(p, op, to); f != nil {
			return f
		}
	}
	return nil
}

// converge gives everything to everyone with the same verdicts and compares.
func (s *sim) converge() *failure {
	final := map[history.OpRef]bool{}
	var all []int
	for n, c := range s.commits {
		all = append(all, n)
		for _, op := range c.ops {
			final[op.Ref] = s.r.IntN(5) > 0
		}
	}
	source := &replica{has: all}
	var shown []Shown // by all
	for i, p := range s.replicas {
		if f := s.merge(p, source); f != nil {
			return f
		}
		order := s.r.Perm(len(p.has))
		for _, j := range order {
			for _, op := range s.commits[p.has[j]].ops {
				if f := s.flip(p, op, final[op.Ref]); f != nil {
					return f
				}
			}
		}
		if i == 0 {
			shown = s.gen.Model(s.facts(p), s.before)
		}
		if f := s.compareWith(p, shown, "replica "+name(i)+", in the end"); f != nil {
			return f
		}
	}
	want, f := s.stateOf(s.replicas[0])
	for i, p := range s.replicas[1:] {
		got, g := s.stateOf(p)
		if f != nil || g != nil {
			return cmp.Or(f, g)
		}
		if got != want {
			return s.fail("replicas A and %s have the same ops and verdicts, but the states\n%sand\n%s", name(i+1), s.dumpOf(want), s.dumpOf(got))
		}
	}
	return s.replay(all, final, want)
}

// replay applies everything to a fresh replica with the final verdicts, in the order of making and in others.
func (s *sim) replay(all []int, final map[history.OpRef]bool, want string) *failure {
	for round := range 3 {
		p := newReplica()
		for _, n := range s.causal(all) {
			p.take(n)
			for _, op := range s.commits[n].ops {
				if round == 0 { // nobody wants the changes
					env := s.env(p)
					env.Quiet = true
					if _, err := s.typ.Apply(env, op, final[op.Ref]); err != nil {
						return s.fail("apply %s: %v", s.opName(op), err)
					}
				} else if f := s.apply(p, op, final[op.Ref]); f != nil {
					return f
				}
			}
		}
		got, f := s.stateOf(p)
		if f != nil {
			return f
		}
		if got != want {
			return s.fail("a replay in the order %v gives the state\n%sthe replicas have\n%s", p.has, s.dumpOf(got), s.dumpOf(want))
		}
	}
	return nil
}

// causal returns a random order in which every commit comes after its past.
func (s *sim) causal(all []int) []int {
	left, order := slices.Clone(all), []int(nil)
	for len(left) > 0 {
		i := s.r.IntN(len(left))
		if s.commits[left[i]].past.meets(left) {
			continue
		}
		order, left = append(order, left[i]), slices.Delete(left, i, i+1)
	}
	return order
}

// facts are the ops that a replica has taken in, with its verdicts.
func (s *sim) facts(p *replica) []Fact {
	var facts []Fact
	for _, n := range p.has {
		for _, op := range s.commits[n].ops {
			if effective, known := p.verdict[op.Ref]; known {
				facts = append(facts, Fact{op, effective})
			}
		}
	}
	return facts
}

// read reads everything that a replica shows.
func (s *sim) read(p *replica) ([]Shown, error) {
	if s.gen.ReadAll != nil {
		return s.gen.ReadAll(s.env(p), s.facts(p))
	}
	return s.gen.Read(s.env(p))
}

// compare reads a replica and holds it against the model and against the ops themselves.
func (s *sim) compare(p *replica, where string) *failure {
	return s.compareWith(p, s.gen.Model(s.facts(p), s.before), where)
}

func (s *sim) compareWith(p *replica, want []Shown, where string) *failure {
	ops := map[history.OpRef]crdt.Op{}
	for _, f := range s.facts(p) {
		ops[f.Ref] = f.Op
	}
	got, err := s.read(p)
	if err != nil {
		return s.fail("%s: read: %v", where, err)
	}
	if !slices.EqualFunc(got, want, same) {
		return s.fail("%s reads\n%sthe model says\n%s", where, s.list(got), s.list(want))
	}
	if s.gen.Check != nil {
		if err := s.gen.Check(s.env(p), got); err != nil {
			return s.fail("%s: %v", where, err)
		}
	}
	for _, e := range got {
		op := ops[e.Ref]
		if e.Author != op.Author || e.Identity != op.Identity || e.Time != op.Time || e.Height != op.Height {
			return s.fail("%s: an entry of op %s says %v %v %d height %d", where, s.opName(op), e.Author, e.Identity, e.Time, e.Height)
		}
	}
	return nil
}

func same(got, model Shown) bool {
	return got.Ref == model.Ref && bytes.Equal(got.Value, model.Value) && slices.Equal(got.Others, model.Others) && slices.Equal(got.Path, model.Path) &&
		(model.Key == nil || bytes.Equal(got.Key, model.Key))
}
