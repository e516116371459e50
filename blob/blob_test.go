package blob_test

import (
	"bytes"
	"errors"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/hyperhyperspace/hhs-go/blob"
	"github.com/hyperhyperspace/hhs-go/object"
)

// blocks are those of a tree, by their places.
type blocks map[blob.Place][]byte

// build makes the tree of n bytes, of which chunk i is told by fill. Chunks that are equal are made once.
func build(t testing.TB, n int64, keep func(p blob.Place) bool) (blocks, object.ID) {
	t.Helper()
	kept := blocks{}
	b := blob.Builder{Put: func(p blob.Place, id object.ID, block []byte) error {
		if id != object.Sum(id.Codec(), block) {
			t.Fatalf("%v has another id", p)
		}
		if keep(p) {
			kept[p] = bytes.Clone(block)
		}
		return nil
	}}
	chunk := make([]byte, blob.ChunkSize)
	for n > 0 {
		size := min(n, blob.ChunkSize)
		if err := b.Chunk(chunk[:size]); err != nil {
			t.Fatal(err)
		}
		n -= size
	}
	root, err := b.Root()
	if err != nil {
		t.Fatal(err)
	}
	return kept, root
}

func nodes(p blob.Place) bool { return p.Level > 0 }

// rowRE is a row of the table of section 2 of the page.
var rowRE = regexp.MustCompile("(?m)^\\| (\\d+) \\| (\\d) \\| (\\d+) \\| `(b[a-z2-7]+)` \\|$")

