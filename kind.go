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
// "example.org/chat"; version is 1 or more and grows when the fields change.
//
// Every field of R is a Register, Set, GrowSet or Log; its name in the manifest
// is the Go name with a small first letter, or the first item of its `hhs` tag.
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

// value is what Register, Set, GrowSet and Log have in common: hhs reads the
// kind from it and binds it to a space.
type value interface {
	typeName() string
	elem() reflect.Type
	bound(b binding) any
}

func manifestOf(t reflect.Type, name string, version int) (*authority.Manifest, error) {
	if t.Kind() != reflect.Struct {
		return nil, fmt.Errorf("%s is not a struct", t)
	}
	if !kindName(name) {
		return nil, fmt.Errorf("not a kind's name; use a domain you own and a path, such as example.org/chat, of at most %d bytes", authority.MaxKind)
	}
	if t.NumField() == 0 {
		return nil, fmt.Errorf("%s has no fields", t)
	}
	m := &authority.Manifest{Kind: name, Version: int64(version), Policy: authority.PolicyOpen}
	for i := range t.NumField() {
		sf := t.Field(i)
		if !sf.IsExported() {
			return nil, fmt.Errorf("field %s is not exported", sf.Name)
		}
		v, ok := reflect.Zero(sf.Type).Interface().(value)
		if !ok {
			return nil, fmt.Errorf("field %s has type %s; use a Register, Set, GrowSet or Log", sf.Name, sf.Type)
		}
		s, err := schema.FromGo(v.elem(), sf.Tag.Get("hhs"))
		if err != nil {
			return nil, fmt.Errorf("field %s: %w", sf.Name, err)
		}
		m.Fields = append(m.Fields, authority.Field{Name: schema.NameOf(sf), Type: v.typeName(), Schema: s.Value()})
	}
	// The manifest goes through the same checks as one that arrives.
	return authority.ParseManifest(m.Value())
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
	v := reflect.ValueOf(&root).Elem()
	for i := range v.NumField() {
		b.field = schema.NameOf(v.Type().Field(i))
		v.Field(i).Set(reflect.ValueOf(v.Field(i).Interface().(value).bound(b)))
	}
	return root
}
