package authority

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/schema"
)

// Kind implements Past by closure.
func (m *memory) Kind(c *history.Commit) (*Kind, error) {
	return Merge(m.founding, m.changes(c.Edges())), nil
}

func (m *memory) changes(version []object.ID) []*Change {
	in := m.past(version...)
	var list []*Change
	for _, id := range m.order { // in an order that has the past of each before it
		c := m.commits[id]
		if !in[id] {
			continue
		}
		if ch := ReadChange(c, m.known[id].Identity, nil); ch != nil {
			ch.Height = m.height(id)
			ch.After = m.changes(c.Edges())
			list = append(list, ch)
		}
	}
	return Counted(list)
}

func (m *memory) height(id object.ID) uint64 {
	h := uint64(0)
	for _, e := range m.commits[id].Edges() {
		h = max(h, m.height(e))
	}
	return h + 1
}

func leaf(name, typ string, schema ...any) Field {
	f := Field{Name: name, Type: typ}
	if len(schema) > 0 {
		f.Schema = schema[0]
	}
	return f
}

func group(name string, fields ...Field) Field {
	return Field{Name: name, Type: TypeRecord, Fields: fields}
}

func mapOf(name string, of Field) Field { return Field{Name: name, Type: TypeMap, Of: &of} }

func text(max int) any { return map[string]any{"type": "string", "max": int64(max)} }

// TestChangeRules: what of a change is refused by its own bytes and past.
func TestChangeRules(t *testing.T) {
	for name, c := range map[string]struct {
		lines  string
		change func(n int) (int64, []Field) // the n-th
	}{
		"a field is added":   {"G -> G1 {schema}", nil},
		"by no founder":      {"G -> A1 -> A2 {schema} !schema", nil},
		"an op on it before": {"G -> A1 {field=due} !field", nil},
		"an op on it afterwards": {`G -> G1 {schema}
			G1 -> A1 {field=due}
			G -> B1 {field=due} !field
			B0 G1 -> B1 {field=due}`, nil},
		"in the same commit": {"G -> G1 {schema+due}", nil},
		"twice in a commit":  {"G -> G1 {schema+schema} !schema", nil},
		"another type":       {"G -> G1 {schema} !schema", func(int) (int64, []Field) { return 2, []Field{leaf("topic", "log")} }},
		"another type of what was added": {"G -> G1 {schema} -> G2 {schema} !schema", func(n int) (int64, []Field) {
			return 2, []Field{leaf("due", []string{"register", "log"}[n])}
		}},
		"inside a record": {"G -> G1 {schema} -> G2 {schema} !schema", func(n int) (int64, []Field) {
			return 2, []Field{mapOf("cards", group("", leaf("a", "register"), leaf("b", []string{"set", "log"}[n])))}
		}},
		"concurrently it stands": {`G -> G1 {schema}
			G -> H1 {founder} {schema}`, func(n int) (int64, []Field) { return 2, []Field{leaf("due", []string{"register", "log"}[n])} }},
		"a lower version": {"G -> G1 {schema} -> G2 {schema}", func(n int) (int64, []Field) { return int64(3 - n), []Field{leaf("due", "register")} }},
		"no field":        {"G -> G1 {schema} !schema", func(int) (int64, []Field) { return 2, nil }},
		"an unknown type": {"G -> G1 {schema} !schema", func(int) (int64, []Field) { return 2, []Field{leaf("due", "tree")} }},
		"a reserved name": {"G -> G1 {schema} !schema", func(int) (int64, []Field) { return 2, []Field{leaf("undo", "register")} }},
		"254 fields more": {"G -> G1 {schema} !schema", func(int) (int64, []Field) { return 2, many(254, "f") }},
		"253 fields more": {"G -> G1 {schema}", func(int) (int64, []Field) { return 2, many(253, "f") }},
		"in two steps":    {"G -> G1 {schema} -> G2 {schema} !schema", func(n int) (int64, []Field) { return 2, many(127, string(rune('f'+n))) }},
		"larger than it may be": {"G -> G1 {schema} !schema", func(int) (int64, []Field) {
			return 2, []Field{leaf("due", "register", map[string]any{"const": strings.Repeat("x", MaxChange)})}
		}},
		"as the first commit": {"G -> A1 {authority=schema} !schema", nil},
	} {
		w := newTale(t)
		if w.change = c.change; c.change == nil {
			w.change = func(int) (int64, []Field) { return 2, []Field{leaf("due", "register")} }
		}
		t.Run(name, func(t *testing.T) {
			w.t = t
			if strings.Contains(c.lines, "B0") {
				c.lines = "G -> B0\n" + c.lines
			}
			w.tell(c.lines)
		})
	}
}

