package replica_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/hyperhyperspace/hhs-go/authority"
	"github.com/hyperhyperspace/hhs-go/crdt"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/replica"
)

// findFields are of every type that shows values, in every way they are put together.
func findFields() []authority.Field {
	leaf := func(name, typ string) authority.Field {
		f := authority.Field{Name: name, Type: typ}
		if typ == authority.TypeFold {
			f.Fold, f.Version = "example.org/auction", 1
		}
		return f
	}
	mapOf := func(name string, of authority.Field) authority.Field {
		of.Name = ""
		return authority.Field{Name: name, Type: authority.TypeMap, Of: &of}
	}
	record := func(name string, fields ...authority.Field) authority.Field {
		return authority.Field{Name: name, Type: authority.TypeRecord, Fields: fields}
	}
	return []authority.Field{leaf("reg", "register"), leaf("single", "once"), leaf("tags", "set"), leaf("grown", "growset"), leaf("lines", "log"),
		leaf("items", "list"), leaf("deals", "fold"), mapOf("regs", leaf("", "register")), mapOf("sets", leaf("", "set")), mapOf("onces", leaf("", "once")),
		record("card", leaf("title", "register"), leaf("list", "list")),
		mapOf("tasks", record("", leaf("title", "register"), leaf("tags", "set"), leaf("list", "list"), leaf("log", "log"),
			mapOf("parts", record("", leaf("see", "register"))))),
	}
}

// findPlay is a random history in which few values of few types with few links meet.
type findPlay struct {
	*undoPlay
	ids   []object.ID
	types []string
}

func newFindPlay(t *testing.T, seed uint64) *findPlay {
	p := &findPlay{undoPlay: newUndoPlayOf(t, seed, &authority.Manifest{Kind: "test/find", Version: 1, Policy: authority.PolicyOpen, Fields: findFields()})}
	for i := range 4 {
		p.ids = append(p.ids, object.Sum(object.DagCBOR, []byte{byte(i)}))
	}
	p.types = []string{"example.org/task", "t", object.RefType}
	return p
}

func (p *findPlay) id() object.ID { return p.ids[p.r.IntN(len(p.ids))] }

func (p *findPlay) ref() object.Ref {
	return object.Ref{Space: p.id(), Path: [][]string{nil, {"a"}, {"a", "b"}}[p.r.IntN(3)]}
}

// value is one of some fifty: with links or a type, both or neither, on the outside or within, or with the bytes of either in
// a text.
func (p *findPlay) value() any {
	switch p.r.IntN(10) {
	case 0:
		return p.id()
	case 1:
		return map[string]any{"$type": p.types[p.r.IntN(2)]}
	case 2:
		return map[string]any{"$type": p.types[p.r.IntN(2)], "see": p.id(), "a": int64(1)}
	case 3:
		return []any{p.id(), p.id(), map[string]any{"$type": "t"}}
	case 4:
		return p.ref().Value()
	case 5:
		return map[string]any{"by": p.ref().Value(), "$type": "t"}
	case 6:
		return map[string]any{"$type": p.id()}
	case 7:
		return map[string]any{"$type": object.RefType, "space": p.id(), "more": true}
	case 8:
		return fmt.Sprintf("\xc3\x98*\x00e$typeat %d", p.r.IntN(3))
	}
	return int64(p.r.IntN(3))
}

func (p *findPlay) edit(tx *replica.Tx) error {
	for range 1 + p.r.IntN(3) {
		f := findFields()[p.r.IntN(len(findFields()))]
		env, err := tx.Env(f.Name)
		if err != nil {
			return err
		}
		if err := p.inside(tx, f.Name, env); err != nil && !errors.As(err, new(*crdt.Ignored)) {
			return err
		}
	}
	return nil
}

