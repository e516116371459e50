package object

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"reflect"
	"testing"
)

const vectorFile = "../testdata/vectors/object.json"

// vectors is testdata/vectors/object.json, described in docs/spec/object.md. TypeScript runs the same file.
type vectors struct {
	About   string         `json:"about"`
	Accept  []acceptVector `json:"accept"`
	Reject  []rejectVector `json:"reject"`
	JSON    []jsonVector   `json:"json"`
	BadJSON []badVector    `json:"badJSON"`
	BadIDs  []badVector    `json:"badIDs"`
}

type acceptVector struct {
	Name  string `json:"name"`
	Hex   string `json:"hex,omitempty"`
	Build *build `json:"build,omitempty"`
	ID    string `json:"id"`
	JSON  string `json:"json,omitempty"`  // DAG-JSON text; absent where there is none, or where it is long
	Value any    `json:"value,omitempty"` // the typed form; absent with Build. null is absent, too
}

type rejectVector struct {
	Name   string `json:"name"`
	Hex    string `json:"hex,omitempty"`
	Build  *build `json:"build,omitempty"`
	Reason Reason `json:"reason"`
	Offset int    `json:"offset"`
}

// build is a block too long to write down: prefix, then repeat so many times. All hex.
type build struct {
	Prefix string `json:"prefix"`
	Repeat string `json:"repeat"`
	Times  int    `json:"times"`
}

// jsonVector is DAG-JSON text that is read, and the text it is written as.
type jsonVector struct {
	Name  string `json:"name"`
	Text  string `json:"text"`
	Write string `json:"write"`
}

type badVector struct {
	Name   string `json:"name"`
	Text   string `json:"text"`
	Reason Reason `json:"reason"`
}

func block(t *testing.T, h string, b *build) []byte {
	t.Helper()
	if b != nil {
		return append(unhex(t, b.Prefix), bytes.Repeat(unhex(t, b.Repeat), b.Times)...)
	}
	return unhex(t, h)
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func readVectors(t testing.TB) vectors {
	t.Helper()
	raw, err := os.ReadFile(vectorFile)
	if err != nil {
		t.Fatal(err)
	}
	var vs vectors
	if err := json.Unmarshal(raw, &vs); err != nil {
		t.Fatal(err)
	}
	if len(vs.Accept) < 30 || len(vs.Reject) < len(vs.Accept) {
		t.Fatalf("%d accepted and %d rejected: at least as many rejects as accepts", len(vs.Accept), len(vs.Reject))
	}
	return vs
}

func TestVectorsAccept(t *testing.T) {
	for _, v := range readVectors(t).Accept {
		t.Run(v.Name, func(t *testing.T) {
			b := block(t, v.Hex, v.Build)
			if err := Check(b); err != nil {
				t.Fatal(err)
			}
			got, err := Decode(b)
			if err != nil {
				t.Fatal(err)
			}
			if id := Sum(DagCBOR, b).String(); id != v.ID {
				t.Errorf("id %s, want %s", id, v.ID)
			}
			again, err := Encode(got)
			if err != nil || !bytes.Equal(again, b) {
				t.Errorf("encodes to %x (%v)", again, err)
			}
			if v.Build != nil {
				return
			}
			want, err := fromTyped(v.Value)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("value %#v, want %#v", got, want)
			}
			checkJSON(t, got, v.JSON)
		})
	}
}

func checkJSON(t *testing.T, v any, want string) {
	t.Helper()
	text, err := ToJSON(v)
	if want == "" {
		var ve *ValueError
		if !errors.As(err, &ve) {
			t.Errorf("has the DAG-JSON %s (%v), and should have none", text, err)
		}
		return
	}
	if string(text) != want {
		t.Errorf("DAG-JSON %s, want %s", text, want)
	}
	back, err := FromJSON([]byte(want))
	if err != nil || !reflect.DeepEqual(back, v) {
		t.Errorf("DAG-JSON reads as %#v (%v)", back, err)
	}
}

func wantReason(t *testing.T, err error, want Reason) *DecodeError {
	t.Helper()
	var de *DecodeError
	if !errors.As(err, &de) {
		t.Fatalf("got %v, want %s", err, want)
	}
	if de.Reason != want {
		t.Fatalf("got %s (%v), want %s", de.Reason, err, want)
	}
	return de
}

func TestVectorsReject(t *testing.T) {
	for _, v := range readVectors(t).Reject {
		t.Run(v.Name, func(t *testing.T) {
			b := block(t, v.Hex, v.Build)
			_, err := Decode(b)
			if de := wantReason(t, err, v.Reason); de.Offset != v.Offset {
				t.Errorf("at %d, want %d", de.Offset, v.Offset)
			}
			if de := wantReason(t, Check(b), v.Reason); de.Offset != v.Offset {
				t.Errorf("Check: at %d, want %d", de.Offset, v.Offset)
			}
			if len(b) > MaxBlock || v.Reason == ReasonContainers {
				return // a Reader leaves these two to its caller
			}
			r := NewReader(b)
			err = walk(r)
			if err == nil {
				err = r.End()
			}
			wantReason(t, err, v.Reason)
		})
	}
}

func TestVectorsJSON(t *testing.T) {
	vs := readVectors(t)
	for _, v := range vs.JSON {
		got, err := FromJSON([]byte(v.Text))
		if err != nil {
			t.Errorf("%s: %v", v.Name, err)
			continue
		}
		if text, err := ToJSON(got); string(text) != v.Write {
			t.Errorf("%s: written as %s (%v), want %s", v.Name, text, err, v.Write)
		}
	}
	for _, v := range vs.BadJSON {
		t.Run(v.Name, func(t *testing.T) {
			_, err := FromJSON([]byte(v.Text))
			wantReason(t, err, v.Reason)
		})
	}
	for _, v := range vs.BadIDs {
		t.Run(v.Name, func(t *testing.T) {
			_, err := ParseID(v.Text)
			wantReason(t, err, v.Reason)
		})
	}
}

// walk reads a whole value with the methods of Reader, piece by piece.
func walk(r *Reader) error {
	var err error
	switch r.Kind() {
	case KindNull:
		return r.Null()
	case KindBool:
		_, err = r.Bool()
	case KindInt:
		_, err = r.Int()
	case KindFloat:
		_, err = r.Float()
	case KindString:
		_, err = r.String()
	case KindBytes:
		_, err = r.Bytes()
	case KindLink:
		_, err = r.Link()
	case KindList:
		n, err := r.List()
		for i := 0; i < n && err == nil; i++ {
			err = walk(r)
		}
		return err
	case KindMap:
		n, err := r.Map()
		key := ""
		for i := 0; i < n && err == nil; i++ {
			if key, err = r.Key(key); err == nil {
				err = walk(r)
			}
		}
		return err
	default:
		return r.Skip()
	}
	return err
}
