package schema

import (
	"slices"

	"github.com/hyperhyperspace/hhs-go/internal/order"
	"github.com/hyperhyperspace/hhs-go/object"
)

// Join is a schema that accepts what any of the given ones accepts: of what two people changed at the same time the looser
// holds. It may accept more: properties that each of them added stand beside each other in one object. nil stands for the
// schema that accepts every value, and so does what is larger than a schema may be. The result depends on the order of the
// list in nothing but the order of alternatives of an enum.
func Join(list []*Schema) *Schema {
	if len(list) == 0 || slices.Contains(list, nil) {
		return nil
	}
	s := (&joiner{}).join(list)
	if s.nodes() > MaxNodes {
		return nil
	}
	return s
}

// anything accepts every value, inside of others where no schema may not stand.
var anything = &Schema{kind: kindAny}

// joiner joins any number of schemas at once and looks at each of them, and at each inside of it, once: whoever may write
// can have a replica put many together again and again, so that it may cost no more than their size.
type joiner struct{ looked int }

func (j *joiner) join(list []*Schema) *Schema {
	j.looked += len(list)
	first := list[0]
	if !slices.ContainsFunc(list, func(s *Schema) bool { return s != first }) {
		return first
	}
	var forms []*Schema
	var values []any
	met := map[any]bool{}
	for _, s := range list {
		if s.values == nil {
			forms = append(forms, s)
		}
		for _, v := range s.values {
			if k := keyOf(v); !met[k] {
				met[k], values = true, append(values, v)
			}
		}
	}
	switch {
	case forms != nil:
		s := j.forms(forms)
		if slices.ContainsFunc(values, func(v any) bool { return s.check(v) != nil }) {
			return anything
		}
		return s
	case len(values) > MaxEnum:
		return anything
	case len(values) == len(first.values):
		return first
	}
	return &Schema{kind: kindEnum, values: values}
}

// keyOf is the same for values that are [same].
func keyOf(v any) any {
	if b, ok := v.([]byte); ok {
		return [1]string{string(b)} // not what a string is
	}
	return v
}

// forms joins what is neither const nor enum.
func (j *joiner) forms(list []*Schema) *Schema {
	first := list[0]
	if len(list) == 1 {
		return first
	}
	for _, s := range list {
		if s.kind != first.kind || s.tag != first.tag {
			return anything
		}
	}
	s := &Schema{kind: first.kind, tag: first.tag}
	s.loosest(list)
	switch s.kind {
	case kindList:
		items := make([]*Schema, len(list))
		for i, t := range list {
			items[i] = t.items
		}
		s.items = j.join(items)
	case kindObject:
		j.props(s, list)
	case kindUnion:
		var g groups
		for _, t := range list {
			for _, v := range t.variants {
				g.add(v.value, v.schema)
			}
		}
		for _, of := range g.sorted() {
			s.variants = append(s.variants, variant{of.name, j.join(of.schemas)})
		}
	}
	return s
}

// loosest takes the looser of each bound, none where one has none.
func (s *Schema) loosest(list []*Schema) {
	s.hasMin, s.hasMax = true, true
	bytes := true
	s.min, s.minF, s.max, s.maxF = list[0].min, list[0].minF, list[0].max, list[0].maxF
	for _, t := range list {
		s.hasMin, s.hasMax, bytes = s.hasMin && t.hasMin, s.hasMax && t.hasMax, bytes && t.maxBytes > 0
		s.min, s.minF = min(s.min, t.min), min(s.minF, t.minF)
		s.max, s.maxF = max(s.max, t.max), max(s.maxF, t.maxF)
		s.maxBytes = max(s.maxBytes, t.maxBytes)
	}
	if !s.hasMin {
		s.min, s.minF = 0, 0
	}
	if !s.hasMax {
		s.max, s.maxF = 0, 0
	}
	if !bytes {
		s.maxBytes = 0
	}
}

// props takes the properties of all. One that not every object names may be absent, and may be anything where one that does
// not name it is open.
func (j *joiner) props(s *Schema, list []*Schema) {
	var g groups
	opened := 0
	for _, t := range list {
		if t.open {
			opened++
		}
		for _, p := range t.props {
			of := g.add(p.name, p.schema)
			if p.required {
				of.required++
			}
			if t.open {
				of.opened++
			}
		}
	}
	s.open = opened > 0
	for _, of := range g.sorted() {
		if of.opened == opened {
			s.props = append(s.props, prop{of.name, j.join(of.schemas), of.required == len(list)})
		}
	}
}

// groups are what several schemas have under one name each.
type groups map[string]*group

type group struct {
	name             string
	schemas          []*Schema
	required, opened int // how many of them are, and stand in an object that is
}

func (g *groups) add(name string, s *Schema) *group {
	if *g == nil {
		*g = groups{}
	}
	of := (*g)[name]
	if of == nil {
		of = &group{name: name}
		(*g)[name] = of
	}
	of.schemas = append(of.schemas, s)
	return of
}

// sorted are the groups as props and variants stand.
func (g groups) sorted() []*group {
	list := make([]*group, 0, len(g))
	for _, of := range g {
		list = append(list, of)
	}
	order.By(list, func(a, b *group) int { return object.CompareKeys(a.name, b.name) })
	return list
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
