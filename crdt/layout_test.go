package crdt

import (
	"bytes"
	"math"
	"testing"

	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/object"
)

func TestOrderedNumbers(t *testing.T) {
	numbers := []uint64{0, 1, 2, 127, 128, 255, 256, 65535, 65536, 1 << 32, 1<<56 - 1, 1 << 56, math.MaxUint64}
	var last []byte
	for _, n := range numbers {
		b := appendOrdered(nil, n)
		if got, size := readOrdered(b); got != n || size != len(b) {
			t.Errorf("%d is read back as %d", n, got)
		}
		if last != nil && bytes.Compare(last, b) >= 0 {
			t.Errorf("the bytes of %d are not above those before", n)
		}
		last = b
	}
	for _, bad := range [][]byte{nil, {1}, {1, 0}, {2, 0, 1}, {9, 1, 1, 1, 1, 1, 1, 1, 1, 1}} {
		if _, size := readOrdered(bad); size != 0 {
			t.Errorf("%x is taken for a number", bad)
		}
	}
}

func TestPlaceOrder(t *testing.T) {
	lo, hi := object.IDFromDigest(object.DagCBOR, [32]byte{1}), object.IDFromDigest(object.DagCBOR, [32]byte{2})
	ordered := []Op{
		{Height: 1, Ref: history.OpRef{Commit: hi, Index: 7}},
		{Height: 2, Ref: history.OpRef{Commit: lo, Index: 0}},
		{Height: 2, Ref: history.OpRef{Commit: lo, Index: 1}},
		{Height: 2, Ref: history.OpRef{Commit: lo, Index: 300}},
		{Height: 2, Ref: history.OpRef{Commit: hi, Index: 0}},
		{Height: 300, Ref: history.OpRef{Commit: lo, Index: 0}},
	}
	for i := range ordered {
		p := placeOf(&ordered[i])
		height, ref, ok := parsePlace([]byte(p))
		if !ok || height != ordered[i].Height || ref != ordered[i].Ref {
			t.Errorf("place %d is read back as %d, %v, %v", i, height, ref, ok)
		}
		if i > 0 && placeOf(&ordered[i-1]) >= p {
			t.Errorf("place %d is not above the one before", i)
		}
	}
}

// FuzzState reads entries that are anything: what is read is written back the same.
func FuzzState(f *testing.F) {
	id := object.Sum(object.DagCBOR, []byte("a"))
	op := Op{Height: 3, Ref: history.OpRef{Commit: id, Index: 2}}
	r := record{flags: flagEffective, time: -5, rest: []byte{3}}
	f.Add([]byte(join(spaceShown, nil, placeOf(&op))), r.encode())
	b := &bundle{aux: []byte(noCut), items: []item{{string(placeOf(&op)), r}}, count: 1}
	f.Add(join(spaceShown, nil, ""), b.head())
	b.wide, b.size = true, 5000
	f.Add(join(spaceShown, SetKey([]byte{0x61, 'a'}), ""), b.head())
	f.Add([]byte{spaceShown}, []byte{})
	f.Fuzz(func(t *testing.T, key, value []byte) {
		if r, ok := decodeRecord(value); ok {
			if again, ok := decodeRecord(r.encode()); !ok || again.time != r.time || again.flags != r.flags || !bytes.Equal(again.rest, r.rest) {
				t.Errorf("%x is written back as %x", value, r.encode())
			}
		}
		if len(key) == 0 {
			return
		}
		if height, ref, ok := parsePlace(key[1:]); ok {
			if p := placeOf(&Op{Height: height, Ref: ref}); string(p) != string(key[1:]) {
				t.Errorf("place %x is written back as %x", key[1:], p)
			}
		}
		b := &bundle{}
		if !b.decode(value) || b.wide {
			return
		}
		again := &bundle{}
		if head := b.head(); !again.decode(head) || again.count != b.count || again.size != b.size || !bytes.Equal(again.head(), head) {
			t.Errorf("bundle %x is written back as %x", value, b.head())
		}
	})
}
