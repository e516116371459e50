package schema

import (
	"reflect"
	"strconv"
	"strings"
)

// A tag is what stands in `hhs:"..."`: parts separated by commas. A first part without = is the name of the
// field in values, and "-" leaves the field out; the others are keywords of the schema:
//
//	min=1 max=4000 maxBytes=9000 enum=red|green
//
// items.max=40 and the like are meant for the elements of a list.
type tag struct {
	name string
	keys []setting
}

type setting struct{ key, value string }

func parseTag(s string) (tag, error) {
	var t tag
	if s == "" {
		return t, nil
	}
	for i, part := range strings.Split(s, ",") {
		key, value, ok := strings.Cut(part, "=")
		switch {
		case ok && key != "" && value != "":
			t.keys = append(t.keys, setting{key, value})
		case i == 0 && !ok:
			t.name = part
		default:
			return t, bad("", "tag %q: %q is not of the form key=value", s, part)
		}
	}
	return t, nil
}

// split parts the settings meant for elements from those meant for the list.
func (t tag) split() (own, items tag) {
	for _, k := range t.keys {
		if rest, ok := strings.CutPrefix(k.key, "items."); ok {
			items.keys = append(items.keys, setting{rest, k.value})
		} else {
			own.keys = append(own.keys, k)
		}
	}
	return own, items
}

// apply puts the settings into the schema value m of a field of Go type t.
func (t tag) apply(m map[string]any, gt reflect.Type) error {
	for _, k := range t.keys {
		if k.key == "enum" {
			if err := applyEnum(m, k.value); err != nil {
				return err
			}
			continue
		}
		v, err := number(k.value, m["type"] == "float")
		if err != nil {
			return bad("", "tag %s=%s: not a number", k.key, k.value)
		}
		if wider(m[k.key], v, k.key == "min") {
			return bad("", "tag %s=%s: beyond what a Go %s holds", k.key, k.value, gt)
		}
		m[k.key] = v
	}
	return nil
}

// wider reports whether bound leaves more room than what the Go type has, if it has a bound.
func wider(have, bound any, isMin bool) bool {
	h, ok := have.(int64)
	b, isInt := bound.(int64)
	if !ok || !isInt {
		return false
	}
	return isMin && b < h || !isMin && b > h
}

func number(s string, float bool) (any, error) {
	if float {
		return strconv.ParseFloat(s, 64)
	}
	return strconv.ParseInt(s, 10, 64)
}

// applyEnum turns the schema of a string or integer into that of some of them.
func applyEnum(m map[string]any, value string) error {
	typ := m["type"]
	if len(m) != 1 || typ != "string" && typ != "integer" {
		return bad("", "tag enum: only for strings and integers, and alone")
	}
	var values []any
	for _, s := range strings.Split(value, "|") {
		if typ == "string" {
			values = append(values, s)
			continue
		}
		i, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return bad("", "tag enum: %q is not an integer", s)
		}
		values = append(values, i)
	}
	delete(m, "type")
	m["enum"] = values
	return nil
}
