// Package object turns values into canonical bytes and names them by the hash of those bytes.
//
// A value is one of nil, bool, int64, float64, string, []byte, [ID] (a link), []any and map[string]any.
// [Encode] gives its one canonical form, DAG-CBOR; [Sum] gives the [ID] of the bytes, a CIDv1 with sha2-256;
// [Decode] reads them back and refuses every other form, so equal values have equal ids and different values
// never share one. [ToJSON] and [FromJSON] are the form for people, DAG-JSON. Hot paths use [Writer] and
// [Reader], which build no values in between.
//
//	block, err := object.Encode(map[string]any{"$type": "note", "text": "hello"})
//	id := object.Sum(object.DagCBOR, block) // bafyrei...
//
// The format, byte by byte, is docs/spec/object.md. In short: integers in their shortest form and within
// int64, 64-bit floats without NaN, infinities and negative zero, valid UTF-8, definite lengths, map keys
// unique and sorted shortest first and then bytewise, no tag but 42 (a link), and the limits of limits.go.
//
// The package keeps no state, starts no goroutine, and never panics on foreign bytes. What it allocates
// while decoding is bounded by the bytes it was given, never by a length they claim. It does not fetch
// links, and knows no types: what a value must look like is said by package schema.
package object
