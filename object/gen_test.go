//go:build !js

package object

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/ipfs/go-cid"
	mh "github.com/multiformats/go-multihash"
)

var update = flag.Bool("update", false, "write testdata/vectors/object.json from the tables here")

// TestVectorFile holds the file to the tables below. The bytes and ids in it come from the oracles, not from
// the code under test.
func TestVectorFile(t *testing.T) {
	want := buildVectors(t)
	raw, err := encodeVectors(want)
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(vectorFile, raw, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	have, err := os.ReadFile(vectorFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(have, raw) {
		t.Fatal("testdata/vectors/object.json is not what the tables say; run go test ./object -run TestVectorFile -update")
	}
}

func encodeVectors(v vectors) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	err := e.Encode(v)
	return b.Bytes(), err
}

func oracleID(t *testing.T, b []byte) string {
	t.Helper()
	h, err := mh.Sum(b, mh.SHA2_256, -1)
	if err != nil {
		t.Fatal(err)
	}
	return cid.NewCidV1(cid.DagCBOR, h).String()
}

func buildVectors(t *testing.T) vectors {
	vs := vectors{
		About:   "Blocks that are and are not canonical, see docs/spec/object.md. hex or build (prefix, then repeat so many times) is the block, id its CID, json its DAG-JSON, value the same with kinds: {int} {float} {bytes: hex} {link} {map: [[key, value]]}; an absent value is null. A reject names reason and offset.",
		Reject:  rejectTable(),
		JSON:    jsonTable,
		BadJSON: badJSONTable(),
		BadIDs:  badIDTable(),
	}
	enc := oracleEncMode(t)
	for _, a := range acceptTable() {
		b, err := enc.Marshal(forOracle(a.value))
		if err != nil {
			t.Fatal(err)
		}
		v := acceptVector{Name: a.name, Hex: hex.EncodeToString(b), ID: oracleID(t, b), JSON: a.json, Value: toTyped(a.value)}
		vs.Accept = append(vs.Accept, v)
	}
	for _, v := range longTable() {
		v.ID = oracleID(t, block(t, "", v.Build))
		vs.Accept = append(vs.Accept, v)
	}
	return vs
}

const (
	rawID = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku" // the empty raw block
	mapID = "bafyreigbtj4x7ip5legnfznufuopl4sg4knzc2cof6duas4b3q2fy6swua" // {}
)

func mustID(s string) ID {
	id, err := ParseID(s)
	if err != nil {
		panic(err)
	}
	return id
}

type acceptCase struct {
	name  string
	value any
	json  string // "" where DAG-JSON has none
}

func acceptTable() []acceptCase {
	deep := any([]any{})
	for range MaxDepth - 1 {
		deep = []any{deep}
	}
	return []acceptCase{
		{"null", nil, "null"},
		{"false", false, "false"},
		{"true", true, "true"},
		{"int 0", int64(0), "0"},
		{"int 23", int64(23), "23"},
		{"int 24", int64(24), "24"},
		{"int 255", int64(255), "255"},
		{"int 256", int64(256), "256"},
		{"int 65535", int64(65535), "65535"},
		{"int 65536", int64(65536), "65536"},
		{"int 2^32-1", int64(1<<32 - 1), "4294967295"},
		{"int 2^32", int64(1 << 32), "4294967296"},
		{"int 2^53+1, not a JavaScript number", int64(1<<53 + 1), "9007199254740993"},
		{"int greatest", int64(1<<63 - 1), "9223372036854775807"},
		{"int -1", int64(-1), "-1"},
		{"int -24", int64(-24), "-24"},
		{"int -25", int64(-25), "-25"},
		{"int -256", int64(-256), "-256"},
		{"int -257", int64(-257), "-257"},
		{"int least", int64(-1 << 63), "-9223372036854775808"},
		{"float 0", 0.0, "0.0"},
		{"float 1, not the integer 1", 1.0, "1.0"},
		{"float 1.5", 1.5, "1.5"},
		{"float -0.1", -0.1, "-0.1"},
		{"float large", 1e21, "1e+21"},
		{"float 1e20", 1e20, "100000000000000000000.0"},
		{"float small", 1e-7, "1e-7"},
		{"float 1e-6", 1e-6, "0.000001"},
		{"float least", 5e-324, "5e-324"},
		{"float greatest", 1.7976931348623157e308, "1.7976931348623157e+308"},
		{"string empty", "", `""`},
		{"string a", "a", `"a"`},
		{"string escapes", "\"\\/\b\f\n\r\t\x00\x1f\x7f", `"\"\\/\b\f\n\r\t\u0000\u001f` + "\x7f" + `"`},
		{"string beyond ASCII", "é漢😀\u2028", `"é漢😀` + "\u2028" + `"`},
		{"string not normalized stays so", "e\u0301", "\"e\u0301\""},
		{"string of 24 bytes", strings.Repeat("x", 24), `"` + strings.Repeat("x", 24) + `"`},
		{"string __proto__", map[string]any{"__proto__": "x", "constructor": int64(1)}, `{"__proto__":"x","constructor":1}`},
		{"bytes empty", []byte{}, `{"/":{"bytes":""}}`},
		{"bytes", []byte{0, 0xff, 0x10}, `{"/":{"bytes":"AP8Q"}}`},
		{"link to a raw block", mustID(rawID), `{"/":"` + rawID + `"}`},
		{"link to a value", mustID(mapID), `{"/":"` + mapID + `"}`},
		{"list empty", []any{}, "[]"},
		{"list", []any{int64(1), "a", nil, []any{true}}, `[1,"a",null,[true]]`},
		{"map empty", map[string]any{}, "{}"},
		{"map keys: shorter first, then bytewise", map[string]any{"b": int64(1), "aa": int64(2), "": int64(3), "é": int64(4), "B": int64(5), "ab": int64(6)},
			`{"":3,"B":5,"aa":2,"ab":6,"b":1,"é":4}`},
		{"map object", map[string]any{"$type": "note", "text": "hello", "n": int64(1), "to": mustID(rawID)},
			`{"$type":"note","n":1,"text":"hello","to":{"/":"` + rawID + `"}}`},
		{"map with the key / and others", map[string]any{"/": "x", "a": int64(1)}, `{"/":"x","a":1}`},
		{"map that DAG-JSON takes for a link", map[string]any{"/": "x"}, ""},
		{"map that DAG-JSON takes for bytes", map[string]any{"/": map[string]any{"bytes": "x"}}, ""},
		{"map with the key / alone, of another kind", map[string]any{"/": int64(1)}, `{"/":1}`},
		{"depth 32", deep, strings.Repeat("[", 32) + strings.Repeat("]", 32)},
	}
}

func longTable() []acceptVector {
	return []acceptVector{
		{Name: "block of 1 MiB", Build: &build{Prefix: "5a000ffffb", Repeat: "00", Times: MaxBlock - 5}},
		{Name: "16384 lists", Build: &build{Prefix: "993fff", Repeat: "80", Times: MaxContainers - 1}},
	}
}

func rejectTable() []rejectVector {
	raw := hex.EncodeToString(mustID(rawID).Bytes())
	r := func(name, h string, reason Reason, offset int) rejectVector {
		return rejectVector{Name: name, Hex: h, Reason: reason, Offset: offset}
	}
	list := []rejectVector{
		r("nothing", "", ReasonTruncated, 0),
		r("two values", "0000", ReasonTrailing, 1),
		r("a byte after a map", "a000", ReasonTrailing, 1),
		r("int 0 in two bytes", "1800", ReasonNotMinimal, 0),
		r("int 23 in two bytes", "1817", ReasonNotMinimal, 0),
		r("int 24 in three bytes", "190018", ReasonNotMinimal, 0),
		r("int 65535 in five bytes", "1a0000ffff", ReasonNotMinimal, 0),
		r("int 2^32-1 in nine bytes", "1b00000000ffffffff", ReasonNotMinimal, 0),
		r("int -1 in two bytes", "3800", ReasonNotMinimal, 0),
		r("string length in two bytes", "780161", ReasonNotMinimal, 0),
		r("bytes length in three bytes", "59000100", ReasonNotMinimal, 0),
		r("list length in two bytes", "980100", ReasonNotMinimal, 0),
		r("map length in two bytes", "b801616100", ReasonNotMinimal, 0),
		r("int 2^63", "1b8000000000000000", ReasonIntRange, 0),
		r("int -2^63-1", "3b8000000000000000", ReasonIntRange, 0),
		r("int 2^64-1 in a list", "811bffffffffffffffff", ReasonIntRange, 1),
		r("int cut", "19ff", ReasonTruncated, 0),
		r("string cut", "6261", ReasonTruncated, 0),
		r("string of 2^63-1 bytes", "7b7fffffffffffffff61", ReasonTruncated, 0),
		r("bytes of 2^64-1 bytes", "5bffffffffffffffff00", ReasonTruncated, 0),
		r("list of 2^32 values", "9b000000010000000000", ReasonTruncated, 0),
		r("list of 2^63 values", "9b800000000000000000", ReasonTruncated, 0),
		r("list with too few values", "8200", ReasonTruncated, 0),
		r("map without its last value", "a16161", ReasonTruncated, 2+1),
		r("map of 2^64-1 entries", "bbffffffffffffffff", ReasonTruncated, 0),
		r("indefinite bytes", "5f4100ff", ReasonIndefinite, 0),
		r("indefinite string", "7f6161ff", ReasonIndefinite, 0),
		r("indefinite list", "9f00ff", ReasonIndefinite, 0),
		r("indefinite map", "bf616100ff", ReasonIndefinite, 0),
		r("break alone", "ff", ReasonIndefinite, 0),
		r("reserved 28", "1c", ReasonReserved, 0),
		r("reserved 29", "5d00", ReasonReserved, 0),
		r("reserved 30", "9e00", ReasonReserved, 0),
		r("reserved simple 28", "fc", ReasonReserved, 0),
		r("undefined", "f7", ReasonSimple, 0),
		r("simple 0", "e0", ReasonSimple, 0),
		r("simple 19", "f3", ReasonSimple, 0),
		r("simple 32 in two bytes", "f820", ReasonSimple, 0),
		r("false in two bytes", "f814", ReasonSimple, 0),
		r("float of 16 bits", "f93c00", ReasonFloat, 0),
		r("float of 32 bits", "fa3fc00000", ReasonFloat, 0),
		r("float NaN", "fb7ff8000000000000", ReasonFloat, 0),
		r("float NaN with a payload", "fbfff0000000000001", ReasonFloat, 0),
		r("float infinite", "fb7ff0000000000000", ReasonFloat, 0),
		r("float minus infinite", "fbfff0000000000000", ReasonFloat, 0),
		r("float negative zero", "fb8000000000000000", ReasonFloat, 0),
		r("float cut", "fb3ff00000000000", ReasonTruncated, 0),
		r("string with a byte that is no UTF-8", "61ff", ReasonUTF8, 0),
		r("string with an overlong form", "62c080", ReasonUTF8, 0),
		r("string with a lone surrogate", "63eda080", ReasonUTF8, 0),
		r("string beyond U+10FFFF", "64f4908080", ReasonUTF8, 0),
		r("string cut inside a character", "62e6bc", ReasonUTF8, 0),
		r("key that is no UTF-8", "a161ff00", ReasonUTF8, 1),
		r("key that is an integer", "a10000", ReasonKeyType, 1),
		r("key that is bytes", "a1416100", ReasonKeyType, 1),
		r("keys not sorted", "a2616200616100", ReasonKeyOrder, 4),
		r("keys sorted bytewise only", "a262616100616200", ReasonKeyOrder, 5),
		r("key twice", "a2616100616101", ReasonKeyOrder, 4),
		r("key twice, empty", "a260006001", ReasonKeyOrder, 3),
		r("tag 0", "c06161", ReasonTag, 0),
		r("tag 2, a big integer", "c24101", ReasonTag, 0),
		r("tag 43", "d82b582500"+raw, ReasonTag, 0),
		r("tag 42 in three bytes", "d9002a582500"+raw, ReasonNotMinimal, 0),
		r("tag 42 on nothing", "d82a", ReasonTruncated, 0),
		r("tag 42 on a string", "d82a6161", ReasonLink, 0),
		r("tag 42 on null", "d82af6", ReasonLink, 0),
		r("tag 42 on tag 42", "d82ad82a582500"+raw, ReasonLink, 0),
		r("link without the prefix 00", "d82a5824"+raw, ReasonLink, 0),
		r("link with another prefix", "d82a582501"+raw, ReasonLink, 0),
		r("link, length in three bytes", "d82a59002500"+raw, ReasonNotMinimal, 0),
		r("link cut", "d82a582500"+raw[:70], ReasonTruncated, 0),
		r("link with a byte more", "d82a582600"+raw+"00", ReasonLink, 0),
		r("link, CIDv0", "d82a5823001220"+raw[8:], ReasonLink, 0),
		r("link, CIDv2", "d82a58250002"+raw[2:], ReasonLink, 0),
		r("link, codec dag-pb", "d82a5825000170"+raw[4:], ReasonLink, 0),
		r("link, hash blake3", "d82a58250001551e"+raw[6:], ReasonLink, 0),
		r("link, digest of 31 bytes", "d82a5824000155121f"+raw[10:], ReasonLink, 0),
		r("link, codec in two bytes", "d82a58260001d500"+raw[4:], ReasonLink, 0),
		r("depth 33", strings.Repeat("81", 32)+"80", ReasonDepth, 32),
		r("depth 33, maps", strings.Repeat("a160", 32)+"a0", ReasonDepth, 64),
	}
	return append(list,
		rejectVector{Name: "depth 100000", Build: &build{Repeat: "81", Times: 100000}, Reason: ReasonDepth, Offset: 32},
		rejectVector{Name: "16385 lists", Build: &build{Prefix: "994000", Repeat: "80", Times: MaxContainers}, Reason: ReasonContainers, Offset: 3 + MaxContainers - 1},
		rejectVector{Name: "block of 1 MiB and a byte", Build: &build{Prefix: "5a000ffffc", Repeat: "00", Times: MaxBlock - 4}, Reason: ReasonSize, Offset: MaxBlock},
	)
}

var jsonTable = []jsonVector{
	{"white space and any order", " {\n\t\"b\" : [ 1 , 2 ] ,\r\"a\" : { } } ", `{"a":{},"b":[1,2]}`},
	{"escapes", `"\u0061\/\ud83d\ude00\u00e9"`, `"a/😀é"`},
	{"integer minus zero", "-0", "0"},
	{"float minus zero", "-0.0", "0.0"},
	{"float by exponent", "1e2", "100.0"},
	{"float, long form", "1.500E+0", "1.5"},
	{"float, too small is zero", "1e-400", "0.0"},
	{"integer greatest", "9223372036854775807", "9223372036854775807"},
	{"link with white space", `{ "/" : "` + rawID + `" }`, `{"/":"` + rawID + `"}`},
	{"bytes with white space", `{ "/" : { "bytes" : "AQI" } }`, `{"/":{"bytes":"AQI"}}`},
	{"not a wrapper: another key", `{"/":"x","a":1}`, `{"/":"x","a":1}`},
	{"not a wrapper: another key inside", `{"/":{"bytes":"AQI","a":1}}`, `{"/":{"a":1,"bytes":"AQI"}}`},
	{"not a wrapper: bytes of another kind", `{"/":{"bytes":1}}`, `{"/":{"bytes":1}}`},
}

func badJSONTable() []badVector {
	return []badVector{
		{"nothing", "", ReasonTruncated},
		{"white space only", " ", ReasonTruncated},
		{"two values", "1 2", ReasonTrailing},
		{"integer beyond int64", "9223372036854775808", ReasonIntRange},
		{"float beyond 64 bits", "1e400", ReasonFloat},
		{"NaN", "NaN", ReasonJSON},
		{"leading zero", "01", ReasonJSON},
		{"plus", "+1", ReasonJSON},
		{"point without digits", "1.", ReasonJSON},
		{"exponent without digits", "1e", ReasonJSON},
		{"minus alone", "-", ReasonJSON},
		{"key twice", `{"a":1,"a":2}`, ReasonKeyOrder},
		{"key that is a number", `{1:2}`, ReasonJSON},
		{"comma at the end of a list", `[1,]`, ReasonJSON},
		{"comma at the end of a map", `{"a":1,}`, ReasonJSON},
		{"list cut", `[1`, ReasonJSON},
		{"string cut", `"a`, ReasonTruncated},
		{"string with a newline", "\"a\nb\"", ReasonJSON},
		{"unknown escape", `"\x"`, ReasonJSON},
		{"escape cut", `"\u12"`, ReasonJSON},
		{"escape with a sign", `"\u+123"`, ReasonJSON},
		{"lone high surrogate", `"\ud83d"`, ReasonUTF8},
		{"lone low surrogate", `"\ude00"`, ReasonUTF8},
		{"high surrogate and a letter", `"\ud83d\u0061"`, ReasonUTF8},
		{"link to no id", `{"/":"x"}`, ReasonLink},
		{"link in upper case", `{"/":"` + strings.ToUpper(rawID) + `"}`, ReasonLink},
		{"bytes with padding", `{"/":{"bytes":"AQ=="}}`, ReasonJSON},
		{"bytes with unused bits", `{"/":{"bytes":"AR"}}`, ReasonJSON},
		{"word", "nul", ReasonJSON},
		{"comment", "1 // one", ReasonTrailing},
		{"depth 33", strings.Repeat("[", 33) + strings.Repeat("]", 33), ReasonDepth},
	}
}

func badIDTable() []badVector {
	return []badVector{
		{"empty", "", ReasonID},
		{"upper case", "B" + strings.ToUpper(rawID[1:]), ReasonID},
		{"base58, CIDv0", "QmbFMke1KXqnYyBBWxB74N4c5SBnJMVAiMNRcGu6x1AwQH", ReasonID},
		{"a character short", rawID[:58], ReasonID},
		{"a character long", rawID + "a", ReasonID},
		{"padding", rawID[:58] + "=", ReasonID},
		{"digit 1", rawID[:58] + "1", ReasonID},
		{"unused bits not zero", rawID[:58] + "v", ReasonID},
		{"codec dag-pb", "bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi", ReasonID},
		{"another multibase", "k" + rawID[1:], ReasonID},
		{"white space", rawID[:58] + " ", ReasonID},
	}
}
