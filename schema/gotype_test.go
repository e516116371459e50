package schema

import (
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/hyperhyperspace/hhs-go/object"
)

// Message is the example of the documentation.
type Message struct {
	Text string `hhs:"max=4000"`
}

type identity string

func (identity) SchemaType() string { return "identity" }

type odd string

func (odd) SchemaType() string { return "odd" }

type colour string

type everything struct {
	S      string `hhs:"name,min=1,max=10,maxBytes=40"`
	Colour colour `hhs:"enum=red|green"`
	B      bool
	I      int
	I8     int8 `hhs:"min=0"`
	U16    uint16
	U64    uint64
	F      float64 `hhs:"min=-1.5"`
	F32    float32
	Raw    []byte `hhs:"max=9"`
	Key    [4]byte
	Link   object.ID
	Who    identity
	List   []string `hhs:"max=3,items.max=5"`
	Pair   [2]int32
	Rows   []Message
	Sub    *Message
	Opt    *int64 `hhs:"max=7"`
	Any    any
	Open   map[string]any
	URLOf  string
	hidden int      `hhs:"-"`
	Left   chan int `hhs:"-"`
}

func TestFromGo(t *testing.T) {
	for _, c := range []struct {
		t    reflect.Type
		tag  string
		want string
	}{
		{reflect.TypeFor[Message](), "", `{"type":"object","props":{"text":{"type":"string","max":4000}},"required":["text"]}`},
		{reflect.TypeFor[string](), "", `{"type":"string"}`},
		{reflect.TypeFor[string](), "max=80", `{"type":"string","max":80}`},
		{reflect.TypeFor[string](), "title,max=80", `{"type":"string","max":80}`},
		{reflect.TypeFor[identity](), "", `{"type":"identity"}`},
		{reflect.TypeFor[object.ID](), "", `{"type":"link"}`},
		{reflect.TypeFor[any](), "", `{"type":"any"}`},
		{reflect.TypeFor[map[string]any](), "", `{"type":"object","open":true}`},
		{reflect.TypeFor[struct{}](), "", `{"type":"object"}`},
		{reflect.TypeFor[[]int64](), "max=5,items.min=0", `{"type":"list","items":{"type":"integer","min":0},"max":5}`},
		{reflect.TypeFor[int8](), "max=5", `{"type":"integer","min":-128,"max":5}`},
		{reflect.TypeFor[int64](), "enum=1|2", `{"enum":[1,2]}`},
		{reflect.TypeFor[time.Duration](), "", `{"type":"integer"}`},
		{reflect.TypeFor[everything](), "", `{"type":"object","props":{
			"name":{"type":"string","min":1,"max":10,"maxBytes":40},"colour":{"enum":["red","green"]},"b":{"type":"bool"},
			"i":{"type":"integer"},"i8":{"type":"integer","min":0,"max":127},"u16":{"type":"integer","min":0,"max":65535},
			"u64":{"type":"integer","min":0},"f":{"type":"float","min":-1.5},"f32":{"type":"float"},"raw":{"type":"bytes","max":9},
			"key":{"type":"bytes","min":4,"max":4},"link":{"type":"link"},"who":{"type":"identity"},
			"list":{"type":"list","items":{"type":"string","max":5},"max":3},
			"pair":{"type":"list","items":{"type":"integer","min":-2147483648,"max":2147483647},"min":2,"max":2},
			"rows":{"type":"list","items":{"type":"object","props":{"text":{"type":"string","max":4000}},"required":["text"]}},
			"sub":{"type":"object","props":{"text":{"type":"string","max":4000}},"required":["text"]},
			"opt":{"type":"integer","max":7},"any":{"type":"any"},"open":{"type":"object","open":true},"urlOf":{"type":"string"}},
			"required":["any","b","colour","f","f32","i","i8","key","link","list","name","open","pair","raw","rows","u16","u64","urlOf","who"]}`},
	} {
		s, err := FromGo(c.t, c.tag)
		if err != nil {
			t.Errorf("%s: %v", c.t, err)
			continue
		}
		if want := fromJSON(t, c.want); !reflect.DeepEqual(s.Value(), want) {
			got, _ := object.ToJSON(s.Value())
			t.Errorf("%s: %s", c.t, got)
		}
	}
}

type (
	ring     struct{ Next *ring }
	embeds   struct{ Message }
	unexp    struct{ Sub struct{ a int } }
	twice    struct{ A, B string }
	twiceTag struct {
		A string `hhs:"b"`
		B string
	}
	rows struct{ Rows []struct{ When time.Time } }
)

