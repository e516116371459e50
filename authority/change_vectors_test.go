package authority

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/object"
)

var update = flag.Bool("update", false, "write the results in testdata/vectors/schemachange.json anew")

const changeVectors = "../testdata/vectors/schemachange.json"

type changeFile struct {
	About string        `json:"about"`
	Merge []mergeVector `json:"merge"`
	Fits  []fitVector   `json:"fits"`
	Bad   []badVector   `json:"bad"`
}

type mergeVector struct {
	Name    string          `json:"name"`
	Fields  json.RawMessage `json:"fields"`
	Changes []struct {
		Name    string          `json:"name"`
		By      int             `json:"by"`
		After   []string        `json:"after,omitempty"`
		Version int64           `json:"version"`
		Fields  json.RawMessage `json:"fields"`
		Hex     string          `json:"hex"`
	} `json:"changes"`
	Version int64           `json:"version"`
	Holds   json.RawMessage `json:"holds"`
	Ignored []ignoredVector `json:"ignored,omitempty"`
}

type ignoredVector struct {
	Change string `json:"change"`
	Path   string `json:"path"`
}

type fitVector struct {
	Name    string          `json:"name"`
	Space   json.RawMessage `json:"space"`
	Program json.RawMessage `json:"program"`
	Path    string          `json:"path,omitempty"`    // of what does not fit
	Missing []string        `json:"missing,omitempty"` // what the program has and the space has not
	Upgrade json.RawMessage `json:"upgrade,omitempty"` // fields to declare
}

type badVector struct {
	Name string          `json:"name"`
	JSON json.RawMessage `json:"json"`
	Path string          `json:"path"`
}

func fieldsOf(t *testing.T, raw json.RawMessage) []Field {
	t.Helper()
	v, err := object.FromJSON(raw)
	if err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	list, err := (&shapes{}).fields("", "", v.([]any), 1)
	if err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	return list
}

func rawOf(t *testing.T, fields []Field) json.RawMessage {
	t.Helper()
	b, err := object.ToJSON(fieldValues(fields))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestChangeVectors runs the examples, or with -update writes what comes out into the file, to be looked at.
func TestChangeVectors(t *testing.T) {
	have, err := os.ReadFile(changeVectors)
	if err != nil {
		t.Fatal(err)
	}
	var file changeFile
	if err := json.Unmarshal(have, &file); err != nil {
		t.Fatal(err)
	}
	for i := range file.Merge {
		runMerge(t, &file.Merge[i])
	}
	for i := range file.Fits {
		runFit(t, &file.Fits[i])
	}
	for _, v := range file.Bad {
		body, err := object.FromJSON(v.JSON)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := object.Encode(body)
		if err != nil {
			t.Fatal(err)
		}
		var bad *ManifestError
		if err := new(Change).read(raw); !errors.As(err, &bad) || bad.Path != v.Path {
			t.Errorf("%s: %v", v.Name, err)
		}
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	if err := e.Encode(file); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(changeVectors, out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func runMerge(t *testing.T, v *mergeVector) {
	f := &Founding{Founders: []identity.PublicKey{key(0), key(1)}, Manifest: &Manifest{Kind: "k", Version: 1, Policy: PolicyOpen, Fields: fieldsOf(t, v.Fields)}}
	made, names := map[string]*Change{}, map[object.ID]string{}
	var list []*Change
	for i := range v.Changes {
		in := &v.Changes[i]
		c := &Change{Op: history.OpRef{Commit: object.Sum(object.DagCBOR, []byte(in.Name))}, Height: 2, By: key(byte(in.By))}
		for _, name := range in.After {
			c.After = Counted(c.After, made[name].After, []*Change{made[name]})
			c.Height = max(c.Height, made[name].Height+1)
		}
		op, err := SchemaOp(in.Version, fieldsOf(t, in.Fields))
		if err == nil {
			err = Merge(f, c.After).Check(&op, c.By)
		}
		if err == nil {
			err = c.read(op.Body)
		}
		if err != nil {
			t.Fatalf("%s: %s: %v", v.Name, in.Name, err)
		}
		if *update {
			in.Hex = hex.EncodeToString(op.Body)
		}
		if in.Hex != hex.EncodeToString(op.Body) {
			t.Errorf("%s: %s is %x", v.Name, in.Name, op.Body)
		}
		made[in.Name], names[c.Op.Commit] = c, in.Name
		list = append(list, c)
	}
	k := Merge(f, Counted(list))
	var ignored []ignoredVector
	for _, one := range k.Ignored() {
		ignored = append(ignored, ignoredVector{names[one.Op.Commit], one.Path})
	}
	if *update {
		v.Holds, v.Version, v.Ignored = rawOf(t, k.Manifest().Fields), k.Manifest().Version, ignored
	}
	if !reflect.DeepEqual(fieldValues(fieldsOf(t, v.Holds)), fieldValues(k.Manifest().Fields)) || v.Version != k.Manifest().Version || !slices.Equal(v.Ignored, ignored) {
		t.Errorf("%s: %s, version %d, ignored %v", v.Name, rawOf(t, k.Manifest().Fields), k.Manifest().Version, ignored)
	}
}

func runFit(t *testing.T, v *fitVector) {
	space := &Manifest{Kind: "k", Version: 1, Fields: fieldsOf(t, v.Space)}
	program := &Manifest{Kind: "k", Version: 2, Fields: fieldsOf(t, v.Program)}
	err := Fits(space, program)
	var bad *ManifestError
	if (err != nil) != (v.Path != "") || err != nil && (!errors.As(err, &bad) || bad.Path != v.Path) {
		t.Errorf("%s: %v", v.Name, err)
		return
	}
	if err != nil {
		return
	}
	had := places(space.Fields, "", nil)
	var missing []string
	for _, p := range places(program.Fields, "", nil) {
		there := func(at string) bool { return slices.ContainsFunc(had, func(q place) bool { return q.path == at }) }
		if !there(p.path) && (p.owner == "" || there(p.owner)) {
			at := strings.ReplaceAll(strings.ReplaceAll(p.path[1:], "/*", "[...]"), "/", ".")
			missing = append(missing, at)
		}
	}
	upgrade := Upgrade(space, program)
	if *update {
		v.Missing = missing
		if v.Upgrade = nil; len(upgrade) > 0 {
			v.Upgrade = rawOf(t, upgrade)
		}
	}
	if !slices.Equal(v.Missing, missing) || len(upgrade) > 0 != (v.Upgrade != nil) || v.Upgrade != nil && !reflect.DeepEqual(fieldValues(fieldsOf(t, v.Upgrade)), fieldValues(upgrade)) {
		t.Errorf("%s: missing %v, upgrade %s", v.Name, missing, rawOf(t, upgrade))
	}
}
