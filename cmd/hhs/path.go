package main

import (
	"encoding/json"
	"strings"

	"github.com/hyperhyperspace/hhs-go/authority"
)

// place is a value inside a kind: what a path on the command line leads to, such as items.milk.title. A key or name that
// has a dot or is no plain word is written in quotes: items["7.5 l"].title.
type place struct {
	label string // the path as it was written
	field string
	path  []any            // see hhs.Op
	shape *authority.Field // of the value
	keyed bool             // it is a key of a map of records
}

// placeOf follows a path through the kind.
func placeOf(m *authority.Manifest, label string) (p place, err error) {
	steps, ok := pathSteps(label)
	if !ok {
		return p, failf("invalid", "%s is not a path, such as items.milk.title or items[\"7.5 l\"].title", label)
	}
	f, ok := m.Field(steps[0])
	if !ok {
		return p, unknownField(m, steps[0])
	}
	p = place{label: label, field: steps[0], shape: &f}
	for _, step := range steps[1:] {
		if p.shape.Type == authority.TypeMap {
			p.path, p.shape = append(p.path, step), p.shape.Of
			p.keyed = p.shape.Type == authority.TypeRecord
			continue
		}
		var next *authority.Field
		names := ""
		for i := range p.shape.Fields {
			names += " " + p.shape.Fields[i].Name
			if p.shape.Fields[i].Name == step {
				next = &p.shape.Fields[i]
			}
		}
		switch {
		case next == nil && names != "":
			return p, failf("not_found", "%s: the record has no property %q; it has:%s", label, step, names)
		case next == nil:
			return p, failf("not_found", "%s: there is nothing inside a %s", label, p.shape.Type)
		case p.keyed:
			p.path = append(p.path, nil) // the record shown there
		}
		p.path, p.shape, p.keyed = append(p.path, step), next, false
	}
	return p, nil
}

// keys are the keys and names of the path, without the records between them.
func (p *place) keys() (keys []string) {
	for _, step := range p.path {
		if key, ok := step.(string); ok {
			keys = append(keys, key)
		}
	}
	return keys
}

// pathSteps takes a path apart. There is at least one step, and none is empty.
func pathSteps(path string) (steps []string, ok bool) {
	for rest := path; ; {
		var step string
		if strings.HasPrefix(rest, `["`) {
			text := json.NewDecoder(strings.NewReader(rest[1:]))
			if text.Decode(&step) != nil {
				return nil, false
			}
			if rest, ok = strings.CutPrefix(rest[1+text.InputOffset():], "]"); !ok {
				return nil, false
			}
		} else {
			n := strings.IndexAny(rest+".", ".[")
			step, rest = rest[:n], rest[n:]
		}
		if step == "" {
			return nil, false
		}
		steps = append(steps, step)
		switch {
		case rest == "":
			return steps, true
		case rest[0] == '.':
			rest = rest[1:]
		case !strings.HasPrefix(rest, `["`):
			return nil, false
		}
	}
}

// dotted writes a path as placeOf reads it.
func dotted(field string, keys []string) string {
	for _, k := range keys {
		if k != "" && !strings.ContainsAny(k, ".[\"\\ ") && !strings.ContainsFunc(k, func(r rune) bool { return r < ' ' || r > '~' }) {
			if field != "" {
				field += "."
			}
			field += k
			continue
		}
		quoted, err := json.Marshal(k)
		if err != nil {
			return field // no text is refused
		}
		field += "[" + string(quoted) + "]"
	}
	return field
}
