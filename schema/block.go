package schema

import (
	"unicode/utf8"

	"github.com/hyperhyperspace/hhs-go/object"
)

// CheckBlock judges a value that is still encoded, as [Schema.Check] judges what object.Decode makes of it, and
// with hardly an allocation. A block that is not canonical is an *[object.DecodeError]; otherwise the result is
// nil or the *[Violation] that Check gives.
func (s *Schema) CheckBlock(block []byte) error {
	if err := object.Check(block); err != nil {
		return err
	}
	r := object.NewReader(block)
	if bad := s.read(r); bad != nil {
		return bad
	}
	return r.Err()
}

// read judges the value that comes next in r. The block is canonical, so r fails only at a value of another
// kind, and read asks for the kind first.
func (s *Schema) read(r *object.Reader) *Violation {
	if s == nil || s.kind == kindAny {
		_ = r.Skip() // an error stays in r
		return nil
	}
	switch s.kind {
	case kindConst, kindEnum:
		return s.readValue(r)
	case kindBlob, kindRef:
		v, _ := r.Value()
		return s.checkForm(v)
	case kindList:
		return s.readList(r)
	case kindObject, kindUnion:
		if r.Kind() != object.KindMap {
			return s.wrongType()
		}
		raw, _ := r.Raw()
		if s.kind == kindUnion {
			return s.readUnion(raw)
		}
		return s.readObject(raw, "")
	}
	return s.readScalar(r)
}

func (s *Schema) readValue(r *object.Reader) *Violation {
	switch r.Kind() {
	case object.KindList, object.KindMap:
		return s.checkValues([]any{}) // no const or enum has it
	}
	v, _ := r.Value()
	return s.checkValues(v)
}

func (s *Schema) readScalar(r *object.Reader) *Violation {
	want := [...]object.Kind{
		kindString: object.KindString, kindIdentity: object.KindString, kindInteger: object.KindInt,
		kindFloat: object.KindFloat, kindBool: object.KindBool, kindBytes: object.KindBytes, kindLink: object.KindLink,
	}
	if r.Kind() != want[s.kind] {
		return s.wrongType()
	}
	switch s.kind {
	case kindString:
		v, _ := r.StringBytes()
		return s.checkText(len(v), func() int { return utf8.RuneCount(v) })
	case kindIdentity:
		v, _ := r.StringBytes()
		return checkIdentity(v)
	case kindInteger:
		v, _ := r.Int()
		return s.checkInt(v)
	case kindFloat:
		v, _ := r.Float()
		return s.checkFloat(v)
	case kindBytes:
		v, _ := r.Bytes()
		return s.checkLength(int64(len(v)), "bytes")
	}
	_ = r.Skip()
	return nil
}

func (s *Schema) readList(r *object.Reader) *Violation {
	if r.Kind() != object.KindList {
		return s.wrongType()
	}
	n, _ := r.List()
	if bad := s.checkLength(int64(n), "items"); bad != nil {
		return bad
	}
	for i := range n {
		if bad := s.items.read(r); bad != nil {
			return at(object.PathIndex("", i), bad)
		}
	}
	return nil
}

// readObject walks the keys and the properties together: both are in key order. The key called tag is passed
// over.
func (s *Schema) readObject(raw []byte, tag string) *Violation {
	r := object.NewReader(raw)
	n, _ := r.Map()
	next := 0
	for range n {
		k, _ := r.NextKey()
		for next < len(s.props) && object.CompareKeys(s.props[next].name, string(k)) < 0 {
			if s.props[next].required {
				return missing(s.props[next].name)
			}
			next++
		}
		switch {
		case next < len(s.props) && s.props[next].name == string(k):
			if bad := s.props[next].schema.read(r); bad != nil {
				return at(object.PathKey("", s.props[next].name), bad)
			}
			next++
		case s.open || tag != "" && tag == string(k):
			_ = r.Skip()
		default:
			return surplus(string(k))
		}
	}
	for ; next < len(s.props); next++ {
		if s.props[next].required {
			return missing(s.props[next].name)
		}
	}
	return nil
}

func (s *Schema) readUnion(raw []byte) *Violation {
	r := object.NewReader(raw)
	n, _ := r.Map()
	for range n {
		k, _ := r.NextKey()
		if string(k) != s.tag {
			_ = r.Skip()
			continue
		}
		if r.Kind() != object.KindString {
			break
		}
		value, _ := r.StringBytes()
		if sub := s.variant(string(value)); sub != nil {
			return sub.readObject(raw, s.tag)
		}
		break
	}
	return s.noVariant()
}
