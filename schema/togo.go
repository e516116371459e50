package schema

import (
	"reflect"

	"github.com/hyperhyperspace/hhs-go/blob"
	"github.com/hyperhyperspace/hhs-go/object"
)

// ToGo stores v, a value of package object, in dst, which must be settable and of a type that [FromGo]
// accepts. Where v has another shape than dst can hold it is a *[Violation] with the path in v, and dst may be
// half written. An any in dst gets the part of v itself, not a copy.
//
// Programs of different versions share values: an entry that a struct has no field for is passed over, and a field that has
// no entry is zero.
func ToGo(v any, dst reflect.Value) error {
	if bad := toGo(v, dst, 1); bad != nil {
		return bad
	}
	return nil
}

func toGo(v any, dst reflect.Value, depth int) *Violation {
	t := dst.Type()
	if depth > object.MaxDepth {
		return broken(RuleType, "%s: more than %d types inside each other", t, object.MaxDepth)
	}
	if err := refused(t); err != nil {
		return broken(RuleType, "%s", err.(*Error).Reason)
	}
	mismatch := func() *Violation { return broken(RuleType, "does not fit into a Go %s", t) }
	switch dst.Kind() {
	case reflect.String:
		s, ok := v.(string)
		if !ok {
			return mismatch()
		}
		dst.SetString(s)
	case reflect.Bool:
		b, ok := v.(bool)
		if !ok {
			return mismatch()
		}
		dst.SetBool(b)
	case reflect.Float32, reflect.Float64:
		f, ok := v.(float64)
		if !ok || dst.Kind() == reflect.Float32 && float64(float32(f)) != f {
			return mismatch()
		}
		dst.SetFloat(f)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		i, ok := v.(int64)
		if !ok || dst.OverflowInt(i) {
			return mismatch()
		}
		dst.SetInt(i)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		i, ok := v.(int64)
		if !ok || i < 0 || dst.OverflowUint(uint64(i)) {
			return mismatch()
		}
		dst.SetUint(uint64(i))
	case reflect.Interface:
		if v == nil {
			dst.SetZero()
		} else {
			dst.Set(reflect.ValueOf(v))
		}
	case reflect.Map:
		return toGoMap(v, dst)
	case reflect.Slice, reflect.Array:
		return toGoSequence(v, dst, depth)
	default:
		return toGoStruct(v, dst, depth)
	}
	return nil
}

func toGoMap(v any, dst reflect.Value) *Violation {
	m, ok := v.(map[string]any)
	if !ok {
		return broken(RuleType, "does not fit into a Go %s", dst.Type())
	}
	dst.Set(reflect.ValueOf(m).Convert(dst.Type()))
	return nil
}

func toGoSequence(v any, dst reflect.Value, depth int) *Violation {
	t := dst.Type()
	var n int
	l, isList := v.([]any)
	b, isBytes := v.([]byte)
	wantBytes := t.Elem().Kind() == reflect.Uint8
	switch {
	case isBytes && wantBytes:
		n = len(b)
	case isList && !wantBytes:
		n = len(l)
	default:
		return broken(RuleType, "does not fit into a Go %s", t)
	}
	switch {
	case t.Kind() == reflect.Slice:
		dst.Set(reflect.MakeSlice(t, n, n))
	case n < t.Len():
		return broken(RuleMin, "%d elements, and a Go %s has more", n, t)
	case n > t.Len():
		return broken(RuleMax, "%d elements, and a Go %s has fewer", n, t)
	}
	if wantBytes {
		for i, c := range b {
			dst.Index(i).SetUint(uint64(c))
		}
		return nil
	}
	for i := range l {
		if bad := toGo(l[i], dst.Index(i), depth+1); bad != nil {
			return at(object.PathIndex("", i), bad)
		}
	}
	return nil
}

func toGoStruct(v any, dst reflect.Value, depth int) *Violation {
	t := dst.Type()
	if t == idType {
		id, ok := v.(object.ID)
		if !ok {
			return broken(RuleType, "does not fit into a Go %s", t)
		}
		dst.Set(reflect.ValueOf(id))
		return nil
	}
	if t == blobType || t == refType {
		return toGoForm(v, dst)
	}
	m, ok := v.(map[string]any)
	if !ok {
		return broken(RuleType, "does not fit into a Go %s", t)
	}
	fields, err := fieldsOf(t)
	if err != nil {
		return broken(RuleType, "%s: %s", t, err)
	}
	for i := range fields {
		f := &fields[i]
		sub, ok := m[f.name]
		fv := dst.Field(f.index)
		switch {
		case !ok:
			fv.SetZero()
			continue
		case f.optional:
			fv.Set(reflect.New(f.typ))
			fv = fv.Elem()
		}
		if bad := toGo(sub, fv, depth+1); bad != nil {
			return at(object.PathKey("", f.name), bad)
		}
	}
	return nil
}

// toGoForm reads what stands for something elsewhere.
func toGoForm(v any, dst reflect.Value) *Violation {
	var out any
	rule, err := RuleBlob, error(nil)
	if dst.Type() == blobType {
		out, err = blob.FromValue(v)
	} else {
		rule = RuleRef
		out, err = object.RefFromValue(v)
	}
	if err != nil {
		return broken(rule, "%v", err)
	}
	dst.Set(reflect.ValueOf(out))
	return nil
}
