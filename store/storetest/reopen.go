package storetest

import (
	"fmt"
	"testing"

	"github.com/hyperhyperspace/hhs-go/store"
)

// Place returns a function that opens the same place, empty at first, each time it is called, one at a time.
type Place func(t testing.TB) (open func() (store.Store, error))

// RunReopen checks an engine that keeps its bytes beyond Close.
func RunReopen(t *testing.T, place Place) {
	t.Run("Kept", func(t *testing.T) { kept(t, place(t)) })
	t.Run("ManyTimes", func(t *testing.T) { manyTimes(t, place(t)) })
	t.Run("LockedWhileOpen", func(t *testing.T) { lockedWhileOpen(t, place(t)) })
}

func mustOpen(t testing.TB, open func() (store.Store, error)) store.Store {
	t.Helper()
	s, err := open()
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	return s
}

func mustClose(t testing.TB, s store.Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
}

// kept checks that every acknowledged batch, of whatever durability, survives an orderly Close.
func kept(t *testing.T, open func() (store.Store, error)) {
	s := mustOpen(t, open)
	want := model{}
	for i := range 30 {
		var b store.Batch
		key, value := fmt.Sprintf("k%02d", i%20), fmt.Sprint(i)
		b.Put([]byte(key), []byte(value))
		want[key] = value
		if i%7 == 3 {
			b.DeleteRange([]byte("k05"), []byte("k08"))
			want.deleteRange([]byte("k05"), []byte("k08"))
		}
		if err := s.Apply(t.Context(), &b, store.Durability(i%3)); err != nil {
			t.Fatal(err)
		}
	}
	mustClose(t, s)
	s = mustOpen(t, open)
	wantText(t, "after opening again", Dump(t, s), want.scan(nil, nil, false))
	mustClose(t, s)
}

func manyTimes(t *testing.T, open func() (store.Store, error)) {
	want := model{}
	for i := range 12 {
		s := mustOpen(t, open)
		wantText(t, fmt.Sprintf("opened %d times", i), Dump(t, s), want.scan(nil, nil, false))
		key := fmt.Sprintf("k%d", i)
		Apply(t, s, key, "v")
		want[key] = "v"
		mustClose(t, s)
	}
}

// lockedWhileOpen accepts both ways of keeping a single writer: the second opener is refused with ErrLocked, or it
// takes over and the first is fenced, failing with ErrReadOnly from then on.
func lockedWhileOpen(t *testing.T, open func() (store.Store, error)) {
	first := mustOpen(t, open)
	Apply(t, first, "a", "1")
	second, err := open()
	if err != nil {
		wantErr(t, "second open", err, store.ErrLocked)
		Apply(t, first, "b", "2")
	} else {
		var b store.Batch
		b.Put([]byte("b"), []byte("lost"))
		wantErr(t, "write of the first", first.Apply(t.Context(), &b, store.Synced), store.ErrReadOnly)
		Apply(t, second, "b", "2")
		mustClose(t, second)
	}
	mustClose(t, first)
	s := mustOpen(t, open)
	wantText(t, "one writer's bytes", Dump(t, s), "a=1 b=2")
	mustClose(t, s)
}
