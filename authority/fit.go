package authority

import (
	"slices"

	"github.com/hyperhyperspace/hhs-go/schema"
)

// Fits tells whether a program with a kind can open a space of another: what both have is of the same types. What only one of
// them has is no obstacle: a program passes over fields that it does not know, and reads those that the space has not yet as
// empty. The error names the field.
func Fits(space, program *Manifest) error {
	if space.Kind != program.Kind {
		return &ManifestError{Path: "kind", Reason: "the space is of the kind " + space.Kind + ", not of " + program.Kind}
	}
	return clash("", space.Fields, program.Fields)
}

// Extend is what fields are when those of a program are declared over those of a space: all of the space's in their order,
// then what is new. A property of an object that only the space's schema has stays, see [schema.Extend].
func Extend(space, program []Field) []Field {
	out := make([]Field, 0, len(space)+len(program))
	for i := range space {
		f := space[i]
		if p := named(program, f.Name); p != nil {
			f = extend(&f, p)
		}
		out = append(out, f)
	}
	for i := range program {
		if named(space, program[i].Name) == nil {
			out = append(out, allAdded(program[i]))
		}
	}
	return out
}

func extend(have, want *Field) Field {
	f := *have
	switch {
	case have.Skeleton() != want.Skeleton(): // clash says so
	case f.Of != nil:
		of := extend(have.Of, want.Of)
		f.Of = &of
	case f.Type == TypeRecord:
		f.Fields = Extend(have.Fields, want.Fields)
	default:
		f.Schema, f.parsed = extendSchema(have, want), nil
	}
	return f
}

func extendSchema(have, want *Field) any {
	if have.Schema == nil || want.Schema == nil || equalValue(have.Schema, want.Schema) {
		return want.Schema
	}
	h, errH := have.Parsed()
	w, errW := want.Parsed()
	if errH != nil || errW != nil {
		return want.Schema
	}
	return schema.Extend(h, w).Value()
}

// allAdded is a field with everything in it as a change would add it.
func allAdded(f Field) Field {
	f.Added = true
	if f.Of != nil {
		of := allAdded(*f.Of)
		f.Of = &of
	}
	f.Fields = slices.Clone(f.Fields)
	for i := range f.Fields {
		f.Fields[i] = allAdded(f.Fields[i])
	}
	return f
}

// Turned finds a field whose values are of another type in a program than in a space. A change of the schema could declare it,
// but neither side could read or write what the other writes.
func Turned(space, program []Field) error { return turned("", space, program) }

func turned(path string, space, program []Field) error {
	for i := range program {
		p, at := &program[i], under(path, program[i].Name)
		h := named(space, p.Name)
		if h == nil {
			continue
		}
		for h.Of != nil && p.Of != nil {
			h, p, at = h.Of, p.Of, at+"[...]"
		}
		if err := turned(at, h.Fields, p.Fields); err != nil {
			return err
		}
		if h.Schema == nil || p.Schema == nil {
			continue
		}
		have, errH := h.Parsed()
		want, errW := p.Parsed()
		if errH != nil || errW != nil {
			continue // as it is when it is declared
		}
		if in, from, to, other := schema.Turns(at, have, want); other {
			return &ManifestError{Path: in, Reason: "values there are of the type " + from + " and cannot become " + to + "; define a new field beside it"}
		}
	}
	return nil
}

// Upgrade lists the fields that a change of the schema has to declare so that a space has all that a program has; none when
// there is nothing to change.
func Upgrade(space, program *Manifest) []Field {
	var fields []Field
	for _, f := range Extend(space.Fields, program.Fields) {
		if have := named(space.Fields, f.Name); have == nil || !equalValue(have.Value(), f.Value()) {
			fields = append(fields, f)
		}
	}
	return fields
}
