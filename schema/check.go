package schema

import (
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/hyperhyperspace/hhs-go/blob"
	"github.com/hyperhyperspace/hhs-go/object"
)

// Check judges v: nil, or the first *[Violation] in the order in which v is written down (lists by index, maps
// by object.CompareKeys, a missing property where it would stand). v must be made of the kinds of value that
// object.Decode gives.
func (s *Schema) Check(v any) error {
	if bad := s.check(v); bad != nil {
		return bad
	}
	return nil
}

func broken(rule Rule, format string, args ...any) *Violation {
	return &Violation{Rule: rule, Reason: fmt.Sprintf(format, args...)}
}

// at puts the violation of a part under its place in the whole; it runs only on the way out.
func at(place string, bad *Violation) *Violation {
	if bad != nil {
		switch {
		case bad.Path == "" || bad.Path[0] == '[':
			bad.Path = place + bad.Path
		default:
			bad.Path = place + "." + bad.Path
		}
	}
	return bad
}

func (s *Schema) check(v any) *Violation {
	if s == nil {
		return nil
	}
	switch s.kind {
	case kindAny:
		return nil
	case kindBlob, kindRef:
		return s.checkForm(v)
	case kindConst, kindEnum:
		return s.checkValues(v)
	case kindList:
		return s.checkList(v)
	case kindObject:
		if m, ok := v.(map[string]any); ok {
			return s.checkObject(m, "")
		}
	case kindUnion:
		if m, ok := v.(map[string]any); ok {
			return s.checkUnion(m)
		}
	default:
		return s.checkScalar(v)
	}
	return s.wrongType()
}

// checkForm judges the values that stand for something elsewhere.
func (s *Schema) checkForm(v any) *Violation {
	if _, ok := v.(map[string]any); !ok {
		return s.wrongType()
	}
	rule, err := RuleBlob, error(nil)
	if s.kind == kindBlob {
		_, err = blob.FromValue(v)
	} else {
		rule = RuleRef
		_, err = object.RefFromValue(v)
	}
	if err != nil {
		return broken(rule, "%v", err)
	}
	return nil
}

func (s *Schema) wrongType() *Violation {
	name := typeNames[s.kind]
	if s.kind == kindUnion {
		name = "object"
	}
	return broken(RuleType, "not of type %s", name)
}

func (s *Schema) checkValues(v any) *Violation {
	if slices.ContainsFunc(s.values, func(w any) bool { return same(w, v) }) {
		return nil
	}
	if s.kind == kindConst {
		return broken(RuleConst, "not the one value allowed")
	}
	return broken(RuleEnum, "none of the %d values allowed", len(s.values))
}

func (s *Schema) checkScalar(v any) *Violation {
	switch v := v.(type) {
	case string:
		if s.kind == kindIdentity {
			return checkIdentity(v)
		}
		if s.kind == kindString {
			return s.checkText(len(v), func() int { return utf8.RuneCountInString(v) })
		}
	case int64:
		if s.kind == kindInteger {
			return s.checkInt(v)
		}
	case float64:
		if s.kind == kindFloat {
			return s.checkFloat(v)
		}
	case bool:
		if s.kind == kindBool {
			return nil
		}
	case []byte:
		if s.kind == kindBytes {
			return s.checkLength(int64(len(v)), "bytes")
		}
	case object.ID:
		if s.kind == kindLink {
			return nil
		}
	}
	return s.wrongType()
}

// checkText judges a string of n bytes; its code points are counted only where the schema asks for them.
func (s *Schema) checkText(n int, count func() int) *Violation {
	if s.maxBytes > 0 && int64(n) > s.maxBytes {
		return broken(RuleMaxBytes, "%d bytes, and at most %d are allowed", n, s.maxBytes)
	}
	if !s.hasMin && !s.hasMax {
		return nil
	}
	return s.checkLength(int64(count()), "characters")
}

