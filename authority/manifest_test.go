package authority

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/hyperhyperspace/hhs-go/object"
)

func TestManifestRoundTrip(t *testing.T) {
	m := chatManifest()
	raw, err := object.Encode(m.Value())
	if err != nil {
		t.Fatal(err)
	}
	v, err := object.Decode(raw)
	if err != nil {
		t.Fatal(err)
	}
	got, err := ParseManifest(v)
	if err != nil {
		t.Fatal(err)
	}
	again, err := object.Encode(got.Value())
	if err != nil || !bytes.Equal(again, raw) {
		t.Errorf("encodes as %x, was %x: %v", again, raw, err)
	}
	if f, ok := got.Field("members"); !ok || f.Type != "set" {
		t.Errorf("field %v %v", f, ok)
	}
}

func TestManifestRejects(t *testing.T) {
	field := func(change func(map[string]any)) func(map[string]any) {
		return func(m map[string]any) { change(m["fields"].([]any)[1].(map[string]any)) }
	}
	for name, c := range map[string]struct {
		path, says string
		change     func(m map[string]any)
	}{
		"another policy":   {"policy", `"roles"`, func(m map[string]any) { m["policy"] = "roles" }},
		"no policy":        {"policy", "missing", func(m map[string]any) { delete(m, "policy") }},
		"an unknown key":   {"colour", "not known", func(m map[string]any) { m["colour"] = "red" }},
		"another $type":    {"$type", ManifestType, func(m map[string]any) { m["$type"] = "hhs/space" }},
		"no kind":          {"kind", "1 to", func(m map[string]any) { m["kind"] = "" }},
		"a long kind":      {"kind", "1 to", func(m map[string]any) { m["kind"] = strings.Repeat("k", MaxKind+1) }},
		"version 0":        {"version", "begin at 1", func(m map[string]any) { m["version"] = int64(0) }},
		"version as text":  {"version", "an integer", func(m map[string]any) { m["version"] = "1" }},
		"fields as a map":  {"fields", "a list", func(m map[string]any) { m["fields"] = map[string]any{} }},
		"257 fields":       {"fields", "more than", func(m map[string]any) { m["fields"] = make([]any, MaxFields+1) }},
		"a field of null":  {"fields[0]", "a map", func(m map[string]any) { m["fields"] = []any{nil} }},
		"a name twice":     {"fields[1]", "twice", field(func(f map[string]any) { f["name"] = "topic" })},
		"a reserved name":  {"fields[1].name", "$profile", field(func(f map[string]any) { f["name"] = "$profile" })},
		"an empty name":    {"fields[1].name", "no field name", field(func(f map[string]any) { f["name"] = "" })},
		"a digit first":    {"fields[1].name", "1st", field(func(f map[string]any) { f["name"] = "1st" })},
		"a long name":      {"fields[1].name", "at most", field(func(f map[string]any) { f["name"] = strings.Repeat("n", MaxFieldName+1) })},
		"an unknown type":  {"fields[1].type", `"tree"`, field(func(f map[string]any) { f["type"] = "tree" })},
		"a key in a field": {"fields[1].max", "not known", field(func(f map[string]any) { f["max"] = int64(1) })},
	} {
		m := chatManifest().Value().(map[string]any)
		c.change(m)
		_, err := ParseManifest(m)
		var bad *ManifestError
		if !errors.As(err, &bad) || bad.Path != c.path || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %s at %s", name, err, c.says, c.path)
		}
	}
	if _, err := ParseManifest(nil); err == nil {
		t.Error("nothing is a manifest")
	}
	seen := 0
	if _, err := ParseManifest(chatManifest().Value(), func(Field) error { seen++; return nil }); err != nil || seen != 3 {
		t.Errorf("%d fields checked: %v", seen, err)
	}
}

// TestManifestVectors holds for what TypeScript refuses as well.
func TestManifestVectors(t *testing.T) {
	text, err := os.ReadFile("../testdata/vectors/manifest.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors struct {
		Accept []struct{ Name, JSON, Hex string }
		Reject []struct{ Name, JSON, Path string }
	}
	if err := json.Unmarshal(text, &vectors); err != nil {
		t.Fatal(err)
	}
	for _, c := range vectors.Accept {
		v, err := object.FromJSON([]byte(c.JSON))
		if err != nil {
			t.Fatalf("%s: %v", c.Name, err)
		}
		m, err := ParseManifest(v)
		if err != nil {
			t.Errorf("%s: %v", c.Name, err)
			continue
		}
		if again, err := object.Encode(m.Value()); err != nil || hex.EncodeToString(again) != c.Hex {
			t.Errorf("%s: written again as %x: %v", c.Name, again, err)
		}
	}
	rejected := map[string]bool{}
	for _, c := range vectors.Reject {
		v, err := object.FromJSON([]byte(c.JSON))
		if err != nil {
			t.Fatalf("%s: %v", c.Name, err)
		}
		_, err = ParseManifest(v)
		var bad *ManifestError
		if !errors.As(err, &bad) || bad.Path != c.Path {
			t.Errorf("%s: %v, want it at %s", c.Name, err, c.Path)
		}
		if err != nil && strings.ContainsFunc(err.Error(), func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Errorf("%s: the error carries it on: %q", c.Name, err)
		}
		rejected[c.Name] = true
	}
	for _, name := range ReservedFields() {
		if !rejected["a field named "+name] {
			t.Errorf("no vector for a field named %s", name)
		}
	}
	for _, name := range ReservedProperties() {
		if !rejected["a property named "+name] {
			t.Errorf("no vector for a property named %s", name)
		}
	}
}

func FuzzParseManifest(f *testing.F) {
	raw, err := object.Encode(chatManifest().Value())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Fuzz(func(t *testing.T, raw []byte) {
		v, err := object.Decode(raw)
		if err != nil {
			return
		}
		m, err := ParseManifest(v)
		if err != nil {
			return
		}
		if again, err := object.Encode(m.Value()); err != nil || !bytes.Equal(again, raw) {
			t.Fatalf("%x is read as %x: %v", raw, again, err)
		}
	})
}
