package schema

import (
	"math"
	"reflect"
	"strings"
	"sync"

	"github.com/hyperhyperspace/hhs-go/blob"
	"github.com/hyperhyperspace/hhs-go/internal/order"
	"github.com/hyperhyperspace/hhs-go/object"
)

// Typed is what a Go type implements whose schema is not that of its underlying type. SchemaType is called on
// the zero value and returns the "type" of the schema: "identity", for a string type; blob.Blob and object.Ref
// have theirs.
type Typed interface{ SchemaType() string }

var (
	typedType = reflect.TypeFor[Typed]()
	idType    = reflect.TypeFor[object.ID]()
	blobType  = reflect.TypeFor[blob.Blob]()
	refType   = reflect.TypeFor[object.Ref]()
	anyType   = reflect.TypeFor[any]()
)

// FromGo is the schema of the values that [FromGoValue] makes of Go values of type t. tag is the text of a
// `hhs` struct tag that applies to t itself, "" for none; a name in it is for [NameOf] and does not matter here.
//
// Strings, bools, integers, floats, []byte and [n]byte, slices, arrays and structs map to their like,
// [object.ID] to a link, any to any, map[string]any to an open object, and a [Typed] string to its type.
// Integer types narrower than int64 get their range as min and max. In structs a pointer makes the property
// optional, the name is that of [FieldName] unless the tag gives one, and "-" leaves a field out.
// Everything else is an *[Error] with the path of Go fields that leads to it: unexported and embedded fields,
// channels, functions, maps of other kinds, time.Time, types that contain themselves.
func FromGo(t reflect.Type, tag string) (*Schema, error) {
	parsed, err := parseTag(tag)
	if err != nil {
		return nil, err
	}
	v, err := goSchema(t, parsed, 1)
	if err != nil {
		return nil, err
	}
	return Parse(v)
}

func goSchema(t reflect.Type, tg tag, depth int) (any, error) {
	if depth > MaxDepth {
		return nil, bad("", "%s: more than %d types inside each other, or one that contains itself", t, MaxDepth)
	}
	own, items := tg.split()
	m, err := goForm(t, items, depth)
	if err != nil {
		return nil, err
	}
	if err := own.apply(m, t); err != nil {
		return nil, err
	}
	return m, nil
}

// goForm is the schema of t without what its own tag adds.
func goForm(t reflect.Type, items tag, depth int) (map[string]any, error) {
	if err := refused(t); err != nil {
		return nil, err
	}
	if t.Implements(typedType) {
		return typedForm(t)
	}
	form := func(name string) (map[string]any, error) { return map[string]any{"type": name}, nil }
	switch t.Kind() {
	case reflect.String:
		return form("string")
	case reflect.Bool:
		return form("bool")
	case reflect.Float32, reflect.Float64:
		return form("float")
	case reflect.Interface:
		return form("any")
	case reflect.Map:
		return map[string]any{"type": "object", "open": true}, nil
	case reflect.Struct:
		if t == idType {
			return form("link")
		}
		return structForm(t, depth)
	case reflect.Slice, reflect.Array:
		return sequenceForm(t, items, depth)
	}
	return intForm(t), nil
}

// refused is why t has no values, or nil.
func refused(t reflect.Type) error {
	switch k := t.Kind(); {
	case t.PkgPath() == "time" && t.Name() == "Time":
		return bad("", "time.Time cannot be stored: use an int64 of milliseconds")
	case k == reflect.Pointer:
		return bad("", "%s: a pointer is only for an optional field of a struct", t)
	case k == reflect.Interface && t != anyType:
		return bad("", "%s: of interfaces only any can be stored", t)
	case k == reflect.Map && t.Key().Kind() != reflect.String:
		return bad("", "%s: map keys are strings", t)
	case k == reflect.Map && t.Elem() != anyType:
		return bad("", "%s: of maps only map[string]any can be stored; use a struct or a list", t)
	case k == reflect.Chan, k == reflect.Func, k == reflect.UnsafePointer, k == reflect.Uintptr,
		k == reflect.Complex64, k == reflect.Complex128:
		return bad("", "%s cannot be stored", t)
	}
	return nil
}

func typedForm(t reflect.Type) (map[string]any, error) {
	name := reflect.Zero(t).Interface().(Typed).SchemaType()
	if known := t == blobType || t == refType || name == typeNames[kindIdentity] && t.Kind() == reflect.String; !known {
		return nil, bad("", "%s: no type %q of schema/1 can be had this way", t, name)
	}
	return map[string]any{"type": name}, nil
}