// The examples of docs/spec/blob.md are what this package makes.
func TestSpecExamples(t *testing.T) {
	page, err := os.ReadFile("../docs/spec/blob.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := rowRE.FindAllStringSubmatch(string(page), -1)
	if len(rows) < 6 {
		t.Fatalf("%d rows", len(rows))
	}
	for _, row := range rows {
		size, _ := strconv.ParseInt(row[1], 10, 64)
		blocks := 0
		_, root := build(t, size, func(blob.Place) bool { blocks++; return false })
		tree := blob.Tree{Size: size}
		if root.String() != row[4] || strconv.Itoa(tree.Height()) != row[2] || strconv.Itoa(blocks) != row[3] {
			t.Errorf("%d bytes: %s, height %d, %d blocks; the page says %v", size, root, tree.Height(), blocks, row[2:])
		}
		if err := tree.CheckRoot(root); err != nil {
			t.Error(err)
		}
	}
}

// A tree reads back whole, whatever its size, and its places are those that its size tells.
func TestTree(t *testing.T) {
	for _, size := range []int64{0, 5, blob.ChunkSize, blob.ChunkSize + 1, 7*blob.ChunkSize - 3,
		blob.Fanout * blob.ChunkSize, blob.Fanout*blob.ChunkSize + 1, (2*blob.Fanout + 5) * blob.ChunkSize} {
		tree := blob.Tree{Size: size}
		got, root := build(t, size, nodes)
		want := 0
		for level := 1; level <= tree.Height(); level++ {
			want += int(tree.Blocks(level))
		}
		if len(got) != want {
			t.Fatalf("%d bytes: %d nodes, want %d", size, len(got), want)
		}
		var chunks, bytes int64
		var walk func(p blob.Place, id object.ID)
		walk = func(p blob.Place, id object.ID) {
			if !tree.Has(p) {
				t.Fatalf("%d bytes: no place %v", size, p)
			}
			if p.Level == 0 {
				chunks, bytes = chunks+1, bytes+tree.Len(p)
				return
			}
			links, err := tree.Check(p, id, got[p])
			if err != nil {
				t.Fatal(err)
			}
			for i, id := range links {
				in := blob.Place{Level: p.Level - 1, Index: p.Index*blob.Fanout + int64(i)}
				if above, at := in.Above(); above != p || at != i {
					t.Fatalf("%v is above %v as %d", above, in, at)
				}
				walk(in, id)
			}
		}
		walk(tree.Root(), root)
		if bytes != size || chunks != tree.Chunks() {
			t.Errorf("%d bytes: %d in %d chunks", size, bytes, chunks)
		}
	}
}

func TestHeights(t *testing.T) {
	for size, want := range map[int64]int{0: 0, blob.ChunkSize: 0, blob.ChunkSize + 1: 1, blob.ChunkSize * blob.Fanout: 1,
		blob.ChunkSize*blob.Fanout + 1: 2, blob.MaxSize: 2} {
		if got := (blob.Tree{Size: size}).Height(); got != want {
			t.Errorf("height of %d bytes: %d, want %d", size, got, want)
		}
	}
}

// What is not the tree of its size is refused by name.
func TestRefuses(t *testing.T) {
	size := int64(2*blob.ChunkSize + 9)
	tree := blob.Tree{Size: size}
	top := tree.Root()
	raw, cbor := object.Sum(object.Raw, nil), object.Sum(object.DagCBOR, []byte{0xf6})
	three := []any{raw, raw, raw}
	enc := func(v any) []byte {
		b, err := object.Encode(v)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for name, one := range map[string]struct {
		place blob.Place
		data  []byte
		rule  string
	}{
		"a node that says more bytes":   {top, enc([]any{size + 1, three}), blob.RuleSize},
		"a node that says fewer":        {top, enc([]any{int64(-1), three}), blob.RuleSize},
		"a link too many":               {top, enc([]any{size, append(three, raw)}), blob.RuleLinks},
		"a link too few":                {top, enc([]any{size, three[:2]}), blob.RuleLinks},
		"a link to a node":              {top, enc([]any{size, []any{raw, cbor, raw}}), blob.RuleLinks},
		"a text for a link":             {top, enc([]any{size, []any{raw, "x", raw}}), blob.RuleNode},
		"more after the links":          {top, enc([]any{size, three, int64(1)}), blob.RuleNode},
		"bytes after the node":          {top, append(enc([]any{size, three}), 0), blob.RuleNode},
		"a map":                         {top, enc(map[string]any{"size": size}), blob.RuleNode},
		"nothing":                       {top, nil, blob.RuleNode},
		"a count that lies":             {top, []byte{0x82, 0x01, 0x9a, 0xff, 0xff, 0xff, 0xff}, blob.RuleNode},
		"a chunk that is too short":     {blob.Place{}, make([]byte, blob.ChunkSize-1), blob.RuleSize},
		"a last chunk that is too long": {blob.Place{Index: 2}, make([]byte, 10), blob.RuleSize},
	} {
		c := object.Raw
		if one.place.Level > 0 {
			c = object.DagCBOR
		}
		_, err := tree.Check(one.place, object.Sum(c, one.data), one.data)
		if bad := (*blob.Malformed)(nil); !errors.As(err, &bad) || bad.Rule != one.rule || bad.Place != one.place {
			t.Errorf("%s: %v, want %s", name, err, one.rule)
		}
	}
	data := make([]byte, blob.ChunkSize)
	if _, err := tree.Check(blob.Place{}, raw, data); !errors.As(err, new(*blob.WrongBytes)) {
		t.Errorf("wrong bytes: %v", err)
	}
	for _, b := range []blob.Blob{{Root: raw, Size: blob.ChunkSize + 1}, {Root: cbor, Size: 1}, {Root: cbor, Size: blob.MaxSize + 1}, {Root: raw, Size: -1}, {}} {
		if err := b.Tree().CheckRoot(b.Root); err == nil {
			t.Errorf("%d bytes under %s are no blob", b.Size, b.Root)
		}
	}
}

func TestBuilderRefuses(t *testing.T) {
	b := blob.Builder{Put: func(blob.Place, object.ID, []byte) error { return nil }}
	if err := b.Chunk(make([]byte, 3)); err != nil {
		t.Fatal(err)
	}
	if b.Chunk(make([]byte, 3)) == nil {
		t.Error("a chunk after a short one")
	}
	if (&blob.Builder{Put: b.Put}).Chunk(make([]byte, blob.ChunkSize+1)) == nil {
		t.Error("a chunk that is too long")
	}
}

// Find sees descriptors wherever in a value they are, and nothing else.
func TestFind(t *testing.T) {
	one := blob.Blob{Root: object.Sum(object.Raw, []byte("1")), Size: 1, Name: "a.txt", Media: "text/plain; charset=utf-8"}
	two := blob.Blob{Root: object.Sum(object.Raw, []byte("2")), Size: 1}
	enc := func(v any) []byte {
		b, err := object.Encode(v)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	if got := blob.Find(enc([]any{[]any{"path"}, one.Value()})); len(got) != 1 || got[0] != one {
		t.Errorf("found %v", got)
	}
	if got := blob.Find(enc(map[string]any{"files": []any{one.Value(), map[string]any{"in": two.Value()}}, "text": "hhs/blob"})); len(got) != 2 {
		t.Errorf("found %v", got)
	}
	for _, v := range []any{nil, "hhs/blob", []any{"hhs/blob"}, map[string]any{"$type": "hhs/blob"}, []byte("\x68hhs/blob"),
		map[string]any{"$type": "hhs/blob", "root": one.Root, "size": int64(blob.ChunkSize + 1)}} {
		if got := blob.Find(enc(v)); len(got) > 0 {
			t.Errorf("%v: found %v", v, got)
		}
	}
	if got := blob.Find([]byte("\x68hhs/blob and more")); len(got) > 0 {
		t.Errorf("found %v in what is no value", got)
	}
}

func TestName(t *testing.T) {
	ok := blob.Blob{Root: object.Sum(object.Raw, nil), Size: 0}
	for _, name := range []string{"a", "ä.png", "..a", strings.Repeat("x", 255)} {
		ok.Name = name
		if err := ok.Check(); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range []string{".", "..", "a/b", `a\b`, "a\x00", "\x7f", strings.Repeat("x", 256)} {
		ok.Name = name
		if ok.Check() == nil {
			t.Errorf("%q is no name", name)
		}
	}
}

func FuzzNode(f *testing.F) {
	kept, _ := build(f, 3*blob.ChunkSize, nodes)
	for _, b := range kept {
		f.Add(int64(3*blob.ChunkSize), b)
	}
	f.Add(int64(blob.MaxSize), []byte{0x82, 0x01, 0x80})
	f.Fuzz(func(t *testing.T, size int64, data []byte) {
		tree := blob.Tree{Size: size}
		id := object.Sum(object.DagCBOR, data)
		if tree.CheckRoot(id) != nil {
			return
		}
		links, err := tree.Check(tree.Root(), id, data)
		if err == nil && int64(len(links)) != tree.Blocks(tree.Height()-1) {
			t.Fatalf("%d links of %d bytes", len(links), size)
		}
	})
}

func FuzzFind(f *testing.F) {
	b, _ := object.Encode(blob.Blob{Root: object.Sum(object.Raw, nil), Name: "n"}.Value())
	f.Add(b)
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, b := range blob.Find(data) {
			again, err := blob.FromValue(b.Value())
			if err != nil || again != b {
				t.Fatalf("%v reads back as %v, %v", b, again, err)
			}
		}
	})
}
