package replica_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/hyperhyperspace/hhs-go/authority"
	"github.com/hyperhyperspace/hhs-go/crdt"
	"github.com/hyperhyperspace/hhs-go/crdt/crdttest"
	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/replica"
)

// undoModel is docs/spec/undo.md over all commits at once, sharing nothing with
// the replica: it decides from the definition what counts, and hands every op to
// its type once, in causal order, with that.
type undoModel struct {
	t       testing.TB
	commits []*history.Commit
	past    map[object.ID]map[object.ID]bool
	at      map[object.ID]*history.Commit
	num     map[object.ID]uint64
	people  map[identity.PublicKey]identity.PublicKey
}

func modelOf(t testing.TB, s *replica.Space, people map[identity.PublicKey]identity.PublicKey) *undoModel {
	m := &undoModel{t: t, past: map[object.ID]map[object.ID]bool{}, at: map[object.ID]*history.Commit{}, num: map[object.ID]uint64{}, people: people}
	for b, err := range s.Batches(nil, 1<<20) {
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range b.Commits {
			past := map[object.ID]bool{}
			c.Height = 0
			for _, e := range c.Edges() {
				past[e] = true
				for id := range m.past[e] {
					past[id] = true
				}
				c.Height = max(c.Height, m.at[e].Height)
			}
			c.Height++
			m.num[c.ID] = s.Number(t, c.ID)
			m.commits, m.past[c.ID], m.at[c.ID] = append(m.commits, c), past, c
		}
	}
	slices.SortFunc(m.commits, func(a, b *history.Commit) int { return cmp.Compare(m.num[a.ID], m.num[b.ID]) })
	return m
}

// Before implements crdt.Past.
func (m *undoModel) Before(a, b history.OpRef) (bool, error) { return m.past[b.Commit][a.Commit], nil }

// Diff implements crdt.Past.
func (m *undoModel) Diff(a, b []uint64) (onlyA, onlyB []history.Span, err error) {
	covers := func(version []uint64, num uint64) bool {
		return slices.ContainsFunc(version, func(v uint64) bool {
			return v == num || m.past[m.commits[v].ID][m.commits[num].ID]
		})
	}
	for num := range uint64(len(m.commits)) {
		span := history.Span{Start: num, End: num + 1}
		switch inA, inB := covers(a, num), covers(b, num); {
		case inA && !inB:
			onlyA = append(onlyA, span)
		case inB && !inA:
			onlyB = append(onlyB, span)
		}
	}
	return onlyA, onlyB, nil
}

// counts picks the undos or redos that are not ignored.
func (m *undoModel) counts(action string, fits func(c *history.Commit, refs []history.OpRef) bool) map[history.OpRef][]history.OpRef {
	picked := map[history.OpRef][]history.OpRef{}
	for _, c := range m.commits {
		for i, op := range c.Env.Ops {
			if op.Field != "$undo" || op.Part != history.NoPart || op.Action != "undo" && op.Action != "redo" {
				continue
			}
			if op.Action == action && fits(c, op.Refs) {
				picked[history.OpRef{Commit: c.ID, Index: uint32(i)}] = op.Refs
			}
			break // the first counts
		}
	}
	return picked
}

// masked are the commits taken back.
func (m *undoModel) masked() map[object.ID]bool {
	person := func(id object.ID) identity.PublicKey { return m.people[m.at[id].Env.Author] }
	undos := m.counts("undo", func(c *history.Commit, refs []history.OpRef) bool {
		seen := map[history.OpRef]bool{}
		for _, r := range refs {
			if r.Commit.IsZero() || seen[r] || person(r.Commit) != m.people[c.Env.Author] || r.Commit == m.commits[0].ID {
				return false
			}
			seen[r] = true
			ops := m.at[r.Commit].Env.Ops
			first := slices.IndexFunc(ops, func(op history.Op) bool { return op.Field != "" && op.Field[0] != '$' })
			if first < 0 || r.Index != uint32(first) {
				return false
			}
		}
		return len(refs) > 0
	})
	redone := map[history.OpRef]bool{}
	redos := m.counts("redo", func(c *history.Commit, refs []history.OpRef) bool {
		return len(refs) == 1 && undos[refs[0]] != nil && person(refs[0].Commit) == m.people[c.Env.Author]
	})
	for _, refs := range redos {
		redone[refs[0]] = true
	}
	masked := map[object.ID]bool{}
	for undo, targets := range undos {
		for _, r := range targets {
			masked[r.Commit] = masked[r.Commit] || !redone[undo]
		}
	}
	return masked
}

