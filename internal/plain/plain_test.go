package plain

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestLine(t *testing.T) {
	for name, c := range map[string]struct{ in, want string }{
		"letters":              {"Ana Müller, 山田 🙂 \\u001b", "Ana Müller, 山田 🙂 \\u001b"},
		"a colour":             {"\x1b[31mred", `\u001b[31mred`},
		"a title, with a bell": {"\x1b]0;x\a", `\u001b]0;x\u0007`},
		"C1":                   {"\u009b2J", `\u009b2J`},
		"C1 as a lone byte":    {"\x9b2J", "\ufffd2J"},
		"DEL":                  {"a\x7f", `a\u007f`},
		"lines":                {"a\nb\r\tc", `a\nb\r\tc`},
		"the other way":        {"\u202egnp.exe\u202c", `\u202egnp.exe\u202c`},
		"isolates":             {"\u2066a\u2069", `\u2066a\u2069`},
		"marks":                {"\u200e\u200f\u061c", `\u200e\u200f\u061c`},
		"separators":           {"a\u2028b\u2029", `a\u2028b\u2029`},
		"no width":             {"A\u200bna\ufeff\u2060\u00ad", `A\u200bna\ufeff\u2060\u00ad`},
		"a joiner in a name":   {"A\u200dna", `A\u200dna`},
		"a joiner at the end":  {"क\u200d", `क\u200d`},
		"a family":             {"👩\u200d👧", "👩\u200d👧"},
		"a rainbow flag":       {"🏳\ufe0f\u200d🌈", "🏳\ufe0f\u200d🌈"},
		"Persian":              {"می\u200cخواهم", "می\u200cخواهم"},
		"two joiners":          {"क\u200d\u200dष", `क\u200d\u200dष`},
		"tags":                 {"a\U000e0041", `a\udb40\udc41`},
		"a blank letter":       {"\u3164", `\u3164`},
	} {
		if got := Line(c.in); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestText(t *testing.T) {
	got := Text("hello\r\n* Bob (z6Mk1234) left\n\x1b[2J\ta\n\n")
	if want := "hello\n    * Bob (z6Mk1234) left\n    \\u001b[2J\ta"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func FuzzPlain(f *testing.F) {
	f.Add("a\x1b[0m\u202e\u200d👩\u200d👧\n\x9b")
	f.Fuzz(func(t *testing.T, s string) {
		line := Line(s)
		if !utf8.ValidString(line) || strings.ContainsFunc(line, func(r rune) bool { return hidden(r) && !joiner(r) }) {
			t.Fatalf("%q gives %q", s, line)
		}
		if again := Line(line); again != line {
			t.Fatalf("%q gives %q, then %q", s, line, again)
		}
		for i, l := range strings.Split(Text(s), "\n") {
			if i > 0 && !strings.HasPrefix(l, indent) {
				t.Fatalf("%q has the line %q", s, l)
			}
		}
		text, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var before, after string
		if err := json.Unmarshal(text, &before); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(JSON(text), &after); err != nil || before != after {
			t.Fatalf("%s as JSON: %q, was %q: %v", text, after, before, err)
		}
	})
}