// intForm is the schema of an integer type; its range is stated where it is not that of int64.
func intForm(t reflect.Type) map[string]any {
	m := map[string]any{"type": "integer"}
	switch t.Kind() {
	case reflect.Int8:
		m["min"], m["max"] = int64(math.MinInt8), int64(math.MaxInt8)
	case reflect.Int16:
		m["min"], m["max"] = int64(math.MinInt16), int64(math.MaxInt16)
	case reflect.Int32:
		m["min"], m["max"] = int64(math.MinInt32), int64(math.MaxInt32)
	case reflect.Uint8:
		m["min"], m["max"] = int64(0), int64(math.MaxUint8)
	case reflect.Uint16:
		m["min"], m["max"] = int64(0), int64(math.MaxUint16)
	case reflect.Uint32:
		m["min"], m["max"] = int64(0), int64(math.MaxUint32)
	case reflect.Uint, reflect.Uint64:
		m["min"] = int64(0)
	}
	return m
}

func sequenceForm(t reflect.Type, items tag, depth int) (map[string]any, error) {
	m := map[string]any{}
	if t.Kind() == reflect.Array && t.Len() > 0 {
		m["min"] = int64(t.Len())
	}
	if t.Kind() == reflect.Array {
		m["max"] = int64(t.Len())
	}
	if t.Elem().Kind() == reflect.Uint8 {
		m["type"] = "bytes"
		return m, nil
	}
	sub, err := goSchema(t.Elem(), items, depth+1)
	if err != nil {
		return nil, inField("[]", err)
	}
	m["type"], m["items"] = "list", sub
	return m, nil
}

func structForm(t reflect.Type, depth int) (map[string]any, error) {
	fields, err := fieldsOf(t)
	if err != nil {
		return nil, err
	}
	props := make(map[string]any, len(fields))
	var names []string
	for _, f := range fields {
		sub, err := goSchema(f.typ, f.tag, depth+1)
		if err != nil {
			return nil, inField(f.goName, err)
		}
		props[f.name] = sub
		if !f.optional {
			names = append(names, f.name)
		}
	}
	m := map[string]any{"type": "object"}
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
	return m, nil
}

// inField puts a Go field before the path of an error.
func inField(name string, err error) error {
	if e, ok := err.(*Error); ok {
		switch {
		case e.Path == "" || e.Path[0] == '[':
			e.Path = name + e.Path
		default:
			e.Path = name + "." + e.Path
		}
	}
	return err
}

// field is a field of a Go struct that has a place in values.
type field struct {
	index    int
	goName   string
	name     string
	typ      reflect.Type // without the pointer of an optional field
	optional bool
	tag      tag
}

type structInfo struct {
	fields []field
	err    error
}

// structs remembers what reflection found out about struct types. There are as many as the program has, and
// an entry never changes.
var structs sync.Map // reflect.Type to *structInfo

func fieldsOf(t reflect.Type) ([]field, error) {
	if known, ok := structs.Load(t); ok {
		info := known.(*structInfo)
		return info.fields, copyError(info.err)
	}
	info := &structInfo{}
	info.fields, info.err = readFields(t)
	structs.Store(t, info)
	return info.fields, copyError(info.err)
}

// copyError keeps the remembered error from getting the path of whoever asks.
func copyError(err error) error {
	if e, ok := err.(*Error); ok {
		c := *e
		return &c
	}
	return err
}

func readFields(t reflect.Type) ([]field, error) {
	var fields []field
	seen := map[string]bool{}
	for i := range t.NumField() {
		sf := t.Field(i)
		tg, err := parseTag(sf.Tag.Get("hhs"))
		if err != nil {
			return nil, inField(sf.Name, err)
		}
		switch {
		case tg.name == "-":
			continue
		case sf.Anonymous:
			return nil, bad(sf.Name, "an embedded field: give it a name")
		case !sf.IsExported():
			return nil, bad(sf.Name, "an unexported field would be lost: export it or tag it `hhs:\"-\"`")
		}
		f := field{index: i, goName: sf.Name, name: tg.name, typ: sf.Type, tag: tag{keys: tg.keys}}
		if f.name == "" {
			f.name = FieldName(sf.Name)
		}
		if f.optional = f.typ.Kind() == reflect.Pointer; f.optional {
			f.typ = f.typ.Elem()
		}
		if seen[f.name] {
			return nil, bad(sf.Name, "a second field named %q", f.name)
		}
		seen[f.name] = true
		fields = append(fields, f)
	}
	return fields, nil
}
