package schema

// Error is why something is not a schema/1 schema: a value given to [Parse], a Go type given to [FromGo], or a
// document given to [FromJSONSchema].
type Error struct {
	Path   string // in the schema, as made by object.PathKey; for Go types the path of Go field names
	Reason string // for people
}

func (e *Error) Error() string { return errorText("schema", e.Path, e.Reason) }

// Rule names the keyword that a value breaks. The words are the same in Go, in TypeScript and in
// testdata/vectors/schema.json.
type Rule string

// The rules a [Violation] can name.
const (
	RuleType     Rule = "type"     // a value of another kind
	RuleMin      Rule = "min"      // too small, or too short
	RuleMax      Rule = "max"      // too large, or too long
	RuleMaxBytes Rule = "maxBytes" // too many bytes of UTF-8
	RuleConst    Rule = "const"    // another value than the only one
	RuleEnum     Rule = "enum"     // none of the alternatives
	RuleRequired Rule = "required" // a property that must be there is not
	RuleUnknown  Rule = "unknown"  // a property that the schema does not name
	RuleTag      Rule = "tag"      // a union without its tag, or with a tag the union does not name
	RuleIdentity Rule = "identity" // not a did:key
	RuleBlob     Rule = "blob"     // not the descriptor of a blob
	RuleRef      Rule = "ref"      // not a reference into a space
)

// Violation is where and why a value breaks its schema.
type Violation struct {
	Path   string // in the value, as made by object.PathKey; "" is the value itself
	Rule   Rule
	Reason string // for people
}

func (e *Violation) Error() string { return errorText("value", e.Path, e.Reason) }

func errorText(what, path, reason string) string {
	if path == "" {
		return what + ": " + reason
	}
	return what + " at " + path + ": " + reason
}