func many(n int, prefix string) (fields []Field) {
	for i := range n {
		fields = append(fields, leaf(fmt.Sprint(prefix, i), "set"))
	}
	return fields
}

// TestChangesOfOneFounder: a founder who has used up their changes cannot make another, and another one can.
func TestChangesOfOneFounder(t *testing.T) {
	f := &Founding{Manifest: chatManifest(), Founders: []identity.PublicKey{key(1), key(2)}}
	var list []*Change
	for i := range MaxChanges {
		list = append(list, &Change{Op: history.OpRef{Commit: commitID(i)}, Height: uint64(i + 2), By: key(1), version: 2, fields: many(1, "f"), After: slices.Clone(list)})
	}
	k := Merge(f, Counted(list))
	op, err := SchemaOp(2, []Field{leaf("due", "register")})
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Check(&op, key(1)); err == nil || !strings.Contains(err.Error(), "another founder") {
		t.Error(err)
	}
	if err := k.Check(&op, key(2)); err != nil {
		t.Error(err)
	}
}

func key(i byte) (k identity.PublicKey) {
	p, err := identity.NewKey(random(fmt.Sprint("key", i)))
	if err != nil {
		panic(err)
	}
	return p.Public()
}

func commitID(i int) object.ID { return object.Sum(object.DagCBOR, []byte(fmt.Sprint("commit", i))) }

// world draws changes that saw some of those before them.
type world struct {
	founding *Founding
	changes  []*Change
}

func drawWorld(r *rand.Rand, n int, keys []identity.PublicKey) *world {
	w := &world{founding: &Founding{Founders: keys, Manifest: &Manifest{Kind: "k", Version: 1, Policy: PolicyOpen, Fields: []Field{
		leaf("a", "register", text(3)), group("r", leaf("p", "register", text(3))), mapOf("m", group("", leaf("p", "counter")))}}}}
	for i := range n {
		var after []*Change
		height := uint64(2)
		for _, c := range w.changes {
			if r.IntN(3) > 0 {
				after = Counted(after, c.After, []*Change{c})
				height = max(height, c.Height+1)
			}
		}
		c := &Change{Op: history.OpRef{Commit: commitID(i + 1000*r.IntN(100))}, Height: height, By: keys[r.IntN(len(keys))], version: int64(1 + r.IntN(3)),
			After: after, fields: drawFields(r, 0)}
		w.changes = append(w.changes, c)
	}
	return w
}

func drawFields(r *rand.Rand, depth int) []Field {
	var fields []Field
	for _, name := range []string{"a", "r", "m", "x", "y"} {
		if r.IntN(2) == 0 {
			fields = append(fields, drawField(r, name, depth))
		}
	}
	if len(fields) == 0 {
		return []Field{drawField(r, "x", depth)}
	}
	return fields
}

func drawField(r *rand.Rand, name string, depth int) Field {
	kinds := 3
	if depth < 2 {
		kinds = 6
	}
	switch r.IntN(kinds) {
	case 0:
		return leaf(name, "register", text(1+r.IntN(9)))
	case 1:
		return leaf(name, "set", map[string]any{"type": "object", "props": map[string]any{string(rune('a' + r.IntN(3))): text(1 + r.IntN(9))}})
	case 2:
		return leaf(name, "counter")
	case 3:
		return mapOf(name, leaf("", []string{"counter", "register"}[r.IntN(2)]))
	case 4:
		return mapOf(name, Field{Type: TypeRecord, Fields: drawFields(r, depth+1)})
	}
	return group(name, drawFields(r, depth+1)...)
}

// place is what one declaration says of one value; naive makes a kind of the places alone.
type place struct {
	path, owner, skeleton string
	schema                any
	by                    *Change
}

func places(fields []Field, owner string, by *Change) (list []place) {
	for _, f := range fields {
		at := owner + "/" + f.Name
		list = append(list, inside(f, at, owner, by)...)
	}
	return list
}

