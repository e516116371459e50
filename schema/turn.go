package schema

import (
	"strconv"

	"github.com/hyperhyperspace/hhs-go/object"
)

// Turns finds a place at which no value that one schema accepts has the type that another one wants: what was written under
// the first could not be read by the second, nor written by those who know only the first. It returns the names of both types
// and where that is below path, as a [Violation] does; ok is false if there is no such place. Bounds may differ, and nil accepts
// every value.
func Turns(path string, have, want *Schema) (at, from, to string, ok bool) {
	if have == nil || want == nil {
		return "", "", "", false
	}
	if have.types()&want.types() == 0 {
		return path, have.name(), want.name(), true
	}
	if at, from, to, ok = Turns(path+"[...]", have.items, want.items); ok {
		return at, from, to, true
	}
	for _, p := range want.props {
		if h := have.find(p.name); h != nil {
			if at, from, to, ok = Turns(object.PathKey(path, p.name), h.schema, p.schema); ok {
				return at, from, to, true
			}
		}
	}
	for _, v := range want.variants {
		if at, from, to, ok = Turns(path, have.variant(v.value), v.schema); ok {
			return at, from, to, true
		}
	}
	return "", "", "", false
}

// types are the types of values that a schema accepts, a bit each.
func (s *Schema) types() (set uint) {
	switch s.kind {
	case kindAny:
		return ^uint(0)
	case kindConst, kindEnum:
		for _, v := range s.values {
			set |= 1 << typeOf(v)
		}
		return set
	case kindIdentity:
		return 1 << kindString
	case kindBlob, kindRef, kindUnion:
		return 1 << kindObject
	}
	return 1 << s.kind
}

func typeOf(v any) kind {
	switch v.(type) {
	case string:
		return kindString
	case int64:
		return kindInteger
	case float64:
		return kindFloat
	case bool:
		return kindBool
	case []byte:
		return kindBytes
	case object.ID:
		return kindLink
	}
	return kindAny // null
}

// name is what people are told of a schema's type.
func (s *Schema) name() string {
	if s.kind == kindConst || s.kind == kindEnum {
		return "one of " + strconv.Itoa(len(s.values)) + " values"
	}
	return typeNames[s.kind]
}
