package replica_test

import (
	"context"
	"errors"
	"fmt"
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
	"github.com/hyperhyperspace/hhs-go/schema"
)

// undoModel is docs/spec/undo.md over all commits at once, sharing nothing with
// the replica: it decides from the definition what counts, and hands every op to
// its type once, in causal order, with that.
type undoModel struct {
	t       testing.TB
	commits []*history.Commit
	past    map[object.ID]map[object.ID]bool
	at      map[object.ID]*history.Commit
	people  map[identity.PublicKey]identity.PublicKey
	book    *crdttest.Book
}

func modelOf(t testing.TB, s *replica.Space, people map[identity.PublicKey]identity.PublicKey) *undoModel {
	m := &undoModel{t: t, past: map[object.ID]map[object.ID]bool{}, at: map[object.ID]*history.Commit{}, people: people}
	for b, err := range s.Batches(nil, 1<<20) {
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range b.Commits {
			past := map[object.ID]bool{}
			for _, e := range c.Edges() {
				past[e] = true
				for id := range m.past[e] {
					past[id] = true
				}
				c.Height = max(c.Height, m.at[e].Height)
			}
			c.Height++
			m.commits, m.past[c.ID], m.at[c.ID] = append(m.commits, c), past, c
		}
	}
	return m
}

func (m *undoModel) Before(a, b history.OpRef) (bool, error) { return m.past[b.Commit][a.Commit], nil }

// Diff implements crdt.Past.
func (m *undoModel) Diff(a, b []uint64) (onlyA, onlyB []history.Span, err error) {
	return m.book.Diff(func(a, b object.ID) bool { return m.past[b][a] }, a, b)
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

// read is what the fields show.
func (m *undoModel) read() string {
	masked, book := m.masked(), crdttest.NewBook()
	m.book = book
	envs := map[string]*crdt.Env{}
	for _, f := range manifest.Fields {
		envs[f.Name] = &crdt.Env{State: crdttest.NewState(), Past: m, Ops: book, Schema: schemaOf(m.t, f)}
	}
	for _, c := range m.commits {
		payloads, err := c.Payloads()
		if err != nil {
			m.t.Fatal(err)
		}
		for i, op := range c.Env.Ops {
			env := envs[op.Field]
			if env == nil {
				continue
			}
			whole := book.Add(crdt.Op{Ref: history.OpRef{Commit: c.ID, Index: uint32(i)}, Height: c.Height, Author: c.Env.Author,
				Identity: m.people[c.Env.Author], Time: c.Env.Time, Action: op.Action, Refs: op.Refs, Payload: payloads[i]})
			if _, err := typeOf(m.t, op.Field).Apply(env, whole, !masked[c.ID]); err != nil {
				m.t.Fatal(err)
			}
		}
	}
	return readAll(m.t, func(name string) (*crdt.Env, error) { return envs[name], nil })
}

func typeOf(t testing.TB, field string) crdt.Type {
	f, _ := manifest.Field(field)
	typ, ok := crdt.ByName(f.Type)
	if !ok {
		t.Fatalf("no type of field %s", field)
	}
	return typ
}

// readAll writes down everything that the fields show, with the ops behind it.
func readAll(t testing.TB, env func(name string) (*crdt.Env, error)) string {
	t.Helper()
	var out strings.Builder
	for _, f := range manifest.Fields {
		e, err := env(f.Name)
		if err != nil {
			t.Fatal(err)
		}
		var list []crdt.Entry
		switch f.Type {
		case "register":
			list, err = crdt.RegisterConflicts(e)
		case "set":
			list, err = entriesOf(crdt.SetScan(e, crdt.SetRange{}))
		case "log":
			list, err = entriesOf(crdt.LogScan(e, crdt.LogRange{}))
		}
		if err != nil {
			t.Fatalf("read %s: %v", f.Name, err)
		}
		fmt.Fprintf(&out, "%s:", f.Name)
		for _, e := range list {
			v, err := object.Decode(e.Value)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&out, " %v (%s/%d)", v, e.Ref.Commit.Short(), e.Ref.Index)
		}
		out.WriteString("\n")
	}
	return out.String()
}

