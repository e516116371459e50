package object

import (
	"bytes"
	"errors"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// write writes v with a Writer, value by value.
func write(w *Writer, v any) {
	switch v := v.(type) {
	case nil:
		w.Null()
	case bool:
		w.Bool(v)
	case int64:
		w.Int(v)
	case float64:
		w.Float(v)
	case string:
		w.String(v)
	case []byte:
		w.Bytes(v)
	case ID:
		w.Link(v)
	case []any:
		w.List(len(v))
		for _, x := range v {
			write(w, x)
		}
	case map[string]any:
		keys := make([]string, 0, len(v))
		for k := range v {
			keys = append(keys, k)
		}
		slices.SortFunc(keys, CompareKeys)
		w.Map(len(keys))
		for _, k := range keys {
			w.String(k)
			write(w, v[k])
		}
	}
}

func TestWriterEqualsEncode(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 10))
	var w, whole Writer
	for range 1000 {
		v := randomValue(rng, 4)
		w.Buf, whole.Buf = w.Buf[:0], whole.Buf[:0]
		write(&w, v)
		whole.Value(v)
		b, err := Encode(v)
		if err != nil || w.Err() != nil || whole.Err() != nil {
			t.Fatal(err, w.Err(), whole.Err())
		}
		if !bytes.Equal(w.Buf, b) || !bytes.Equal(whole.Buf, b) {
			t.Fatalf("%#v\nWriter %x\nValue  %x\nEncode %x", v, w.Buf, whole.Buf, b)
		}
		r := NewReader(b)
		got, err := r.Value()
		if err != nil || r.End() != nil || !reflect.DeepEqual(got, v) {
			t.Fatalf("Value gives %#v (%v)", got, err)
		}
	}
}

func TestWriterRefuses(t *testing.T) {
	for name, f := range map[string]func(w *Writer){
		"NaN":    func(w *Writer) { w.Float(math.NaN()) },
		"inf":    func(w *Writer) { w.Float(math.Inf(1)) },
		"string": func(w *Writer) { w.String("\xff") },
		"link":   func(w *Writer) { w.Link(ID{}) },
		"value":  func(w *Writer) { w.Value(struct{}{}) },
	} {
		var w Writer
		w.List(2)
		f(&w)
		w.Int(1)
		var ve *ValueError
		if !errors.As(w.Err(), &ve) || string(w.Buf) != "\x82\xf6\x01" {
			t.Errorf("%s: %v, %x", name, w.Err(), w.Buf)
		}
	}
}

func TestReaderByHand(t *testing.T) {
	id := Sum(Raw, nil)
	b, err := Encode(map[string]any{"a": id, "b": []any{int64(1), "x", nil}, "c": 1.5, "dd": []byte{1}, "ee": true, "f": map[string]any{}})
	if err != nil {
		t.Fatal(err)
	}
	r := NewReader(b)
	var seen []string
	n, _ := r.Map()
	for range n {
		k, err := r.NextKey()
		if err != nil {
			t.Fatal(err)
		}
		seen = append(seen, string(k)+":"+r.Kind().String())
		if err := walk(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.End(); err != nil {
		t.Fatal(err)
	}
	want := "a:link b:list c:float f:map dd:bytes ee:bool"
	if got := strings.Join(seen, " "); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if err := r.Null(); err == nil {
		t.Error("read beyond the end")
	}
}

func TestReaderKeepsStructure(t *testing.T) {
	for _, c := range []struct {
		name string
		hex  string
		f    func(r *Reader) error
		want Reason
	}{
		{"another kind", "01", func(r *Reader) error { _, err := r.String(); return err }, ReasonKind},
		{"End before the value", "01", (*Reader).End, ReasonTruncated},
		{"End inside", "820102", func(r *Reader) error { r.List(); r.Int(); return r.End() }, ReasonTruncated},
		{"End before trailing bytes", "0102", func(r *Reader) error { r.Int(); return r.End() }, ReasonTrailing},
		{"a second value", "0102", func(r *Reader) error { r.Int(); _, err := r.Int(); return err }, ReasonTrailing},
		{"key order through String", "a2616200616100", func(r *Reader) error { r.Map(); r.String(); r.Int(); _, err := r.String(); return err }, ReasonKeyOrder},
		{"key order through Value", "a2616200616100", func(r *Reader) error { r.Map(); r.Value(); r.Value(); _, err := r.Value(); return err }, ReasonKeyOrder},
		{"key order through Skip", "a2616100616100", func(r *Reader) error { r.Map(); r.Skip(); r.Skip(); return r.Skip() }, ReasonKeyOrder},
		{"key order by the caller", "a1616100", func(r *Reader) error { r.Map(); _, err := r.Key("b"); return err }, ReasonKeyOrder},
		{"a key that is an int, through Int", "a10000", func(r *Reader) error { r.Map(); _, err := r.Int(); return err }, ReasonKeyType},
		{"NextKey at a value", "a161616162", func(r *Reader) error { r.Map(); r.NextKey(); _, err := r.NextKey(); return err }, ReasonKeyType},
		{"NextKey outside a map", "6161", func(r *Reader) error { _, err := r.NextKey(); return err }, ReasonKeyType},
		{"depth by Value", strings.Repeat("81", 33) + "00", func(r *Reader) error { r.List(); _, err := r.Value(); return err }, ReasonDepth},
		{"claims", "83828200", func(r *Reader) error { r.List(); _, err := r.List(); return err }, ReasonTruncated},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := NewReader(mustHex(c.hex))
			err := c.f(r)
			wantReason(t, err, c.want)
			if r.Err() != err || r.Null() != err || r.Kind() != KindInvalid {
				t.Error("the error does not stay")
			}
		})
	}
}

func TestReaderAliases(t *testing.T) {
	b := mustHex("8243aabbcc820102")
	r := NewReader(b)
	r.List()
	got, _ := r.Bytes()
	raw, err := r.Raw()
	if err != nil || &got[0] != &b[2] || &raw[0] != &b[5] || cap(got) != 3 || len(raw) != 3 || r.End() != nil {
		t.Errorf("%x %x %v", got, raw, err)
	}
}

func TestHotPathAllocatesLittle(t *testing.T) {
	b := envelopeLike()
	buf := make([]byte, 0, 512)
	if n := testing.AllocsPerRun(100, func() { readEnvelopeLike(b) }); n > 0 {
		t.Errorf("Reader: %v allocations", n)
	}
	if n := testing.AllocsPerRun(100, func() { w := Writer{Buf: buf}; writeEnvelopeLike(&w) }); n > 0 {
		t.Errorf("Writer: %v allocations", n)
	}
	if n := testing.AllocsPerRun(100, func() { _ = Check(b) }); n > 0 {
		t.Errorf("Check: %v allocations", n)
	}
	v := map[string]any{"text": "hello", "n": int64(1)}
	if n := testing.AllocsPerRun(100, func() { _, _ = Encode(v) }); n > 1 {
		t.Errorf("Encode: %v allocations", n)
	}
}
