package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/hyperhyperspace/hhs-go/authority"
	"github.com/hyperhyperspace/hhs-go/object"
)

// place is a value inside a kind: what a path on the command line leads to, such as items.milk.title. A path is the name of a
// field and then any number of steps, each a dot with a key or name that has no dot and no bracket, or any key in brackets, as
// a JSON string: items["7.5 l"].title.
type place struct {
	label string // the path as it was written
	field string
	path  []any            // see hhs.Op
	shape *authority.Field // of the value
	keyed bool             // it is a key of a map of records
	inMap bool             // it is a key of a map
}

// placeOf follows a path through the kind.
func placeOf(m *authority.Manifest, label string) (p place, err error) {
	steps, err := pathSteps(label)
	if err != nil {
		return p, failf("invalid", "%s is not a path: %w; one is written like items.milk.title or items[\"7.5 l\"].title", label, err)
	}
	f, ok := m.Field(steps[0])
	if !ok {
		return p, unknownField(m, steps[0])
	}
	p = place{label: label, field: steps[0], shape: &f}
	for _, step := range steps[1:] {
		if p.shape.Type == authority.TypeMap {
			p.path, p.shape = append(p.path, step), p.shape.Of
			p.inMap, p.keyed = true, p.shape.Type == authority.TypeRecord
			continue
		}
		next := property(p.shape, step)
		switch {
		case next == nil && p.shape.Type == authority.TypeRecord:
			return p, failf("not_found", "%s: the record has no property %q; it has: %s", label, step, fieldNames(p.shape.Fields))
		case next == nil:
			return p, failf("not_found", "%s: there is nothing inside a %s", label, p.shape.Type)
		case p.keyed:
			p.path = append(p.path, nil) // the record shown there
		}
		p.path, p.shape, p.keyed, p.inMap = append(p.path, step), next, false, false
	}
	return p, nil
}

// property is that of a record, nil where there is none of the name.
func property(record *authority.Field, name string) *authority.Field {
	for i := range record.Fields {
		if record.Fields[i].Name == name {
			return &record.Fields[i]
		}
	}
	return nil
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
func pathSteps(path string) (steps []string, err error) {
	first, rest := cutStep(path)
	if first == "" {
		return nil, errors.New("it begins with the name of a field")
	}
	for steps = []string{first}; rest != ""; {
		var step string
		if key, dot := strings.CutPrefix(rest, "."); dot {
			step, rest = cutStep(key)
		} else if step, rest, err = cutKey(rest); err != nil {
			return nil, err
		}
		if step == "" {
			return nil, fmt.Errorf("a step after %s is empty", dotted("", steps))
		}
		steps = append(steps, step)
	}
	return steps, nil
}

// cutStep takes a key or name up to the next dot or bracket.
func cutStep(path string) (step, rest string) {
	n := strings.IndexAny(path+".", ".[")
	return path[:n], path[n:]
}

// cutKey takes a key in brackets.
func cutKey(path string) (key, rest string, err error) {
	var raw json.RawMessage
	quoted := json.NewDecoder(strings.NewReader(path[1:]))
	if !strings.HasPrefix(path, `["`) || quoted.Decode(&raw) != nil {
		return "", "", errors.New("a key in brackets is a JSON string, such as [\"7.5 l\"]")
	}
	rest, closed := strings.CutPrefix(path[1+quoted.InputOffset():], "]")
	if !closed || rest != "" && rest[0] != '.' && rest[0] != '[' {
		return "", "", fmt.Errorf("after the key %s comes a ], and then a dot or a [ if it goes on", raw)
	}
	v, err := object.FromJSON(raw) // refuses what is no text, such as half a surrogate pair
	key, _ = v.(string)
	return key, rest, err
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

// fieldNames lists fields or properties by name.
func fieldNames(fields []authority.Field) string {
	names := make([]string, len(fields))
	for i := range fields {
		names[i] = fields[i].Name
	}
	return strings.Join(names, ", ")
}
