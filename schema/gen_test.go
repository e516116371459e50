package schema

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/hyperhyperspace/hhs-go/object"
)

var update = flag.Bool("update", false, "write testdata/vectors/schema.json from the tables here")

// TestVectorFile holds the file to the tables below.
func TestVectorFile(t *testing.T) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	if err := e.Encode(buildVectors(t)); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(vectorFile, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	have, err := os.ReadFile(vectorFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(have, b.Bytes()) {
		t.Fatal("testdata/vectors/schema.json is not what the tables say; run go test ./schema -run TestVectorFile -update")
	}
}

func buildVectors(t *testing.T) vectors {
	vs := vectors{About: "Schemas of schema/1, values that they accept and do not, and values that are no schemas; see docs/spec/schema.md. hex is a DAG-CBOR block, json the same as DAG-JSON, for people. A case without rule is valid."}
	for _, s := range schemaTable() {
		sv := schemaVector{Name: s.name, Hex: toHex(t, s.schema), JSON: normal(t, s.schema)}
		for _, c := range s.valid {
			sv.Cases = append(sv.Cases, valueVector{Hex: toHex(t, c), JSON: normal(t, c)})
		}
		for _, c := range s.invalid {
			sv.Cases = append(sv.Cases, valueVector{Hex: toHex(t, c.json), JSON: normal(t, c.json), Rule: c.rule, Path: &c.path})
		}
		vs.Schemas = append(vs.Schemas, sv)
	}
	for _, b := range badTable() {
		vs.Bad = append(vs.Bad, badVector{Name: b.name, Hex: toHex(t, b.json), JSON: normal(t, b.json), Path: b.path})
	}
	return vs
}

func fromJSON(t testing.TB, text string) any {
	t.Helper()
	v, err := object.FromJSON([]byte(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}

func toHex(t *testing.T, text string) string {
	t.Helper()
	b, err := object.Encode(fromJSON(t, text))
	if err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(b)
}

func normal(t *testing.T, text string) string {
	t.Helper()
	b, err := object.ToJSON(fromJSON(t, text))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

type invalid struct {
	json string
	rule Rule
	path string
}

type schemaCase struct {
	name, schema string
	valid        []string
	invalid      []invalid
}

const (
	link    = `{"/":"bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"}`
	bytes3  = `{"/":{"bytes":"AQID"}}`
	space   = `{"/":"bafyreigbtj4x7ip5legnfznufuopl4sg4knzc2cof6duas4b3q2fy6swua"}`
	person  = `"did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK"`
	message = `{"type":"object","props":{"text":{"type":"string","max":4000}},"required":["text"]}`
)

// blobOf is the descriptor of a blob as text.
func blobOf(root string, size int, more string) string {
	return `{"$type":"hhs/blob","root":` + root + `,"size":` + strconv.Itoa(size) + more + `}`
}

func schemaTable() []schemaCase {
	return append(scalarTable(),
		schemaCase{"list", `{"type":"list","items":{"type":"integer","min":0},"min":1,"max":3}`,
			[]string{`[0]`, `[1,2,3]`},
			[]invalid{{`[]`, RuleMin, ""}, {`[1,2,3,4]`, RuleMax, ""}, {`[1,-1]`, RuleMin, "[1]"}, {`[1,"a"]`, RuleType, "[1]"}, {`{}`, RuleType, ""}, {bytes3, RuleType, ""}}},
		schemaCase{"message", message,
			[]string{`{"text":""}`, `{"text":"hello"}`},
			[]invalid{{`{}`, RuleRequired, "text"}, {`{"text":1}`, RuleType, "text"}, {`{"text":null}`, RuleType, "text"},
				{`{"text":"` + strings.Repeat("é", 4001) + `"}`, RuleMax, "text"},
				{`{"text":"a","more":1}`, RuleUnknown, "more"}, {`"a"`, RuleType, ""}, {`[]`, RuleType, ""}, {`null`, RuleType, ""}}},
		schemaCase{"empty and closed", `{"type":"object"}`, []string{`{}`}, []invalid{{`{"a":1}`, RuleUnknown, "a"}, {`{"__proto__":1}`, RuleUnknown, "__proto__"}}},
		schemaCase{"open", `{"type":"object","open":true,"props":{"b":{"type":"bool"}}}`,
			[]string{`{}`, `{"a":1,"b":true,"zz":[1]}`}, []invalid{{`{"b":1}`, RuleType, "b"}, {`{"a":1,"b":null}`, RuleType, "b"}}},
		schemaCase{"optional", `{"type":"object","props":{"a":{"type":"integer"},"bb":{"type":"string"},"c d":{"type":"bool"}},"required":["bb"]}`,
			[]string{`{"bb":""}`, `{"a":1,"bb":"","c d":true}`},
			[]invalid{{`{"a":"x"}`, RuleType, "a"}, {`{"a":1}`, RuleRequired, "bb"}, {`{"bb":"","c d":1}`, RuleType, `["c d"]`},
				{`{"b":1}`, RuleUnknown, "b"}, {`{"zz":1}`, RuleRequired, "bb"}, {`{"aa":1,"bb":1}`, RuleUnknown, "aa"},
				{`{"a":"x","b":1}`, RuleType, "a"}, {`{"":1,"a":"x","bb":1}`, RuleUnknown, `[""]`}}},
		schemaCase{"nested", `{"type":"object","props":{"rows":{"type":"list","items":` + message + `}},"required":["rows"]}`,
			[]string{`{"rows":[]}`, `{"rows":[{"text":"a"},{"text":"b"}]}`},
			[]invalid{{`{"rows":[{"text":"a"},{}]}`, RuleRequired, "rows[1].text"}, {`{"rows":[{"text":"a","x y":1}]}`, RuleUnknown, `rows[0]["x y"]`}}},
		schemaCase{"union", `{"type":"union","tag":"kind","of":{"dot":{"type":"object"},"circle":{"type":"object","props":{"r":{"type":"float","min":0.0}},"required":["r"]},"free":{"type":"object","open":true}}}`,
			[]string{`{"kind":"dot"}`, `{"kind":"circle","r":1.5}`, `{"kind":"free","x":1,"kind2":2}`},
			[]invalid{{`{}`, RuleTag, "kind"}, {`{"kind":"square"}`, RuleTag, "kind"}, {`{"kind":1}`, RuleTag, "kind"}, {`{"r":1.5}`, RuleTag, "kind"},
				{`{"kind":"circle"}`, RuleRequired, "r"}, {`{"kind":"circle","r":-1.0}`, RuleMin, "r"}, {`{"kind":"dot","r":1.0}`, RuleUnknown, "r"}, {`"dot"`, RuleType, ""}}},
	)
}

func scalarTable() []schemaCase {
	return []schemaCase{
		{"any", `{"type":"any"}`, []string{`null`, `1`, `1.0`, `"a"`, link, bytes3, `[{"a":[null]}]`}, nil},
		{"string", `{"type":"string"}`, []string{`""`, `"a"`, person}, []invalid{{`1`, RuleType, ""}, {`null`, RuleType, ""}, {bytes3, RuleType, ""}, {link, RuleType, ""}}},
		{"string, code points", `{"type":"string","min":2,"max":3}`, []string{`"ab"`, `"漢字"`, `"😀😀😀"`},
			[]invalid{{`"a"`, RuleMin, ""}, {`"😀"`, RuleMin, ""}, {`"abcd"`, RuleMax, ""}, {`"e\u0301e\u0301"`, RuleMax, ""}}},
		{"string, bytes", `{"type":"string","maxBytes":4}`, []string{`"abcd"`, `"😀"`}, []invalid{{`"abcde"`, RuleMaxBytes, ""}, {`"😀a"`, RuleMaxBytes, ""}}},
		{"string, both", `{"type":"string","max":1,"maxBytes":2}`, []string{`"é"`}, []invalid{{`"漢"`, RuleMaxBytes, ""}, {`"ab"`, RuleMax, ""}}},
		{"string of nothing", `{"type":"string","max":0}`, []string{`""`}, []invalid{{`"a"`, RuleMax, ""}}},
		{"integer", `{"type":"integer"}`, []string{`0`, `-1`, `9223372036854775807`, `-9223372036854775808`}, []invalid{{`0.0`, RuleType, ""}, {`"1"`, RuleType, ""}, {`true`, RuleType, ""}}},
		{"integer from 0 to 10", `{"type":"integer","min":0,"max":10}`, []string{`0`, `10`}, []invalid{{`-1`, RuleMin, ""}, {`11`, RuleMax, ""}}},
		{"integer near the end", `{"type":"integer","min":9223372036854775806}`, []string{`9223372036854775807`}, []invalid{{`9223372036854775805`, RuleMin, ""}}},
		{"float", `{"type":"float"}`, []string{`0.0`, `1e308`}, []invalid{{`0`, RuleType, ""}}},
		{"float from -1 to 1", `{"type":"float","min":-1.0,"max":1.0}`, []string{`-1.0`, `1.0`}, []invalid{{`-1.0000000000000002`, RuleMin, ""}, {`1.0000000000000002`, RuleMax, ""}}},
		{"bool", `{"type":"bool"}`, []string{`true`, `false`}, []invalid{{`0`, RuleType, ""}, {`null`, RuleType, ""}}},
		{"bytes", `{"type":"bytes","min":1,"max":3}`, []string{bytes3}, []invalid{{`{"/":{"bytes":""}}`, RuleMin, ""}, {`{"/":{"bytes":"AQIDBA"}}`, RuleMax, ""}, {`"abc"`, RuleType, ""}}},
		{"link", `{"type":"link"}`, []string{link}, []invalid{{`"bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"`, RuleType, ""}, {bytes3, RuleType, ""}}},
		{"identity", `{"type":"identity"}`, []string{person, `"did:key:z1"`, `"did:key:z` + strings.Repeat("1", MaxIdentity-9) + `"`},
			[]invalid{{`""`, RuleIdentity, ""}, {`"did:key:z"`, RuleIdentity, ""}, {`"did:key:z0"`, RuleIdentity, ""}, {`"did:key:zé"`, RuleIdentity, ""}, {`"did:web:example.org"`, RuleIdentity, ""},
				{`"did:key:z` + strings.Repeat("1", MaxIdentity-8) + `"`, RuleIdentity, ""}, {`1`, RuleType, ""}}},
		{"blob", `{"type":"blob"}`,
			[]string{blobOf(link, 0, ""), blobOf(link, 262144, ""), blobOf(space, 262145, ""), blobOf(space, 274877906944, ""), blobOf(link, 1, `,"media":"image/png","name":"é.png"`)},
			[]invalid{{`"a"`, RuleType, ""}, {link, RuleType, ""}, {`[]`, RuleType, ""}, {`{}`, RuleBlob, ""}, {`{"$type":"hhs/blob"}`, RuleBlob, ""},
				{blobOf(link, -1, ""), RuleBlob, ""}, {blobOf(space, 274877906945, ""), RuleBlob, ""}, {blobOf(link, 262145, ""), RuleBlob, ""}, {blobOf(space, 262144, ""), RuleBlob, ""},
				{blobOf(`"a"`, 1, ""), RuleBlob, ""}, {blobOf(link, 1, `,"more":1`), RuleBlob, ""}, {blobOf(link, 1, `,"name":""`), RuleBlob, ""},
				{blobOf(link, 1, `,"name":"a/b"`), RuleBlob, ""}, {blobOf(link, 1, `,"name":"a\\b"`), RuleBlob, ""}, {blobOf(link, 1, `,"name":".."`), RuleBlob, ""}, {blobOf(link, 1, `,"name":"a\n"`), RuleBlob, ""},
				{blobOf(link, 1, `,"name":"`+strings.Repeat("é", 128)+`"`), RuleBlob, ""}, {blobOf(link, 1, `,"media":"png"`), RuleBlob, ""}, {blobOf(link, 1, `,"media":"image/"`), RuleBlob, ""},
				{blobOf(link, 1, `,"media":"image/é"`), RuleBlob, ""}, {blobOf(link, 1, `,"media":1`), RuleBlob, ""},
				{`{"$type":"hhs/blob","root":` + link + `,"size":1.0}`, RuleBlob, ""}, {`{"$type":"hhs/note","root":` + link + `,"size":1}`, RuleBlob, ""}}},
		{"ref", `{"type":"ref"}`,
			[]string{`{"$type":"hhs/ref","space":` + space + `}`, `{"$type":"hhs/ref","space":` + space + `,"path":["pages","a b"]}`},
			[]invalid{{`"a"`, RuleType, ""}, {space, RuleType, ""}, {`{"$type":"hhs/ref"}`, RuleRef, ""}, {`{"$type":"hhs/ref","space":` + link + `}`, RuleRef, ""},
				{`{"$type":"hhs/ref","space":` + space + `,"path":[]}`, RuleRef, ""}, {`{"$type":"hhs/ref","space":` + space + `,"path":[1]}`, RuleRef, ""},
				{`{"$type":"hhs/ref","space":` + space + `,"path":[""]}`, RuleRef, ""}, {`{"$type":"hhs/ref","space":` + space + `,"more":1}`, RuleRef, ""},
				{`{"$type":"hhs/ref","space":` + space + `,"path":["` + strings.Repeat("é", 513) + `"]}`, RuleRef, ""},
				{`{"$type":"hhs/ref","space":` + space + `,"path":["a"` + strings.Repeat(`,"a"`, 16) + `]}`, RuleRef, ""}}},
		{"const", `{"const":"a"}`, []string{`"a"`}, []invalid{{`"b"`, RuleConst, ""}, {`1`, RuleConst, ""}, {`["a"]`, RuleConst, ""}}},
		{"const 1", `{"const":1}`, []string{`1`}, []invalid{{`1.0`, RuleConst, ""}, {`true`, RuleConst, ""}, {`{"a":1}`, RuleConst, ""}}},
		{"const null", `{"const":null}`, []string{`null`}, []invalid{{`false`, RuleConst, ""}, {`[]`, RuleConst, ""}}},
		{"enum", `{"enum":["a",1,null,` + bytes3 + `,` + link + `]}`, []string{`"a"`, `1`, `null`, bytes3, link}, []invalid{{`"b"`, RuleEnum, ""}, {`1.0`, RuleEnum, ""}, {`{"/":{"bytes":"AQI"}}`, RuleEnum, ""}, {`[]`, RuleEnum, ""}}},
	}
}

type badCase struct{ name, json, path string }

func badTable() []badCase {
	deep, at := `{"type":"any"}`, ""
	for range MaxDepth {
		deep = `{"type":"list","items":` + deep + `}`
		at += ".items"
	}
	wide := make([]string, MaxNodes)
	for i := range wide {
		wide[i] = `"p` + strconv.Itoa(10000+i) + `":{"type":"any"}`
	}
	many := make([]string, MaxEnum+1)
	for i := range many {
		many[i] = strconv.Itoa(i)
	}
	long := `"` + strings.Repeat("x", MaxConst+1) + `"`
	name := strings.Repeat("n", MaxName+1)
	return []badCase{
		{"not a map", `"string"`, ""},
		{"nothing", `{}`, "type"},
		{"type unknown", `{"type":"date"}`, "type"},
		{"type empty", `{"type":""}`, "type"},
		{"type of another kind", `{"type":["string"]}`, "type"},
		{"keyword unknown", `{"type":"string","pattern":"a+"}`, "pattern"},
		{"keyword of another type", `{"type":"bool","max":1}`, "max"},
		{"keywords unknown, the first in key order", `{"type":"string","zz":1,"title":1,"b":1}`, "b"},
		{"min that goes without saying", `{"type":"string","min":0}`, "min"},
		{"min below 0", `{"type":"bytes","min":-1}`, "min"},
		{"max below 0", `{"type":"list","items":{"type":"any"},"max":-1}`, "max"},
		{"max that is a float", `{"type":"string","max":4000.0}`, "max"},
		{"max that is a string", `{"type":"integer","max":"1"}`, "max"},
		{"min greater than max", `{"type":"string","min":5,"max":4}`, "min"},
		{"integer min greater than max", `{"type":"integer","min":5,"max":4}`, "min"},
		{"float bound that is an integer", `{"type":"float","min":0}`, "min"},
		{"float min greater than max", `{"type":"float","min":1.5,"max":1.0}`, "min"},
		{"maxBytes 0", `{"type":"string","maxBytes":0}`, "maxBytes"},
		{"const and more", `{"const":1,"type":"integer"}`, "type"},
		{"const list", `{"const":[1]}`, "const"},
		{"const too long", `{"const":` + long + `}`, "const"},
		{"enum empty", `{"enum":[]}`, "enum"},
		{"enum of another kind", `{"enum":"a"}`, "enum"},
		{"enum with a map", `{"enum":[1,{}]}`, "enum[1]"},
		{"enum twice", `{"enum":["a","b","a"]}`, "enum[2]"},
		{"enum too long", `{"enum":[` + strings.Join(many, ",") + `]}`, "enum"},
		{"enum with a string too long", `{"enum":[` + long + `]}`, "enum[0]"},
		{"list without items", `{"type":"list"}`, "items"},
		{"list of tuples", `{"type":"list","items":[{"type":"any"}]}`, "items"},
		{"props empty", `{"type":"object","props":{}}`, "props"},
		{"props of another kind", `{"type":"object","props":[]}`, "props"},
		{"a property that is no schema", `{"type":"object","props":{"a":{"type":"any"},"b c":1}}`, `props["b c"]`},
		{"a property without name", `{"type":"object","props":{"":{"type":"any"}}}`, `props[""]`},
		{"a property with a long name", `{"type":"object","props":{"` + name + `":{"type":"any"}}}`, "props." + name},
		{"deep inside", `{"type":"object","props":{"a":{"type":"list","items":{"type":"string","format":"x"}}}}`, "props.a.items.format"},
		{"required empty", `{"type":"object","required":[]}`, "required"},
		{"required not among props", `{"type":"object","required":["a"]}`, "required[0]"},
		{"required not sorted", `{"type":"object","props":{"a":{"type":"any"},"b":{"type":"any"}},"required":["b","a"]}`, "required[1]"},
		{"required sorted by length", `{"type":"object","props":{"b":{"type":"any"},"aa":{"type":"any"}},"required":["b","aa"]}`, "required[1]"},
		{"required twice", `{"type":"object","props":{"a":{"type":"any"}},"required":["a","a"]}`, "required[1]"},
		{"required of another kind", `{"type":"object","props":{"a":{"type":"any"}},"required":[1]}`, "required[0]"},
		{"open false", `{"type":"object","open":false}`, "open"},
		{"union without tag", `{"type":"union","of":{"a":{"type":"object"}}}`, "tag"},
		{"union without of", `{"type":"union","tag":"kind"}`, "of"},
		{"union of nothing", `{"type":"union","tag":"kind","of":{}}`, "of"},
		{"union of a string", `{"type":"union","tag":"kind","of":{"a":{"type":"string"}}}`, "of.a"},
		{"union that names its tag twice", `{"type":"union","tag":"kind","of":{"a":{"type":"object","props":{"kind":{"const":"a"}}}}}`, "of.a"},
		{"too deep", deep, at[1:]},
		{"too wide", `{"type":"object","props":{` + strings.Join(wide, ",") + `}}`, "props.p" + strconv.Itoa(10000+MaxNodes-1)},
		{"reference", `{"$ref":"#"}`, "type"},
	}
}