// inside writes to some value of a field.
func (p *findPlay) inside(tx *replica.Tx, field string, env *crdt.Env) (err error) {
	var drafts []crdt.Draft
	switch shape := env.Shape; {
	case shape.Fields != nil && env.Key(): // a key of a map of records
		shown, ok, err := crdt.RecordShown(env)
		if err != nil {
			return err
		}
		if ok && p.r.IntN(6) > 0 {
			maker := shown.Ref
			if p.r.IntN(3) == 0 { // perhaps one that is not shown
				all, err := crdt.RecordConflicts(env)
				if err != nil {
					return err
				}
				maker = all[len(all)-1].Ref
			}
			in, err := env.At(crdt.Step{Maker: maker})
			if err != nil {
				return err
			}
			return p.inside(tx, field, in)
		}
		if !ok || p.r.IntN(2) == 0 {
			drafts = make([]crdt.Draft, 1)
			drafts[0], err = crdt.MapMake(env)
		} else {
			drafts, err = crdt.MapRemove(env)
		}
		if err != nil {
			return err
		}
	case shape.Fields != nil:
		in, err := env.At(crdt.Step{Key: shape.Fields[p.r.IntN(len(shape.Fields))].Name})
		if err != nil {
			return err
		}
		return p.inside(tx, field, in)
	case shape.Of != nil:
		in, err := env.At(crdt.Step{Key: []string{"a", "b\x00"}[p.r.IntN(2)]})
		if err != nil {
			return err
		}
		if p.r.IntN(6) > 0 || shape.Of.Fields != nil || shape.Of.Type.Name() == "once" {
			return p.inside(tx, field, in)
		}
		env = in
		drafts, err = crdt.MapRemove(in)
		if err != nil {
			return err
		}
	default:
		drafts, err = p.leaf(env)
	}
	for _, d := range drafts {
		if err == nil {
			d, err = env.Wrap(d)
		}
		if err == nil {
			err = tx.Do(field, d)
		}
	}
	if errors.Is(err, crdt.ErrNoRecord) || errors.As(err, new(*crdt.AlreadySet)) {
		return nil
	}
	return err
}

// leaf drafts an op of a type.
func (p *findPlay) leaf(env *crdt.Env) (drafts []crdt.Draft, err error) {
	block := enc(p.t, p.value())
	one := make([]crdt.Draft, 1)
	switch env.Shape.Type.Name() {
	case "register":
		one[0], err = crdt.RegisterSet(env, block)
	case "once":
		one[0], err = crdt.OnceSet(env, block)
		if errors.As(err, new(*crdt.AlreadySet)) && p.r.IntN(2) == 0 {
			one[0], err = crdt.Draft{Action: crdt.ActionSet, Payload: block}, nil
		}
	case "set", "growset":
		one[0] = crdt.SetAdd(block)
		if p.r.IntN(3) == 0 && env.Shape.Type.Name() == "set" {
			return crdt.SetRemove(env, block)
		}
	case "log":
		one[0] = crdt.LogAppend(block)
	case "fold":
		one[0] = crdt.FoldDo(block)
	case "list":
		return p.list(env)
	}
	return one, err
}

func (p *findPlay) list(env *crdt.Env) ([]crdt.Draft, error) {
	w, err := crdt.NewListWriter(env)
	if err != nil {
		return nil, err
	}
	if n := w.Len(); n > 0 && p.r.IntN(3) == 0 {
		d, err := crdt.ListSet(env, p.r.Uint64N(n), enc(p.t, p.value()))
		return []crdt.Draft{d}, err
	}
	for range 1 + p.r.IntN(3) {
		at := p.r.Uint64N(w.Len() + 1)
		if p.r.IntN(2) == 0 && at < w.Len() {
			err = w.Delete(at, 1)
		} else {
			err = w.InsertValues(at, []any{p.value(), p.value()})
		}
		if err != nil {
			return nil, err
		}
	}
	return w.Drafts()
}

func (p *findPlay) step() {
	s := p.spaces[p.r.IntN(len(p.spaces))]
	switch n := p.r.IntN(100); {
	case n < 55:
		object, err := s.Node().Put(context.Background(), p.value())
		if err != nil {
			p.t.Fatal(err)
		}
		p.update(s, func(tx *replica.Tx) error {
			if err := p.edit(tx); err != nil || n > 8 {
				return err
			}
			return tx.Attach(object)
		})
	case n < 70:
		p.update(s, func(tx *replica.Tx) error { return tx.Undo(p.known(s).ID) })
	case n < 75:
		p.update(s, redoLast)
	case n < 80:
		p.update(s, p.hostile)
	default:
		pull(p.t, s, p.spaces[p.r.IntN(len(p.spaces))], 1+p.r.IntN(4000))
	}
}