func TestFromGoRefuses(t *testing.T) {
	for _, c := range []struct {
		t          reflect.Type
		tag        string
		path, text string
	}{
		{reflect.TypeFor[rows](), "", "Rows[].When", "time.Time"},
		{reflect.TypeFor[time.Time](), "", "", "milliseconds"},
		{reflect.TypeFor[func()](), "", "", "func()"},
		{reflect.TypeFor[struct{ C chan int }](), "", "C", "chan int"},
		{reflect.TypeFor[complex128](), "", "", "complex128"},
		{reflect.TypeFor[uintptr](), "", "", "uintptr"},
		{reflect.TypeFor[map[int]any](), "", "", "keys are strings"},
		{reflect.TypeFor[map[string]int](), "", "", "map[string]int"},
		{reflect.TypeFor[error](), "", "", "interfaces"},
		{reflect.TypeFor[*string](), "", "", "pointer"},
		{reflect.TypeFor[[]*string](), "", "[]", "pointer"},
		{reflect.TypeFor[struct{ P **int }](), "", "P", "pointer"},
		{reflect.TypeFor[ring](), "", "Next.Next.Next.Next.Next.Next.Next.Next.Next.Next.Next.Next", "contains itself"},
		{reflect.TypeFor[embeds](), "", "Message", "embedded"},
		{reflect.TypeFor[unexp](), "", "Sub.a", "unexported"},
		{reflect.TypeFor[twiceTag](), "", "B", "second"},
		{reflect.TypeFor[odd](), "", "", `"odd"`},
		{reflect.TypeFor[string](), "max", "", ""},
		{reflect.TypeFor[string](), "max=", "", "max="},
		{reflect.TypeFor[string](), "max=a", "", "not a number"},
		{reflect.TypeFor[string](), "max=-1", "max", "at least 0"},
		{reflect.TypeFor[string](), "pattern=a", "", "not a number"},
		{reflect.TypeFor[string](), "patterns=1", "patterns", "keyword"},
		{reflect.TypeFor[bool](), "max=1", "max", "keyword"},
		{reflect.TypeFor[bool](), "enum=true", "", "enum"},
		{reflect.TypeFor[int64](), "enum=a", "", "integer"},
		{reflect.TypeFor[int8](), "max=128", "", "beyond what a Go int8 holds"},
		{reflect.TypeFor[uint8](), "min=-1", "", "beyond"},
		{reflect.TypeFor[[4]byte](), "max=5", "", "beyond"},
		{reflect.TypeFor[struct {
			A string `hhs:"x,y"`
		}](), "", "A", "key=value"},
	} {
		_, err := FromGo(c.t, c.tag)
		if c.text == "" && err == nil {
			continue // a name, not a setting
		}
		var bad *Error
		if !errors.As(err, &bad) || bad.Path != c.path || !strings.Contains(bad.Reason, c.text) {
			t.Errorf("%s %q: %v", c.t, c.tag, err)
		}
	}
	if _, err := FromGo(reflect.TypeFor[twice](), ""); err != nil {
		t.Error(err)
	}
}

func full() everything {
	seven := int64(7)
	return everything{
		S: "x", Colour: "red", B: true, I: -5, I8: 3, U16: 9, U64: 10, F: 1.5, F32: 0.5, Raw: []byte{1}, Key: [4]byte{1, 2, 3, 4},
		Link: object.Sum(object.Raw, nil), Who: "did:key:z6Mk", List: []string{"a"}, Pair: [2]int32{1, 2}, Rows: []Message{{"hi"}},
		Sub: &Message{"sub"}, Opt: &seven, Any: []any{int64(1), map[string]any{"a": nil}}, Open: map[string]any{"k": "v"}, URLOf: "u",
	}
}

func TestGoValues(t *testing.T) {
	s, err := FromGo(reflect.TypeFor[everything](), "")
	if err != nil {
		t.Fatal(err)
	}
	in := full()
	for _, optional := range []bool{true, false} {
		if !optional {
			in.Sub, in.Opt, in.Any = nil, nil, nil
		}
		v, err := FromGoValue(reflect.ValueOf(in))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Check(v); err != nil {
			t.Fatal(err)
		}
		block, err := object.Encode(v)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.CheckBlock(block); err != nil {
			t.Fatal(err)
		}
		var out everything
		out.Sub = &Message{"old"} // must not survive
		if err := ToGo(v, reflect.ValueOf(&out).Elem()); err != nil || !reflect.DeepEqual(in, out) {
			t.Fatalf("%+v %v", out, err)
		}
	}
	// Plain Go values inside an any.
	v, err := FromGoValue(reflect.ValueOf(map[string]any{"n": 1, "l": []string{"a"}, "m": Message{"x"}}))
	if want := fromJSON(t, `{"n":1,"l":["a"],"m":{"text":"x"}}`); err != nil || !reflect.DeepEqual(v, want) {
		t.Errorf("%v %v", v, err)
	}
}

