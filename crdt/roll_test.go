package crdt

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/object"
)

// TestRuns: adding and taking out indexes gives what a plain set of them gives, in whatever order, and the encoding of
// one set is one.
func TestRuns(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		var runs []run
		in := map[uint32]bool{}
		for range 60 {
			index := uint32(r.IntN(24))
			change, want := withRun, !in[index]
			if r.IntN(3) == 0 {
				change, want = withoutRun, in[index]
			}
			next, ok := change(slices.Clone(runs), index)
			if ok != want {
				t.Fatalf("index %d of %v: ok is %v", index, runs, ok)
			}
			if !ok {
				continue
			}
			runs, in[index] = next, !in[index]
			var listed, wanted []uint32
			for _, x := range runs {
				for j := range x.n {
					listed = append(listed, x.from+j)
				}
			}
			for i := range uint32(24) {
				if in[i] {
					wanted = append(wanted, i)
				}
			}
			if !slices.Equal(listed, wanted) {
				t.Fatalf("%v lists %v, not %v", runs, listed, wanted)
			}
			for i := 1; i < len(runs); i++ {
				if runs[i-1].from+runs[i-1].n >= runs[i].from {
					t.Fatalf("%v: two runs touch", runs)
				}
			}
			if len(runs) == 0 {
				continue
			}
			num, again, ok := decodeRoll(encodeRoll(7, runs))
			if !ok || num != 7 || !slices.Equal(again, runs) {
				t.Fatalf("%v is read back as %v, %v", runs, again, ok)
			}
		}
	}
}

// TestSpotOrder: spots compare as places do.
func TestSpotOrder(t *testing.T) {
	lo, hi := object.IDFromDigest(object.DagCBOR, [32]byte{1}), object.IDFromDigest(object.DagCBOR, [32]byte{2})
	var last string
	for _, op := range []Op{
		{Height: 1, Ref: history.OpRef{Commit: hi, Index: 7}},
		{Height: 2, Ref: history.OpRef{Commit: lo, Index: 0}},
		{Height: 2, Ref: history.OpRef{Commit: lo, Index: 1}},
		{Height: 2, Ref: history.OpRef{Commit: lo, Index: 300}},
		{Height: 2, Ref: history.OpRef{Commit: hi, Index: 0}},
		{Height: 300, Ref: history.OpRef{Commit: lo, Index: 0}},
	} {
		spot := spotOf(&op)
		stand, index, ok := parseSpot(spot)
		if !ok || index != op.Ref.Index || stand != string(appendStand(nil, op.Height, op.Ref)) {
			t.Errorf("spot %x is read back as %x, %d, %v", spot, stand, index, ok)
		}
		if spot <= last {
			t.Errorf("spot %x is not above the one before", spot)
		}
		last = spot
	}
}

// FuzzRoll: an entry of the roll that is anything is refused or written back the same.
func FuzzRoll(f *testing.F) {
	f.Add(encodeRoll(3, []run{{0, 1}}))
	f.Add(encodeRoll(1<<40, []run{{2, 3}, {7, 60}, {100, 1}}))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, v []byte) {
		num, runs, ok := decodeRoll(v)
		if !ok {
			return
		}
		n, again, ok := decodeRoll(encodeRoll(num, runs))
		if !ok || n != num || !slices.Equal(again, runs) {
			t.Errorf("%x is read as %v and again as %v", v, runs, again)
		}
		if last := runs[len(runs)-1]; uint64(last.from)+uint64(last.n) > 1<<32 {
			t.Errorf("%x goes beyond every index", v)
		}
		_, _, _ = parseSpot(v)
	})
}
