package storetest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"

	"github.com/hyperhyperspace/hhs-go/store"
)

func snapshotIsolation(t *testing.T, s store.Store) {
	Apply(t, s, "a", "1", "b", "1")
	old := snapshot(t, s)
	defer closeSnapshot(t, old)
	Apply(t, s, "a", "2", "b", "-", "c", "2")
	wantText(t, "old snapshot", scan(t, old, nil, nil, false), "a=1 b=1")
	wantGet(t, old, "b", "1")
	wantText(t, "new state", Dump(t, s), "a=2 c=2")
	for range old.Scan(nil, nil, false) { // a scan does not see what its body writes
		Apply(t, s, "aa", "3")
	}
	wantText(t, "old snapshot again", scan(t, old, nil, nil, true), "b=1 a=1")
}

func snapshotClose(t *testing.T, s store.Store) {
	Apply(t, s, "a", "1")
	snap := snapshot(t, s)
	other := snapshot(t, s)
	closeSnapshot(t, snap)
	closeSnapshot(t, snap) // idempotent
	_, err := snap.Get([]byte("a"))
	wantErr(t, "get after close", err, store.ErrClosed)
	wantErr(t, "scan after close", scanErr(snap), store.ErrClosed)
	wantGet(t, other, "a", "1")
	closeSnapshot(t, other)
}

func useAfterClose(t *testing.T, s store.Store) {
	Apply(t, s, "a", "1")
	snap := snapshot(t, s)
	for range 2 { // idempotent
		if err := s.Close(); err != nil {
			t.Fatalf("close: %v", err)
		}
	}
	var b store.Batch
	b.Put([]byte("b"), []byte("2"))
	wantErr(t, "apply", s.Apply(t.Context(), &b, store.Synced), store.ErrClosed)
	_, err := s.Snapshot()
	wantErr(t, "snapshot", err, store.ErrClosed)
	_, err = snap.Get([]byte("a"))
	wantErr(t, "get on an older snapshot", err, store.ErrClosed)
	wantErr(t, "scan on an older snapshot", scanErr(snap), store.ErrClosed)
	closeSnapshot(t, snap)
}

func scanErr(r store.Reader) error {
	for _, err := range r.Scan(nil, nil, false) {
		if err != nil {
			return err
		}
	}
	return nil
}

func contextDone(t *testing.T, s store.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var b store.Batch
	b.Put([]byte("a"), []byte("1"))
	wantErr(t, "apply", s.Apply(ctx, &b, store.Synced), context.Canceled)
	wantText(t, "nothing was written", Dump(t, s), "")
	if err := s.Apply(t.Context(), &b, store.Synced); err != nil {
		t.Fatalf("the same batch again: %v", err)
	}
	wantText(t, "now it was", Dump(t, s), "a=1")
}

func aliasing(t *testing.T, s store.Store) {
	key, value := []byte("key"), []byte("value")
	var b store.Batch
	b.Put(key, value)
	copy(key, "xxx")
	copy(value, "xxxxx")
	if err := s.Apply(t.Context(), &b, store.Synced); err != nil {
		t.Fatal(err)
	}
	for i := range b.Bytes() {
		b.Bytes()[i] = 'x'
	}
	snap := snapshot(t, s)
	defer closeSnapshot(t, snap)
	got, err := snap.Get([]byte("key"))
	if err != nil {
		t.Fatal(err)
	}
	copy(got, "yyyyy")
	_ = append(got, "yyyyy"...)
	for kv := range snap.Scan(nil, nil, false) { // appending to a pair does not reach the store
		_, _ = append(kv.Key, 'y'), append(kv.Value, 'y')
	}
	wantText(t, "the store has bytes of its own", Dump(t, s), "key=value")
}

func concurrentWriters(t *testing.T, s store.Store) {
	const writers, each = 8, 25
	errs := make(chan error, writers)
	for w := range writers {
		go func() {
			for i := range each {
				var b store.Batch
				b.Put(fmt.Appendf(nil, "w%d-%03d", w, i), fmt.Appendf(nil, "%d", i))
				b.Put(fmt.Appendf(nil, "last%d", w), fmt.Appendf(nil, "%d", i))
				if err := s.Apply(t.Context(), &b, store.Durability(i%3)); err != nil {
					errs <- err
					return
				}
				snap, err := s.Snapshot()
				if err != nil {
					errs <- err
					return
				}
				got, err := snap.Get(fmt.Appendf(nil, "last%d", w))
				if err := errors.Join(err, snap.Close()); err != nil || string(got) != fmt.Sprint(i) {
					errs <- fmt.Errorf("writer %d reads %q after writing %d: %v", w, got, i, err)
					return
				}
			}
			errs <- nil
		}()
	}
	for range writers {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	snap := snapshot(t, s)
	defer closeSnapshot(t, snap)
	n := 0
	for range snap.Scan([]byte("w"), []byte("x"), false) {
		n++
	}
	if n != writers*each {
		t.Fatalf("%d keys, want %d", n, writers*each)
	}
}

// atomicToReaders moves an amount between two keys while readers add them up. Readers wait for ticks: in a browser one
// that spins would keep the engine's events from ever arriving.
func atomicToReaders(t *testing.T, s store.Store) {
	Apply(t, s, "a", "100", "z", "0")
	ticks := make(chan struct{}, 3)
	var readers sync.WaitGroup
	for range 3 {
		readers.Go(func() {
			for range ticks {
				if err := sumIs(s, 100); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for i := range 100 {
		tick(ticks)
		Apply(t, s, "a", fmt.Sprint(100-i), "m", "filler", "z", fmt.Sprint(i))
	}
	close(ticks)
	readers.Wait()
}

// tick fills a channel as far as it takes.
func tick(c chan<- struct{}) {
	for {
		select {
		case c <- struct{}{}:
		default:
			return
		}
	}
}

func sumIs(s store.Store, want int) error {
	snap, err := s.Snapshot()
	if err != nil {
		return err
	}
	defer snap.Close()
	sum := 0
	for _, key := range []string{"a", "z"} {
		v, err := snap.Get([]byte(key))
		if err != nil {
			return err
		}
		var n int
		if _, err := fmt.Sscan(string(v), &n); err != nil {
			return err
		}
		sum += n
	}
	if sum != want {
		return fmt.Errorf("a snapshot shows half a batch: the sum is %d, not %d", sum, want)
	}
	return nil
}

// closeWhileBusy closes under readers and writers: each call either works or fails with ErrClosed.
func closeWhileBusy(t *testing.T, s store.Store) {
	var writers, readers sync.WaitGroup
	started := make(chan struct{}, 3)
	ticks := make(chan struct{}, 3)
	unexpected := func(err error) {
		if err != nil && !errors.Is(err, store.ErrClosed) {
			t.Errorf("while closing: %v", err)
		}
	}
	for w := range 3 {
		writers.Go(func() {
			for i := 0; ; i++ {
				var b store.Batch
				b.Put(fmt.Appendf(nil, "%d-%d", w, i%50), []byte("value"))
				if err := s.Apply(t.Context(), &b, store.Written); err != nil {
					unexpected(err)
					return
				}
				tick(ticks)
				if i == 3 {
					started <- struct{}{}
				}
				runtime.Gosched() // one thread without preemption, in WASM: an engine in memory never waits
			}
		})
		readers.Go(func() {
			for range ticks {
				snap, err := s.Snapshot()
				if err == nil {
					err = errors.Join(scanErr(snap), snap.Close())
				}
				unexpected(err)
			}
		})
	}
	for range 3 {
		<-started
	}
	if err := s.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	writers.Wait()
	close(ticks)
	readers.Wait()
}