// At implements crdt.Ops.
func (m *undoModel) At(num uint64, index uint32) (crdt.Op, error) {
	c := m.commits[num]
	payloads, err := c.Payloads()
	if err != nil {
		return crdt.Op{}, err
	}
	op := &c.Env.Ops[index]
	return crdt.Op{Ref: history.OpRef{Commit: c.ID, Index: index}, Num: num, Height: c.Height, Author: c.Env.Author,
		Identity: m.people[c.Env.Author], Time: c.Env.Time, Action: op.Action, Refs: op.Refs, Payload: payloads[index]}, nil
}

// Find implements crdt.Ops.
func (m *undoModel) Find(id object.ID) (num, height uint64, err error) {
	return m.num[id], m.at[id].Height, nil
}

// state is what the fields hold.
func (m *undoModel) state() string { return dumpAll(m.t, m.made(m.masked())) }

// made are the fields without the commits taken back.
func (m *undoModel) made(masked map[object.ID]bool) func(name string) (*crdt.Env, error) {
	envs := map[string]*crdt.Env{}
	for name, f := range undoFields {
		envs[name] = &crdt.Env{State: crdttest.NewState(), Past: m, Ops: m, Shape: f.shape, Schema: f.shape.Schema, Space: m.commits[0].ID}
	}
	for num, c := range m.commits {
		for i, op := range c.Env.Ops {
			f, ok := undoFields[op.Field]
			if !ok {
				continue
			}
			op, err := m.At(uint64(num), uint32(i))
			if err == nil {
				_, err = f.shape.Field().Apply(envs[c.Env.Ops[i].Field], op, !masked[c.ID])
			}
			if err != nil {
				m.t.Fatal(err)
			}
		}
	}
	return func(name string) (*crdt.Env, error) { return envs[name], nil }
}

// undoField is a field of the kind that undo is tried on.
type undoField struct {
	shape *crdt.Shape
	gen   crdttest.Gen
}

// undoFields are of every type and of the shapes of package crdttest.
var undoFields = func() map[string]undoField {
	fields := map[string]undoField{}
	for _, typ := range crdt.Types() {
		if g, ok := crdttest.For(typ); ok && slices.Contains(authority.FieldTypes(), typ.Name()) {
			fields[typ.Name()+"_"] = undoField{&crdt.Shape{Type: typ, Schema: g.Schema}, g}
		}
	}
	for name, shape := range crdttest.Shapes() {
		fields[strings.ReplaceAll(name, " ", "_")] = undoField{shape, crdttest.Composed(shape)}
	}
	return fields
}()

// undoNames are their names, in order.
var undoNames = slices.Sorted(maps.Keys(undoFields))

func undoManifest() *authority.Manifest {
	m := &authority.Manifest{Kind: "test/undo", Version: 1, Policy: authority.PolicyOpen}
	for _, name := range undoNames {
		f := fieldOf(undoFields[name].shape)
		f.Name = name
		m.Fields = append(m.Fields, f)
	}
	return m
}

func fieldOf(s *crdt.Shape) (f authority.Field) {
	switch {
	case s.Of != nil:
		of := fieldOf(s.Of)
		return authority.Field{Type: authority.TypeMap, Of: &of}
	case s.Type == nil:
		f.Type = authority.TypeRecord
		for _, p := range s.Fields {
			in := fieldOf(p.Shape)
			in.Name = p.Name
			f.Fields = append(f.Fields, in)
		}
		return f
	}
	if f.Type = s.Type.Name(); f.Type == authority.TypeFold {
		f.Fold, f.Version = "example.org/auction", 1
	}
	if s.Schema != nil {
		f.Schema = s.Schema.Value()
	}
	return f
}