func (s *Schema) checkLength(n int64, unit string) *Violation {
	switch {
	case s.hasMin && n < s.min:
		return broken(RuleMin, "%d %s, and at least %d are required", n, unit, s.min)
	case s.hasMax && n > s.max:
		return broken(RuleMax, "%d %s, and at most %d are allowed", n, unit, s.max)
	}
	return nil
}

func (s *Schema) checkInt(v int64) *Violation {
	switch {
	case s.hasMin && v < s.min:
		return broken(RuleMin, "%d, and at least %d is required", v, s.min)
	case s.hasMax && v > s.max:
		return broken(RuleMax, "%d, and at most %d is allowed", v, s.max)
	}
	return nil
}

func (s *Schema) checkFloat(v float64) *Violation {
	switch {
	case s.hasMin && v < s.minF:
		return broken(RuleMin, "%g, and at least %g is required", v, s.minF)
	case s.hasMax && v > s.maxF:
		return broken(RuleMax, "%g, and at most %g is allowed", v, s.maxF)
	}
	return nil
}

const didKey = "did:key:z"

// checkIdentity judges the text form alone: whether a key can be read from it is the business of those who
// verify with it.
func checkIdentity[T string | []byte](v T) *Violation {
	ok := len(v) > len(didKey) && len(v) <= MaxIdentity
	for i := 0; ok && i < len(v); i++ {
		if i < len(didKey) {
			ok = v[i] == didKey[i]
		} else {
			ok = base58(v[i])
		}
	}
	if !ok {
		return broken(RuleIdentity, "not a did:key")
	}
	return nil
}

func base58(c byte) bool {
	switch {
	case '1' <= c && c <= '9', 'A' <= c && c <= 'Z' && c != 'I' && c != 'O', 'a' <= c && c <= 'z' && c != 'l':
		return true
	}
	return false
}

func (s *Schema) checkList(v any) *Violation {
	l, ok := v.([]any)
	if !ok {
		return s.wrongType()
	}
	if bad := s.checkLength(int64(len(l)), "items"); bad != nil {
		return bad
	}
	for i, v := range l {
		if bad := s.items.check(v); bad != nil {
			return at(object.PathIndex("", i), bad)
		}
	}
	return nil
}

// checkObject judges the properties of m, but not the one called tag ("" where there is none). Going through
// the properties in key order finds the first violation, unless m has keys that the schema does not know: then
// their places matter, and the keys are sorted.
func (s *Schema) checkObject(m map[string]any, tag string) *Violation {
	known := 0
	if _, ok := m[tag]; ok && tag != "" {
		known++
	}
	for i := range s.props {
		if _, ok := m[s.props[i].name]; ok {
			known++
		}
	}
	limit, unknown := "", known < len(m) && !s.open
	if unknown {
		limit = s.firstUnknown(m, tag)
	}
	for i := range s.props {
		p := &s.props[i]
		if unknown && object.CompareKeys(p.name, limit) > 0 {
			break
		}
		v, ok := m[p.name]
		if ok {
			if bad := p.schema.check(v); bad != nil {
				return at(object.PathKey("", p.name), bad)
			}
		} else if p.required {
			return missing(p.name)
		}
	}
	if unknown {
		return surplus(limit)
	}
	return nil
}

func (s *Schema) firstUnknown(m map[string]any, tag string) string {
	first, found := "", false
	for k := range m {
		if (k != tag || tag == "") && s.find(k) == nil && (!found || object.CompareKeys(k, first) < 0) {
			first, found = k, true
		}
	}
	return first
}

func missing(name string) *Violation {
	return at(object.PathKey("", name), broken(RuleRequired, "is required"))
}

func surplus(name string) *Violation {
	return at(object.PathKey("", name), broken(RuleUnknown, "is not a property of this type"))
}

func (s *Schema) checkUnion(m map[string]any) *Violation {
	value, ok := m[s.tag].(string)
	var sub *Schema
	if ok {
		sub = s.variant(value)
	}
	if sub == nil {
		return s.noVariant()
	}
	return sub.checkObject(m, s.tag)
}

func (s *Schema) noVariant() *Violation {
	return at(object.PathKey("", s.tag), broken(RuleTag, "is not the name of a variant"))
}
