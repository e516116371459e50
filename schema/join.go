package schema

import (
	"math"
	"slices"

	"github.com/hyperhyperspace/hhs-go/internal/order"
	"github.com/hyperhyperspace/hhs-go/object"
)

// Join is a schema that accepts what any of the given ones accepts: of what two people changed at the same time the looser
// holds. It may accept more: properties that each of them added stand beside each other in one object. nil stands for the
// schema that accepts every value, and so does what is larger than a schema may be. The result depends on the order of the
// list in nothing but the order of alternatives of an enum.
func Join(list []*Schema) *Schema {
	if len(list) == 0 {
		return nil
	}
	s := list[0]
	for _, t := range list[1:] {
		s = join(s, t)
	}
	if s != nil && s.nodes() > MaxNodes {
		return nil
	}
	return s
}

// anything accepts every value, inside of others where no schema may not stand.
var anything = &Schema{kind: kindAny}

func join(a, b *Schema) *Schema {
	switch {
	case a == nil || b == nil:
		return nil
	case a == b:
		return a
	case a.values != nil && b.values != nil:
		return joinValues(a, b)
	case a.values != nil:
		a, b = b, a
		fallthrough
	case b.values != nil:
		if slices.ContainsFunc(b.values, func(v any) bool { return a.check(v) != nil }) {
			return anything
		}
		return a
	case a.kind != b.kind || a.tag != b.tag:
		return anything
	}
	s := &Schema{kind: a.kind, tag: a.tag}
	s.joinBounds(a, b)
	switch s.kind {
	case kindList:
		s.items = join(a.items, b.items)
	case kindObject:
		s.joinProps(a, b)
	case kindUnion:
		s.variants = slices.Clone(a.variants)
		for _, v := range b.variants {
			if i := slices.IndexFunc(s.variants, func(w variant) bool { return w.value == v.value }); i >= 0 {
				s.variants[i].schema = join(s.variants[i].schema, v.schema)
			} else {
				s.variants = append(s.variants, v)
			}
		}
		order.By(s.variants, func(v, w variant) int { return object.CompareKeys(v.value, w.value) })
	}
	return s
}

func joinValues(a, b *Schema) *Schema {
	values := slices.Clone(a.values)
	for _, v := range b.values {
		if !slices.ContainsFunc(values, func(w any) bool { return same(v, w) }) {
			values = append(values, v)
		}
	}
	switch {
	case len(values) > MaxEnum:
		return anything
	case len(values) == len(a.values):
		return a
	}
	return &Schema{kind: kindEnum, values: values}
}

// joinBounds takes the looser of each bound, none where one has none.
func (s *Schema) joinBounds(a, b *Schema) {
	if s.hasMin = a.hasMin && b.hasMin; s.hasMin {
		s.min, s.minF = min(a.min, b.min), math.Min(a.minF, b.minF)
	}
	if s.hasMax = a.hasMax && b.hasMax; s.hasMax {
		s.max, s.maxF = max(a.max, b.max), math.Max(a.maxF, b.maxF)
	}
	if a.maxBytes > 0 && b.maxBytes > 0 {
		s.maxBytes = max(a.maxBytes, b.maxBytes)
	}
}

// joinProps takes the properties of both. One that only one object names may be absent, and may be anything where the
// other object is open.
func (s *Schema) joinProps(a, b *Schema) {
	s.open = a.open || b.open
	for _, p := range a.props {
		q := b.find(p.name)
		switch {
		case q != nil:
			s.props = append(s.props, prop{p.name, join(p.schema, q.schema), p.required && q.required})
		case !b.open:
			s.props = append(s.props, prop{p.name, p.schema, false})
		}
	}
	for _, q := range b.props {
		if a.find(q.name) == nil && !a.open {
			s.props = append(s.props, prop{q.name, q.schema, false})
		}
	}
	order.By(s.props, func(p, q prop) int { return object.CompareKeys(p.name, q.name) })
}

// nodes counts the schemas in s.
func (s *Schema) nodes() int {
	n := 1
	if s.items != nil {
		n += s.items.nodes()
	}
	for _, p := range s.props {
		n += p.schema.nodes()
	}
	for _, v := range s.variants {
		n += v.schema.nodes()
	}
	return n
}

// Extend is the schema to declare where one is declared and another is wanted: the wanted one, with the properties that
// objects in the declared one have and it has not, which may be absent. It requires no property that was not required: older
// programs do not write it. nil accepts every value.
func Extend(have, want *Schema) *Schema {
	if have == nil || want == nil || have.kind != want.kind || have.tag != want.tag {
		return want
	}
	s := *want
	switch s.kind {
	case kindList:
		s.items = Extend(have.items, want.items)
	case kindObject:
		s.props = nil
		for _, p := range want.props {
			h := have.find(p.name)
			if h != nil {
				p.schema = Extend(h.schema, p.schema)
			}
			p.required = p.required && h != nil && h.required
			s.props = append(s.props, p)
		}
		for _, h := range have.props {
			if want.find(h.name) == nil && !want.open {
				s.props = append(s.props, prop{h.name, h.schema, false})
			}
		}
		order.By(s.props, func(p, q prop) int { return object.CompareKeys(p.name, q.name) })
	case kindUnion:
		s.variants = nil
		for _, v := range want.variants {
			if h := have.variant(v.value); h != nil {
				v.schema = Extend(h, v.schema)
			}
			s.variants = append(s.variants, v)
		}
		for _, h := range have.variants {
			if want.variant(h.value) == nil {
				s.variants = append(s.variants, h)
			}
		}
		order.By(s.variants, func(v, w variant) int { return object.CompareKeys(v.value, w.value) })
	}
	return &s
}

// Keep lays a value that a program wrote over the one it saw: entries of objects under names that the program's schema does
// not have stay as they were, where the schema of the field allows them. Objects inside objects and alternatives with the
// same tag are laid over each other, too; a list is replaced as a whole. Neither value is changed.
func Keep(program, field *Schema, shown, written any) any {
	was, wasMap := shown.(map[string]any)
	is, isMap := written.(map[string]any)
	if !wasMap || !isMap || program == nil {
		return written
	}
	if program.kind == kindUnion {
		tag, _ := is[program.tag].(string)
		if !same(was[program.tag], is[program.tag]) || program.variant(tag) == nil {
			return written
		}
		if field != nil && field.kind == kindUnion && field.tag == program.tag {
			field = field.variant(tag)
		}
		kept := keepProps(program.variant(tag), field, was, is, program.tag)
		return kept
	}
	if program.kind != kindObject {
		return written
	}
	return keepProps(program, field, was, is, "")
}

func keepProps(program, field *Schema, was, is map[string]any, tag string) map[string]any {
	out := make(map[string]any, len(is))
	for name, v := range is {
		out[name] = v
		if p := program.find(name); p != nil {
			if old, ok := was[name]; ok {
				out[name] = Keep(p.schema, field.inside(name), old, v)
			}
		}
	}
	for name, old := range was {
		if _, written := is[name]; written || name == tag || program.open || program.find(name) != nil || !field.allows(name) {
			continue
		}
		out[name] = old
	}
	return out
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
