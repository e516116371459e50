package crdt_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/hyperhyperspace/hhs-go/crdt"
	"github.com/hyperhyperspace/hhs-go/crdt/crdttest"
	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/schema"
)

// The vectors' form is told in the file itself.
type vector struct {
	Name, Type string
	Schema     json.RawMessage
	Commits    []vectorCommit
	Ignored    []string
	States     []struct {
		Void  []string
		Shown []struct {
			Key    string
			Value  json.RawMessage
			By     string
			Others []string
		}
	}
}

type vectorCommit struct {
	Name, Author string
	Parents      []string
	Ops          []struct {
		Action     string
		Refs       []string
		Value, Key json.RawMessage
		Hex        string
	}
}

func TestVectors(t *testing.T) {
	text, err := os.ReadFile("../testdata/vectors/crdt.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Cases []vector }
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	ran := map[string]bool{}
	for _, v := range file.Cases {
		ran[v.Type] = true
		t.Run(v.Name, func(t *testing.T) { v.run(t) })
	}
	for _, typ := range crdt.Types() {
		if !ran[typ.Name()] {
			t.Errorf("no vector is about %s", typ.Name())
		}
	}
}

func (v vector) run(t *testing.T) {
	typ := typeOf(t, v.Type)
	gen, _ := crdttest.For(typ)
	w := newWorld(nil)
	if v.Schema != nil {
		s, err := schema.Parse(fromJSON(t, v.Schema))
		if err != nil {
			t.Fatal(err)
		}
		w.env.Schema = s
	}
	var ops []crdt.Op
	for i, c := range v.Commits {
		w.after(c.Name, c.Parents...)
		for j := range c.Ops {
			op := w.vectorOp(t, c, j)
			op.Time = int64(1000 * i)
			ops = append(ops, op)
			apply(t, w.env, typ, op, true)
		}
	}
	for _, state := range v.States {
		for _, op := range ops {
			void := slices.ContainsFunc(state.Void, func(name string) bool { return idOf(name) == op.Ref.Commit })
			if _, err := typ.Flip(w.env, know(w.env, op), !void); err != nil {
				t.Fatal(err)
			}
		}
		want := ""
		for _, s := range state.Shown {
			want += shownLine(s.Key, encode(t, fromJSON(t, s.Value)), refOf(t, s.By), refsOf(t, s.Others))
		}
		shown, err := gen.Read(w.env)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, s := range shown {
			key := ""
			if v.Type == "profile" {
				key = nameOf(t, s.Key)
			}
			got += shownLine(key, s.Value, s.Ref, s.Others)
		}
		if sorted(v.Type, got) != sorted(v.Type, want) {
			t.Errorf("void %v: shown\n%swant\n%s", state.Void, got, want)
		}
	}
	var ignored []history.OpRef
	for s, err := range crdt.IgnoredOps(w.env) {
		if err != nil || s.Reason == "" {
			t.Fatalf("ignored %+v, %v", s, err)
		}
		ignored = append(ignored, s.Ref)
	}
	if !slices.Equal(ignored, refsOf(t, v.Ignored)) {
		t.Errorf("ignored are %v, want %v", ignored, v.Ignored)
	}
}

func (w *world) vectorOp(t *testing.T, c vectorCommit, i int) crdt.Op {
	o := c.Ops[i]
	person, device, _ := strings.Cut(c.Author, "/")
	op := w.op(c.Name, o.Action, nil)
	op.Ref.Index, op.Refs = uint32(i), refsOf(t, o.Refs)
	op.Identity, op.Author = keyOf(person), keyOf(person+"/"+device)
	switch {
	case o.Value != nil:
		op.Payload = encode(t, fromJSON(t, o.Value))
	case o.Key != nil:
		op.Payload = encode(t, crdt.SetKey(encode(t, fromJSON(t, o.Key))))
	case o.Hex != "":
		b, err := hex.DecodeString(o.Hex)
		if err != nil {
			t.Fatal(err)
		}
		op.Payload = b
	}
	return op
}

func fromJSON(t *testing.T, text []byte) any {
	t.Helper()
	v, err := object.FromJSON(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}

// refOf reads "A.1"; nothing is the ref of a value that no single op made.
func refOf(t *testing.T, text string) history.OpRef {
	t.Helper()
	if text == "" {
		return history.OpRef{}
	}
	name, index, _ := strings.Cut(text, ".")
	i, err := strconv.ParseUint(index, 10, 32)
	if err != nil {
		t.Fatalf("ref %q: %v", text, err)
	}
	return history.OpRef{Commit: idOf(name), Index: uint32(i)}
}

func refsOf(t *testing.T, texts []string) []history.OpRef {
	t.Helper()
	var refs []history.OpRef
	for _, text := range texts {
		refs = append(refs, refOf(t, text))
	}
	return refs
}

func shownLine(key string, value []byte, by history.OpRef, others []history.OpRef) string {
	return fmt.Sprintf("%s %x by %s.%d others %v\n", key, value, by.Commit.Short(), by.Index, others)
}

// sorted puts a profile's lines in order: identities are hashes of names here, so the vectors leave their order open.
func sorted(typ, text string) string {
	lines := strings.SplitAfter(text, "\n")
	if typ == "profile" {
		slices.Sort(lines)
	}
	return strings.Join(lines, "")
}

// nameOf finds who of the vectors has a key.
func nameOf(t *testing.T, key []byte) string {
	for _, name := range []string{"alice", "bob", "carol", "mallory"} {
		if bytes.Equal(keyOf(name).Bytes(), key) {
			return name
		}
	}
	t.Fatalf("nobody has the key %x", key)
	return ""
}
