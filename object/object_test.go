package object

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func mustHex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}

func TestEncodeRefuses(t *testing.T) {
	cycle := map[string]any{}
	cycle["me"] = []any{cycle}
	wide := any("xxxxxxxxxxxxxxxx")
	for range 30 {
		wide = []any{wide, wide, wide, wide}
	}
	type point struct{ X int }
	many := make([]any, MaxContainers)
	for i := range many {
		many[i] = []any{}
	}
	for _, c := range []struct {
		name string
		v    any
		path string
		text string
	}{
		{"NaN", map[string]any{"a": []any{1.0, math.NaN()}}, "a[1]", "NaN"},
		{"infinity", math.Inf(-1), "", "NaN"},
		{"struct", map[string]any{"p": point{1}}, "p", "object.point"},
		{"func", []any{func() {}}, "[0]", "func()"},
		{"nil pointer", (*point)(nil), "", "*object.point"},
		{"float32", float32(1), "", "float32"},
		{"typed slice", []string{"a"}, "", "[]string"},
		{"uint64", uint64(math.MaxUint64), "", "int64"},
		{"string", map[string]any{"a b": "\xff"}, `["a b"]`, "UTF-8"},
		{"key", map[string]any{"x": map[string]any{"\xff": 1}}, "x[\"\xff\"]", "UTF-8"},
		{"zero ID", []any{ID{}}, "[0]", "zero ID"},
		{"cycle", cycle, strings.TrimPrefix(strings.Repeat(".me[0]", 16), "."), "cycle"},
		{"a list of itself many times over", wide, strings.Repeat("[0]", 17), ""},
		{"too long", strings.Repeat("x", MaxBlock+1), "", "1 MiB"},
		{"too long with its head", []any{make([]byte, MaxBlock-5)}, "[0]", "1 MiB"},
		{"too many containers", many, "[16383]", "16384"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dst := []byte("before")
			out, err := Append(dst, c.v)
			var ve *ValueError
			if !errors.As(err, &ve) {
				t.Fatalf("got %v", err)
			}
			if string(out) != "before" {
				t.Errorf("dst became %q", out)
			}
			if c.text == "" {
				return // refused by size somewhere; where does not matter
			}
			if ve.Path != c.path || !strings.Contains(ve.Reason, c.text) {
				t.Errorf("got %q: %s", ve.Path, ve.Reason)
			}
		})
	}
}

func TestEncodeConveniences(t *testing.T) {
	for _, v := range []any{7, int32(7), uint32(7), uint64(7)} {
		if b, err := Encode(v); err != nil || string(b) != "\x07" {
			t.Errorf("%T: %x %v", v, b, err)
		}
		if s, err := ToJSON(v); err != nil || string(s) != "7" {
			t.Errorf("%T: %s %v", v, s, err)
		}
	}
	zero, _ := Encode(0.0)
	if b, _ := Encode(math.Copysign(0, -1)); !bytes.Equal(b, zero) {
		t.Errorf("negative zero is %x", b)
	}
	for _, v := range []any{[]any(nil), []byte(nil), map[string]any(nil)} {
		b, err := Encode(v)
		if err != nil || len(b) != 1 {
			t.Errorf("nil %T: %x %v", v, b, err)
		}
	}
}

func TestDecodedIsTheCallers(t *testing.T) {
	b, _ := Encode([]any{[]byte("abc"), "def", []any{}, []byte{}, map[string]any{}})
	v, _ := Decode(b)
	for i := range b {
		b[i] = 0
	}
	l := v.([]any)
	if string(l[0].([]byte)) != "abc" || l[1] != "def" {
		t.Errorf("aliases its input: %v", l)
	}
	l[4].(map[string]any)["x"] = 1
	_ = append(l[2].([]any), 1)
	other, _ := Decode(mustHex("8280a0"))
	if !reflect.DeepEqual(other, []any{[]any{}, map[string]any{}}) {
		t.Errorf("empty containers are shared: %v", other)
	}
}

// Every prefix of a valid block is refused, and so is every block with one bit flipped, or it has another
// meaning.
func TestTruncationAndFlips(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	for range 60 {
		v := randomValue(rng, 4)
		b, err := Encode(v)
		if err != nil {
			t.Fatal(err)
		}
		for i := range b {
			if _, err := Decode(b[:i]); err == nil {
				t.Fatalf("accepted %x, a prefix of %x", b[:i], b)
			}
		}
		for i := range len(b) * 8 {
			c := slices.Clone(b)
			c[i/8] ^= 1 << (i % 8)
			if w, err := Decode(c); err == nil && reflect.DeepEqual(v, w) {
				t.Fatalf("%x and %x are both %#v", b, c, v)
			}
		}
	}
}

