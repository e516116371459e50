// Package schema says what a value must look like, in a small closed language, schema/1.
//
// A schema is itself a value: it stands in a kind's manifest, so that every replica judges alike. [Parse]
// reads it, [Schema.Check] judges a value by it, [FromGo] makes one from a Go type and its `hhs` struct tags:
//
//	type Message struct{ Text string `hhs:"max=4000"` }
//	s, err := schema.FromGo(reflect.TypeFor[Message](), "")
//	// {"type":"object","props":{"text":{"type":"string","max":4000}},"required":["text"]}
//
// [FromGoValue] and [ToGo] carry Go values into values and back, and refuse by path what cannot be stored.
// The language is docs/spec/schema.md, with examples that are tests here. It has no pattern, no format, no
// negation, no recursion and no reference: the work of a check is linear in the value, for any schema a
// stranger may write. An unknown keyword is an error, never ignored. Each schema has one form, so that equal
// schemas give equal manifests: a keyword with its default value is refused.
//
// JSON Schema is an import and export format only ([FromJSONSchema], [ToJSONSchema]).
//
// The package judges one literal value. It knows nothing of merged state, and it does not convert: an integer
// is not a float. [Schema.Conform] does that one conversion for callers whose numbers have no kinds.
package schema