func inside(f Field, at, owner string, by *Change) []place {
	list := []place{{at, owner, f.Skeleton(), f.Schema, by}}
	if f.Of != nil {
		return append(list, inside(*f.Of, at+"/*", at, by)...)
	}
	return append(list, places(f.Fields, at, by)...)
}

// naive says for each place which type holds, and which schemas the value there may fit.
func naive(f *Founding, changes []*Change) (types map[string]string, schemas map[string][]any) {
	var all []place
	all = append(all, places(f.Manifest.Fields, "", nil)...)
	sorted := slices.Clone(changes)
	slices.SortFunc(sorted, func(a, b *Change) int {
		if a.Height != b.Height {
			return int(a.Height) - int(b.Height)
		}
		return object.ID.Compare(a.Op.Commit, b.Op.Commit)
	})
	for _, c := range sorted {
		all = append(all, places(c.fields, "", c)...)
	}
	types = map[string]string{}
	holds := map[string]bool{} // by change and place
	id := func(by *Change, at string) string { return fmt.Sprintf("%p%s", by, at) }
	for depth := 1; depth < 20; depth++ {
		for _, p := range all {
			if strings.Count(p.path, "/") != depth || p.owner != "" && !holds[id(p.by, p.owner)] {
				continue
			}
			if types[p.path] == "" {
				types[p.path] = p.skeleton
			}
			holds[id(p.by, p.path)] = types[p.path] == p.skeleton
		}
	}
	schemas = map[string][]any{}
	for _, p := range all {
		if !holds[id(p.by, p.path)] {
			continue
		}
		replaced := slices.ContainsFunc(all, func(q place) bool {
			return q.path == p.path && holds[id(q.by, q.path)] && q.by != nil && (p.by == nil || slices.Contains(q.by.After, p.by))
		})
		if !replaced {
			schemas[p.path] = append(schemas[p.path], p.schema)
		}
	}
	return types, schemas
}

// TestMerge: the kind of a set of changes is what the naive model says, whatever the order they come in and however they
// are taken together, and accepts what the declarations in it accept.
func TestMerge(t *testing.T) {
	keys := []identity.PublicKey{key(1), key(2), key(3)}
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1))
		w := drawWorld(r, 1+r.IntN(9), keys)
		k := Merge(w.founding, Counted(w.changes))
		types, schemas := naive(w.founding, w.changes)
		got := map[string]bool{}
		for _, p := range places(k.Manifest().Fields, "", nil) {
			got[p.path] = true
			if types[p.path] != p.skeleton {
				t.Fatalf("seed %d: %s is a %q, and should be a %q", seed, p.path, p.skeleton, types[p.path])
			}
			checkJoined(t, fmt.Sprintf("seed %d: %s", seed, p.path), p.schema, schemas[p.path])
		}
		for at := range types {
			if !got[at] {
				t.Fatalf("seed %d: %s is missing", seed, at)
			}
		}
		shuffled := slices.Clone(w.changes)
		r.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		cut := r.IntN(len(shuffled) + 1)
		other := Merge(w.founding, Counted(Counted(shuffled[cut:]), Counted(shuffled[:cut], shuffled[cut/2:])))
		if !reflect.DeepEqual(k.Changes, other.Changes) || !reflect.DeepEqual(k.Ignored(), other.Ignored()) || !reflect.DeepEqual(k.Manifest(), other.Manifest()) {
			t.Fatalf("seed %d: another order makes another kind", seed)
		}
		if k.Manifest().Version < w.founding.Manifest.Version {
			t.Fatalf("seed %d: version %d", seed, k.Manifest().Version)
		}
	}
}

// checkJoined: a text of any length that one of the schemas accepts, the joined one accepts, and nothing longer.
func checkJoined(t *testing.T, at string, joined any, list []any) {
	t.Helper()
	if slices.Contains(list, nil) != (joined == nil) {
		t.Fatalf("%s: %v of %v", at, joined, list)
	}
	accepts := func(form, v any) bool {
		s, err := schema.Parse(form)
		if err != nil {
			t.Fatalf("%s: %v", at, err)
		}
		return s.Check(v) == nil
	}
	for n := 1; n < 11 && joined != nil; n++ {
		long := strings.Repeat("x", n)
		for _, v := range []any{long, map[string]any{"a": long}, map[string]any{"b": long}, map[string]any{"c": long}} {
			if slices.ContainsFunc(list, func(form any) bool { return accepts(form, v) }) != accepts(joined, v) {
				t.Fatalf("%s: %v accepts %v otherwise than %v", at, joined, v, list)
			}
		}
	}
}

