package schema

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestJoin: what one of two schemas accepts, their join accepts; it is a schema, and the order makes no difference.
func TestJoin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := drawSchema(t, "a"), drawSchema(t, "b"), drawSchema(t, "c")
		joined := Join([]*Schema{a, b, c})
		if again, err := Parse(valueOf(joined)); err != nil || !reflect.DeepEqual(again.Value(), valueOf(joined)) {
			t.Fatalf("%v is no schema: %v", valueOf(joined), err)
		}
		other := Join([]*Schema{c, b, a})
		for _, s := range []*Schema{a, b, c} {
			v := drawValue(t, s)
			if (joined.Check(v) == nil) != (other.Check(v) == nil) {
				t.Fatalf("%v fits %v or not, as to the order", v, joined.Value())
			}
			if s.Check(v) != nil {
				continue
			}
			if err := joined.Check(v); err != nil {
				t.Fatalf("%v fits %v, and not %v: %v", v, s.Value(), joined.Value(), err)
			}
		}
		if got := Join([]*Schema{a, a}); !reflect.DeepEqual(got.Value(), a.Value()) {
			t.Fatalf("%v with itself is %v", a.Value(), got.Value())
		}
	})
}

func valueOf(s *Schema) any {
	if s == nil {
		return map[string]any{"type": "any"}
	}
	return s.Value()
}

// TestJoinExamples: what two people add at the same time stands side by side, and the looser bound holds.
func TestJoinExamples(t *testing.T) {
	for _, c := range []struct{ a, b, want string }{
		{`{"type":"string","max":3}`, `{"type":"string","max":9}`, `{"type":"string","max":9}`},
		{`{"type":"string","max":3}`, `{"type":"string","maxBytes":9}`, `{"type":"string"}`},
		{`{"type":"integer","min":1,"max":5}`, `{"type":"integer","min":-2}`, `{"type":"integer","min":-2}`},
		{`{"type":"integer"}`, `{"type":"string"}`, `{"type":"any"}`},
		{`{"type":"string","maxBytes":3}`, `{"type":"string","maxBytes":9}`, `{"type":"string","maxBytes":9}`},
		{`{"enum":["a","b"]}`, `{"enum":["b","c"]}`, `{"enum":["a","b","c"]}`},
		{`{"const":"a"}`, `{"type":"string"}`, `{"type":"string"}`},
		{`{"const":1}`, `{"type":"string"}`, `{"type":"any"}`},
		{`{"type":"list","items":{"const":1}}`, `{"type":"list","items":{"const":2},"max":3}`, `{"type":"list","items":{"enum":[1,2]}}`},
		{`{"type":"object","props":{"a":{"type":"bool"},"x":{"type":"bool"}},"required":["a","x"]}`,
			`{"type":"object","props":{"a":{"type":"bool"},"y":{"type":"bool"}},"required":["a"]}`,
			`{"type":"object","props":{"a":{"type":"bool"},"x":{"type":"bool"},"y":{"type":"bool"}},"required":["a"]}`},
		{`{"type":"object","props":{"a":{"type":"bool"}},"open":true}`, `{"type":"object","props":{"y":{"type":"bool"}}}`,
			`{"type":"object","props":{"a":{"type":"bool"}},"open":true}`},
		{`{"type":"union","tag":"k","of":{"a":{"type":"object"}}}`, `{"type":"union","tag":"k","of":{"b":{"type":"object"}}}`,
			`{"type":"union","tag":"k","of":{"a":{"type":"object"},"b":{"type":"object"}}}`},
	} {
		a, b, want := mustParse(t, c.a), mustParse(t, c.b), mustParse(t, c.want)
		if got := Join([]*Schema{a, b}); !reflect.DeepEqual(got.Value(), want.Value()) {
			t.Errorf("%s and %s: %v", c.a, c.b, got.Value())
		}
	}
	three := []*Schema{mustParse(t, `{"type":"integer","max":9}`), mustParse(t, `{"const":300}`), mustParse(t, `{"type":"integer","max":500}`)}
	for i := range three { // the order makes no difference
		if got := Join(append(three[i:len(three):len(three)], three[:i]...)); !reflect.DeepEqual(got.Value(), three[2].Value()) {
			t.Errorf("%v", got.Value())
		}
	}
	limits := []*Schema{mustParse(t, `{"type":"string","maxBytes":9}`), mustParse(t, `{"type":"string","max":4}`), mustParse(t, `{"type":"string","maxBytes":3}`)}
	if got := Join(limits); !reflect.DeepEqual(got.Value(), map[string]any{"type": "string"}) {
		t.Errorf("%v", got.Value())
	}
	if Join([]*Schema{mustParse(t, `{"type":"bool"}`), nil}) != nil {
		t.Error("with one that accepts everything")
	}
}

