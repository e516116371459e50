package schema

import (
	"maps"
	"slices"

	"github.com/hyperhyperspace/hhs-go/internal/order"
	"github.com/hyperhyperspace/hhs-go/object"
)

// Keep lays a value that a program wrote over the one it saw: entries of objects under names that the program's schema does
// not have stay as they were, where the schema of the field allows them. Objects inside objects and alternatives with the
// same tag are laid over each other, too; a list is replaced as a whole. Neither value is changed.
//
// The error is a *[Violation] of an entry that would stay and that the field's schema, which was made stricter since, does
// not accept any more.
func Keep(program, field *Schema, shown, written any) (any, error) {
	v, bad := keep(program, field, shown, written)
	if bad != nil {
		bad.Reason += "; this program does not know it and keeps it as it was, and the space is stricter now: update the program, " +
			"have one that knows it change it, or write the value without it (hhs set writes what it is given)"
		return nil, bad
	}
	return v, nil
}

func keep(program, field *Schema, shown, written any) (any, *Violation) {
	was, wasMap := shown.(map[string]any)
	is, isMap := written.(map[string]any)
	switch {
	case !wasMap || !isMap || program == nil:
		return written, nil
	case program.kind == kindObject:
		return keepProps(program, field, was, is, "")
	case program.kind != kindUnion:
		return written, nil
	}
	tag, _ := is[program.tag].(string)
	known := program.variant(tag)
	if known == nil || !same(was[program.tag], tag) {
		return written, nil
	}
	if field != nil && field.kind == kindUnion && field.tag == program.tag {
		field = field.variant(tag)
	}
	return keepProps(known, field, was, is, program.tag)
}

func keepProps(program, field *Schema, was, is map[string]any, tag string) (any, *Violation) {
	out := maps.Clone(is)
	names := slices.Collect(maps.Keys(was))
	order.By(names, object.CompareKeys)
	for _, name := range names {
		old := was[name]
		v, written := is[name]
		p := program.find(name)
		var bad *Violation
		switch {
		case p != nil && written:
			out[name], bad = keep(p.schema, field.inside(name), old, v)
		case p == nil && !written && name != tag && !program.open && field.allows(name):
			out[name] = old
			if in := field.inside(name); in != nil {
				bad = in.check(old)
			}
		}
		if bad != nil {
			return nil, at(object.PathKey("", name), bad)
		}
	}
	return out, nil
}

// allows tells whether an object may have an entry of that name.
func (s *Schema) allows(name string) bool {
	return s == nil || s.kind == kindAny || s.kind == kindObject && (s.open || s.find(name) != nil)
}

// inside is the schema of an entry of an object; nil: any value.
func (s *Schema) inside(name string) *Schema {
	if s != nil {
		if p := s.find(name); p != nil {
			return p.schema
		}
	}
	return nil
}

// Closed tells whether there may be something to keep for a program with this schema, see [Keep]: whether it knows objects by
// the names of their properties, outside of lists.
func (s *Schema) Closed() bool {
	switch {
	case s == nil:
		return false
	case s.kind == kindObject && !s.open, s.kind == kindUnion:
		return true
	}
	return slices.ContainsFunc(s.props, func(p prop) bool { return p.schema.Closed() })
}
