package schema

import (
	"bytes"
	"slices"
	"strings"

	"github.com/hyperhyperspace/hhs-go/internal/order"
	"github.com/hyperhyperspace/hhs-go/object"
)

// kind is the form of a schema.
type kind uint8

const (
	kindAny kind = iota
	kindString
	kindInteger
	kindFloat
	kindBool
	kindBytes
	kindLink
	kindIdentity
	kindBlob
	kindRef
	kindConst
	kindEnum
	kindList
	kindObject
	kindUnion
)

// typeNames are the values of "type"; const and enum have none.
var typeNames = [...]string{
	kindAny: "any", kindString: "string", kindInteger: "integer", kindFloat: "float", kindBool: "bool",
	kindBytes: "bytes", kindLink: "link", kindIdentity: "identity", kindBlob: "blob", kindRef: "ref", kindConst: "", kindEnum: "",
	kindList: "list", kindObject: "object", kindUnion: "union",
}

// named are the names that "type" may have, in the order in which people are told.
func named() []string {
	return slices.DeleteFunc(slices.Clone(typeNames[:]), func(name string) bool { return name == "" })
}

// Schema is a parsed schema. It never changes after it is made and may be shared. The nil *Schema accepts
// every value.
type Schema struct {
	kind kind

	hasMin, hasMax bool
	min, max       int64   // of an integer, or of a length
	minF, maxF     float64 // of a float
	maxBytes       int64   // of a string; 0 is no limit

	values   []any // the alternatives of an enum, the one value of a const
	items    *Schema
	props    []prop // in the order of object.CompareKeys
	open     bool
	tag      string
	variants []variant // in the order of object.CompareKeys
}

type prop struct {
	name     string
	schema   *Schema
	required bool
}

type variant struct {
	value  string
	schema *Schema
}

func (s *Schema) find(name string) *prop {
	i, ok := slices.BinarySearchFunc(s.props, name, func(p prop, n string) int { return object.CompareKeys(p.name, n) })
	if !ok {
		return nil
	}
	return &s.props[i]
}

func (s *Schema) variant(value string) *Schema {
	i, ok := slices.BinarySearchFunc(s.variants, value, func(v variant, n string) int { return object.CompareKeys(v.value, n) })
	if !ok {
		return nil
	}
	return s.variants[i].schema
}

// Value is the schema as a value, the one that [Parse] reads; nil for the nil *Schema.
func (s *Schema) Value() any {
	if s == nil {
		return nil
	}
	m := map[string]any{}
	switch s.kind {
	case kindConst:
		m["const"] = s.values[0]
		return m
	case kindEnum:
		m["enum"] = slices.Clone(s.values)
		return m
	}
	m["type"] = typeNames[s.kind]
	s.putBounds(m)
	switch s.kind {
	case kindList:
		m["items"] = s.items.Value()
	case kindObject:
		s.putProps(m)
	case kindUnion:
		of := make(map[string]any, len(s.variants))
		for _, v := range s.variants {
			of[v.value] = v.schema.Value()
		}
		m["tag"], m["of"] = s.tag, of
	}
	return m
}

func (s *Schema) putBounds(m map[string]any) {
	low, high := any(s.min), any(s.max)
	if s.kind == kindFloat {
		low, high = s.minF, s.maxF
	}
	if s.hasMin {
		m["min"] = low
	}
	if s.hasMax {
		m["max"] = high
	}
	if s.maxBytes > 0 {
		m["maxBytes"] = s.maxBytes
	}
}

func (s *Schema) putProps(m map[string]any) {
	props := make(map[string]any, len(s.props))
	var names []string
	for _, p := range s.props {
		props[p.name] = p.schema.Value()
		if p.required {
			names = append(names, p.name)
		}
	}
	if len(props) > 0 {
		m["props"] = props
	}
	if len(names) > 0 {
		order.By(names, strings.Compare)
		required := make([]any, len(names))
		for i, n := range names {
			required[i] = n
		}
		m["required"] = required
	}
	if s.open {
		m["open"] = true
	}
}

// same reports whether two scalars are the same value.
func same(a, b any) bool {
	if x, ok := a.([]byte); ok {
		y, ok := b.([]byte)
		return ok && bytes.Equal(x, y)
	}
	switch b.(type) {
	case []byte, []any, map[string]any:
		return false // and comparing them with == would panic
	}
	return a == b
}
