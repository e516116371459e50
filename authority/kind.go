package authority

import (
	"slices"
	"strconv"
	"sync"

	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/schema"
)

// Kind is what holds for a commit: what the space's first commit declares, with the changes of the schema in the commit's own
// past. It is a function of the set of these, so that an op is judged alike everywhere and for ever.
//
// A value that the first commit or a change declares is one with those of the same name and [Field.Skeleton], and what is
// declared of it is put together: of a record all properties; of schemas those of the declarations that no other one of them
// has in its past, joined so that a value which any of them accepts is accepted ([schema.Join]). Of values of one name and
// different types the one holds that was declared first: by the first commit, or else by the change with the least (height,
// commit). An op of somebody who had only seen another one went there, and stays there unseen.
//
// It is put together when it is asked for and as far as it is asked for, since whoever may write can bring a new combination
// of changes together with each commit: a field that no change declares costs a look through their names.
type Kind struct {
	Founding *Founding
	Changes  []*Change // that count, in order

	mu     sync.Mutex // of what is put together
	merged *merger
	fields map[string]Field
	all    *Manifest
}

// Ignored is a declaration that takes no effect.
type Ignored struct {
	Op     history.OpRef // the change
	Path   string        // of the field
	Reason string
}

// Merge is the kind of what a space's first commit and changes declare; what of them counts is for [Counted] to say.
func Merge(f *Founding, changes []*Change) *Kind { return &Kind{Founding: f, Changes: changes} }

// Version is the greatest that is declared.
func (k *Kind) Version() int64 {
	version := k.Founding.Manifest.Version
	for _, c := range k.Changes {
		version = max(version, c.Version())
	}
	return version
}

