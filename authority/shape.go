package authority

import (
	"slices"
	"strconv"
	"strings"

	"github.com/hyperhyperspace/hhs-go/schema"
)

// The types that are made of others.
const (
	TypeMap    = "map"    // of values by key: Of is what each is
	TypeRecord = "record" // of named properties: Fields are they
)

// TypeFold is the type of values that an application's own function makes of their ops: Fold is its name, Version which
// one of that name.
const TypeFold = "fold"

// valueType is what a manifest may say of one type.
type valueType struct {
	name   string
	schema bool // its values may be held to a schema
	inMap  bool // a map may hold it
}

// valueTypes is the one table of them, in the order in which people are told. A new leaf is a line here and one among
// the types of package crdt.
var valueTypes = [...]valueType{
	{"register", true, true},
	{"once", true, true},
	{"set", true, true},
	{"growset", true, true},
	{"log", true, false},
	{"counter", false, true},
	{"list", true, false},
	{"text", false, false},
	{TypeFold, true, false},
	{TypeMap, false, false},
	{TypeRecord, false, true},
}

func typeNamed(name string) (valueType, bool) {
	for _, t := range valueTypes {
		if t.name == name {
			return t, true
		}
	}
	return valueType{}, false
}

// FieldTypes are the types of replicated values a manifest may use, in the order in which people are told.
func FieldTypes() []string {
	var names []string
	for _, t := range valueTypes {
		names = append(names, t.name)
	}
	return names
}

// inMap are those that a map may hold.
func inMap() []string {
	return slices.DeleteFunc(FieldTypes(), func(name string) bool { t, _ := typeNamed(name); return !t.inMap })
}

// Field is the shape of one replicated value: a field of a kind, a property of a record, or what a map holds. As a value it
// is {"type", "schema"?} with "of" (a shape without a name) for a map, "fields" (a list of shapes) for a record, "fold" and
// "version" for a fold, and "name" except in a map.
type Field struct {
	Name    string // empty for what a map holds
	Type    string // one of FieldTypes
	Schema  any    // object value of package schema, nil: none
	Of      *Field // what a map holds, nil for all else
	Fields  []Field
	Fold    string // such as example.org/auction; empty for all but a fold
	Version int64  // of the fold, from 1 on

	// Added says that a change of the schema declared it and not the first commit, so that there may be others of its name,
	// of other types (see [Kind]). It is no part of the value.
	Added bool

	parsed *schema.Schema // once it was, of what a change declares
}

// Parsed is the schema, nil where there is none.
func (f *Field) Parsed() (*schema.Schema, error) {
	if f.parsed != nil || f.Schema == nil {
		return f.parsed, nil
	}
	return schema.Parse(f.Schema)
}

// Skeleton is what two shapes of one name have in common that are the same replicated value: the type, of a map what it
// holds, and of a fold its name and version. Whatever two changes add to a record, it is the same record.
func (f *Field) Skeleton() string {
	if f.Of != nil {
		return f.Type + "(" + f.Of.Skeleton() + ")"
	}
	if f.Type == TypeFold {
		return f.Type + " " + f.Fold + " version " + strconv.FormatInt(f.Version, 10)
	}
	return f.Type
}

// Slot names the replicated value among all that ever have the name: what was written under one type is never read as
// another one.
func (f *Field) Slot() string {
	if f.Added {
		return f.Name + "\x00" + f.Skeleton()
	}
	return f.Name
}

// FieldCheck looks deeper into a shape than this package can, at its schema above all. It is asked about each shape that
// has no others in it. An error refuses the manifest.
type FieldCheck func(Field) error

// Value returns the shape as an object value; equal shapes give equal bytes.
func (f *Field) Value() any {
	v := map[string]any{"type": f.Type}
	if f.Name != "" {
		v["name"] = f.Name
	}
	if f.Schema != nil {
		v["schema"] = f.Schema
	}
	if f.Of != nil {
		v["of"] = f.Of.Value()
	}
	if f.Type == TypeFold {
		v["fold"], v["version"] = f.Fold, f.Version
	}
	if f.Type == TypeRecord {
		v["fields"] = fieldValues(f.Fields)
	}
	return v
}

func fieldValues(fields []Field) []any {
	list := make([]any, len(fields))
	for i := range fields {
		list[i] = fields[i].Value()
	}
	return list
}

// shapes reads the shapes of one manifest and counts them.
type shapes struct {
	checks []FieldCheck
	parse  bool // schemas, too, once and for all
	count  int
}

// fields reads a list of named shapes: the fields of a kind, or the properties of a record. path is where they are in the
// manifest, label what people call their owner; both are empty for a kind.
func (p *shapes) fields(path, label string, list []any, depth int) ([]Field, error) {
	path = under(path, "fields")
	if len(list) > MaxFields {
		return nil, &ManifestError{Path: path, Reason: "more than " + strconv.Itoa(MaxFields)}
	}
	seen := make(map[string]bool, len(list))
	var fields []Field
	for i, v := range list {
		at := path + "[" + strconv.Itoa(i) + "]"
		r := record{v: v, path: at}
		f := Field{Name: r.text("name")}
		if err := p.shape(&r, &f, under(label, f.Name), depth); err != nil {
			return nil, err
		}
		if seen[f.Name] {
			return nil, &ManifestError{Path: at, Reason: "the name " + f.Name + " is used twice"}
		}
		seen[f.Name] = true
		fields = append(fields, f)
	}
	return fields, nil
}

