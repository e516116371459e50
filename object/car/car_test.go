//go:build !js

package car

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/ipfs/go-cid"
	"github.com/ipld/go-car/v2/storage"
	"github.com/multiformats/go-multihash"

	"github.com/hyperhyperspace/hhs-go/object"
)

func blocks(t testing.TB) []Block {
	t.Helper()
	leaf := []byte("raw bytes")
	id := object.Sum(object.Raw, leaf)
	out := []Block{{id, leaf}}
	for i := range 20 {
		b, err := object.Encode(map[string]any{"n": i, "link": id})
		if err != nil {
			t.Fatal(err)
		}
		id = object.Sum(object.DagCBOR, b)
		out = append(out, Block{id, b})
	}
	return out
}

func seq(bs []Block) iter.Seq2[Block, error] {
	return func(yield func(Block, error) bool) {
		for _, b := range bs {
			if !yield(b, nil) {
				return
			}
		}
	}
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

func written(t testing.TB, bs []Block, indexed bool) []byte {
	t.Helper()
	roots := []object.ID{bs[len(bs)-1].ID, bs[0].ID}
	if !indexed {
		var buf bytes.Buffer
		if err := Write(context.Background(), &buf, roots, seq(bs)); err != nil {
			t.Fatal(err)
		}
		return buf.Bytes()
	}
	name := filepath.Join(t.TempDir(), "x.car")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := WriteIndexed(context.Background(), f, roots, seq(bs)); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func same(a, b []Block) bool {
	return slices.EqualFunc(a, b, func(x, y Block) bool { return x.ID == y.ID && bytes.Equal(x.Data, y.Data) })
}

func TestRoundTrip(t *testing.T) {
	bs := blocks(t)
	for _, indexed := range []bool{false, true} {
		data := written(t, append(slices.Clone(bs), bs[3]), indexed)
		roots, got, err := readAll(data)
		if err != nil || !same(got, bs) {
			t.Fatalf("indexed %v: %d blocks, %v", indexed, len(got), err)
		}
		if !slices.Equal(roots, []object.ID{bs[3].ID, bs[0].ID}) {
			t.Errorf("roots %v", roots)
		}
		// Another reader finds single blocks in it.
		s, err := storage.OpenReadable(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		b, err := s.Get(context.Background(), toCID(bs[5].ID).KeyString())
		if err != nil || !bytes.Equal(b, bs[5].Data) {
			t.Errorf("%x %v", b, err)
		}
	}
}

func TestWriteRefuses(t *testing.T) {
	good := blocks(t)[0]
	loose := []byte{0x18, 0x00} // not minimal
	for name, b := range map[string]Block{
		"wrong id":      {good.ID, []byte("other")},
		"zero id":       {object.ID{}, nil},
		"not canonical": {object.Sum(object.DagCBOR, loose), loose},
		"too long":      {object.Sum(object.Raw, make([]byte, object.MaxBlock+1)), make([]byte, object.MaxBlock+1)},
	} {
		err := Write(context.Background(), &bytes.Buffer{}, nil, seq([]Block{b}))
		if !errors.Is(err, ErrBlock) {
			t.Errorf("%s: %v", name, err)
		}
	}
	failed := errors.New("failed")
	err := Write(context.Background(), &bytes.Buffer{}, nil, func(yield func(Block, error) bool) { yield(Block{}, failed) })
	if !errors.Is(err, failed) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := Write(ctx, &bytes.Buffer{}, nil, seq(blocks(t))); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestReadRefusesOtherBlocks(t *testing.T) {
	data := []byte("x")
	h, err := multihash.Sum(data, multihash.SHA2_512, -1)
	if err != nil {
		t.Fatal(err)
	}
	c := cid.NewCidV1(cid.Raw, h)
	f, err := os.Create(filepath.Join(t.TempDir(), "x.car"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	out, err := storage.NewWritable(f, []cid.Cid{})
	if err != nil {
		t.Fatal(err)
	}
	if err := out.Put(context.Background(), c.KeyString(), data); err != nil {
		t.Fatal(err)
	}
	if err := out.Finalize(); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := readAll(raw); !errors.Is(err, ErrBlock) {
		t.Error(err)
	}
}

// A flipped bit is an error or harmless (in the index, in padding), never another block.
func TestFlips(t *testing.T) {
	bs := blocks(t)[:3]
	for _, indexed := range []bool{false, true} {
		data := written(t, bs, indexed)
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
	f.Add(written(f, bs, false))
	f.Add(written(f, bs, true))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		_, got, _ := readAll(data)
		for _, b := range got {
			if check(b) != nil {
				t.Fatalf("let through %s", b.ID)
			}
		}
	})
}
