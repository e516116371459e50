package object

import (
	"bytes"
	"errors"
	"reflect"
	"runtime"
	"testing"
)

// seeds are the blocks of the vectors that are short enough to be worth mutating.
func seeds(f *testing.F) [][]byte {
	vs := readVectors(f)
	var all [][]byte
	for _, v := range vs.Accept {
		if v.Build == nil {
			all = append(all, mustHex(v.Hex))
		}
	}
	for _, v := range vs.Reject {
		if v.Build == nil {
			all = append(all, mustHex(v.Hex))
		}
	}
	return all
}

// FuzzDecode: what is accepted encodes to the same bytes; Decode, Check, Links and Reader agree; memory is
// bounded by the input.
func FuzzDecode(f *testing.F) {
	for _, b := range seeds(f) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var v any
		var err error
		used := allocated(func() { v, err = Decode(b) })
		if limit := uint64(32*len(b)+400*containersAtMost(b)) + slack; used > limit {
			t.Errorf("Decode of %d bytes allocated %d, more than %d", len(b), used, limit)
		}
		if used := allocated(func() { _ = Check(b) }); used > slack {
			t.Errorf("Check allocated %d bytes", used)
		}
		sameError(t, "Check", Check(b), err)
		_, lerr := Links(b)
		sameError(t, "Links", lerr, err)
		r := NewReader(b)
		rerr := walk(r)
		if rerr == nil {
			rerr = r.End()
		}
		if (rerr == nil) != (err == nil) && !beyondReader(err) {
			t.Errorf("Reader says %v, Decode %v", rerr, err)
		}
		if err != nil {
			return
		}
		again, err := Encode(v)
		if err != nil || !bytes.Equal(again, b) {
			t.Fatalf("%x decodes to %#v, which encodes to %x (%v)", b, v, again, err)
		}
		text, err := ToJSON(v)
		if err != nil {
			return // one of the two shapes that DAG-JSON reserves, or too long
		}
		if back, err := FromJSON(text); err != nil || !reflect.DeepEqual(back, v) {
			t.Fatalf("%s reads as %#v (%v), want %#v", text, back, err, v)
		}
	})
}

// slack is what the runtime allocates beside the code under test.
const slack = 64 << 10

func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// containersAtMost counts the bytes that could be heads of lists and maps.
func containersAtMost(b []byte) int {
	n := 0
	for _, c := range b {
		if c>>5 == majList || c>>5 == majMap {
			n++
		}
	}
	return min(n, MaxContainers)
}

func beyondReader(err error) bool {
	var de *DecodeError
	return errors.As(err, &de) && (de.Reason == ReasonSize || de.Reason == ReasonContainers)
}

func sameError(t *testing.T, who string, got, want error) {
	t.Helper()
	if (got == nil) != (want == nil) || got != nil && got.Error() != want.Error() {
		t.Errorf("%s says %v, Decode %v", who, got, want)
	}
}

// FuzzReader drives a Reader by a program of calls over hostile bytes: it never panics, never goes backwards,
// and an error stays.
func FuzzReader(f *testing.F) {
	for _, b := range seeds(f) {
		f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, b)
		f.Add([]byte{9, 8, 7, 10}, b)
	}
	f.Fuzz(func(t *testing.T, calls, b []byte) {
		r := NewReader(b)
		var first error
		for _, c := range calls {
			at := r.Offset()
			err := call(r, c%14)
			if first != nil && err != first {
				t.Fatalf("error %v became %v", first, err)
			}
			if r.Offset() < at && err == nil {
				t.Fatalf("went back from %d to %d", at, r.Offset())
			}
			first = err
		}
		if r.End() == nil && Check(b) != nil && !beyondReader(Check(b)) {
			t.Fatalf("read to the end, but %v", Check(b))
		}
	})
}

func call(r *Reader, c byte) (err error) {
	switch c {
	case 0:
		err = r.Null()
	case 1:
		_, err = r.Bool()
	case 2:
		_, err = r.Int()
	case 3:
		_, err = r.Float()
	case 4:
		_, err = r.String()
	case 5:
		_, err = r.Bytes()
	case 6:
		_, err = r.Link()
	case 7:
		_, err = r.List()
	case 8:
		_, err = r.Map()
	case 9:
		_, err = r.Value()
	case 10:
		err = r.Skip()
	case 11:
		_, err = r.NextKey()
	case 12:
		_, err = r.Key("")
	default:
		err = walk(r)
	}
	return err
}

// FuzzJSON: text that is read is a value, and is written and read as the same again.
func FuzzJSON(f *testing.F) {
	vs := readVectors(f)
	for _, v := range vs.Accept {
		f.Add([]byte(v.JSON))
	}
	for _, v := range vs.JSON {
		f.Add([]byte(v.Text))
	}
	for _, v := range vs.BadJSON {
		f.Add([]byte(v.Text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		v, err := FromJSON(text)
		if err != nil {
			var de *DecodeError
			if !errors.As(err, &de) || de.Offset < 0 || de.Offset > len(text) {
				t.Fatalf("%v", err)
			}
			return
		}
		if _, err := Encode(v); err != nil {
			t.Fatalf("read a value that cannot be encoded: %v", err)
		}
		again, err := ToJSON(v)
		if err != nil {
			t.Fatalf("read a value that cannot be written: %v", err)
		}
		if back, err := FromJSON(again); err != nil || !reflect.DeepEqual(back, v) {
			t.Fatalf("%s reads as %#v (%v), want %#v", again, back, err, v)
		}
	})
}

// FuzzID: an id has one text.
func FuzzID(f *testing.F) {
	f.Add(Sum(Raw, nil).String())
	f.Add(Sum(DagCBOR, []byte{0xa0}).String())
	for _, v := range readVectors(f).BadIDs {
		f.Add(v.Text)
	}
	f.Fuzz(func(t *testing.T, s string) {
		id, err := ParseID(s)
		if err == nil && id.String() != s {
			t.Fatalf("%q and %q are the same id", s, id)
		}
		if err != nil && !id.IsZero() {
			t.Fatal("an error and an id")
		}
	})
}
