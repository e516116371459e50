package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/hyperhyperspace/hhs-go/store"
)

func getPutDelete(t *testing.T, s store.Store) {
	wantText(t, "new store", Dump(t, s), "")
	Apply(t, s, "a", "1", "b", "2", "c", "3")
	Apply(t, s, "b", "-", "c", "4", "absent", "-")
	snap := snapshot(t, s)
	defer closeSnapshot(t, snap)
	wantGet(t, snap, "a", "1")
	wantGet(t, snap, "c", "4")
	for _, key := range []string{"b", "absent", "aa", ""} {
		_, err := snap.Get([]byte(key))
		wantErr(t, "get "+key, err, store.ErrNotFound)
	}
}

func emptyValue(t *testing.T, s store.Store) {
	Apply(t, s, "a", "")
	snap := snapshot(t, s)
	defer closeSnapshot(t, snap)
	got, err := snap.Get([]byte("a"))
	if err != nil || got == nil || len(got) != 0 {
		t.Fatalf("get = %v, %v; want an empty slice that is not nil", got, err)
	}
	wantText(t, "scan", scan(t, snap, nil, nil, false), "a=")
}

func batchOrder(t *testing.T, s store.Store) {
	Apply(t, s, "a", "1", "a", "2", "b", "1", "b", "-", "c", "-", "c", "3")
	wantText(t, "later operations win", Dump(t, s), "a=2 c=3")
}

func batchReuse(t *testing.T, s store.Store) {
	var b store.Batch
	for i := range 3 {
		b.Reset()
		b.Put(fmt.Appendf(nil, "k%d", i), fmt.Appendf(nil, "v%d", i))
		if err := s.Apply(t.Context(), &b, store.Written); err != nil {
			t.Fatal(err)
		}
	}
	wantText(t, "the engine keeps nothing of a batch", Dump(t, s), "k0=v0 k1=v1 k2=v2")
}

func emptyBatch(t *testing.T, s store.Store) {
	Apply(t, s)
	var b store.Batch
	if err := s.Apply(t.Context(), &b, store.Memory); err != nil {
		t.Fatal(err)
	}
	wantText(t, "nothing", Dump(t, s), "")
}

func scanBounds(t *testing.T, s store.Store) {
	Apply(t, s, "a", "1", "b", "2", "ba", "3", "c", "4", "\xff", "5", "\xff\xff", "6")
	snap := snapshot(t, s)
	defer closeSnapshot(t, snap)
	for _, c := range []struct {
		lo, hi []byte
		want   string
	}{
		{nil, nil, "a=1 b=2 ba=3 c=4 \xff=5 \xff\xff=6"},
		{[]byte{}, nil, "a=1 b=2 ba=3 c=4 \xff=5 \xff\xff=6"},
		{[]byte("b"), []byte("c"), "b=2 ba=3"},
		{[]byte("b"), []byte("ba"), "b=2"},
		{[]byte("aa"), []byte("bb"), "b=2 ba=3"},
		{nil, []byte("b"), "a=1"},
		{[]byte("c"), nil, "c=4 \xff=5 \xff\xff=6"},
		{[]byte("\xff"), nil, "\xff=5 \xff\xff=6"},
		{[]byte("c"), []byte("\xff"), "c=4"},
		{[]byte("b"), []byte("b"), ""},
		{[]byte("c"), []byte("b"), ""},
		{[]byte("\xff\xff\xff"), nil, ""},
		{nil, []byte{}, ""},
		{nil, []byte("a"), ""},
	} {
		name := fmt.Sprintf("scan %q to %q", c.lo, c.hi)
		wantText(t, name, scan(t, snap, c.lo, c.hi, false), c.want)
		pairs := strings.Fields(c.want)
		for i, j := 0, len(pairs)-1; i < j; i, j = i+1, j-1 {
			pairs[i], pairs[j] = pairs[j], pairs[i]
		}
		wantText(t, name+" in reverse", scan(t, snap, c.lo, c.hi, true), strings.Join(pairs, " "))
	}
}

