package authority

import (
	"slices"
	"strconv"

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
type Kind struct {
	Manifest *Manifest
	Changes  []*Change // that count, in order
	Ignored  []Ignored
}

// Ignored is a declaration that takes no effect.
type Ignored struct {
	Op     history.OpRef // the change
	Path   string        // of the field
	Reason string
}

// Merge puts together what a space's first commit and changes declare; what of them counts is for [Counted] to say.
func Merge(f *Founding, changes []*Change) *Kind {
	if len(changes) == 0 {
		return &Kind{Manifest: f.Manifest}
	}
	m := merger{changes: changes, room: map[identity.PublicKey]int{}}
	root := &node{}
	m.declare(root, "", f.Manifest.Fields, -1, true)
	version := f.Manifest.Version
	for i, c := range changes {
		m.declare(root, "", c.Fields, i, false)
		version = max(version, c.Version)
	}
	return &Kind{Changes: changes, Ignored: m.ignored,
		Manifest: &Manifest{Kind: f.Manifest.Kind, Version: version, Policy: f.Manifest.Policy, Fields: m.fields(root)}}
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
	changes []*Change
	room    map[identity.PublicKey]int // shapes that changes of each founder added
	saw     [][]uint64                 // of each change, a bit for each one in its past
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
		f.Schema = m.joined(n.said)
	}
	return f
}

// joined is the schema of a leaf: of the declarations that no later one has in its past.
func (m *merger) joined(list []declaration) any {
	if len(list) == 1 {
		return list[0].field.Schema
	}
	m.look()
	seen := make([]uint64, len(m.changes)/64+1)
	var last []*Field
	for _, d := range slices.Backward(list) {
		if d.by < 0 {
			break // whoever declares it anew has the first commit in their past
		}
		if seen[d.by/64]&(1<<(d.by%64)) == 0 {
			last = append(last, d.field)
		}
		for i, bits := range m.saw[d.by] {
			seen[i] |= bits
		}
	}
	if len(last) == 1 {
		return last[0].Schema
	}
	slices.Reverse(last)
	var schemas []*schema.Schema
	for _, f := range last {
		if f.Schema == nil {
			return nil
		}
		s, err := f.parsed, error(nil)
		if s == nil {
			s, err = schema.Parse(f.Schema)
		}
		if err != nil {
			return nil // no change with such a schema is let in
		}
		schemas = append(schemas, s)
	}
	if s := schema.Join(schemas); s != nil {
		return s.Value()
	}
	return nil
}

// look finds once which changes are in the past of which.
func (m *merger) look() {
	if m.saw != nil {
		return
	}
	m.saw = make([][]uint64, len(m.changes))
	for i, c := range m.changes {
		bits, j := make([]uint64, len(m.changes)/64+1), 0
		for _, past := range c.After {
			for j < i && m.changes[j] != past && m.changes[j].order(past) < 0 {
				j++
			}
			if j < i && (m.changes[j] == past || m.changes[j].order(past) == 0) {
				bits[j/64] |= 1 << (j % 64)
			}
		}
		m.saw[i] = bits
	}
}
