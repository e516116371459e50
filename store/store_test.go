package store_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/hyperhyperspace/hhs-go/store"
	"github.com/hyperhyperspace/hhs-go/store/storetest"
)

func TestMem(t *testing.T) {
	storetest.Run(t, func(testing.TB) store.Store { return store.NewMem() })
}

func TestMemPoisoned(t *testing.T) {
	storetest.Run(t, func(testing.TB) store.Store {
		m := store.NewMem()
		m.Poison()
		return m
	})
}

func TestMemFaults(t *testing.T) {
	m := store.NewMem()
	defer m.Close()
	boom := errors.New("boom")
	m.FailAt(2, store.ErrFull)
	m.FailAt(3, boom)
	for i, want := range []error{nil, store.ErrFull, boom, nil} {
		var b store.Batch
		b.Put(fmt.Appendf(nil, "k%d", i), []byte("v"))
		if err := m.Apply(t.Context(), &b, store.Synced); !errors.Is(err, want) {
			t.Fatalf("apply %d: %v, want %v", i, err, want)
		}
	}
	if got := storetest.Dump(t, m); got != "k0=v k3=v" {
		t.Fatalf("failed batches left something: %s", got)
	}
	m.FailReads(boom)
	snap, err := m.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := snap.Get([]byte("k0")); !errors.Is(err, boom) {
		t.Fatalf("get: %v, want boom", err)
	}
	m.FailReads(nil)
	if _, err := snap.Get([]byte("k0")); err != nil {
		t.Fatalf("get after the fault: %v", err)
	}
}

func TestMemBlock(t *testing.T) {
	m := store.NewMem()
	defer m.Close()
	release := m.Block()
	ctx, cancel := context.WithCancel(t.Context())
	results := make(chan error, 2)
	apply := func(ctx context.Context, key string) {
		var b store.Batch
		b.Put([]byte(key), []byte("v"))
		results <- m.Apply(ctx, &b, store.Synced)
	}
	go apply(ctx, "cancelled")
	if err := m.Blocked(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := <-results; !errors.Is(err, context.Canceled) {
		t.Fatalf("cancelled apply: %v", err)
	}
	go apply(t.Context(), "kept")
	if err := m.Blocked(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if got := storetest.Dump(t, m); got != "" {
		t.Fatalf("visible while blocked: %s", got)
	}
	release()
	release()
	if err := <-results; err != nil {
		t.Fatal(err)
	}
	if got := storetest.Dump(t, m); got != "kept=v" {
		t.Fatalf("after release: %s", got)
	}
}

// TestTxBodyWrites: a Scan of a Tx shows what was there when it began, whatever its body writes.
func TestTxBodyWrites(t *testing.T) {
	m := store.NewMem()
	defer m.Close()
	storetest.Apply(t, m, "a", "1", "b", "1", "c", "1")
	snap, err := m.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	defer snap.Close()
	tx := store.NewTx(snap)
	tx.Put([]byte("bb"), []byte("2"))
	var seen []string
	for kv, err := range tx.Scan(nil, nil, false) {
		if err != nil {
			t.Fatal(err)
		}
		seen = append(seen, string(kv.Key))
		tx.Put([]byte("d"), []byte("new"))
		tx.Delete([]byte("c"))
	}
	if got := fmt.Sprint(seen); got != "[a b bb c]" {
		t.Fatalf("seen %s", got)
	}
	if tx.Len() != 3 || tx.Batch().Len() != 3 {
		t.Fatalf("%d writes, want 3", tx.Len())
	}
}

// TestTxNested: a Tx over a Tx sees the outer's writes and changes it only through its Batch.
func TestTxNested(t *testing.T) {
	m := store.NewMem()
	defer m.Close()
	storetest.Apply(t, m, "a", "1")
	snap, err := m.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	defer snap.Close()
	outer := store.NewTx(snap)
	outer.Put([]byte("b"), []byte("2"))
	inner := store.NewTx(outer)
	inner.Delete([]byte("a"))
	inner.Put([]byte("c"), nil)
	if got := keys(t, inner); got != "[b c]" {
		t.Fatalf("inner %s", got)
	}
	if got := keys(t, outer); got != "[a b]" {
		t.Fatalf("outer %s", got)
	}
}

func keys(t *testing.T, r store.Reader) string {
	t.Helper()
	var out []string
	for kv, err := range r.Scan(nil, nil, false) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, string(kv.Key))
	}
	return fmt.Sprint(out)
}

