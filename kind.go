package hhs

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/hyperhyperspace/hhs-go/authority"
	"github.com/hyperhyperspace/hhs-go/schema"
)

// Kind is the application's type of a space: a name, a version and the fields
// of R, a struct of replicated values. Make one with Define.
type Kind[R any] struct {
	manifest *authority.Manifest
	err      error
}

// AnyKind is a Kind of any R; Kinds takes them.
type AnyKind interface {
	// Manifest is the kind as data, as the first commit of its spaces carries
	// it, or why the Go type cannot be one.
	Manifest() (*authority.Manifest, error)
}

// kindError is a mistake in what was given to Define.
type kindError struct {
	name  string
	cause error
}

func (e *kindError) Error() string { return fmt.Sprintf("define kind %q: %v", e.name, e.cause) }

// Unwrap returns what is wrong with it.
func (e *kindError) Unwrap() error { return e.cause }

// Define describes a kind. name is a domain of yours and a path, as
// "example.org/chat"; version is 1 or more and grows when the fields change: the
// founder's program of a higher version then upgrades spaces that exist, see
// Space.Upgrade.
//
// Every field of R is a Register, Once, Set, GrowSet, Log, Counter, List, Text, Map or Fold, or
// a record: a struct of such values. Its name in the manifest is the Go name
// with a small first letter, or the first item of its `hhs` tag.
// What a field holds is checked by a schema made from the Go type and its tags,
// see package schema. The same kind defined in TypeScript has the same bytes.
//
// Define never fails: a mistake in R is reported by Open, Create and Join.
func Define[R any](name string, version int) Kind[R] {
	m, err := manifestOf(reflect.TypeFor[R](), name, version)
	if err != nil {
		return Kind[R]{err: &kindError{name, err}}
	}
	return Kind[R]{manifest: m}
}

// Manifest implements AnyKind.
func (k Kind[R]) Manifest() (*authority.Manifest, error) {
	if k.manifest == nil && k.err == nil {
		return nil, &kindError{cause: fmt.Errorf("%T was not made by hhs.Define", k)}
	}
	return k.manifest, k.err
}

// value is what Register, Once, Set, GrowSet, Log, Counter, List, Text, Map and Fold have in common: hhs reads the
// kind from it and binds it to a space.
type value interface {
	typeName() string
	elem() reflect.Type // what its schema describes, or what a map holds; nil: it has no schema
	bound(b binding) any
}

func manifestOf(t reflect.Type, name string, version int) (*authority.Manifest, error) {
	if t.Kind() != reflect.Struct {
		return nil, fmt.Errorf("%s is not a struct", t)
	}
	if !kindName(name) {
		return nil, fmt.Errorf("not a kind's name; use a domain you own and a path, such as example.org/chat, of at most %d bytes", authority.MaxKind)
	}
	fields, err := shapesOf(t, 1)
	if err != nil {
		return nil, err
	}
	m := &authority.Manifest{Kind: name, Version: int64(version), Policy: authority.PolicyOpen, Fields: fields}
	// The manifest goes through the same checks as one that arrives.
	return authority.ParseManifest(m.Value())
}

// shapesOf reads the fields of a kind, or the properties of a record, from a struct.
func shapesOf(t reflect.Type, depth int) ([]authority.Field, error) {
	if t.NumField() == 0 {
		return nil, fmt.Errorf("%s has no fields", t)
	}
	var fields []authority.Field
	for i := range t.NumField() {
		sf := t.Field(i)
		if !sf.IsExported() {
			return nil, fmt.Errorf("field %s is not exported", sf.Name)
		}
		f, err := shapeOf(sf.Type, sf.Tag.Get("hhs"), depth)
		if err != nil {
			return nil, fmt.Errorf("field %s: %w", sf.Name, err)
		}
		f.Name = schema.NameOf(sf)
		fields = append(fields, f)
	}
	return fields, nil
}

// shapeOf reads the shape of a Go type of replicated values. The tag describes
// the values in it; that of a map, those it holds.
func shapeOf(t reflect.Type, tag string, depth int) (f authority.Field, err error) {
	if depth > authority.MaxDepth {
		return f, fmt.Errorf("%s: more than %d values inside each other, or one that contains itself", t, authority.MaxDepth)
	}
	v, ok := reflect.Zero(t).Interface().(value)
	switch {
	case ok && v.typeName() == authority.TypeMap:
		of, err := shapeOf(v.elem(), tag, depth+1)
		return authority.Field{Type: authority.TypeMap, Of: &of}, err
	case ok && v.elem() == nil && strings.ContainsAny(tag, ",="):
		return f, fmt.Errorf("a %s has no schema: its tag says only its name, not %q", v.typeName(), tag)
	case ok && v.elem() == nil:
		return authority.Field{Type: v.typeName()}, nil
	case ok:
		s, err := schema.FromGo(v.elem(), tag)
		if err != nil {
			return f, err
		}
		f = authority.Field{Type: v.typeName(), Schema: s.Value()}
		if fold, ok := v.(folding); ok {
			f.Fold, f.Version, err = fold.fold()
		}
		return f, err
	case t.Kind() == reflect.Struct:
		f.Type = authority.TypeRecord
		f.Fields, err = shapesOf(t, depth+1)
		return f, err
	}
	return f, fmt.Errorf("it has type %s; use a Register, Once, Set, GrowSet, Log, Counter, List, Text, Map or Fold, or a struct of them", t)
}

// kindName is the rule of TypeScript's defineSpace: a domain in lower case, then
// steps of a path. What arrives may have other names (authority.ParseManifest).
func kindName(name string) bool {
	const lower, digits = "abcdefghijklmnopqrstuvwxyz", "0123456789"
	domain, path, _ := strings.Cut(name, "/")
	if len(name) > authority.MaxKind || domain == "" || strings.IndexAny(domain[:1], ".-") == 0 || !madeOf(domain, lower+digits+".-") {
		return false
	}
	for step := range strings.SplitSeq(path, "/") {
		if step == "" || !madeOf(step, lower+strings.ToUpper(lower)+digits+"._-") {
			return false
		}
	}
	return true
}

func madeOf(s, chars string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return !strings.ContainsRune(chars, r) })
}

// bind makes a value of R whose fields read and write through b.
func bind[R any](b binding) R {
	var root R
	bindTo(reflect.ValueOf(&root).Elem(), b)
	return root
}

// bindTo binds a value, or all of a struct of values: the fields of a kind when
// b names no field yet, else the properties of a record.
func bindTo(v reflect.Value, b binding) {
	if handle, ok := v.Interface().(value); ok {
		v.Set(reflect.ValueOf(handle.bound(b)))
		return
	}
	for i := range v.NumField() {
		bindTo(v.Field(i), b.at(schema.NameOf(v.Type().Field(i))))
	}
}
