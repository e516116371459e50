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
	k := &Kind{Changes: changes}
	m := merger{added: map[identity.PublicKey]int{}}
	all := []declared{{fields: f.Manifest.Fields}}
	version := f.Manifest.Version
	for _, c := range changes {
		all = append(all, declared{c.Fields, c})
		version = max(version, c.Version)
	}
	k.Manifest = &Manifest{Kind: f.Manifest.Kind, Version: version, Policy: f.Manifest.Policy, Fields: m.fields("", all)}
	k.Ignored = m.ignored
	return k
}

// declared are fields as one change, or the first commit (by is nil), declares them.
type declared struct {
	fields []Field
	by     *Change
}

// declaration is one of them.
type declaration struct {
	field *Field
	by    *Change
}

type merger struct {
	added   map[identity.PublicKey]int // shapes that changes of each founder added
	ignored []Ignored
}

func (m *merger) ignore(d declaration, path, reason string) {
	m.ignored = append(m.ignored, Ignored{d.by.Op, path, reason})
}

// fields puts the fields of a kind, or the properties of a record, together.
func (m *merger) fields(path string, lists []declared) []Field {
	var names []string
	of := map[string][]declaration{}
	for _, l := range lists {
		for i := range l.fields {
			name := l.fields[i].Name
			if of[name] == nil {
				names = append(names, name)
			}
			of[name] = append(of[name], declaration{&l.fields[i], l.by})
		}
	}
	fields := make([]Field, 0, len(names))
	for _, name := range names {
		if f, ok := m.one(under(path, name), of[name]); ok {
			fields = append(fields, f)
		}
	}
	return fields
}

// one puts a value together from its declarations, the first of which decides its type.
func (m *merger) one(path string, list []declaration) (f Field, ok bool) {
	first := list[0]
	skeleton := first.field.Skeleton()
	list = slices.DeleteFunc(list, func(d declaration) bool {
		other := d.field.Skeleton()
		if other != skeleton {
			m.ignore(d, path, "it is declared as a "+skeleton+" before, and here as a "+other)
		}
		return other != skeleton
	})
	f = Field{Name: first.field.Name, Type: first.field.Type, Added: first.by != nil, Fold: first.field.Fold, Version: first.field.Version}
	if f.Added {
		if m.added[first.by.By]++; m.added[first.by.By] > MaxFields {
			m.ignore(first, path, "its author has added more than "+strconv.Itoa(MaxFields)+" fields")
			return f, false
		}
	}
	switch f.Type {
	case TypeMap:
		of := make([]declaration, len(list))
		for i, d := range list {
			of[i] = declaration{d.field.Of, d.by}
		}
		inside, ok := m.one(path+"[...]", of)
		f.Of = &inside
		return f, ok
	case TypeRecord:
		lists := make([]declared, len(list))
		for i, d := range list {
			lists[i] = declared{d.field.Fields, d.by}
		}
		f.Fields = m.fields(path, lists)
		return f, len(f.Fields) > 0
	}
	f.Schema = joined(list)
	return f, true
}

// joined is the schema of a leaf.
func joined(list []declaration) any {
	var last []declaration
	for i, d := range list {
		if !slices.ContainsFunc(list[i+1:], func(e declaration) bool { return d.by == nil || e.by.saw(d.by) }) {
			last = append(last, d)
		}
	}
	if len(last) == 1 {
		return last[0].field.Schema
	}
	var schemas []*schema.Schema
	for _, d := range last {
		if d.field.Schema == nil {
			return nil
		}
		s, err := schema.Parse(d.field.Schema)
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
