package authority

import (
	"slices"
	"strconv"
)

// ManifestType is the $type of a manifest.
const ManifestType = "hhs/manifest"

// PolicyOpen is the only policy there is: anyone may write.
const PolicyOpen = "open"

// ProfileField is the field that every space has: who people say they are in it.
const ProfileField = "$profile"

// FieldTypes are the types of replicated values a manifest may use, in the order in which people are told.
func FieldTypes() []string { return []string{"register", "set", "growset", "log"} }

// ReservedFields are the names a field cannot have, because a space has members of these names in TypeScript, where
// fields are members too. A kind is for every language, so no language defines one with such a field.
func ReservedFields() []string {
	return []string{
		"id", "kind", "update", "link", "words", "status", "subscribeStatus", "ready", "setName", "names", "peers", "info", "held", "receipt",
		"addServers", "leave", "then", "constructor", "attach", "get", "toString", "valueOf", "toJSON", "node", "__proto__",
	}
}

// Field is one replicated value of a kind.
type Field struct {
	Name   string
	Type   string // one of FieldTypes
	Schema any    // object value of package schema, nil: none
}

// FieldCheck looks deeper into a field than this package can, at its schema above all. An error refuses the manifest.
type FieldCheck func(Field) error

// Manifest says what a space is: the application's kind, its fields in the order declared, its policy.
// As a value it is {"$type": "hhs/manifest", "kind", "version", "fields": [{"name", "type", "schema"?}],
// "policy"} and nothing else.
type Manifest struct {
	Kind    string // such as example.org/chat, in visible ASCII
	Version int64  // of the kind, from 1 on
	Fields  []Field
	Policy  string
}

// ManifestError says where a value is no manifest, and why.
type ManifestError struct {
	Path   string
	Reason string
	Cause  error
}

// Error names the place and the reason.
func (e *ManifestError) Error() string {
	s := "authority: manifest"
	if e.Path != "" {
		s += " at " + e.Path
	}
	s += ": " + e.Reason
	if e.Cause != nil {
		s += ": " + e.Cause.Error()
	}
	return s
}

// Unwrap returns what a FieldCheck said.
func (e *ManifestError) Unwrap() error { return e.Cause }

// Field returns the field of that name.
func (m *Manifest) Field(name string) (Field, bool) {
	for _, f := range m.Fields {
		if f.Name == name {
			return f, true
		}
	}
	return Field{}, false
}

// Value returns the manifest as an object value; equal manifests give equal bytes.
func (m *Manifest) Value() any {
	fields := make([]any, len(m.Fields))
	for i, f := range m.Fields {
		v := map[string]any{"name": f.Name, "type": f.Type}
		if f.Schema != nil {
			v["schema"] = f.Schema
		}
		fields[i] = v
	}
	return map[string]any{
		"$type":   ManifestType,
		"kind":    m.Kind,
		"version": m.Version,
		"fields":  fields,
		"policy":  m.Policy,
	}
}

// ParseManifest reads an object value, strictly: an unknown key, type or policy is refused by name, as
// a *ManifestError. Each check sees each field.
func ParseManifest(v any, checks ...FieldCheck) (*Manifest, error) {
	r := record{v: v}
	r.is(ManifestType)
	m := &Manifest{Kind: r.text("kind"), Version: r.int("version"), Policy: r.text("policy")}
	fields := r.list("fields")
	if err := r.end(); err != nil {
		return nil, err
	}
	switch {
	case m.Policy != PolicyOpen:
		return nil, &ManifestError{Path: "policy", Reason: "policy " + strconv.Quote(m.Policy) + " is not known here; this software knows \"open\""}
	case m.Kind == "" || len(m.Kind) > MaxKind:
		return nil, &ManifestError{Path: "kind", Reason: "a kind has 1 to " + strconv.Itoa(MaxKind) + " bytes"}
	case !kindName(m.Kind):
		return nil, &ManifestError{Path: "kind", Reason: strconv.QuoteToASCII(m.Kind) + " has characters that a kind has not: it is written in visible ASCII, such as example.org/chat"}
	case m.Version < 1 || m.Version > MaxKindVersion:
		return nil, &ManifestError{Path: "version", Reason: "versions begin at 1"}
	case len(fields) > MaxFields:
		return nil, &ManifestError{Path: "fields", Reason: "more than " + strconv.Itoa(MaxFields)}
	}
	seen := make(map[string]bool, len(fields))
	for i, fv := range fields {
		path := "fields[" + strconv.Itoa(i) + "]"
		f, err := parseField(path, fv, checks)
		if err != nil {
			return nil, err
		}
		if seen[f.Name] {
			return nil, &ManifestError{Path: path, Reason: "the name " + f.Name + " is used twice"}
		}
		seen[f.Name] = true
		m.Fields = append(m.Fields, f)
	}
	return m, nil
}

func parseField(path string, v any, checks []FieldCheck) (Field, error) {
	r := record{v: v, path: path}
	f := Field{Name: r.text("name"), Type: r.text("type"), Schema: r.optional("schema")}
	if err := r.end(); err != nil {
		return f, err
	}
	if !identifier(f.Name) {
		return f, &ManifestError{Path: path + ".name", Reason: strconv.Quote(f.Name) +
			" is no field name: a letter or _, then letters, digits or _, at most " + strconv.Itoa(MaxFieldName)}
	}
	if slices.Contains(ReservedFields(), f.Name) {
		return f, &ManifestError{Path: path + ".name", Reason: "a space has a member " + f.Name + " of its own in TypeScript; choose another name"}
	}
	known := false
	for _, t := range FieldTypes() {
		known = known || t == f.Type
	}
	if !known {
		return f, &ManifestError{Path: path + ".type", Reason: "type " + strconv.Quote(f.Type) + " is not known here"}
	}
	for _, check := range checks {
		if err := check(f); err != nil {
			return f, &ManifestError{Path: path, Reason: "field " + f.Name, Cause: err}
		}
	}
	return f, nil
}

// kindName holds for visible ASCII. A kind is shown to people who choose by it: nothing in it acts on a terminal, is not
// seen, or looks like another letter; and this does not change with the version of Unicode.
func kindName(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// identifier holds for names that are one in Go, in TypeScript and on a command line; no built-in name ($...) is one.
func identifier(s string) bool {
	if s == "" || len(s) > MaxFieldName {
		return false
	}
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '_', 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z':
		case '0' <= c && c <= '9' && i > 0:
		default:
			return false
		}
	}
	return true
}
