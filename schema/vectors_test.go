package schema

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"testing"

	"github.com/hyperhyperspace/hhs-go/object"
)

const vectorFile = "../testdata/vectors/schema.json"

// vectors is testdata/vectors/schema.json, described in docs/spec/schema.md. TypeScript runs the same file.
type vectors struct {
	About   string         `json:"about"`
	Schemas []schemaVector `json:"schemas"`
	Bad     []badVector    `json:"bad"`
}

type schemaVector struct {
	Name  string        `json:"name"`
	Hex   string        `json:"hex"`
	JSON  string        `json:"json"`
	Cases []valueVector `json:"cases"`
}

type valueVector struct {
	Hex  string  `json:"hex"`
	JSON string  `json:"json"`
	Rule Rule    `json:"rule,omitempty"` // absent: the value is valid
	Path *string `json:"path,omitempty"`
}

// badVector is a value that is no schema.
type badVector struct {
	Name string `json:"name"`
	Hex  string `json:"hex"`
	JSON string `json:"json"`
	Path string `json:"path"`
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
	return vs
}

func decodeHex(t testing.TB, h string) ([]byte, any) {
	t.Helper()
	block, err := hex.DecodeString(h)
	if err != nil {
		t.Fatal(err)
	}
	v, err := object.Decode(block)
	if err != nil {
		t.Fatal(err)
	}
	return block, v
}

func TestVectors(t *testing.T) {
	valid, invalid := 0, 0
	for _, sv := range readVectors(t).Schemas {
		t.Run(sv.Name, func(t *testing.T) {
			block, v := decodeHex(t, sv.Hex)
			s, err := Parse(v)
			if err != nil {
				t.Fatal(err)
			}
			if again, err := object.Encode(s.Value()); err != nil || !bytes.Equal(again, block) {
				t.Errorf("its value is %x (%v)", again, err)
			}
			for _, c := range sv.Cases {
				checkCase(t, s, c)
				if c.Rule == "" {
					valid++
				} else {
					invalid++
				}
			}
		})
	}
	if valid < 30 || invalid < valid {
		t.Errorf("%d valid and %d invalid values: at least as many invalid ones", valid, invalid)
	}
}

func checkCase(t *testing.T, s *Schema, c valueVector) {
	t.Helper()
	block, v := decodeHex(t, c.Hex)
	for who, err := range map[string]error{"Check": s.Check(v), "CheckBlock": s.CheckBlock(block)} {
		if c.Rule == "" {
			if err != nil {
				t.Errorf("%s: %s: %v", who, c.JSON, err)
			}
			continue
		}
		var bad *Violation
		if !errors.As(err, &bad) {
			t.Errorf("%s: %s: got %v, want %s", who, c.JSON, err, c.Rule)
			continue
		}
		if bad.Rule != c.Rule || bad.Path != *c.Path || bad.Reason == "" {
			t.Errorf("%s: %s: got %s at %q, want %s at %q", who, c.JSON, bad.Rule, bad.Path, c.Rule, *c.Path)
		}
	}
}

func TestVectorsBad(t *testing.T) {
	for _, b := range readVectors(t).Bad {
		t.Run(b.Name, func(t *testing.T) {
			_, v := decodeHex(t, b.Hex)
			_, err := Parse(v)
			var bad *Error
			if !errors.As(err, &bad) {
				t.Fatalf("got %v", err)
			}
			if bad.Path != b.Path || bad.Reason == "" {
				t.Errorf("got %q (%s), want %q", bad.Path, bad.Reason, b.Path)
			}
		})
	}
}
