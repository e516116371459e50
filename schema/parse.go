package schema

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/hyperhyperspace/hhs-go/internal/order"
	"github.com/hyperhyperspace/hhs-go/object"
)

// Parse reads a schema from its value. It accepts exactly the values that [Schema.Value] gives; everything
// else is an *[Error].
func Parse(v any) (*Schema, error) {
	p := parser{}
	return p.schema(v, "", 1)
}

type parser struct{ nodes int }

func bad(path, format string, args ...any) error {
	return &Error{Path: path, Reason: fmt.Sprintf(format, args...)}
}

// keywords are those that each form may have besides "type".
var keywords = map[kind][]string{
	kindString: {"min", "max", "maxBytes"}, kindInteger: {"min", "max"}, kindFloat: {"min", "max"},
	kindBytes: {"min", "max"}, kindList: {"items", "min", "max"}, kindObject: {"props", "required", "open"},
	kindUnion: {"tag", "of"},
}

func (p *parser) schema(v any, path string, depth int) (*Schema, error) {
	m, ok := v.(map[string]any)
	if !ok {
		return nil, bad(path, "a schema is a map")
	}
	if depth > MaxDepth {
		return nil, bad(path, "more than %d schemas inside each other", MaxDepth)
	}
	if p.nodes++; p.nodes > MaxNodes {
		return nil, bad(path, "more than %d schemas in one", MaxNodes)
	}
	if c, ok := m["const"]; ok {
		return parseConst(m, c, path)
	}
	if e, ok := m["enum"]; ok {
		return parseEnum(m, e, path)
	}
	name, ok := m["type"].(string)
	i := slices.Index(typeNames[:], name)
	if !ok || i < 0 || name == "" {
		return nil, bad(object.PathKey(path, "type"), "not a type of schema/1, which are %s", strings.Join(named(), ", "))
	}
	s := &Schema{kind: kind(i)}
	if err := onlyKeys(m, path, append([]string{"type"}, keywords[s.kind]...)...); err != nil {
		return nil, err
	}
	if err := s.parseBounds(m, path); err != nil {
		return nil, err
	}
	var err error
	switch s.kind {
	case kindList:
		s.items, err = p.schema(m["items"], object.PathKey(path, "items"), depth+1)
	case kindObject:
		err = p.object(s, m, path, depth)
	case kindUnion:
		err = p.union(s, m, path, depth)
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

// onlyKeys refuses the first key of m, in key order, that is not allowed.
func onlyKeys(m map[string]any, path string, allowed ...string) error {
	for _, k := range sortedKeys(m) {
		if !slices.Contains(allowed, k) {
			return bad(object.PathKey(path, k), "not a keyword here, where there are %s", strings.Join(allowed, ", "))
		}
	}
	return nil
}

func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	order.By(keys, object.CompareKeys)
	return keys
}

func parseConst(m map[string]any, c any, path string) (*Schema, error) {
	if err := onlyKeys(m, path, "const"); err != nil {
		return nil, err
	}
	if err := scalar(c, object.PathKey(path, "const")); err != nil {
		return nil, err
	}
	return &Schema{kind: kindConst, values: []any{c}}, nil
}

func parseEnum(m map[string]any, e any, path string) (*Schema, error) {
	if err := onlyKeys(m, path, "enum"); err != nil {
		return nil, err
	}
	path = object.PathKey(path, "enum")
	l, ok := e.([]any)
	if !ok || len(l) == 0 || len(l) > MaxEnum {
		return nil, bad(path, "a list of 1 to %d alternatives", MaxEnum)
	}
	for i, v := range l {
		at := object.PathIndex(path, i)
		if err := scalar(v, at); err != nil {
			return nil, err
		}
		if slices.ContainsFunc(l[:i], func(w any) bool { return same(v, w) }) {
			return nil, bad(at, "an alternative that stands there twice")
		}
	}
	return &Schema{kind: kindEnum, values: slices.Clone(l)}, nil
}

func scalar(v any, path string) error {
	switch v := v.(type) {
	case nil, bool, int64, float64, object.ID:
		return nil
	case string:
		if len(v) <= MaxConst {
			return nil
		}
		return bad(path, "longer than %d bytes", MaxConst)
	case []byte:
		if len(v) <= MaxConst {
			return nil
		}
		return bad(path, "longer than %d bytes", MaxConst)
	}
	return bad(path, "not a single value: lists and maps have no place here")
}

func (s *Schema) parseBounds(m map[string]any, path string) error {
	if s.kind == kindFloat {
		return s.parseFloatBounds(m, path)
	}
	least := int64(1) // a length of at least 0 goes without saying
	if s.kind == kindInteger {
		least = math.MinInt64
	}
	var err error
	if s.min, s.hasMin, err = intKey(m, "min", path, least); err != nil {
		return err
	}
	if s.max, s.hasMax, err = intKey(m, "max", path, min(least, 0)); err != nil {
		return err
	}
	if s.maxBytes, _, err = intKey(m, "maxBytes", path, 1); err != nil {
		return err
	}
	if s.hasMin && s.hasMax && s.min > s.max {
		return bad(object.PathKey(path, "min"), "greater than max")
	}
	return nil
}

func intKey(m map[string]any, key, path string, least int64) (int64, bool, error) {
	v, ok := m[key]
	if !ok {
		return 0, false, nil
	}
	i, ok := v.(int64)
	if !ok || i < least {
		if least == math.MinInt64 {
			return 0, false, bad(object.PathKey(path, key), "not an integer")
		}
		return 0, false, bad(object.PathKey(path, key), "not an integer of at least %d", least)
	}
	return i, true, nil
}

func (s *Schema) parseFloatBounds(m map[string]any, path string) error {
	for _, key := range []string{"min", "max"} {
		v, ok := m[key]
		if !ok {
			continue
		}
		f, ok := v.(float64)
		if !ok || math.IsNaN(f) || math.IsInf(f, 0) {
			return bad(object.PathKey(path, key), "not a float")
		}
		if key == "min" {
			s.minF, s.hasMin = f, true
		} else {
			s.maxF, s.hasMax = f, true
		}
	}
	if s.hasMin && s.hasMax && s.minF > s.maxF {
		return bad(object.PathKey(path, "min"), "greater than max")
	}
	return nil
}

func (p *parser) object(s *Schema, m map[string]any, path string, depth int) error {
	if v, ok := m["props"]; ok {
		at := object.PathKey(path, "props")
		props, ok := v.(map[string]any)
		if !ok || len(props) == 0 {
			return bad(at, "a map of at least one property")
		}
		for _, name := range sortedKeys(props) {
			sub, err := p.named(name, props[name], at, depth)
			if err != nil {
				return err
			}
			s.props = append(s.props, prop{name: name, schema: sub})
		}
	}
	if v, ok := m["open"]; ok {
		if s.open, ok = v.(bool); !ok || !s.open {
			return bad(object.PathKey(path, "open"), "is true or absent")
		}
	}
	if v, ok := m["required"]; ok {
		return s.parseRequired(v, object.PathKey(path, "required"))
	}
	return nil
}

// named reads the schema of a property or variant.
func (p *parser) named(name string, v any, path string, depth int) (*Schema, error) {
	path = object.PathKey(path, name)
	if len(name) == 0 || len(name) > MaxName {
		return nil, bad(path, "a name has 1 to %d bytes", MaxName)
	}
	return p.schema(v, path, depth+1)
}

func (s *Schema) parseRequired(v any, path string) error {
	names, ok := v.([]any)
	if !ok || len(names) == 0 {
		return bad(path, "a list of at least one name")
	}
	prev := ""
	for i, v := range names {
		name, ok := v.(string)
		at := object.PathIndex(path, i)
		if !ok {
			return bad(at, "not a name")
		}
		if i > 0 && name <= prev {
			return bad(at, "names are sorted bytewise and stand there once")
		}
		prop := s.find(name)
		if prop == nil {
			return bad(at, "not among props")
		}
		prop.required = true
		prev = name
	}
	return nil
}

func (p *parser) union(s *Schema, m map[string]any, path string, depth int) error {
	var ok bool
	if s.tag, ok = m["tag"].(string); !ok || len(s.tag) == 0 || len(s.tag) > MaxName {
		return bad(object.PathKey(path, "tag"), "a name of 1 to %d bytes", MaxName)
	}
	at := object.PathKey(path, "of")
	of, ok := m["of"].(map[string]any)
	if !ok || len(of) == 0 {
		return bad(at, "a map of at least one variant")
	}
	for _, value := range sortedKeys(of) {
		sub, err := p.named(value, of[value], at, depth)
		if err != nil {
			return err
		}
		if sub.kind != kindObject {
			return bad(object.PathKey(at, value), "a variant is an object")
		}
		if sub.find(s.tag) != nil {
			return bad(object.PathKey(at, value), "names the tag, which the union adds by itself")
		}
		s.variants = append(s.variants, variant{value: value, schema: sub})
	}
	return nil
}
