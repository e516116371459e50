package object

import (
	"math"
	"unicode/utf8"
)

// Writer appends values to Buf, one after another, without building them first. The zero Writer is ready; a
// Buf with capacity saves allocations, and Buf = Buf[:0] begins anew.
//
// The caller keeps the structure: after List(n) come n values; after Map(n) come n times a key, written with
// String, and its value, the keys in the order of [CompareKeys]. The Writer refuses only single values that
// have no canonical form; see [Writer.Err].
type Writer struct {
	Buf []byte
	err error
}

// Err is the first value that could not be written, as a *[ValueError], or nil. Such a value is written as
// null so that the structure stays whole, but the bytes must not be used.
func (w *Writer) Err() error { return w.err }

func (w *Writer) refuse(reason string) {
	if w.err == nil {
		w.err = refuse(reason)
	}
	w.Null()
}

// Null writes nil.
func (w *Writer) Null() { w.Buf = append(w.Buf, byteNull) }

// Bool writes b.
func (w *Writer) Bool(b bool) { w.Buf = appendBool(w.Buf, b) }

// Int writes i.
func (w *Writer) Int(i int64) { w.Buf = appendInt(w.Buf, i) }

// Float writes f; NaN and infinities are refused, negative zero becomes zero.
func (w *Writer) Float(f float64) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		w.refuse("NaN and infinities cannot be stored")
		return
	}
	w.Buf = appendFloat(w.Buf, f)
}

// Bytes writes a byte string.
func (w *Writer) Bytes(b []byte) {
	w.Buf = append(appendHead(w.Buf, majBytes, uint64(len(b))), b...)
}

// String writes a text string; one that is not valid UTF-8 is refused.
func (w *Writer) String(s string) {
	if !utf8.ValidString(s) {
		w.refuse("a string that is not valid UTF-8")
		return
	}
	w.Buf = append(appendHead(w.Buf, majText, uint64(len(s))), s...)
}

// Link writes a link; the zero ID is refused.
func (w *Writer) Link(id ID) {
	if id.IsZero() {
		w.refuse("a link to nothing (the zero ID)")
		return
	}
	w.Buf = appendLink(w.Buf, id)
}

// List begins a list of n values.
func (w *Writer) List(n int) { w.Buf = appendHead(w.Buf, majList, uint64(n)) }

// Map begins a map of n entries.
func (w *Writer) Map(n int) { w.Buf = appendHead(w.Buf, majMap, uint64(n)) }

// Raw writes a value that is already in canonical form. It is not checked.
func (w *Writer) Raw(canonical []byte) { w.Buf = append(w.Buf, canonical...) }

// Value writes any value that [Encode] takes.
func (w *Writer) Value(v any) {
	b, err := Append(w.Buf, v)
	if err != nil {
		if w.err == nil {
			w.err = err
		}
		w.Null()
		return
	}
	w.Buf = b
}