func scanStops(t *testing.T, s store.Store) {
	Apply(t, s, "a", "1", "b", "2", "c", "3")
	snap := snapshot(t, s)
	defer closeSnapshot(t, snap)
	seq := snap.Scan(nil, nil, false)
	for range 2 { // a sequence can be ranged over again
		n := 0
		for kv, err := range seq {
			if err != nil {
				t.Fatal(err)
			}
			if n++; n == 2 {
				wantText(t, "second", string(kv.Key), "b")
				break
			}
		}
	}
	for outer := range snap.Scan(nil, nil, false) { // and nested
		for inner := range snap.Scan(outer.Key, nil, true) {
			if string(inner.Key) < string(outer.Key) {
				t.Fatalf("inner scan from %q yields %q", outer.Key, inner.Key)
			}
		}
	}
}

func deleteRange(t *testing.T, s store.Store) {
	fill := func() { Apply(t, s, "a", "1", "b", "2", "c", "3", "d", "4") }
	for _, c := range []struct {
		lo, hi []byte
		want   string
	}{
		{[]byte("b"), []byte("d"), "a=1 d=4"},
		{nil, []byte("c"), "c=3 d=4"},
		{[]byte("c"), nil, "a=1 b=2"},
		{nil, nil, ""},
		{[]byte("bb"), []byte("c"), "a=1 b=2 c=3 d=4"},
		{[]byte("d"), []byte("b"), "a=1 b=2 c=3 d=4"},
		{nil, []byte{}, "a=1 b=2 c=3 d=4"},
		{[]byte("e"), nil, "a=1 b=2 c=3 d=4"},
	} {
		fill()
		var b store.Batch
		b.DeleteRange(c.lo, c.hi)
		if err := s.Apply(t.Context(), &b, store.Synced); err != nil {
			t.Fatal(err)
		}
		wantText(t, fmt.Sprintf("delete %q to %q", c.lo, c.hi), Dump(t, s), c.want)
	}
	fill()
	var b store.Batch
	b.Put([]byte("bb"), []byte("x"))
	b.DeleteRange([]byte("b"), []byte("c"))
	b.Put([]byte("bc"), []byte("y"))
	if err := s.Apply(t.Context(), &b, store.Synced); err != nil {
		t.Fatal(err)
	}
	wantText(t, "a range inside a batch", Dump(t, s), "a=1 bc=y c=3 d=4")
}

func engineKeys(t *testing.T, s store.Store) {
	Apply(t, s, "\x01", "first")
	wantText(t, "engine keys are not shown", Dump(t, s), "\x01=first")
	snap := snapshot(t, s)
	defer closeSnapshot(t, snap)
	_, err := snap.Get([]byte("\x00format"))
	wantErr(t, "get engine key", err, store.ErrNotFound)
	wantText(t, "scan of the engine's range", scan(t, snap, []byte{0}, []byte{1}, true), "")
}

func refusedBatches(t *testing.T, s store.Store) {
	long := bytes.Repeat([]byte{'k'}, store.MaxKey+1)
	for _, c := range []struct {
		name string
		fill func(*store.Batch)
		want error
	}{
		{"empty key", func(b *store.Batch) { b.Put(nil, []byte("v")) }, store.ErrKey},
		{"engine key", func(b *store.Batch) { b.Put([]byte("\x00format"), []byte("v")) }, store.ErrKey},
		{"delete engine key", func(b *store.Batch) { b.Delete([]byte{0}) }, store.ErrKey},
		{"long key", func(b *store.Batch) { b.Put(long, nil) }, store.ErrKey},
		{"long bound", func(b *store.Batch) { b.DeleteRange(nil, long) }, store.ErrKey},
		{"large value", func(b *store.Batch) { b.Put([]byte("k"), make([]byte, store.MaxValue+1)) }, store.ErrTooLarge},
	} {
		var b store.Batch
		b.Put([]byte("before"), []byte("v"))
		c.fill(&b)
		b.Put([]byte("after"), []byte("v"))
		wantErr(t, c.name, s.Apply(t.Context(), &b, store.Synced), c.want)
		wantText(t, c.name+": nothing is kept", Dump(t, s), "")
	}
	Apply(t, s, string(long[:store.MaxKey]), "v")
}

