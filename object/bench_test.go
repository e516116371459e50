package object

import (
	"strings"
	"testing"
)

var (
	benchID  = Sum(DagCBOR, nil)
	benchKey = []byte(strings.Repeat("k", 34))
)

// writeEnvelopeLike writes what is about a commit's envelope.
func writeEnvelopeLike(w *Writer) {
	w.List(9)
	w.Int(1)
	w.Bytes(benchKey)
	w.Int(12345)
	w.Link(benchID)
	w.List(1)
	w.Link(benchID)
	w.Int(0)
	w.Int(1_700_000_000_000)
	w.List(1)
	w.List(5)
	w.String("messages")
	w.String("append")
	w.List(0)
	w.Int(0)
	w.Int(40)
	w.List(1)
	w.Bytes(benchKey[:32])
}

func envelopeLike() []byte {
	var w Writer
	writeEnvelopeLike(&w)
	return w.Buf
}

func readEnvelopeLike(b []byte) {
	r := NewReader(b)
	r.List()
	r.Int()
	r.Bytes()
	r.Int()
	r.Link()
	r.List()
	r.Link()
	r.Int()
	r.Int()
	r.List()
	r.List()
	r.StringBytes()
	r.StringBytes()
	r.List()
	r.Int()
	r.Int()
	r.List()
	r.Bytes()
	if err := r.End(); err != nil {
		panic(err)
	}
}

func benchValue() map[string]any {
	return map[string]any{"$type": "message", "text": "hello, how are you?", "likes": int64(3), "score": 1.5,
		"tags": []any{"a", "b", "c"}, "reply": benchID}
}

func BenchmarkEncode(b *testing.B) {
	v := benchValue()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Encode(v); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	block, _ := Encode(benchValue())
	b.ReportAllocs()
	b.SetBytes(int64(len(block)))
	for b.Loop() {
		if _, err := Decode(block); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCheck(b *testing.B) {
	block, _ := Encode(benchValue())
	b.ReportAllocs()
	b.SetBytes(int64(len(block)))
	for b.Loop() {
		if err := Check(block); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkWriter(b *testing.B) {
	buf := make([]byte, 0, 512)
	b.ReportAllocs()
	for b.Loop() {
		w := Writer{Buf: buf}
		writeEnvelopeLike(&w)
	}
}

func BenchmarkReader(b *testing.B) {
	block := envelopeLike()
	b.ReportAllocs()
	b.SetBytes(int64(len(block)))
	for b.Loop() {
		readEnvelopeLike(block)
	}
}

func BenchmarkSum(b *testing.B) {
	block := envelopeLike()
	b.ReportAllocs()
	b.SetBytes(int64(len(block)))
	for b.Loop() {
		Sum(DagCBOR, block)
	}
}

func BenchmarkIDString(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		_ = benchID.String()
	}
}
