package hhs_test

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"strings"
	"testing"

	hhs "github.com/hyperhyperspace/hhs-go"
	"github.com/hyperhyperspace/hhs-go/object"
)

// A board: maps and records of every depth that people use.
type board struct {
	Title hhs.Register[string] `hhs:"max=200"`
	Cards hhs.Map[struct {
		Text   hhs.Register[string] `hhs:"max=4000"`
		Labels hhs.Set[string]      `hhs:"max=40"`
		Marks  hhs.Map[hhs.Register[bool]]
	}]
	Colours hhs.Map[hhs.Register[string]] `hhs:"max=20"`
	Layout  struct {
		Columns hhs.Register[int64] `hhs:"min=1,max=9"`
		Hidden  hhs.Map[hhs.Set[string]]
	}
}

// Notes: texts and lists, at the top and inside records.
type notes struct {
	Body  hhs.Text
	Tags  hhs.List[string] `hhs:"max=40"`
	Pages hhs.Map[struct {
		Title hhs.Register[string] `hhs:"max=200"`
		Text  hhs.Text
		Rows  hhs.List[struct {
			Name string `hhs:"max=100"`
			Done bool
		}]
	}]
}

// The kinds that Go and TypeScript define alike, kept as vectors.
func TestComposedKindVectors(t *testing.T) {
	text, err := os.ReadFile("testdata/vectors/manifest.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors struct {
		Accept []struct{ Name, JSON, Hex, ID string }
	}
	if err := json.Unmarshal(text, &vectors); err != nil {
		t.Fatal(err)
	}
	for name, kind := range map[string]hhs.AnyKind{
		"board": hhs.Define[board]("example.org/board", 1),
		"notes": hhs.Define[notes]("example.org/notes", 1),
	} {
		m, err := kind.Manifest()
		if err != nil {
			t.Fatal(err)
		}
		block, err := object.Encode(m.Value())
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for _, v := range vectors.Accept {
			if v.Name != name {
				continue
			}
			found = true
			if got := hex.EncodeToString(block); got != v.Hex {
				t.Errorf("the kind %s is\n%s, the vector\n%s", name, got, v.Hex)
			}
			if id := object.Sum(object.DagCBOR, block); id.String() != v.ID {
				t.Errorf("the id of the kind %s is %s, the vector's %s", name, id, v.ID)
			}
		}
		if !found {
			t.Errorf("there is no vector %s", name)
		}
	}
}

type tree struct{ Kids hhs.Map[tree] }

func TestDefineRefusesShapes(t *testing.T) {
	for says, k := range map[string]hhs.AnyKind{
		"contains itself":    hhs.Define[tree]("example.org/x", 1),
		"a map holds no log": hhs.Define[struct{ A hhs.Map[hhs.Log[string]] }]("example.org/x", 1),
		"a map holds no map": hhs.Define[struct {
			A hhs.Map[hhs.Map[hhs.Register[string]]]
		}]("example.org/x", 1),
		"field A: field B: it has type int": hhs.Define[struct{ A struct{ B int } }]("example.org/x", 1),
		"its tag says only its name": hhs.Define[struct {
			A hhs.Counter `hhs:"a,max=3"`
		}]("example.org/x", 1),
		"has a member get": hhs.Define[struct {
			A struct{ Get hhs.Register[string] }
		}]("example.org/x", 1),
	} {
		if _, err := k.Manifest(); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want %s", err, says)
		}
	}
}