// TestJoinLooksOnce: to join many schemas costs as much as they are large, and not as large as what comes out is at every step.
func TestJoinLooksOnce(t *testing.T) {
	var list []*Schema
	size := 0
	for i := range 64 {
		props := ""
		for k := range 10 {
			props += fmt.Sprintf(`,"p%d":{"type":"list","items":{"enum":[%d,%d]}}`, i*10+k, i, i+1)
		}
		s := mustParse(t, `{"type":"object","props":{"in":{"type":"object","props":{`+props[1:]+`}}}}`)
		list, size = append(list, s), size+s.nodes()
	}
	var j joiner
	if n := j.join(list).nodes(); n != 2+64*10*2 || j.looked > size {
		t.Errorf("%d schemas joined to %d, and %d were looked at", size, n, j.looked)
	}
}

// TestKeep: what a program does not know stays, where the field's schema has it; what it knows and leaves out is gone.
func TestKeep(t *testing.T) {
	program := mustParse(t, `{"type":"object","props":{"a":{"type":"integer"},"o":{"type":"integer"},"in":{"type":"object","props":{"b":{"type":"integer"}}},`+
		`"l":{"type":"list","items":{"type":"object"}},"u":{"type":"union","tag":"k","of":{"x":{"type":"object","props":{"p":{"type":"integer"}}}}},`+
		`"free":{"type":"object","open":true}}}`)
	field := Extend(mustParse(t, `{"type":"object","props":{"z":{"type":"integer"},"in":{"type":"object","props":{"y":{"type":"integer"}}},`+
		`"l":{"type":"list","items":{"type":"object","props":{"q":{"type":"integer"}}}},`+
		`"u":{"type":"union","tag":"k","of":{"x":{"type":"object","props":{"r":{"type":"integer"}}}}}}}`), program)
	for _, c := range []struct{ shown, written, want string }{
		{`{"a":1,"z":9}`, `{"a":2}`, `{"a":2,"z":9}`},
		{`{"a":1,"o":1,"z":9}`, `{"a":2}`, `{"a":2,"z":9}`},
		{`{"a":1,"gone":9}`, `{"a":2}`, `{"a":2}`},
		{`{"in":{"b":1,"y":2}}`, `{"in":{"b":3}}`, `{"in":{"b":3,"y":2}}`},
		{`{"in":{"b":1,"y":2}}`, `{}`, `{}`},
		{`{"l":[{"q":1}]}`, `{"l":[{}]}`, `{"l":[{}]}`},
		{`{"u":{"k":"x","p":1,"r":2}}`, `{"u":{"k":"x","p":3}}`, `{"u":{"k":"x","p":3,"r":2}}`},
		{`{"free":{"m":1}}`, `{"free":{"n":2}}`, `{"free":{"n":2}}`},
		{`{"z":1}`, `{"z":2}`, `{"z":2}`},
		{`7`, `{"a":2}`, `{"a":2}`},
	} {
		shown, written := fromJSON(t, c.shown), fromJSON(t, c.written)
		got, err := Keep(program, field, shown, written)
		if err != nil || !reflect.DeepEqual(got, fromJSON(t, c.want)) {
			t.Errorf("%s over %s: %v", c.written, c.shown, got)
		}
		if !reflect.DeepEqual(written, fromJSON(t, c.written)) || !reflect.DeepEqual(shown, fromJSON(t, c.shown)) {
			t.Errorf("%s over %s changed them", c.written, c.shown)
		}
	}
	if got, err := Keep(nil, field, map[string]any{"z": int64(1)}, map[string]any{}); err != nil || len(got.(map[string]any)) != 0 {
		t.Error("a program that knows everything")
	}
}

// TestKeepStricter: a property that is kept and that the field accepts no more is named by the error; one that is written as
// well, or that nobody keeps, is no hindrance.
func TestKeepStricter(t *testing.T) {
	program := mustParse(t, `{"type":"object","props":{"a":{"type":"integer"},"in":{"type":"object","props":{"b":{"type":"integer"}}}}}`)
	field := mustParse(t, `{"type":"object","props":{"a":{"type":"integer"},"z":{"type":"string","max":3},`+
		`"in":{"type":"object","props":{"b":{"type":"integer"},"y y":{"type":"list","items":{"type":"bool"}}}}}}`)
	for _, c := range []struct{ shown, written, path string }{
		{`{"a":1,"z":"long"}`, `{"a":2}`, "z"},
		{`{"a":1,"z":"ok"}`, `{"a":2}`, ""},
		{`{"a":1,"z":"long"}`, `{"a":2,"z":"now"}`, ""},
		{`{"in":{"b":1,"y y":[true,1]}}`, `{"in":{"b":2}}`, `in["y y"][1]`},
		{`{"in":{"b":1,"y y":[true,1]}}`, `{"a":2}`, ""},
	} {
		_, err := Keep(program, field, fromJSON(t, c.shown), fromJSON(t, c.written))
		var bad *Violation
		if errors.As(err, &bad) != (c.path != "") || bad != nil && (bad.Path != c.path || !strings.Contains(bad.Reason, "keeps it")) {
			t.Errorf("%s over %s: %v", c.written, c.shown, err)
		}
	}
}

