//go:build !js

package car

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/ipfs/go-cid"
	carv2 "github.com/ipld/go-car/v2"
	"github.com/ipld/go-car/v2/storage"
	"github.com/multiformats/go-multihash"

	"github.com/hyperhyperspace/hhs-go/object"
)

func blocks(t testing.TB) []Block {
	t.Helper()
	leaf := []byte("raw bytes")
	id := object.Sum(object.Raw, leaf)
	out := []Block{{ID: id, Data: leaf}}
	for i := range 20 {
		b, err := object.Encode(map[string]any{"n": i, "link": id})
		if err != nil {
			t.Fatal(err)
		}
		id = object.Sum(object.DagCBOR, b)
		out = append(out, Block{ID: id, Data: b})
	}
	return out
}

func readAll(data []byte) ([]object.ID, []Block, error) {
	r, err := NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, nil, err
	}
	var bs []Block
	for b, err := range r.Blocks() {
		if err != nil {
			return r.Roots(), bs, err
		}
		bs = append(bs, b)
	}
	return r.Roots(), bs, nil
}

func rootsOf(bs []Block) []object.ID { return []object.ID{bs[len(bs)-1].ID, bs[0].ID} }

func written(t testing.TB, bs []Block) []byte {
	t.Helper()
	var buf bytes.Buffer
	w, err := NewWriter(&buf, rootsOf(bs))
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range bs {
		if err := w.Put(b); err != nil {
			t.Fatal(err)
		}
	}
	if w.Size() != int64(buf.Len()) {
		t.Errorf("it says %d bytes and wrote %d", w.Size(), buf.Len())
	}
	return buf.Bytes()
}