// naive is all that a space shows, read value by value; each as a line for people, with what it says.
type naive struct {
	line   string
	value  any
	record string // its RecordType
}

// scan reads everything that is shown in env.
func (p *findPlay) scan(env *crdt.Env, field, text string, names []string, f func(naive)) {
	must := func(err error) {
		if err != nil {
			p.t.Helper()
			p.t.Fatal(err)
		}
	}
	entry := func(e crdt.Entry, err error) {
		must(err)
		v, err := object.Decode(e.Value)
		must(err)
		f(naive{line: foundLine(field, text, e), value: v})
	}
	each := func(seq func(func(crdt.Entry, error) bool)) {
		for e, err := range seq {
			if env.Shape.Type.Name() != "list" {
				e.Key = nil
			}
			entry(e, err)
		}
	}
	switch shape := env.Shape; {
	case shape.Fields != nil && env.Key():
		e, ok, err := crdt.RecordShown(env)
		must(err)
		if !ok {
			return
		}
		e.Key = nil
		f(naive{line: foundLine(field, text, e), record: replica.RecordType(field, names)})
		in, err := env.At(crdt.Step{Maker: e.Ref})
		must(err)
		p.scan(in, field, text, names, f)
	case shape.Fields != nil:
		for _, prop := range shape.Fields {
			in, err := env.At(crdt.Step{Key: prop.Name})
			must(err)
			p.scan(in, field, text+"."+prop.Name, append(names[:len(names):len(names)], prop.Name), f)
		}
	case shape.Of != nil:
		for key, err := range crdt.MapKeys(env, crdt.MapRange{}) {
			must(err)
			in, err := env.At(crdt.Step{Key: key})
			must(err)
			p.scan(in, field, text+"["+strconv.QuoteToASCII(key)+"]", names, f)
		}
	default:
		switch shape.Type.Name() {
		case "register", "once":
			read := crdt.RegisterValue
			if shape.Type.Name() == "once" {
				read = crdt.OnceValue
			}
			if e, ok, err := read(env); ok || err != nil {
				e.Key = nil
				entry(e, err)
			}
		case "set", "growset":
			each(crdt.SetScan(env, crdt.SetRange{}))
		case "log", "fold":
			each(crdt.LogScan(env, crdt.LogRange{}))
		case "list":
			each(crdt.ListScan(env, 0, 1<<62))
		}
	}
}

func foundLine(field, path string, e crdt.Entry) string {
	return fmt.Sprintf("%s%s = %x by %s at %d in %s.%d height %d key %x", field, path, e.Value, e.Identity, e.Time, e.Ref.Commit, e.Ref.Index, e.Height, e.Key)
}

// everything is what the space shows, and the objects attached to it.
func (p *findPlay) everything(s *replica.Space, v *replica.View) (all []naive) {
	for _, f := range findFields() {
		env, err := v.Env(f.Name)
		if err != nil {
			p.t.Fatal(err)
		}
		p.scan(env, f.Name, "", nil, func(n naive) { all = append(all, n) })
	}
	seen := map[object.ID]bool{}
	m := modelOf(p.t, s, p.people)
	for _, c := range m.commits {
		for _, id := range c.Attached() {
			if seen[id] {
				continue
			}
			seen[id] = true
			block, err := s.Object(id)
			if err != nil {
				p.t.Fatal(err)
			}
			value, err := object.Decode(block)
			if err != nil {
				p.t.Fatal(err)
			}
			all = append(all, naive{line: fmt.Sprintf("object %s by %s in %s", id, p.people[c.Env.Author], c.ID), value: value})
		}
	}
	return all
}