func entriesOf(seq func(func(crdt.Entry, error) bool)) (list []crdt.Entry, err error) {
	for e, err := range seq {
		if err != nil {
			return nil, err
		}
		list = append(list, e)
	}
	return list, nil
}

func show(t testing.TB, s *replica.Space) string {
	t.Helper()
	v, err := s.View()
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	return readAll(t, v.Env)
}

// undoPlay is a random history of three devices, two of them of one person.
type undoPlay struct {
	t      *testing.T
	r      *rand.Rand
	nodes  []*replica.Node
	spaces []*replica.Space
	people map[identity.PublicKey]identity.PublicKey
	n      int
}

func newUndoPlay(t *testing.T, seed uint64) *undoPlay {
	p := &undoPlay{t: t, r: rand.New(rand.NewPCG(seed, 1)), people: map[identity.PublicKey]identity.PublicKey{}}
	ana, one := newIdentity(t, 1)
	two := secondDevice(t, ana, 2)
	for i, dev := range []identity.Device{one, two, newDevice(t, 3)} {
		p.people[dev.Signer.Public()] = dev.Identity()
		n := newNode(t, uint64(1+i), func(c *replica.Config) { c.Device = dev })
		p.nodes = append(p.nodes, n)
		if i == 0 {
			p.spaces = append(p.spaces, create(t, n))
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
		p.update(s, func(tx *replica.Tx) error {
			step, err := tx.NextUndo(0)
			if err != nil || len(step.Commits) == 0 {
				return err
			}
			return tx.Undo(step.Commits...)
		})
	case n < 70:
		p.update(s, func(tx *replica.Tx) error {
			step, err := tx.NextRedo()
			if err != nil || len(step.Commits) == 0 {
				return err
			}
			return tx.Redo(step.Undo)
		})
	case n < 80:
		p.update(s, p.hostile)
	default:
		pull(p.t, s, p.spaces[p.r.IntN(len(p.spaces))], 1+p.r.IntN(4000))
	}
	if got, want := show(p.t, s), modelOf(p.t, s, p.people).read(); got != want {
		p.t.Fatalf("the replica shows\n%sthe model says\n%s", got, want)
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
	for range 1 + p.r.IntN(3) {
		p.n++
		field := manifest.Fields[p.r.IntN(len(manifest.Fields))].Name
		env, err := tx.Env(field)
		if err != nil {
			return err
		}
		var drafts []crdt.Draft
		value := enc(p.t, fmt.Sprint(p.n))
		switch typeOf(p.t, field).Name() {
		case "register":
			d, err := crdt.RegisterSet(env, value)
			if err != nil {
				return err
			}
			drafts = []crdt.Draft{d}
		case "set":
			value = enc(p.t, fmt.Sprint(p.r.IntN(4)))
			if drafts = []crdt.Draft{crdt.SetAdd(value)}; p.r.IntN(3) == 0 {
				if drafts, err = crdt.SetRemove(env, value); err != nil {
					return err
				}
			}
		case "log":
			drafts = []crdt.Draft{crdt.LogAppend(value)}
		}
		for _, d := range drafts {
			if err := tx.Do(field, d); err != nil {
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

// TestUndoModel: what replicas show is the pure function of the specification at
// every step, whatever order the commits came in; all end equal, a check finds
// their state sound and a rebuild shows the same.
func TestUndoModel(t *testing.T) {
	seeds := uint64(24)
	if testing.Short() {
		seeds = 6
	}
	for seed := range seeds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			p := newUndoPlay(t, seed)
			for range 50 {
				p.step()
			}
			for _, from := range p.spaces {
				for _, to := range p.spaces {
					pull(t, to, from, 2000)
				}
			}
			want := modelOf(t, p.spaces[0], p.people).read()
			for i, s := range p.spaces {
				if got := show(t, s); got != want {
					t.Fatalf("replica %d shows\n%sthe model says\n%s", i, got, want)
				}
				if report, err := p.nodes[i].Check(context.Background(), s.ID(), nil); err != nil || !report.Sound() {
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
			if got := show(t, again); got != want {
				t.Fatalf("rebuilt it shows\n%sthe model says\n%s", got, want)
			}
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

func schemaOf(t testing.TB, f authority.Field) *schema.Schema {
	if f.Schema == nil {
		return nil
	}
	s, err := schema.Parse(f.Schema)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