// The claims of lengths inside each other are bounded together, not one by one: 32 lists that each claim half
// of what is left must not take 32 times the memory.
func TestClaimsAreBounded(t *testing.T) {
	var b []byte
	for range MaxDepth {
		b = append(b, 0x9a, 0x00, 0x08, 0x00, 0x00)
	}
	b = append(b, make([]byte, MaxBlock-len(b))...)
	var err error
	used := allocated(func() { _, err = Decode(b) })
	wantReason(t, err, ReasonTruncated)
	if used > 17*MaxBlock {
		t.Errorf("allocated %d bytes", used)
	}
}

func TestWorstCaseMemory(t *testing.T) {
	maps := append(mustHex("993fff"), bytes.Repeat(mustHex("a16000"), MaxContainers-1)...)
	nulls := append(mustHex("9a000ffffb"), bytes.Repeat([]byte{0xf6}, MaxBlock-5)...)
	var w Writer
	w.Map(57) // just more than fits into a Go table of 64
	for c := range 57 {
		w.String(string(rune('A' + c)))
		w.Null()
	}
	for name, b := range map[string][]byte{"maps": maps, "nulls": nulls, "entries": w.Buf} {
		var err error
		used := allocated(func() { _, err = Decode(b) })
		if err != nil {
			t.Fatal(err)
		}
		if limit := uint64(32*len(b)+400*containersAtMost(b)) + slack; used > limit {
			t.Errorf("%s: %d bytes for %d, the limit is %d", name, used, len(b), limit)
		}
	}
}

func TestLinks(t *testing.T) {
	a, b := Sum(Raw, []byte("a")), Sum(DagCBOR, []byte("b"))
	block, err := Encode(map[string]any{"x": a, "list": []any{b, map[string]any{"y": a}}, "n": 1})
	if err != nil {
		t.Fatal(err)
	}
	got, err := Links(block)
	if want := []ID{a, b, a}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%v %v, want %v", got, err, want)
	}
	if _, err := Links(block[:len(block)-1]); err == nil {
		t.Error("no error for a cut block")
	}
}

func TestID(t *testing.T) {
	id := Sum(DagCBOR, []byte{0xa0})
	if id.String() != "bafyreigbtj4x7ip5legnfznufuopl4sg4knzc2cof6duas4b3q2fy6swua" || id.Short() != "2fy6swua" {
		t.Errorf("%s %s", id, id.Short())
	}
	back, err := IDFromBytes(id.Bytes())
	if err != nil || back != id || id.Codec() != DagCBOR || IDFromDigest(DagCBOR, id.Digest()) != id {
		t.Errorf("%v %v", back, err)
	}
	raw := IDFromDigest(Raw, id.Digest())
	if raw.Compare(id) >= 0 || id.Compare(raw) <= 0 || id.Compare(id) != 0 || (ID{}).Compare(raw) >= 0 {
		t.Error("ids are not ordered by their bytes")
	}
	if (ID{}).String() != "" || (ID{}).Bytes() != nil || (ID{}).Short() != "" || !Sum(0x70, nil).IsZero() {
		t.Error("the zero ID has a form")
	}
	for _, b := range [][]byte{nil, id.Bytes()[:35], append(id.Bytes(), 0), make([]byte, 36)} {
		if _, err := IDFromBytes(b); err == nil {
			t.Errorf("%x is an id", b)
		}
	}
	var u ID
	text, _ := id.MarshalText()
	if err := u.UnmarshalText(text); err != nil || u != id {
		t.Error(u, err)
	}
	if err := u.UnmarshalText(nil); err != nil || !u.IsZero() {
		t.Error(u, err)
	}
	if err := u.UnmarshalText([]byte("x")); err == nil {
		t.Error("x is an id")
	}
}

func TestPaths(t *testing.T) {
	p := PathIndex(PathKey(PathKey(PathKey("", "$a-1"), `b "c"`), ""), 3)
	if p != `$a-1["b \"c\""][""][3]` {
		t.Error(p)
	}
}

func TestErrorsAreReadable(t *testing.T) {
	for r, s := range text {
		if e := (&DecodeError{Offset: 3, Reason: r}).Error(); !strings.HasSuffix(e, "at byte 3: "+s) {
			t.Error(e)
		}
	}
	if s := (&DecodeError{Reason: "other"}).Error(); !strings.HasSuffix(s, "other") {
		t.Error(s)
	}
	if s := (&ValueError{Path: "a", Reason: "b"}).Error(); s != "encode object: at a: b" {
		t.Error(s)
	}
}