// dumpAll writes the state of all fields down.
func dumpAll(t testing.TB, env func(name string) (*crdt.Env, error)) string {
	t.Helper()
	var out strings.Builder
	for _, name := range undoNames {
		e, err := env(name)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&out, "%s:\n", name)
		if write := undoFields[name].gen.State; write != nil {
			text, err := write(e)
			if err != nil {
				t.Fatal(err)
			}
			out.WriteString(text + "\n")
			continue
		}
		for kv, err := range e.State.Scan(nil, nil, false) {
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&out, "%x = %x\n", kv.Key, kv.Value)
		}
	}
	return out.String()
}

func dumpOf(t testing.TB, s *replica.Space) string {
	t.Helper()
	v, err := s.View()
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	return dumpAll(t, v.Env)
}

// undoPlay is a random history of three devices, two of them of one person.
type undoPlay struct {
	t      *testing.T
	r      *rand.Rand
	nodes  []*replica.Node
	spaces []*replica.Space
	people map[identity.PublicKey]identity.PublicKey
	names  []string // of fields that are edited
}

func newUndoPlay(t *testing.T, seed uint64) *undoPlay { return newUndoPlayOf(t, seed, undoManifest()) }

func newUndoPlayOf(t *testing.T, seed uint64, manifest *authority.Manifest) *undoPlay {
	p := &undoPlay{t: t, r: rand.New(rand.NewPCG(seed, 1)), people: map[identity.PublicKey]identity.PublicKey{}, names: undoNames}
	ana, one := newIdentity(t, 1)
	two := secondDevice(t, ana, 2)
	for i, dev := range []identity.Device{one, two, newDevice(t, 3)} {
		p.people[dev.Signer.Public()] = dev.Identity()
		n := newNode(t, uint64(1+i), func(c *replica.Config) { c.Device = dev })
		p.nodes = append(p.nodes, n)
		if i == 0 {
			s, err := n.Create(context.Background(), manifest)
			if err != nil {
				t.Fatal(err)
			}
			p.spaces = append(p.spaces, s)
			continue
		}
		s, err := n.Join(context.Background(), p.spaces[0].ID())
		if err != nil {
			t.Fatal(err)
		}
		pull(t, s, p.spaces[0], 1<<20)
		p.spaces = append(p.spaces, s)
	}
	return p
}

func (p *undoPlay) step() {
	s := p.spaces[p.r.IntN(len(p.spaces))]
	switch n := p.r.IntN(100); {
	case n < 40:
		p.update(s, p.edit)
	case n < 55:
		p.update(s, p.undo)
	case n < 62:
		p.update(s, func(tx *replica.Tx) error { return undoLast(tx, 0) })
	case n < 70:
		p.update(s, redoLast)
	case n < 80:
		p.update(s, p.hostile)
	default:
		pull(p.t, s, p.spaces[p.r.IntN(len(p.spaces))], 1+p.r.IntN(4000))
	}
	p.compare(s)
}

// compare holds all that a replica keeps of its fields against the model.
func (p *undoPlay) compare(s *replica.Space) {
	p.t.Helper()
	got, want := strings.Split(dumpOf(p.t, s), "\n"), strings.Split(modelOf(p.t, s, p.people).state(), "\n")
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			p.t.Fatalf("the replica has\n%s\nthe model says\n%s\nof the state from %s on", got[i], want[i], strings.Join(got[max(0, i-3):i], "\n"))
		}
	}
	if len(got) != len(want) {
		p.t.Fatalf("the replica has %d lines of state, the model %d", len(got), len(want))
	}
}

func (p *undoPlay) update(s *replica.Space, f func(tx *replica.Tx) error) {
	p.t.Helper()
	if _, err := s.Update(context.Background(), f); err != nil && !errors.Is(err, replica.ErrUndo) {
		p.t.Fatal(err)
	}
}

// edit writes one to three values, as the transaction sees the fields.
func (p *undoPlay) edit(tx *replica.Tx) error {
	me := tx.Space().Node().Device().Identity()
	for range 1 + p.r.IntN(3) {
		name := p.names[p.r.IntN(len(p.names))]
		env, err := tx.Env(name)
		if err != nil {
			return err
		}
		if d, ok := undoFields[name].gen.Draft(p.r, env, me); ok {
			if err := tx.Do(name, d); err != nil && !errors.As(err, new(*crdt.Ignored)) {
				return err
			}
		}
	}
	return nil
}