func TestFromGoValueRefuses(t *testing.T) {
	cycle := map[string]any{}
	cycle["me"] = cycle
	for _, c := range []struct {
		v          any
		path, text string
	}{
		{math.NaN(), "", "NaN"},
		{[]float32{1, float32(math.Inf(1))}, "[1]", "infinities"},
		{map[string]any{"a": []any{1, time.Now()}}, "a[1]", "time.Time"},
		{map[string]any{"a b": func() {}}, `["a b"]`, "func()"},
		{map[string]any{"c": make(chan int)}, "c", "chan"},
		{map[string]any{"m": map[int]any{}}, "m", "keys"},
		{map[string]any{"p": new(int)}, "p", "pointer"},
		{uint64(math.MaxUint64), "", "int64"},
		{Message{"\xff"}, "text", "UTF-8"},
		{map[string]any{"\xff": 1}, "[\"\xff\"]", "UTF-8"},
		{[]object.ID{{}}, "[0]", "zero ID"},
		{[]any{unexp{}}, "[0].sub", "unexported"},
		{cycle, strings.TrimPrefix(strings.Repeat(".me", object.MaxDepth), "."), "cycle"},
	} {
		_, err := FromGoValue(reflect.ValueOf(c.v))
		var bad *object.ValueError
		if !errors.As(err, &bad) || bad.Path != c.path || !strings.Contains(bad.Reason, c.text) {
			t.Errorf("%T: %v", c.v, err)
		}
	}
}

func TestToGoRefuses(t *testing.T) {
	type narrow struct {
		N  int8
		U  *uint8
		F  *float32
		L  *[]string
		P  *[2]int
		ID *object.ID
		M  *map[string]any
		T  *time.Time
	}
	for _, c := range []struct {
		json string
		rule Rule
		path string
	}{
		{`[]`, RuleType, ""},
		{`{"n":"1"}`, RuleType, "n"},
		{`{"n":128}`, RuleType, "n"},
		{`{"n":1,"u":-1}`, RuleType, "u"},
		{`{"n":1,"u":256}`, RuleType, "u"},
		{`{"n":1,"f":0.1}`, RuleType, "f"},
		{`{"n":1,"l":["a",1]}`, RuleType, "l[1]"},
		{`{"n":1,"l":` + bytes3 + `}`, RuleType, "l"},
		{`{"n":1,"p":[1]}`, RuleMin, "p"},
		{`{"n":1,"p":[1,2,3]}`, RuleMax, "p"},
		{`{"n":1,"id":"x"}`, RuleType, "id"},
		{`{"n":1,"m":[]}`, RuleType, "m"},
		{`{"n":1,"t":1}`, RuleType, "t"},
	} {
		var out narrow
		err := ToGo(fromJSON(t, c.json), reflect.ValueOf(&out).Elem())
		var bad *Violation
		if !errors.As(err, &bad) || bad.Rule != c.rule || bad.Path != c.path {
			t.Errorf("%s: %v", c.json, err)
		}
	}
}

// TestToGoOfOthers: what a program of another version wrote is read as far as the type goes.
func TestToGoOfOthers(t *testing.T) {
	type inner struct{ B string }
	type value struct {
		A  int
		In inner
		O  *string
	}
	o := "old"
	out := value{7, inner{"was"}, &o}
	if err := ToGo(fromJSON(t, `{"in":{"new":1},"zz":1}`), reflect.ValueOf(&out).Elem()); err != nil || out != (value{}) {
		t.Errorf("%+v, %v", out, err)
	}
}

func TestNames(t *testing.T) {
	for in, want := range map[string]string{"Text": "text", "URL": "url", "UserID": "userID", "HTTPServer": "httpServer", "ID": "id",
		"X": "x", "already": "already", "": "", "Ärger": "ärger", "A1": "a1"} {
		if got := FieldName(in); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
	st := reflect.TypeFor[everything]()
	for i, want := range map[int]string{0: "name", 1: "colour", 2: "b", 4: "i8"} {
		if got := NameOf(st.Field(i)); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func TestHiddenFieldsAreLeftOut(t *testing.T) {
	in := everything{hidden: 1, Link: object.Sum(object.Raw, nil)}
	v, err := FromGoValue(reflect.ValueOf(in))
	if err != nil {
		t.Fatal(err)
	}
	if m := v.(map[string]any); m["hidden"] != nil || m["left"] != nil {
		t.Error(m)
	}
}
