package schema

import "testing"

func TestTurns(t *testing.T) {
	object := func(name string, s any) any {
		return map[string]any{"type": "object", "props": map[string]any{name: s}}
	}
	text, number, list := any(map[string]any{"type": "string"}), any(map[string]any{"type": "integer"}), func(of any) any { return map[string]any{"type": "list", "items": of} }
	for _, c := range []struct {
		name       string
		have, want any
		path       string
		turns      bool
	}{
		{"same", text, text, "", false},
		{"bounds", text, map[string]any{"type": "string", "max": int64(5)}, "", false},
		{"any", map[string]any{"type": "any"}, number, "", false},
		{"enum of texts", text, map[string]any{"enum": []any{"a", "b"}}, "", false},
		{"enum of numbers", text, map[string]any{"enum": []any{int64(1), int64(2)}}, "", true},
		{"identity", map[string]any{"type": "identity"}, text, "", false},
		{"number", text, number, "", true},
		{"float", number, map[string]any{"type": "float"}, "", true},
		{"elements", list(text), list(number), "[...]", true},
		{"property", object("a", text), object("a", number), ".a", true},
		{"other property", object("a", text), object("b", number), "", false},
	} {
		have, err := Parse(c.have)
		if err != nil {
			t.Fatal(c.name, err)
		}
		want, err := Parse(c.want)
		if err != nil {
			t.Fatal(c.name, err)
		}
		if path, from, to, turns := Turns("f", have, want); turns != c.turns || turns && path != "f"+c.path || turns && from == to {
			t.Errorf("%s: %q %q %q %v", c.name, path, from, to, turns)
		}
	}
}