// links tells whether a value links to an id or holds a reference, as a reader of this test understands it.
func links(v any, id object.ID, ref *object.Ref) bool {
	switch v := v.(type) {
	case object.ID:
		return ref == nil && v == id
	case []any:
		return slices.ContainsFunc(v, func(in any) bool { return links(in, id, ref) })
	case map[string]any:
		if ref != nil && encoded(v) == encoded(ref.Value()) {
			return true
		}
		for _, in := range v {
			if links(in, id, ref) {
				return true
			}
		}
	}
	return false
}

func encoded(v any) string {
	block, err := object.Encode(v)
	if err != nil {
		panic(err) // values of this test
	}
	return string(block)
}

// queries are all that is worth asking for.
func (p *findPlay) queries() (list []replica.Query) {
	for _, typ := range append(p.types, "#tasks", "#tasks.parts", "#none", "none") {
		list = append(list, replica.Query{Type: typ})
	}
	for _, id := range p.ids {
		list = append(list, replica.Query{Link: id}, replica.Query{Link: id, Type: "t"})
		for _, path := range [][]string{nil, {"a"}, {"a", "b"}} {
			list = append(list, replica.Query{Ref: &object.Ref{Space: id, Path: path}})
		}
	}
	return list
}

// compare asks everything, in pages of some size, and holds the answers against what is shown.
func (p *findPlay) compare(s *replica.Space) {
	p.t.Helper()
	v, err := s.View()
	if err != nil {
		p.t.Fatal(err)
	}
	defer v.Close()
	all := p.everything(s, v)
	for _, q := range p.queries() {
		var want []string
		for _, n := range all {
			typ, _ := n.value.(map[string]any)
			fits := q.Type == "" || n.record == q.Type && q.Type[0] == '#' || typ["$type"] == q.Type
			if (q.Ref != nil || !q.Link.IsZero()) && !links(n.value, q.Link, q.Ref) {
				fits = false
			}
			if fits {
				want = append(want, n.line)
			}
		}
		slices.Sort(want)
		forward, back := p.ask(s, v, q, false), p.ask(s, v, q, true)
		slices.Reverse(back)
		if !slices.Equal(forward, back) {
			p.t.Fatalf("query %+v: oldest first\n%s\nnewest first, turned\n%s", q, strings.Join(forward, "\n"), strings.Join(back, "\n"))
		}
		slices.Sort(forward)
		if !slices.Equal(forward, want) {
			p.t.Fatalf("query %+v gives\n%s\nwant\n%s", q, strings.Join(forward, "\n"), strings.Join(want, "\n"))
		}
	}
}

func (p *findPlay) ask(s *replica.Space, v *replica.View, q replica.Query, newest bool) (got []string) {
	p.t.Helper()
	for q.Limit, q.Newest = 1+p.r.IntN(4), newest; ; {
		page, err := v.Find(context.Background(), q)
		if err != nil {
			p.t.Fatal(err)
		}
		for _, f := range page.Found {
			if !f.Object.IsZero() {
				got = append(got, fmt.Sprintf("object %s by %s in %s", f.Object, f.Identity, f.Ref.Commit))
				continue
			}
			got = append(got, foundLine(f.Field, s.PathText(f.Field, f.Path), f.Entry))
		}
		if q.From = page.Next; q.From == nil {
			return got
		}
		if len(page.Found) != q.Limit {
			p.t.Fatalf("a page of %d of %d goes on", len(page.Found), q.Limit)
		}
	}
}

// TestFindModel: what queries answer is what is shown, at every step of random histories in which values are replaced,
// removed, taken back and given again, inside records that come and go; after a rebuild too.
func TestFindModel(t *testing.T) {
	seeds := uint64(16)
	if testing.Short() {
		seeds = 4
	}
	for seed := range seeds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			p := newFindPlay(t, seed)
			for i := range 120 {
				p.step()
				if i%6 == 5 {
					p.compare(p.spaces[p.r.IntN(len(p.spaces))])
				}
			}
			for _, from := range p.spaces {
				for _, to := range p.spaces {
					pull(t, to, from, 2000)
				}
			}
			for i, s := range p.spaces {
				p.compare(s)
				report, err := p.nodes[i].Check(context.Background(), s.ID(), nil)
				if err != nil || !report.Sound() {
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
