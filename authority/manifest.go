package authority

import "strconv"

// ManifestType is the $type of a manifest.
const ManifestType = "hhs/manifest"

// PolicyOpen is the only policy there is: anyone may write.
const PolicyOpen = "open"

// ProfileField is the field that every space has: who people say they are in it.
const ProfileField = "$profile"

// UndoField is the field of ops that take commits back; every space has it. What they do is no matter of authority: they
// change what is shown, and no verdict.
const UndoField = "$undo"

// Manifest says what a space is: the application's kind, its fields in the order declared, its policy.
// As a value it is {"$type": "hhs/manifest", "kind", "version", "fields": [{"name", "type", "schema"?, "of"?, "fields"?}],
// "policy"} and nothing else; see [Field].
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
	s := "manifest"
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
	return map[string]any{
		"$type":   ManifestType,
		"kind":    m.Kind,
		"version": m.Version,
		"fields":  fieldValues(m.Fields),
		"policy":  m.Policy,
	}
}

// ParseManifest reads an object value, strictly: an unknown key, type or policy is refused by name, as
// a *ManifestError. Each check sees each shape that has no others in it.
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
	}
	p := &shapes{checks: checks}
	var err error
	m.Fields, err = p.fields("", "", fields, 1)
	return m, err
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
