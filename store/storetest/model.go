package storetest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/hyperhyperspace/hhs-go/store"
)

// model is the naive store: a sorted list of pairs.
type model map[string]string

func (m model) scan(lo, hi []byte, reverse bool) string {
	var keys []string
	for k := range m {
		if k >= string(lo) && (hi == nil || k < string(hi)) {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	if reverse {
		slices.Reverse(keys)
	}
	var out bytes.Buffer
	for i, k := range keys {
		if i > 0 {
			out.WriteByte(' ')
		}
		fmt.Fprintf(&out, "%s=%s", k, m[k])
	}
	return out.String()
}

func (m model) deleteRange(lo, hi []byte) {
	for k := range m {
		if k >= string(lo) && (hi == nil || k < string(hi)) {
			delete(m, k)
		}
	}
}

// randomKey draws from few keys so that operations meet.
func randomKey(r *rand.Rand) []byte {
	return fmt.Appendf(nil, "%c%x", 'a'+r.IntN(4), r.IntN(12))
}

func randomBound(r *rand.Rand) []byte {
	if r.IntN(6) == 0 {
		return nil
	}
	return randomKey(r)
}

// writer is what a Batch and a Tx have in common.
type writer interface {
	Put(key, value []byte)
	Delete(key []byte)
}

// randomOps performs n random operations on w and on the model.
func randomOps(r *rand.Rand, w writer, m model, n int) {
	for range n {
		key := randomKey(r)
		b, ranges := w.(*store.Batch)
		switch k := r.IntN(10); {
		case k == 0 && ranges:
			lo, hi := randomBound(r), randomBound(r)
			b.DeleteRange(lo, hi)
			m.deleteRange(lo, hi)
		case k < 3:
			w.Delete(key)
			delete(m, string(key))
		default:
			value := fmt.Sprint(r.IntN(1000))
			w.Put(key, []byte(value))
			m[string(key)] = value
		}
	}
}

func compare(t testing.TB, seed uint64, r *rand.Rand, got store.Reader, want model) {
	t.Helper()
	for range 4 {
		lo, hi, reverse := randomBound(r), randomBound(r), r.IntN(2) == 0
		wantText(t, fmt.Sprintf("seed %d: scan %q to %q, reverse %v", seed, lo, hi, reverse),
			scan(t, got, lo, hi, reverse), want.scan(lo, hi, reverse))
	}
}

func randomAgainstModel(t *testing.T, s store.Store) {
	const seed = 1
	r := rand.New(rand.NewPCG(seed, 0))
	want := model{}
	for range 150 {
		var b store.Batch
		randomOps(r, &b, want, 1+r.IntN(8))
		if err := s.Apply(t.Context(), &b, store.Memory); err != nil {
			t.Fatal(err)
		}
		snap := snapshot(t, s)
		compare(t, seed, r, snap, want)
		closeSnapshot(t, snap)
	}
}

// txOverEngine compares a Tx, its Batch once applied, and the model.
func txOverEngine(t *testing.T, s store.Store) {
	const seed = 2
	r := rand.New(rand.NewPCG(seed, 0))
	want := model{}
	for range 60 {
		snap := snapshot(t, s)
		tx := store.NewTx(snap)
		for range 3 {
			randomOps(r, tx, want, 1+r.IntN(5))
			compare(t, seed, r, tx, want)
		}
		b := tx.Batch()
		closeSnapshot(t, snap)
		if err := s.Apply(t.Context(), b, store.Memory); err != nil {
			t.Fatal(err)
		}
		wantText(t, "applied", Dump(t, s), want.scan(nil, nil, false))
	}
}