func TestBatchLimit(t *testing.T) {
	var b store.Batch
	value := make([]byte, store.MaxValue)
	for i := range store.MaxBatch/store.MaxValue + 1 {
		b.Put([]byte{'k', byte(i)}, value)
	}
	m := store.NewMem()
	defer m.Close()
	if err := m.Apply(t.Context(), &b, store.Synced); !errors.Is(err, store.ErrTooLarge) {
		t.Fatalf("apply: %v, want ErrTooLarge", err)
	}
	b.Reset()
	b.Put([]byte("k"), nil)
	if err := m.Apply(t.Context(), &b, store.Synced); err != nil {
		t.Fatalf("after Reset: %v", err)
	}
}

// TestSplit: the parts joined are the whole, for every size.
func TestSplit(t *testing.T) {
	var b store.Batch
	for i := range 20 {
		b.Put(fmt.Appendf(nil, "key%d", i), make([]byte, i*3))
		b.Delete(fmt.Appendf(nil, "key%d", i))
	}
	b.DeleteRange([]byte("x"), nil)
	for _, size := range []int{0, 1, 20, 100, b.Size(), b.Size() + 1} {
		var joined []byte
		n := 0
		for part := range b.Split(size) {
			if part.Len() == 0 || (part.Size() > size && part.Len() > 1 && part.Size() > size+80) {
				t.Fatalf("size %d: part of %d bytes with %d operations", size, part.Size(), part.Len())
			}
			joined = append(joined, part.Bytes()...)
			n += part.Len()
		}
		if string(joined) != string(b.Bytes()) || n != b.Len() {
			t.Fatalf("size %d: the parts are not the whole", size)
		}
	}
	for range new(store.Batch).Split(10) {
		t.Fatal("an empty batch has no parts")
	}
}

// FuzzDecodeBatch: what is accepted was written by a Batch, and writing it again gives the same bytes.
func FuzzDecodeBatch(f *testing.F) {
	var b store.Batch
	b.Put([]byte("key"), []byte("value"))
	b.Put([]byte("k"), nil)
	b.Delete([]byte("key"))
	b.DeleteRange([]byte("a"), []byte("b"))
	b.DeleteRange([]byte("x"), nil)
	f.Add(b.Bytes())
	f.Add([]byte{})
	f.Add([]byte("\x01\x81\x00k\x00"))
	f.Add([]byte("\x03\x01b\x01a"))
	f.Add([]byte("\x01\x01\x00\x00"))
	f.Add([]byte("\x01\x01k\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := store.DecodeBatch(data)
		if err != nil {
			if !errors.Is(err, store.ErrCorrupt) {
				t.Fatalf("error is not ErrCorrupt: %v", err)
			}
			return
		}
		var again store.Batch
		got.Each(func(op store.Op, k, v []byte) {
			switch op {
			case store.OpPut:
				again.Put(k, v)
			case store.OpDelete:
				again.Delete(k)
			case store.OpDeleteRange:
				again.DeleteRange(k, v)
			}
		})
		if err := again.Err(); err != nil {
			t.Fatalf("accepted what Put refuses: %v", err)
		}
		if string(again.Bytes()) != string(data) || again.Len() != got.Len() {
			t.Fatalf("%x decodes and encodes to %x", data, again.Bytes())
		}
	})
}