// under puts a name below the path of its owner.
func under(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// shape reads the rest of a shape, whose name, if it has one, is read already.
func (p *shapes) shape(r *record, f *Field, label string, depth int) error {
	f.Type = r.text("type")
	t, known := typeNamed(f.Type)
	if known && t.schema {
		f.Schema = r.optional("schema")
	}
	var of any
	var fields []any
	switch f.Type {
	case TypeMap:
		of = field[map[string]any](r, "of", "a map")
	case TypeRecord:
		fields = r.list("fields")
	case TypeFold:
		f.Fold, f.Version = r.text("fold"), r.int("version")
	}
	if r.err == nil && !known {
		r.fail("type", "field "+label+": type "+strconv.Quote(f.Type)+" is not known here, where there are "+strings.Join(FieldTypes(), ", "))
	}
	if err := r.end(); err != nil {
		return err
	}
	if err := checkName(r, f.Name, depth); err != nil {
		return err
	}
	if p.count++; p.count > MaxFields {
		return &ManifestError{Path: r.path, Reason: "more than " + strconv.Itoa(MaxFields) + " with those inside others"}
	}
	switch f.Type {
	case TypeMap:
		return p.of(r.path, f, label, of, depth+1)
	case TypeRecord:
		if len(fields) == 0 {
			return &ManifestError{Path: under(r.path, "fields"), Reason: "a record has at least one property"}
		}
		if err := tooDeep(r.path, depth+1); err != nil {
			return err
		}
		var err error
		f.Fields, err = p.fields(r.path, label, fields, depth+1)
		return err
	}
	if f.Type == TypeFold {
		if err := checkFold(r.path, f); err != nil {
			return err
		}
	}
	if p.parse && f.Schema != nil {
		f.parsed, _ = schema.Parse(f.Schema) // checks say what is wrong with it
	}
	for _, check := range p.checks {
		if err := check(*f); err != nil {
			return &ManifestError{Path: r.path, Reason: "field " + label, Cause: err}
		}
	}
	return nil
}

// checkFold judges what a fold is called, by the rules for kinds.
func checkFold(path string, f *Field) error {
	switch {
	case f.Fold == "" || len(f.Fold) > MaxKind || !kindName(f.Fold):
		return &ManifestError{Path: under(path, "fold"), Reason: strconv.QuoteToASCII(f.Fold) + " names no fold: 1 to " +
			strconv.Itoa(MaxKind) + " bytes of visible ASCII, such as example.org/auction"}
	case f.Version < 1 || f.Version > MaxKindVersion:
		return &ManifestError{Path: under(path, "version"), Reason: "versions begin at 1"}
	}
	return nil
}

// of reads what a map holds.
func (p *shapes) of(path string, f *Field, label string, v any, depth int) error {
	path = under(path, "of")
	if err := tooDeep(path, depth); err != nil {
		return err
	}
	f.Of = new(Field)
	r := record{v: v, path: path}
	if err := p.shape(&r, f.Of, label+"[...]", depth); err != nil {
		return err
	}
	if t, _ := typeNamed(f.Of.Type); !t.inMap {
		return &ManifestError{Path: path + ".type", Reason: "field " + label + "[...]: a map holds no " + f.Of.Type + "; put it into a record. A map holds " + strings.Join(inMap(), ", ")}
	}
	return nil
}

func tooDeep(path string, depth int) error {
	if depth > MaxDepth {
		return &ManifestError{Path: path, Reason: "deeper than " + strconv.Itoa(MaxDepth) + " maps and records"}
	}
	return nil
}

// checkName judges the name of a field (at depth 1) or property; what a map holds has none.
func checkName(r *record, name string, depth int) error {
	if !slices.Contains(r.seen, "name") {
		return nil
	}
	if !identifier(name) {
		return &ManifestError{Path: r.path + ".name", Reason: strconv.Quote(name) +
			" is no field name: a letter or _, then letters, digits or _, at most " + strconv.Itoa(MaxFieldName)}
	}
	if depth == 1 && slices.Contains(ReservedFields(), name) {
		return &ManifestError{Path: r.path + ".name", Reason: "a space has a member " + name + " of its own in TypeScript; choose another name"}
	}
	if depth > 1 && slices.Contains(ReservedProperties(), name) {
		return &ManifestError{Path: r.path + ".name", Reason: "a record has a member " + name + " of its own in TypeScript; choose another name"}
	}
	return nil
}

// ReservedFields are the names a field cannot have, because a space has members of these names in TypeScript, where
// fields are members too. A kind is for every language, so no language defines one with such a field.
func ReservedFields() []string {
	return []string{
		"id", "kind", "update", "link", "words", "status", "subscribeStatus", "ready", "setName", "names", "peers", "info", "held", "receipt",
		"addServers", "leave", "then", "constructor", "attach", "get", "toString", "valueOf", "toJSON", "node", "__proto__",
		"undo", "redo", "undoState", "subscribeUndo", "schema", "upgrade", "subscribeSchema",
		"version", "history", "at", "atJudgedNow", "diff", "openBlob", "byType", "backlinks",
		"subscribeHeld", "subscribeErrors", "subscribeNames", "subscribePeers", "invitation",
	}
}

// ReservedProperties are the names a property of a record cannot have, for the same reason.
func ReservedProperties() []string {
	return []string{"get", "entry", "subscribe", "watch", "then", "constructor", "toString", "valueOf", "toJSON", "__proto__"}
}