// drawSchema draws a schema over few names and numbers, so that two of them meet.
func drawSchema(t *rapid.T, label string) *Schema {
	s, err := Parse(drawForm(t, label, 0))
	if err != nil {
		t.Fatalf("drew no schema: %v", err)
	}
	return s
}

func drawForm(t *rapid.T, label string, depth int) map[string]any {
	forms := 4
	if depth < 3 {
		forms = 7
	}
	number := func(from, to int) int64 { return int64(rapid.IntRange(from, to).Draw(t, label+"#")) }
	flip := func() bool { return rapid.Bool().Draw(t, label+"?") }
	switch number(0, forms-1) {
	case 0:
		return map[string]any{"type": "bool"}
	case 1, 2:
		m := map[string]any{"type": "integer"}
		if flip() {
			m["type"] = "string"
		}
		if flip() {
			m["min"] = number(1, 3)
		}
		if flip() {
			m["max"] = number(3, 5)
		}
		return m
	case 3:
		list := []any{int64(1), "a", int64(2), true}
		return map[string]any{"enum": list[:number(1, len(list))]}
	case 4:
		return map[string]any{"type": "list", "items": drawForm(t, label, depth+1)}
	case 5:
		return map[string]any{"type": "union", "tag": "k", "of": map[string]any{
			string(rune('x' + number(0, 1))): drawObject(t, label, depth), "z": drawObject(t, label, depth)}}
	}
	return drawObject(t, label, depth)
}

func drawObject(t *rapid.T, label string, depth int) map[string]any {
	props, required := map[string]any{}, []any{}
	for _, name := range []string{"a", "b", "c"} {
		if rapid.Bool().Draw(t, label+name) {
			props[name] = drawForm(t, label+name, depth+1)
			if rapid.Bool().Draw(t, label+name+"!") {
				required = append(required, name)
			}
		}
	}
	m := map[string]any{"type": "object"}
	if len(props) > 0 {
		m["props"] = props
	}
	if len(required) > 0 {
		m["required"] = required
	}
	if rapid.IntRange(0, 4).Draw(t, label+"open") == 0 {
		m["open"] = true
	}
	return m
}

// drawValue draws a value that most often fits.
func drawValue(t *rapid.T, s *Schema) any {
	number := func(from, to int) int64 { return int64(rapid.IntRange(from, to).Draw(t, "v")) }
	switch s.kind {
	case kindBool:
		return rapid.Bool().Draw(t, "v")
	case kindInteger:
		return number(1, 5)
	case kindString:
		return "aaaaa"[:number(1, 5)]
	case kindEnum:
		return s.values[number(0, len(s.values)-1)]
	case kindList:
		return []any{drawValue(t, s.items), drawValue(t, s.items)}
	case kindUnion:
		v := s.variants[number(0, len(s.variants)-1)]
		m := drawValue(t, v.schema).(map[string]any)
		m[s.tag] = v.value
		return m
	}
	m := map[string]any{}
	for _, p := range s.props {
		if p.required || rapid.Bool().Draw(t, "v"+p.name) {
			m[p.name] = drawValue(t, p.schema)
		}
	}
	if s.open && rapid.Bool().Draw(t, "more") {
		m["c"] = int64(77)
	}
	return m
}

// TestExtend: declared over another schema, one accepts what it did but for what must be there, and again it is the same.
func TestExtend(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		have, want := drawSchema(t, "have"), drawSchema(t, "want")
		s := Extend(have, want)
		if again, err := Parse(s.Value()); err != nil || !reflect.DeepEqual(again.Value(), s.Value()) {
			t.Fatalf("%v is no schema: %v", s.Value(), err)
		}
		if v := drawValue(t, want); want.Check(v) == nil && s.Check(v) != nil {
			t.Fatalf("%v fits %v, and not over %v", v, want.Value(), have.Value())
		}
		if again := Extend(s, want); !reflect.DeepEqual(again.Value(), s.Value()) {
			t.Fatalf("%v over %v is %v, and then %v", want.Value(), have.Value(), s.Value(), again.Value())
		}
	})
}