// known picks a commit of the space.
func (p *undoPlay) known(s *replica.Space) *history.Commit {
	all := modelOf(p.t, s, p.people).commits
	return all[p.r.IntN(len(all))]
}

// undo takes back some commits, whosever they are: what cannot be is refused.
func (p *undoPlay) undo(tx *replica.Tx) error {
	var ids []object.ID
	for range 1 + p.r.IntN(3) {
		if id := p.known(tx.Space()).ID; !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	if err := tx.Undo(ids...); err != nil {
		return err
	}
	if p.r.IntN(2) == 0 {
		return p.edit(tx) // it sees what is taken back
	}
	return nil
}

// undos are the ops that take back, or try to.
func (p *undoPlay) undos(s *replica.Space) (refs []history.OpRef) {
	for _, c := range modelOf(p.t, s, p.people).commits {
		for i, op := range c.Env.Ops {
			if op.Field == authority.UndoField && op.Action == "undo" {
				refs = append(refs, history.OpRef{Commit: c.ID, Index: uint32(i)})
			}
		}
	}
	return refs
}

// hostile names what it likes.
func (p *undoPlay) hostile(tx *replica.Tx) error {
	for range 1 + p.r.IntN(3) {
		op := history.Op{Field: authority.UndoField, Action: []string{"undo", "redo", "group", "take"}[p.r.IntN(4)], Part: history.NoPart}
		for range p.r.IntN(3) {
			c := p.known(tx.Space())
			op.Refs = append(op.Refs, history.OpRef{Commit: c.ID, Index: uint32(p.r.IntN(len(c.Env.Ops) + 1))})
			if p.r.IntN(3) == 0 {
				op.Refs = append(op.Refs, op.Refs[0])
			}
		}
		if undos := p.undos(tx.Space()); op.Action == "redo" && len(undos) > 0 && p.r.IntN(4) > 0 {
			op.Refs = []history.OpRef{undos[p.r.IntN(len(undos))]}
			if p.r.IntN(5) == 0 {
				op.Refs = append(op.Refs, undos[p.r.IntN(len(undos))])
			}
		}
		tx.Raw(op)
	}
	return nil
}

// TestUndoModel: what replicas keep of values of every type is the pure function
// of the specification at every step, whatever order the commits came in, to the
// byte; a check finds it sound and a rebuild makes the same.
func TestUndoModel(t *testing.T) {
	seeds := uint64(24)
	if testing.Short() {
		seeds = 6
	}
	for seed := range seeds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			together := seed%3 == 2
			if together {
				replica.UndosTogether(t)
			}
			p := newUndoPlay(t, seed)
			for range 80 {
				p.step()
			}
			for _, from := range p.spaces {
				for _, to := range p.spaces {
					pull(t, to, from, 2000)
				}
			}
			for i, s := range p.spaces {
				p.compare(s)
				report, err := p.nodes[i].Check(context.Background(), s.ID(), nil)
				if err != nil || !report.Sound() && !together { // a sequence keeps its pages as they came about
					t.Fatalf("check: %+v %v", report, err)
				}
			}
			if _, err := p.nodes[0].Rebuild(context.Background(), p.spaces[0].ID(), nil); err != nil {
				t.Fatal(err)
			}
			again, err := p.nodes[0].Space(p.spaces[0].ID())
			if err != nil {
				t.Fatal(err)
			}
			p.compare(again)
		})
	}
}

// newIdentity makes a person with a first device.
func newIdentity(t testing.TB, seed uint64) (identity.PrivateKey, identity.Device) {
	t.Helper()
	key, dev, err := identity.NewDevice(context.Background(), seeded(seed), "one", 1)
	if err != nil {
		t.Fatal(err)
	}
	return key, dev
}

// secondDevice makes another device of a person.
func secondDevice(t testing.TB, person identity.PrivateKey, seed uint64) identity.Device {
	t.Helper()
	key, err := identity.NewKey(seeded(seed + 500))
	if err != nil {
		t.Fatal(err)
	}
	cert, err := identity.Certify(context.Background(), person, key.Public(), "two", 1)
	if err != nil {
		t.Fatal(err)
	}
	return identity.Device{Signer: key, Certificate: cert}
}
