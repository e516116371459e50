package replica_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/hyperhyperspace/hhs-go/authority"
	"github.com/hyperhyperspace/hhs-go/crdt"
	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/replica"
	"github.com/hyperhyperspace/hhs-go/store"
)

func short(max int) any { return map[string]any{"type": "string", "max": int64(max)} }

// schemaPlay is a random history of four devices, three of them of the two founders, who change the schema while all write.
type schemaPlay struct {
	t      *testing.T
	r      *rand.Rand
	f      *authority.Founding
	mems   []*store.Mem
	spaces []*replica.Space
	people map[identity.PublicKey]identity.PublicKey
}

func newSchemaPlay(t *testing.T, seed uint64) *schemaPlay {
	p := &schemaPlay{t: t, r: rand.New(rand.NewPCG(seed, 3)), people: map[identity.PublicKey]identity.PublicKey{}}
	ana, one := newIdentity(t, 1)
	devices := []identity.Device{one, secondDevice(t, ana, 2), newDevice(t, 3), newDevice(t, 4)}
	m := &authority.Manifest{Kind: "test/grows", Version: 1, Policy: authority.PolicyOpen, Fields: []authority.Field{
		{Name: "a", Type: "register", Schema: short(4)},
		{Name: "r", Type: "record", Fields: []authority.Field{{Name: "p", Type: "register", Schema: short(4)}}}}}
	ops, err := authority.FoundingOps(m, [authority.SaltSize]byte{1}, []identity.PublicKey{one.Identity(), devices[2].Identity()}, one.Certificate)
	if err != nil {
		t.Fatal(err)
	}
	c, err := history.NewCommit(&history.Envelope{Version: history.Version, Author: one.Signer.Public(), Seq: 1,
		Grant: history.GrantRef{Index: history.NoGrant}, Time: 1, Ops: ops}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if p.f, err = authority.Genesis(c); err != nil {
		t.Fatal(err)
	}
	for i, dev := range devices {
		p.people[dev.Signer.Public()] = dev.Identity()
		mem := store.NewMem()
		n := newNode(t, uint64(1+i), func(cfg *replica.Config) { cfg.Device, cfg.Store = dev, mem })
		s, err := n.Join(context.Background(), c.ID)
		if err == nil {
			_, err = s.Ingest(context.Background(), batch([]*history.Commit{c}, forger{t, one}.attest(c.ID, c)), peer)
		}
		if err != nil {
			t.Fatal(err)
		}
		p.mems, p.spaces = append(p.mems, mem), append(p.spaces, s)
	}
	return p
}

func (p *schemaPlay) pick(from ...string) string { return from[p.r.IntN(len(from))] }

// shape draws a field; of one name they have different types at times.
func (p *schemaPlay) shape(name string, depth int) authority.Field {
	f := authority.Field{Name: name}
	n := 5
	if depth > 0 {
		n = 4
	}
	switch p.r.IntN(n) {
	case 0, 1:
		f.Type, f.Schema = "register", short(1+p.r.IntN(9))
	case 2:
		f.Type, f.Schema = p.pick("set", "log"), short(1+p.r.IntN(9))
	case 3:
		f.Type, f.Of = "map", &authority.Field{Type: "register", Schema: short(1 + p.r.IntN(9))}
	default:
		f.Type = "record"
		for _, name := range []string{"p", "q"}[:1+p.r.IntN(2)] {
			f.Fields = append(f.Fields, p.shape(name, depth+1))
		}
	}
	return f
}

func (p *schemaPlay) step() {
	i := p.r.IntN(len(p.spaces))
	s := p.spaces[i]
	switch n := p.r.IntN(10); {
	case n < 2 && i < 3:
		k := kindOf(p.t, s)
		p.update(s, func(tx *replica.Tx) error {
			return tx.ChangeSchema(k.Manifest().Version+int64(p.r.IntN(2)), []authority.Field{p.shape(p.pick("a", "r", "x", "y"), 0)})
		})
	case n < 7:
		p.update(s, p.write)
	case n < 8:
		p.update(s, func(tx *replica.Tx) error {
			step, err := tx.NextUndo(0)
			if err != nil || len(step.Commits) == 0 {
				return err
			}
			return tx.Undo(step.Commits...)
		})
	default:
		if other := p.spaces[p.r.IntN(len(p.spaces))]; other != s {
			pull(p.t, s, other, 1+p.r.IntN(2000))
		}
	}
}

func (p *schemaPlay) update(s *replica.Space, f func(tx *replica.Tx) error) {
	p.t.Helper()
	if _, err := s.Update(context.Background(), f); err != nil && !errors.Is(err, replica.ErrSchema) {
		p.t.Fatal(err)
	}
}

// write makes ops as a modified client would: what they say fits or not.
func (p *schemaPlay) write(tx *replica.Tx) error {
	fields := tx.Kind().Manifest().Fields
	f := fields[p.r.IntN(len(fields))]
	value := enc(p.t, strings.Repeat("v", 1+p.r.IntN(10)))
	name, path := f.Name, []any(nil)
	for f.Type == "record" || f.Type == "map" {
		if f.Of != nil {
			f, path = *f.Of, append(path, p.pick("k", "l"))
			continue
		}
		f = f.Fields[p.r.IntN(len(f.Fields))]
		path = append(path, f.Name)
	}
	if len(path) > 0 {
		value = append(append([]byte{0x82}, enc(p.t, path)...), value...)
	}
	action := map[string]string{"register": "set", "set": "add", "log": "append"}[f.Type]
	if p.r.IntN(9) == 0 {
		action = p.pick("set", "add", "append")
	}
	tx.RawValue(history.Op{Field: name, Action: action}, value)
	return nil
}

func kindOf(t testing.TB, s *replica.Space) *authority.Kind {
	t.Helper()
	k, err := s.Kind()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// told writes down all that a version shows, and what it ignores.
func told(t testing.TB, m *authority.Manifest, env func(name string) (*crdt.Env, error)) string {
	t.Helper()
	var out strings.Builder
	for _, f := range m.Fields {
		e, err := env(f.Name)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&out, "%s %s\n", f.Name, f.Slot())
		tellValue(t, &out, &f, e)
		for skipped, err := range crdt.IgnoredOps(e) {
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintln(&out, "ignored", skipped.Ref, skipped.Reason)
		}
	}
	return out.String()
}

func tellValue(t testing.TB, out *strings.Builder, f *authority.Field, e *crdt.Env) {
	t.Helper()
	list := []crdt.Entry(nil)
	var err error
	take := func(entry crdt.Entry, e error) {
		list, err = append(list, entry), errors.Join(err, e)
	}
	switch f.Type {
	case "record":
		for i := range f.Fields {
			in, err := e.At(crdt.Step{Key: f.Fields[i].Name})
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintln(out, "."+f.Fields[i].Name)
			tellValue(t, out, &f.Fields[i], in)
		}
	case "map":
		for key, err := range crdt.MapKeys(e, crdt.MapRange{}) {
			in, err2 := e.At(crdt.Step{Key: key})
			if err := errors.Join(err, err2); err != nil {
				t.Fatal(err)
			}
			fmt.Fprintln(out, "["+key)
			tellValue(t, out, f.Of, in)
		}
	case "set":
		for entry, err := range crdt.SetScan(e, crdt.SetRange{}) {
			take(entry, err)
		}
	case "log":
		for entry, err := range crdt.LogScan(e, crdt.LogRange{}) {
			take(entry, err)
		}
	default:
		list, err = crdt.RegisterConflicts(e)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range list {
		fmt.Fprintf(out, "%x %v\n", entry.Value, entry.Ref)
	}
}

func toldBy(t testing.TB, s *replica.Space) string {
	t.Helper()
	v, err := s.View()
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	return told(t, kindOf(t, s).Manifest(), v.Env)
}

// naiveKinds says of each commit what holds, by walking through its past.
func (p *schemaPlay) naiveKinds(s *replica.Space) (commits []*history.Commit, kinds map[object.ID]*authority.Kind) {
	seen := map[object.ID][]*authority.Change{} // in the past of each or it
	heights := map[object.ID]uint64{}
	kinds = map[object.ID]*authority.Kind{}
	for b, err := range s.Batches(nil, 1<<20) {
		if err != nil {
			p.t.Fatal(err)
		}
		for _, c := range b.Commits {
			var lists [][]*authority.Change
			for _, e := range c.Edges() {
				lists = append(lists, seen[e])
				heights[c.ID] = max(heights[c.ID], heights[e])
			}
			heights[c.ID]++
			c.Height = heights[c.ID]
			past := authority.Counted(lists...)
			if ch := authority.ReadChange(c, p.people[c.Env.Author], past); ch != nil {
				past = authority.Counted(past, []*authority.Change{ch})
			}
			seen[c.ID], kinds[c.ID] = past, authority.Merge(p.f, past)
			commits = append(commits, c)
		}
	}
	return commits, kinds
}

// judged compares what became of every op with what its own past says.
func (p *schemaPlay) judged(s *replica.Space) (ignored, counted int) {
	p.t.Helper()
	commits, kinds := p.naiveKinds(s)
	page, err := s.Log(context.Background(), replica.LogQuery{Limit: len(commits)})
	if err != nil {
		p.t.Fatal(err)
	}
	became := map[object.ID]replica.Logged{}
	for _, one := range page.Commits {
		became[one.Commit] = one
	}
	for _, c := range commits {
		payloads, err := c.Payloads()
		if err != nil {
			p.t.Fatal(err)
		}
		for i := range c.Env.Ops {
			op := &c.Env.Ops[i]
			if op.Field == "" || op.Field[0] == '$' {
				continue
			}
			no := s.Allows(kinds[c.ID].Manifest(), op, payloads[i])
			got := became[c.ID].Ops[i]
			if (no != nil) != (got.Effect == replica.EffectIgnored) {
				p.t.Fatalf("op %d of %s, %s %s: %s (%s), and should be %v", i, c.ID.Short(), op.Field, op.Action, got.Effect, got.Ignored, no)
			}
			if no != nil {
				ignored++
			} else {
				counted++
			}
		}
	}
	return ignored, counted
}

// TestSchemaModel: whoever hears of changes and ops in whatever order shows the same, judges every op by its own past, and so do
// a copy opened again, one rebuilt, and past versions.
func TestSchemaModel(t *testing.T) {
	seeds := uint64(30)
	if testing.Short() {
		seeds = 6
	}
	ignored, counted, conflicts := 0, 0, 0
	for seed := range seeds {
		p := newSchemaPlay(t, seed)
		for range 60 {
			p.step()
		}
		mid := p.spaces[0].Heads()
		then, at := toldBy(t, p.spaces[0]), kindOf(t, p.spaces[0])
		for range 2 {
			for i, s := range p.spaces {
				pull(t, s, p.spaces[(i+1)%4], 1+p.r.IntN(2000))
				pull(t, s, p.spaces[(i+2)%4], 1<<20)
			}
		}
		late := join(t, newNode(t, 99), p.spaces[0]) // all at once
		pull(t, late, p.spaces[3], 1<<20)
		want := toldBy(t, p.spaces[0])
		for i, s := range append(p.spaces, late) {
			if got := toldBy(t, s); got != want {
				t.Fatalf("seed %d: copy %d shows\n%s\nand not\n%s", seed, i, got, want)
			}
			if !reflect.DeepEqual(kindOf(t, s).Manifest(), kindOf(t, late).Manifest()) {
				t.Fatalf("seed %d: copy %d has another schema", seed, i)
			}
		}
		no, yes := p.judged(p.spaces[1])
		ignored, counted, conflicts = ignored+no, counted+yes, conflicts+len(kindOf(t, late).Ignored())
		again := reopenedAs(t, p.spaces[2], p.mems[2])
		if got := toldBy(t, again); got != want {
			t.Fatalf("seed %d: opened again it shows\n%s\nand not\n%s", seed, got, want)
		}
		report, err := again.Node().Check(context.Background(), again.ID(), nil)
		if err != nil || !report.Sound() {
			t.Fatalf("seed %d: %+v, %v", seed, report, err)
		}
		past, err := late.At(context.Background(), mid...)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(past.Kind().Manifest(), at.Manifest()) {
			t.Fatalf("seed %d: another schema then", seed)
		}
		v, err := past.View()
		if err != nil {
			t.Fatal(err)
		}
		if got := told(t, at.Manifest(), v.Env); got != then {
			t.Fatalf("seed %d: then it showed\n%s\nand not\n%s", seed, then, got)
		}
		v.Close()
		if _, err := late.Diff(context.Background(), mid, late.Heads()); err != nil {
			t.Fatal(err)
		}
	}
	if ignored == 0 || counted == 0 || conflicts == 0 {
		t.Errorf("%d ops ignored, %d counted, %d declarations ignored: the play does not try all", ignored, counted, conflicts)
	}
}

func reopenedAs(t testing.TB, s *replica.Space, mem *store.Mem) *replica.Space {
	t.Helper()
	n := newNode(t, 77, func(c *replica.Config) { c.Store, c.Device = mem, s.Node().Device() })
	again, err := n.Space(s.ID())
	if err != nil {
		t.Fatal(err)
	}
	return again
}

// TestSchemaOfForkedFounder: a founder's device that signed two changes with one seq is an author of two branches; each
// counts for who has it in their past, and both for who has both.
func TestSchemaOfForkedFounder(t *testing.T) {
	mem := store.NewMem()
	bad := newForger(t, 50)
	n := newNode(t, 1, func(c *replica.Config) { c.Store = mem })
	g := bad.genesis(manifest, 7)
	s, err := n.Join(context.Background(), g.ID)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Ingest(context.Background(), bad.signed(g.ID, g), peer); err != nil {
		t.Fatal(err)
	}
	change := func(fields ...authority.Field) *history.Commit {
		op, err := authority.SchemaOp(2, fields)
		if err != nil {
			t.Fatal(err)
		}
		d := &draft{env: history.Envelope{Version: history.Version, Author: bad.key(), Seq: 2, Prev: g.ID, Time: 1, Ops: []history.Op{op}}}
		return d.commit(t)
	}
	one, two := change(authority.Field{Name: "due", Type: "register"}), change(authority.Field{Name: "due", Type: "log"}, authority.Field{Name: "more", Type: "set"})
	for _, c := range []*history.Commit{two, one} {
		if _, err := s.Ingest(context.Background(), bad.signed(g.ID, c), peer); err != nil {
			t.Fatal(err)
		}
	}
	k := kindOf(t, s)
	first := one
	if object.ID.Compare(two.ID, one.ID) < 0 {
		first = two
	}
	if len(k.Changes) != 2 || len(k.Ignored()) != 1 || k.Changes[0].Op.Commit != first.ID || k.Ignored()[0].Op.Commit == first.ID {
		t.Fatalf("%+v", k)
	}
	if _, ok := k.Manifest().Field("more"); !ok {
		t.Error("more is not there")
	}
	// A modified client that is no founder, and one whose change cannot be.
	stranger := newForger(t, 51)
	op, _ := authority.SchemaOp(9, []authority.Field{{Name: "evil", Type: "set"}})
	d := stranger.first("x", s.Heads()...)
	d.env.Ops = append(d.env.Ops, op)
	c := d.commit(t)
	err = mayNot(t, s, mem, stranger.signed(g.ID, c), authority.RuleSchema, c.ID)
	if !strings.Contains(err.Error(), "founder") {
		t.Error(err)
	}
	// What has only seen one branch is judged by it.
	d = stranger.first("y", one.ID)
	d.op(history.Op{Field: "more", Action: "add"}, enc(t, "z"))
	c = d.commit(t)
	mayNot(t, s, mem, stranger.signed(g.ID, c), authority.RuleField, c.ID)
	d = stranger.first("y", two.ID)
	d.op(history.Op{Field: "more", Action: "add"}, enc(t, "z"))
	if _, err := s.Ingest(context.Background(), stranger.signed(g.ID, d.commit(t)), peer); err != nil {
		t.Error(err)
	}
	if again := reopenedAs(t, s, mem); !slices.Equal(again.Heads(), s.Heads()) || toldBy(t, again) != toldBy(t, s) {
		t.Error("opened again it is another")
	}
}

// TestSchemaChangeAlone: a space without changes has no record of any, and one with them is not read from them again.
func TestSchemaRecords(t *testing.T) {
	mem := store.NewMem()
	s := create(t, newNode(t, 1, func(c *replica.Config) { c.Store = mem }))
	for range 20 {
		line(t, s, "x")
	}
	if n := kindRecords(t, mem); n != 0 {
		t.Errorf("%d records without a change", n)
	}
	for i := range 3 {
		_, err := s.Update(context.Background(), func(tx *replica.Tx) error {
			return tx.ChangeSchema(2, []authority.Field{{Name: fmt.Sprint("f", i), Type: "set"}})
		})
		if err != nil {
			t.Fatal(err)
		}
		line(t, s, "y")
		line(t, s, "z")
	}
	if n := kindRecords(t, mem); n != 4 {
		t.Errorf("%d records of 3 changes", n)
	}
	_, err := s.Update(context.Background(), func(tx *replica.Tx) error {
		return tx.ChangeSchema(2, []authority.Field{{Name: "lines", Type: "set"}})
	})
	if !errors.Is(err, replica.ErrSchema) || !strings.Contains(err.Error(), "lines") {
		t.Error(err)
	}
}

func kindRecords(t testing.TB, s store.Store) (n int) {
	t.Helper()
	snap, err := s.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	defer snap.Close()
	for kv, err := range snap.Scan([]byte{'s'}, []byte{'t'}, false) {
		if err != nil {
			t.Fatal(err)
		}
		if kv.Key[5] == 'x' {
			n++
		}
	}
	return n
}

// TestSchemaPutTogetherOnce: what arrives in a space that was changed uses what was put together of its fields before.
func TestSchemaPutTogetherOnce(t *testing.T) {
	p := newSchemaPlay(t, 1)
	from, to := p.spaces[0], p.spaces[2]
	p.update(from, func(tx *replica.Tx) error {
		return tx.ChangeSchema(2, []authority.Field{{Name: "due", Type: "register"}})
	})
	pull(t, to, from, 1<<20)
	if to.HasBuilt("due") {
		t.Error("it is put together before anybody asks")
	}
	p.update(from, func(tx *replica.Tx) error {
		tx.RawValue(history.Op{Field: "due", Action: "set"}, enc(t, "now"))
		return nil
	})
	pull(t, to, from, 1<<20)
	if !to.HasBuilt("due") {
		t.Error("a batch puts it together for itself alone")
	}
}

// TestSchemaConflictUndone: what was written under a type that did not hold afterwards can be taken back, and given again.
func TestSchemaConflictUndone(t *testing.T) {
	p := newSchemaPlay(t, 1)
	for i, typ := range map[int]string{0: "register", 2: "log"} {
		p.update(p.spaces[i], func(tx *replica.Tx) error {
			return tx.ChangeSchema(2, []authority.Field{{Name: "due", Type: typ}})
		})
		p.update(p.spaces[i], func(tx *replica.Tx) error {
			action := map[string]string{"register": "set", "log": "append"}[typ]
			tx.RawValue(history.Op{Field: "due", Action: action}, enc(t, typ))
			return nil
		})
	}
	pull(t, p.spaces[0], p.spaces[2], 1<<20)
	pull(t, p.spaces[2], p.spaces[0], 1<<20)
	want := toldBy(t, p.spaces[0])
	for _, s := range []*replica.Space{p.spaces[0], p.spaces[2]} {
		for range 2 {
			p.update(s, func(tx *replica.Tx) error {
				step, err := tx.NextUndo(0)
				if err != nil {
					return err
				}
				return tx.Undo(step.Commits...)
			})
			p.update(s, func(tx *replica.Tx) error {
				step, err := tx.NextRedo()
				if err != nil {
					return err
				}
				return tx.Redo(step.Undo)
			})
		}
	}
	pull(t, p.spaces[0], p.spaces[2], 1<<20)
	pull(t, p.spaces[2], p.spaces[0], 1<<20)
	if a, b := toldBy(t, p.spaces[0]), toldBy(t, p.spaces[2]); a != want || b != want {
		t.Errorf("it shows\n%q\n%q\nand not\n%q", a, b, want)
	}
	page, err := p.spaces[0].Log(context.Background(), replica.LogQuery{Limit: 100, Field: "due"})
	if err != nil || len(page.Commits) != 2 {
		t.Errorf("%d commits on due, %v", len(page.Commits), err)
	}
}
