package schema

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/hyperhyperspace/hhs-go/object"
)

func mustParse(t testing.TB, text string) *Schema {
	t.Helper()
	s, err := Parse(fromJSON(t, text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestNilSchema(t *testing.T) {
	var s *Schema
	if s.Check(1) != nil || s.CheckBlock([]byte{0xf6}) != nil || s.Value() != nil || !s.IsAny() || s.Conform("x") != "x" {
		t.Error("the nil schema is not one for every value")
	}
	var bad *object.DecodeError
	if err := s.CheckBlock([]byte{0x18, 0}); !errors.As(err, &bad) {
		t.Error(err)
	}
	if !mustParse(t, `{"type":"any"}`).IsAny() || mustParse(t, `{"type":"bool"}`).IsAny() {
		t.Error("IsAny")
	}
}

func TestSchemaKeepsNothingOfItsValue(t *testing.T) {
	v := fromJSON(t, `{"enum":["a","b"]}`).(map[string]any)
	s, err := Parse(v)
	if err != nil {
		t.Fatal(err)
	}
	v["enum"].([]any)[0] = "c"
	s.Value().(map[string]any)["enum"].([]any)[1] = "d"
	if s.Check("a") != nil || s.Check("b") != nil {
		t.Error("changed from outside")
	}
}

func TestConform(t *testing.T) {
	s := mustParse(t, `{"type":"object","open":true,"props":{"f":{"type":"float"},"i":{"type":"integer"},"l":{"type":"list","items":{"type":"float"}},
		"u":{"type":"union","tag":"k","of":{"a":{"type":"object","props":{"f":{"type":"float"}}}}}}}`)
	for in, want := range map[string]string{
		`{"f":1,"i":2.0,"l":[1,2.5],"x":3}`:      `{"f":1.0,"i":2,"l":[1.0,2.5],"x":3}`,
		`{"u":{"k":"a","f":1}}`:                  `{"u":{"k":"a","f":1.0}}`,
		`{"u":{"k":"b","f":1}}`:                  `{"u":{"k":"b","f":1}}`,
		`{"f":9007199254740993,"i":1.5,"l":"x"}`: `{"f":9007199254740993,"i":1.5,"l":"x"}`,
		`{"i":1e300}`:                            `{"i":1e300}`,
		`[1]`:                                    `[1]`,
	} {
		v := fromJSON(t, in)
		if got := s.Conform(v); !reflect.DeepEqual(got, fromJSON(t, want)) {
			t.Errorf("%s became %v", in, got)
		}
		if !reflect.DeepEqual(v, fromJSON(t, in)) {
			t.Errorf("%s was changed", in)
		}
	}
}

func TestJSONSchemaRoundTrip(t *testing.T) {
	for _, c := range schemaTable() {
		s := mustParse(t, c.schema)
		text, err := ToJSONSchema(s)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		back, err := FromJSONSchema(text)
		if err != nil || !reflect.DeepEqual(back.Value(), s.Value()) {
			t.Errorf("%s: %s: %v", c.name, text, err)
		}
	}
}

func TestFromJSONSchema(t *testing.T) {
	for in, want := range map[string]string{
		`true`: `{"type":"any"}`,
		`{"title":"x","description":"y","$schema":"z"}`: `{"type":"any"}`,
		`{"type":"null"}`:                                 `{"const":null}`,
		`{"type":"string","const":"a"}`:                   `{"const":"a"}`,
		`{"type":"string","minLength":0}`:                 `{"type":"string"}`,
		`{"type":"string","maxLength":10.0}`:              `{"type":"string","max":10}`,
		`{"type":"number","minimum":0}`:                   `{"type":"float","min":0.0}`,
		`{"type":"integer","minimum":0}`:                  `{"type":"integer","min":0}`,
		`{"type":"array"}`:                                `{"type":"list","items":{"type":"any"}}`,
		`{"type":"object"}`:                               `{"type":"object","open":true}`,
		`{"type":"object","properties":{},"required":[]}`: `{"type":"object","open":true}`,
		`{"type":"object","additionalProperties":false,"properties":{"b":{"type":"boolean"},"aa":true},"required":["b","aa"]}`: `{"type":"object","props":{"b":{"type":"bool"},"aa":{"type":"any"}},"required":["aa","b"]}`,
	} {
		s, err := FromJSONSchema([]byte(in))
		if err != nil || !reflect.DeepEqual(s.Value(), fromJSON(t, want)) {
			t.Errorf("%s: %v", in, err)
		}
	}
	for in, path := range map[string]string{
		`x`:                                     "",
		`false`:                                 "",
		`1`:                                     "",
		`{"type":"date"}`:                       "type",
		`{"type":["string","null"]}`:            "type",
		`{"type":"string","pattern":"a"}`:       "pattern",
		`{"type":"string","format":"email"}`:    "format",
		`{"$ref":"#/x"}`:                        "type",
		`{"anyOf":[{"type":"string"}]}`:         "type",
		`{"type":"string","anyOf":[]}`:          "anyOf",
		`{"not":{}}`:                            "type",
		`{"type":"array","items":{"type":"x"}}`: "items.type",
		`{"type":"array","uniqueItems":true}`:   "uniqueItems",
		`{"type":"object","properties":{"a":{"type":"string","pattern":"x"}}}`:            "properties.a.pattern",
		`{"type":"object","properties":[]}`:                                               "properties",
		`{"type":"object","additionalProperties":{"type":"string"}}`:                      "additionalProperties",
		`{"type":"object","required":"a"}`:                                                "required",
		`{"type":"object","required":["a"]}`:                                              "required[0]",
		`{"x-hhs-type":"other"}`:                                                          `x-hhs-type`,
		`{"x-hhs-type":"union"}`:                                                          "oneOf",
		`{"x-hhs-type":"union","x-hhs-tag":"k","oneOf":[{"type":"object"}]}`:              "oneOf[0]",
		`{"const":1,"minimum":0}`:                                                         "minimum",
		`{"const":[1]}`:                                                                   "const",
		`{"type":"string","maxLength":1.5}`:                                               "max",
		strings.Repeat(`{"type":"array","items":`, 13) + `true` + strings.Repeat(`}`, 13): strings.TrimPrefix(strings.Repeat(".items", 12), "."),
	} {
		_, err := FromJSONSchema([]byte(in))
		var bad *Error
		if !errors.As(err, &bad) || bad.Path != path {
			t.Errorf("%s: %v, want %q", in, err, path)
		}
	}
}

// FuzzCheck: what Parse accepts it gives back byte for byte, and the two checks agree on any value.
func FuzzCheck(f *testing.F) {
	for _, sv := range readVectors(f).Schemas {
		schema, _ := decodeHex(f, sv.Hex)
		for _, c := range sv.Cases {
			value, _ := decodeHex(f, c.Hex)
			f.Add(schema, value)
		}
	}
	for _, b := range readVectors(f).Bad {
		schema, _ := decodeHex(f, b.Hex)
		if len(schema) < 1000 {
			f.Add(schema, []byte{0xa0})
		}
	}
	f.Fuzz(func(t *testing.T, schema, value []byte) {
		sv, err := object.Decode(schema)
		if err != nil {
			return
		}
		s, err := Parse(sv)
		if err != nil {
			return
		}
		if again, err := object.Encode(s.Value()); err != nil || !bytes.Equal(again, schema) {
			t.Fatalf("%x became %x (%v)", schema, again, err)
		}
		v, err := object.Decode(value)
		if err != nil {
			var bad *object.DecodeError
			if err := s.CheckBlock(value); !errors.As(err, &bad) {
				t.Fatalf("CheckBlock says %v of no block", err)
			}
			return
		}
		a, b := s.Check(v), s.CheckBlock(value)
		if (a == nil) != (b == nil) || a != nil && a.Error() != b.Error() {
			t.Fatalf("Check says %v, CheckBlock %v", a, b)
		}
		if c := s.Check(s.Conform(v)); a == nil && c != nil {
			t.Fatalf("valid, and not when conformed: %v", c)
		}
	})
}

// FuzzFromJSONSchema: what is read can be written and read again.
func FuzzFromJSONSchema(f *testing.F) {
	for _, c := range schemaTable() {
		s := mustParse(f, c.schema)
		text, err := ToJSONSchema(s)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := FromJSONSchema(text)
		if err != nil {
			var bad *Error
			if !errors.As(err, &bad) {
				t.Fatalf("%T", err)
			}
			return
		}
		if _, err := Parse(s.Value()); err != nil {
			t.Fatal(err)
		}
	})
}

func benchSchema(b *testing.B) (*Schema, any, []byte) {
	s := mustParse(b, message)
	v := map[string]any{"text": strings.Repeat("hello ", 10)}
	block, err := object.Encode(v)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	return s, v, block
}

func BenchmarkCheck(b *testing.B) {
	s, v, _ := benchSchema(b)
	for b.Loop() {
		if err := s.Check(v); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCheckBlock(b *testing.B) {
	s, _, block := benchSchema(b)
	for b.Loop() {
		if err := s.CheckBlock(block); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkFromGoValue(b *testing.B) {
	m := Message{"hello"}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := FromGoValue(reflect.ValueOf(&m).Elem()); err != nil {
			b.Fatal(err)
		}
	}
}
