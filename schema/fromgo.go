package schema

import (
	"fmt"
	"math"
	"reflect"
	"unicode/utf8"

	"github.com/hyperhyperspace/hhs-go/blob"
	"github.com/hyperhyperspace/hhs-go/object"
)

// FromGoValue is v as a value of package object. A nil slice becomes an empty list, a nil pointer in a struct
// an absent property. What cannot be stored is an *[object.ValueError] with its path in the value: NaN and
// infinities, integers beyond int64, strings that are not UTF-8, the zero ID, and the types that [FromGo]
// refuses. What the any and map[string]any in v hold may be plain Go values, too.
func FromGoValue(v reflect.Value) (any, error) {
	return fromGo(v, 1)
}

func refuse(format string, args ...any) error {
	return &object.ValueError{Reason: fmt.Sprintf(format, args...)}
}

func inValue(place string, err error) error {
	if e, ok := err.(*object.ValueError); ok {
		switch {
		case e.Path == "" || e.Path[0] == '[':
			e.Path = place + e.Path
		default:
			e.Path = place + "." + e.Path
		}
	}
	return err
}

func fromGo(v reflect.Value, depth int) (any, error) {
	if !v.IsValid() {
		return nil, nil
	}
	if depth > object.MaxDepth {
		return nil, refuse("deeper than %d lists and maps (or a cycle)", object.MaxDepth)
	}
	if err := refused(v.Type()); err != nil {
		return nil, refuse("%s", err.(*Error).Reason)
	}
	switch v.Kind() {
	case reflect.String:
		if s := v.String(); utf8.ValidString(s) {
			return s, nil
		}
		return nil, refuse("a string that is not valid UTF-8")
	case reflect.Bool:
		return v.Bool(), nil
	case reflect.Float32, reflect.Float64:
		if f := v.Float(); !math.IsNaN(f) && !math.IsInf(f, 0) {
			return f, nil
		}
		return nil, refuse("NaN and infinities cannot be stored")
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return v.Int(), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		if u := v.Uint(); u <= math.MaxInt64 {
			return int64(u), nil
		}
		return nil, refuse("an integer larger than int64")
	case reflect.Interface:
		return fromGo(v.Elem(), depth)
	case reflect.Map:
		return fromGoMap(v, depth)
	case reflect.Slice, reflect.Array:
		return fromGoSequence(v, depth)
	}
	return fromGoStruct(v, depth) // what is left after refused
}

func fromGoMap(v reflect.Value, depth int) (any, error) {
	m := make(map[string]any, v.Len())
	for it := v.MapRange(); it.Next(); {
		k := it.Key().String()
		if !utf8.ValidString(k) {
			return nil, inValue(object.PathKey("", k), refuse("a key that is not valid UTF-8"))
		}
		sub, err := fromGo(it.Value(), depth+1)
		if err != nil {
			return nil, inValue(object.PathKey("", k), err)
		}
		m[k] = sub
	}
	return m, nil
}

func fromGoSequence(v reflect.Value, depth int) (any, error) {
	n := v.Len()
	if v.Type().Elem().Kind() == reflect.Uint8 {
		b := make([]byte, n)
		reflect.Copy(reflect.ValueOf(b), v)
		return b, nil
	}
	l := make([]any, n)
	for i := range l {
		sub, err := fromGo(v.Index(i), depth+1)
		if err != nil {
			return nil, inValue(object.PathIndex("", i), err)
		}
		l[i] = sub
	}
	return l, nil
}

func fromGoStruct(v reflect.Value, depth int) (any, error) {
	if v.Type() == idType {
		id := v.Interface().(object.ID)
		if id.IsZero() {
			return nil, refuse("a link to nothing (the zero ID)")
		}
		return id, nil
	}
	switch v := v.Interface().(type) {
	case blob.Blob:
		if err := v.Check(); err != nil {
			return nil, refuse("%v", err)
		}
		return v.Value(), nil
	case object.Ref:
		_, err := object.RefFromValue(v.Value())
		if err != nil {
			return nil, refuse("%v", err)
		}
		return v.Value(), nil
	}
	fields, err := fieldsOf(v.Type())
	if err != nil {
		e := err.(*Error)
		return nil, refuse("%s.%s: %s", v.Type(), e.Path, e.Reason)
	}
	m := make(map[string]any, len(fields))
	for i := range fields {
		f := &fields[i]
		fv := v.Field(f.index)
		if f.optional {
			if fv.IsNil() {
				continue
			}
			fv = fv.Elem()
		}
		sub, err := fromGo(fv, depth+1)
		if err != nil {
			return nil, inValue(object.PathKey("", f.name), err)
		}
		m[f.name] = sub
	}
	return m, nil
}