// TestFlood: a founder who floods the space with changes, before and beside those of another, takes nothing from them.
func TestFlood(t *testing.T) {
	f := &Founding{Manifest: chatManifest(), Founders: []identity.PublicKey{key(1), key(2)}}
	good := &Change{Op: history.OpRef{Commit: commitID(1)}, Height: 90, By: key(1), version: 2, fields: []Field{leaf("due", "register"), leaf("topic", "register", text(9))}}
	list := []*Change{good}
	for i := range 10 * MaxChanges {
		list = append(list, &Change{Op: history.OpRef{Commit: commitID(i + 2)}, Height: 2, By: key(2), version: 2,
			fields: append(many(200, fmt.Sprint("flood", i, "x")), leaf("topic", "register", text(1)))})
	}
	counted := Counted(list)
	k := Merge(f, counted)
	if len(counted) != MaxChanges+1 || Count(k.Manifest().Fields) != 3+1+MaxFields || len(k.Ignored()) == 0 {
		t.Fatalf("%d changes, %d fields, %d ignored", len(counted), Count(k.Manifest().Fields), len(k.Ignored()))
	}
	due, ok := k.Manifest().Field("due")
	topic, _ := k.Manifest().Field("topic")
	if !ok || due.Type != "register" || !reflect.DeepEqual(topic.Schema, text(9)) {
		t.Errorf("due %v, topic %v", due, topic)
	}
	op, err := SchemaOp(3, []Field{leaf("topic", "register", text(20))})
	if err != nil || k.Check(&op, key(1)) == nil {
		t.Errorf("a change among more fields than there may be: %v", err)
	}
}

// TestConflict: of two types under one name the one declared first holds, and what was declared beside it is ignored by name.
func TestConflict(t *testing.T) {
	f := &Founding{Manifest: chatManifest(), Founders: []identity.PublicKey{key(1), key(2)}}
	change := func(i int, height uint64, by byte, after []*Change, fields ...Field) *Change {
		return &Change{Op: history.OpRef{Commit: commitID(i)}, Height: height, By: key(by), version: 2, fields: fields, After: after}
	}
	a := change(1, 5, 1, nil, leaf("due", "register"))
	b := change(2, 6, 2, nil, leaf("due", "log"), leaf("other", "set"))
	c := change(3, 7, 2, []*Change{b}, leaf("due", "log", text(4)))
	for _, list := range [][]*Change{{a, b, c}, {c, b, a}} {
		k := Merge(f, Counted(list))
		due, _ := k.Manifest().Field("due")
		if due.Type != "register" || due.Slot() != "due\x00register" || len(k.Ignored()) != 2 || k.Ignored()[0].Path != "due" || k.Ignored()[0].Op != b.Op {
			t.Errorf("%+v, %+v", due, k.Ignored())
		}
		if _, ok := k.Manifest().Field("other"); !ok {
			t.Error("what else it declares is not there")
		}
	}
	alone := Merge(f, Counted([]*Change{b, c}))
	if due, _ := alone.Manifest().Field("due"); due.Slot() != "due\x00log" || due.Schema == nil {
		t.Errorf("%+v", due)
	}
}

// FuzzChange: a body is refused or is what it encodes to.
func FuzzChange(f *testing.F) {
	for _, fields := range [][]Field{{leaf("due", "register", text(3))}, {mapOf("m", group("", leaf("a", "set")))}, nil} {
		op, err := SchemaOp(2, fields)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(op.Body)
	}
	founding := &Founding{Manifest: chatManifest(), Founders: []identity.PublicKey{key(1)}}
	f.Fuzz(func(t *testing.T, body []byte) {
		var c Change
		if c.read(body) != nil {
			return
		}
		op, err := SchemaOp(c.version, c.fields)
		if err != nil || string(op.Body) != string(body) {
			t.Fatalf("%x is %x: %v", body, op.Body, err)
		}
		c.By, c.Height = key(1), 2
		k := Merge(founding, []*Change{&c})
		err = clash("", founding.Manifest.Fields, c.fields)
		if (err == nil) != (len(k.Ignored()) == 0) && Count(c.fields) <= MaxFields {
			t.Fatalf("%v, ignored %v", err, k.Ignored())
		}
	})
}