func bigValues(t *testing.T, s store.Store) {
	sizes := []int{1, 1 << 10, 64 << 10, 1<<20 - 1, 1 << 20, 3<<20 + 7, store.MaxValue}
	var b store.Batch
	for i, n := range sizes {
		b.Put([]byte{'v', byte(i)}, bytes.Repeat([]byte{byte(i + 1)}, n))
	}
	if err := s.Apply(t.Context(), &b, store.Synced); err != nil {
		t.Fatal(err)
	}
	snap := snapshot(t, s)
	defer closeSnapshot(t, snap)
	for i, n := range sizes {
		got, err := snap.Get([]byte{'v', byte(i)})
		if err != nil || !bytes.Equal(got, bytes.Repeat([]byte{byte(i + 1)}, n)) {
			t.Fatalf("value of %d bytes: got %d bytes, %v", n, len(got), err)
		}
	}
}

func durabilities(t *testing.T, s store.Store) {
	for d, key := range map[store.Durability]string{store.Synced: "a", store.Written: "b", store.Memory: "c"} {
		var b store.Batch
		b.Put([]byte(key), []byte("1"))
		if err := s.Apply(t.Context(), &b, d); err != nil {
			t.Fatal(err)
		}
	}
	wantText(t, "all are visible at once", Dump(t, s), "a=1 b=1 c=1")
}

// fetch: what a Tx fetched is what it would have got one by one, and is at hand then.
func fetch(t *testing.T, s store.Store) {
	Apply(t, s, "a", "1", "b", "", "c", "3", "d", "4")
	Apply(t, s, "c", "-", "e", strings.Repeat("long", 1000))
	snap := snapshot(t, s)
	defer closeSnapshot(t, snap)
	tx := store.NewTx(snap)
	tx.Put([]byte("d"), []byte("own"))
	names := []string{"d", "absent", "a", "\x00engine", "c", "b", "a", "e", "zz"}
	var keys [][]byte
	for _, n := range names {
		keys = append(keys, []byte(n))
	}
	if err := tx.Fetch(keys); err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		want, wantErr := snap.Get([]byte(n))
		if wantErr != nil && !errors.Is(wantErr, store.ErrNotFound) {
			t.Fatal(wantErr)
		}
		if n == "d" {
			want = []byte("own")
		}
		got, err := tx.Get([]byte(n))
		if !bytes.Equal(got, want) || (got == nil) != (want == nil) || errors.Is(err, store.ErrNotFound) != (wantErr != nil) {
			t.Errorf("get %q after fetch = %.10q, %v; want %.10q, %v", n, got, err, want, wantErr)
		}
	}
	f, ok := snap.(store.Fetcher)
	if !ok {
		return
	}
	var found []string
	ascending := []string{"a", "absent", "b", "c", "d"}
	keys = nil
	for _, n := range ascending {
		keys = append(keys, []byte(n))
	}
	if err := f.Fetch(keys, func(i int, v []byte) { found = append(found, ascending[i]+"="+string(v)) }); err != nil {
		t.Fatal(err)
	}
	wantText(t, "found", strings.Join(found, " "), "a=1 b= d=4")
	closeSnapshot(t, snap)
	wantErr(t, "fetch from a closed snapshot", f.Fetch(keys, func(int, []byte) {}), store.ErrClosed)
	if v, err := tx.Get([]byte("a")); err != nil || string(v) != "1" {
		t.Errorf("get of what was fetched = %q, %v", v, err)
	}
	if _, err := tx.Get([]byte("absent")); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("get of what was looked for in vain: %v", err)
	}
}