// oracle writes blocks as another program does, in either version.
func oracle(t testing.TB, bs []Block, opts ...carv2.Option) []byte {
	t.Helper()
	name := filepath.Join(t.TempDir(), "x.car")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var roots []cid.Cid
	for _, id := range rootsOf(bs) {
		roots = append(roots, toCID(t, id))
	}
	w, err := storage.NewWritable(f, roots, append(opts, carv2.UseWholeCIDs(true))...)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range bs {
		if err := w.Put(context.Background(), toCID(t, b.ID).KeyString(), b.Data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Finalize(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func toCID(t testing.TB, id object.ID) cid.Cid {
	t.Helper()
	c, err := cid.Cast(id.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func same(a, b []Block) bool {
	return slices.EqualFunc(a, b, func(x, y Block) bool { return x.ID == y.ID && bytes.Equal(x.Data, y.Data) })
}

// What is written here has the bytes that go-car writes, and go-car reads it.
func TestWrittenAsOthersDo(t *testing.T) {
	bs := blocks(t)
	data := written(t, bs)
	if !bytes.Equal(data, oracle(t, bs, carv2.WriteAsCarV1(true))) {
		t.Error("not the bytes of go-car")
	}
	in, err := carv2.NewBlockReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range bs {
		got, err := in.Next()
		if err != nil || !bytes.Equal(got.RawData(), b.Data) || !got.Cid().Equals(toCID(t, b.ID)) {
			t.Fatalf("%v %v", got, err)
		}
	}
	if _, err := in.Next(); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
}

// Both versions are read, of any program, with the place of each block.
func TestReadsBothVersions(t *testing.T) {
	bs := blocks(t)
	for name, data := range map[string][]byte{"own": written(t, bs), "1": oracle(t, bs, carv2.WriteAsCarV1(true)), "2": oracle(t, bs)} {
		roots, got, err := readAll(data)
		if err != nil || !same(got, bs) || !slices.Equal(roots, rootsOf(bs)) {
			t.Fatalf("%s: %d blocks, roots %v, %v", name, len(got), roots, err)
		}
		for _, b := range got {
			n, size := binary.Uvarint(data[b.Offset:])
			if int(n) != idSize+len(b.Data) || !bytes.Equal(data[int(b.Offset)+size+idSize:][:len(b.Data)], b.Data) {
				t.Fatalf("%s: block %s is not at byte %d", name, b.ID, b.Offset)
			}
		}
	}
}

func TestWriteRefuses(t *testing.T) {
	good := blocks(t)[0]
	loose := []byte{0x18, 0x00} // not minimal
	long := make([]byte, object.MaxBlock+1)
	for rule, b := range map[string]Block{
		RuleHash: {ID: good.ID, Data: []byte("other")},
		RuleID:   {},
		RuleForm: {ID: object.Sum(object.DagCBOR, loose), Data: loose},
		RuleSize: {ID: object.Sum(object.Raw, long), Data: long},
	} {
		w, err := NewWriter(io.Discard, nil)
		if err != nil {
			t.Fatal(err)
		}
		wantRule(t, w.Put(b), rule, -1)
	}
	_, err := NewWriter(io.Discard, slices.Repeat([]object.ID{good.ID}, MaxRoots))
	if err != nil {
		t.Error(err)
	}
	_, err = NewWriter(io.Discard, slices.Repeat([]object.ID{good.ID}, MaxRoots+200))
	wantRule(t, err, RuleSize, -1)
}

func wantRule(t *testing.T, err error, rule string, at int64) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) || e.Rule != rule || at >= 0 && e.Offset != at {
		t.Errorf("want rule %s at byte %d, got %v", rule, at, err)
	}
}

func TestReadRefuses(t *testing.T) {
	bs := blocks(t)[:3]
	data := written(t, bs)
	_, got, err := readAll(data)
	if err != nil {
		t.Fatal(err)
	}
	first, second := got[0].Offset, got[1].Offset
	with := func(at int64, b ...byte) []byte { return slices.Concat(data[:at], b) }
	for name, one := range map[string]struct {
		data []byte
		rule string
		at   int64
	}{
		"nothing":            {nil, RuleHeader, 0},
		"no header":          {[]byte("hello, world"), RuleTruncated, 0},
		"another map":        {[]byte{1, 0xa0}, RuleHeader, 0},
		"cut in the header":  {data[:20], RuleTruncated, 0},
		"cut in a length":    {with(second, 0x80), RuleTruncated, second},
		"cut in a block":     {data[:second+20], RuleTruncated, second},
		"empty section":      {with(second, 0), RuleSection, second},
		"not minimal":        {with(second, 0x81, 0), RuleSection, second},
		"huge length":        {with(second, 0xff, 0xff, 0xff, 0x7f), RuleSection, second},
		"endless length":     {with(second, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), RuleSection, second},
		"no room for an id":  {with(second, 1, 1), RuleID, second},
		"not an id":          {slices.Concat(with(second, byte(idSize)), make([]byte, idSize)), RuleID, second},
		"another hash":       {slices.Concat(data[:second-1], []byte("x"), data[second:]), RuleHash, first},
		"version 2 cut":      {oracle(t, bs)[:60], RuleTruncated, 51},
		"version 2 of zeros": {append([]byte(pragma), make([]byte, headSize)...), RuleHeader, 0},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := readAll(one.data)
			wantRule(t, err, one.rule, one.at)
		})
	}
}

// Blocks by hashes that hhs does not have are refused by name.
func TestReadRefusesOtherHashes(t *testing.T) {
	h, err := multihash.Sum([]byte("x"), multihash.SHA2_512, -1)
	if err != nil {
		t.Fatal(err)
	}
	id := cid.NewCidV1(cid.Raw, h).Bytes()
	data := slices.Concat(written(t, blocks(t)[:1]), []byte{byte(len(id) + 1)}, id, []byte("x"))
	_, got, err := readAll(data)
	wantRule(t, err, RuleID, int64(len(data)-len(id)-2))
	if len(got) != 1 {
		t.Errorf("%d blocks before it", len(got))
	}
}

// A flipped bit is an error or harmless (in the index, in padding), never another block.
func TestFlips(t *testing.T) {
	bs := blocks(t)[:3]
	for _, data := range [][]byte{written(t, bs), oracle(t, bs)} {
		for i := range data {
			flipped := slices.Clone(data)
			flipped[i] ^= 1 << (i % 8)
			_, got, err := readAll(flipped)
			if err == nil && len(got) == len(bs) && !same(got, bs) {
				t.Fatalf("byte %d: other blocks", i)
			}
			for _, b := range got {
				if object.Sum(b.ID.Codec(), b.Data) != b.ID {
					t.Fatalf("byte %d: a block with a wrong id", i)
				}
			}
		}
	}
}

func FuzzRead(f *testing.F) {
	bs := blocks(f)[:2]
	f.Add(written(f, bs))
	f.Add(oracle(f, bs))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		_, got, err := readAll(data)
		for _, b := range got {
			if check(b) != nil {
				t.Fatalf("let through %s", b.ID)
			}
		}
		var e *Error
		if err != nil && (!errors.As(err, &e) || e.Offset < 0 || e.Offset > int64(len(data))) {
			t.Fatalf("an error without a place: %v", err)
		}
	})
}