// Manifest is the kind as one manifest.
func (k *Kind) Manifest() *Manifest {
	if len(k.Changes) == 0 {
		return k.Founding.Manifest
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.all == nil {
		m := k.merge()
		first := k.Founding.Manifest
		k.all = &Manifest{Kind: first.Kind, Version: k.Version(), Policy: first.Policy, Fields: make([]Field, 0, len(m.root.fields))}
		for _, n := range m.root.fields {
			k.all.Fields = append(k.all.Fields, k.field(n))
		}
	}
	return k.all
}

// Field is the field of that name.
func (k *Kind) Field(name string) (Field, bool) {
	if !k.changes(name) {
		return k.Founding.Manifest.Field(name)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	n := k.merge().root.named[name]
	if n == nil {
		return Field{}, false
	}
	return k.field(n), true
}

// Ignored are the declarations that take no effect.
func (k *Kind) Ignored() []Ignored {
	if len(k.Changes) == 0 {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.merge().ignored
}

// has tells whether there is a field of that name.
func (k *Kind) has(name string) bool {
	if _, ok := k.Founding.Manifest.Field(name); ok || !k.changes(name) {
		return ok
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.merge().root.named[name] != nil
}

// changes tells whether a change declares a field of that name.
func (k *Kind) changes(name string) bool {
	return slices.ContainsFunc(k.Changes, func(c *Change) bool { return named(c.Fields(), name) != nil })
}

// field is one that was put together, and joined once.
func (k *Kind) field(n *node) Field {
	f, ok := k.fields[n.field.Name]
	if !ok {
		f = k.merged.value(n)
		if k.fields == nil {
			k.fields = map[string]Field{}
		}
		k.fields[f.Name] = f
	}
	return f
}

// merge takes in all declarations, without joining schemas.
func (k *Kind) merge() *merger {
	if k.merged == nil {
		m := &merger{changes: k.Changes, room: map[identity.PublicKey]int{}}
		m.declare(&m.root, "", k.Founding.Manifest.Fields, -1, true)
		for i, c := range k.Changes {
			m.declare(&m.root, "", c.Fields(), i, false)
		}
		k.merged = m
	}
	return k.merged
}

// node is a value as it is put together, change by change, so that a later one takes nothing from those before it. Of a
// kind as a whole it has the fields alone.
type node struct {
	field    *Field // as it was declared first
	skeleton string
	added    bool
	said     []declaration // of a leaf
	of       *node
	fields   []*node
	named    map[string]*node
}

// declaration is what one change, by its place in the order, says of a leaf; -1 is the first commit.
type declaration struct {
	field *Field
	by    int
}

type merger struct {
	root    node
	changes []*Change
	room    map[identity.PublicKey]int // shapes that changes of each founder added
	saw     map[int][]uint64           // of a change, a bit for each one in its past
	ignored []Ignored
}

// declare takes in the fields of a kind, or the properties of a record. What is inside of something new is counted with it.
func (m *merger) declare(owner *node, path string, fields []Field, by int, counted bool) {
	for i := range fields {
		f := &fields[i]
		at, n, inside := under(path, f.Name), owner.named[f.Name], counted
		if n == nil {
			if !counted && !m.add(f, at, by) {
				continue
			}
			n, inside = newNode(f, by), true
			if owner.named == nil {
				owner.named = map[string]*node{}
			}
			owner.named[f.Name], owner.fields = n, append(owner.fields, n)
		} else if skeleton := f.Skeleton(); skeleton != n.skeleton {
			m.ignore(by, at, "it is declared as a "+n.skeleton+" before, and here as a "+skeleton)
			continue
		}
		m.into(n, at, f, by, inside)
	}
}

func newNode(f *Field, by int) *node {
	return &node{field: f, skeleton: f.Skeleton(), added: by >= 0}
}

// add counts a shape that a change adds, with all that is inside of it.
func (m *merger) add(f *Field, path string, by int) bool {
	founder, n := m.changes[by].By, f.count()
	if m.room[founder]+n > MaxFields {
		m.ignore(by, path, "with it its author would have added more than "+strconv.Itoa(MaxFields)+" fields")
		return false
	}
	m.room[founder] += n
	return true
}

func (m *merger) ignore(by int, path, reason string) {
	m.ignored = append(m.ignored, Ignored{m.changes[by].Op, path, reason})
}

// into takes in a declaration of a value that is there with the same skeleton.
func (m *merger) into(n *node, path string, f *Field, by int, counted bool) {
	switch f.Type {
	case TypeMap:
		if n.of == nil {
			n.of = newNode(f.Of, by)
		}
		m.into(n.of, path+"[...]", f.Of, by, counted)
	case TypeRecord:
		m.declare(n, path, f.Fields, by, counted)
	default:
		n.said = append(n.said, declaration{f, by})
	}
}

func (m *merger) fields(owner *node) []Field {
	fields := make([]Field, 0, len(owner.fields))
	for _, n := range owner.fields {
		fields = append(fields, m.value(n))
	}
	return fields
}

func (m *merger) value(n *node) Field {
	f := Field{Name: n.field.Name, Type: n.field.Type, Added: n.added, Fold: n.field.Fold, Version: n.field.Version}
	switch {
	case n.of != nil:
		of := m.value(n.of)
		f.Of = &of
	case f.Type == TypeRecord:
		f.Fields = m.fields(n)
	default:
		f.Schema, f.parsed = m.joined(n.said)
	}
	return f
}

// joined is the schema of a leaf: of the declarations that no later one has in its past.
func (m *merger) joined(list []declaration) (any, *schema.Schema) {
	if len(list) == 1 {
		return list[0].field.Schema, list[0].field.parsed
	}
	seen := make([]uint64, len(m.changes)/64+1)
	var last []*Field
	for _, d := range slices.Backward(list) {
		if d.by < 0 {
			break // whoever declares it anew has the first commit in their past
		}
		if seen[d.by/64]&(1<<(d.by%64)) == 0 {
			last = append(last, d.field)
		}
		for i, bits := range m.past(d.by) {
			seen[i] |= bits
		}
	}
	if len(last) == 1 {
		return last[0].Schema, last[0].parsed
	}
	slices.Reverse(last)
	schemas := make([]*schema.Schema, len(last))
	for i, f := range last {
		var err error
		if schemas[i], err = f.Parsed(); err != nil {
			return nil, nil // no change with such a schema is let in
		}
	}
	if s := schema.Join(schemas); s != nil {
		return s.Value(), s
	}
	return nil, nil
}

// past finds once which changes are in the past of one.
func (m *merger) past(i int) []uint64 {
	if bits := m.saw[i]; bits != nil {
		return bits
	}
	bits, j := make([]uint64, len(m.changes)/64+1), 0
	for _, before := range m.changes[i].After {
		for j < i && m.changes[j] != before && m.changes[j].order(before) < 0 {
			j++
		}
		if j < i && (m.changes[j] == before || m.changes[j].order(before) == 0) {
			bits[j/64] |= 1 << (j % 64)
		}
	}
	if m.saw == nil {
		m.saw = map[int][]uint64{}
	}
	m.saw[i] = bits
	return bits
}
