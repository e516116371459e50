// Package storetest is the suite that every store engine passes. Run checks what package store promises of any Store;
// RunReopen checks in addition that what was acknowledged is there after closing and opening again, for engines that
// keep their bytes somewhere.
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, func(testing.TB) store.Store { return store.NewMem() })
//	}
package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/hyperhyperspace/hhs-go/store"
)

// Open returns a new, empty store for one test. The suite closes it.
type Open func(t testing.TB) store.Store

// Run checks an engine.
func Run(t *testing.T, open Open) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := open(t)
			t.Cleanup(func() {
				if err := s.Close(); err != nil {
					t.Errorf("close at the end: %v", err)
				}
			})
			c.run(t, s)
		})
	}
}

var cases = []struct {
	name string
	run  func(*testing.T, store.Store)
}{
	{"GetPutDelete", getPutDelete},
	{"EmptyValue", emptyValue},
	{"BatchOrder", batchOrder},
	{"BatchReuse", batchReuse},
	{"EmptyBatch", emptyBatch},
	{"ScanBounds", scanBounds},
	{"ScanStops", scanStops},
	{"Fetch", fetch},
	{"DeleteRange", deleteRange},
	{"EngineKeys", engineKeys},
	{"RefusedBatches", refusedBatches},
	{"BigValues", bigValues},
	{"Durabilities", durabilities},
	{"SnapshotIsolation", snapshotIsolation},
	{"SnapshotClose", snapshotClose},
	{"UseAfterClose", useAfterClose},
	{"ContextDone", contextDone},
	{"Aliasing", aliasing},
	{"ConcurrentWriters", concurrentWriters},
	{"AtomicToReaders", atomicToReaders},
	{"CloseWhileBusy", closeWhileBusy},
	{"RandomAgainstModel", randomAgainstModel},
	{"TxOverEngine", txOverEngine},
}

// Apply applies pairs of key and value as one synced batch and fails the test if it cannot. A pair's value "-" deletes.
func Apply(t testing.TB, s store.Store, pairs ...string) {
	t.Helper()
	var b store.Batch
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] == "-" {
			b.Delete([]byte(pairs[i]))
		} else {
			b.Put([]byte(pairs[i]), []byte(pairs[i+1]))
		}
	}
	if err := s.Apply(t.Context(), &b, store.Synced); err != nil {
		t.Fatalf("apply %q: %v", pairs, err)
	}
}

// Dump returns everything in the store as "k=v k=v", in order.
func Dump(t testing.TB, s store.Store) string {
	t.Helper()
	snap := snapshot(t, s)
	defer closeSnapshot(t, snap)
	return scan(t, snap, nil, nil, false)
}

func snapshot(t testing.TB, s store.Store) store.Snapshot {
	t.Helper()
	snap, err := s.Snapshot()
	if err != nil {
		t.Fatalf("snapshot: %v", err)
	}
	return snap
}

func closeSnapshot(t testing.TB, snap store.Snapshot) {
	t.Helper()
	if err := snap.Close(); err != nil {
		t.Fatalf("close snapshot: %v", err)
	}
}

func scan(t testing.TB, r store.Reader, lo, hi []byte, reverse bool) string {
	t.Helper()
	var out bytes.Buffer
	for kv, err := range r.Scan(lo, hi, reverse) {
		if err != nil {
			t.Fatalf("scan: %v", err)
		}
		if out.Len() > 0 {
			out.WriteByte(' ')
		}
		fmt.Fprintf(&out, "%s=%s", kv.Key, kv.Value)
	}
	return out.String()
}

func wantGet(t testing.TB, r store.Reader, key, want string) {
	t.Helper()
	got, err := r.Get([]byte(key))
	if err != nil || string(got) != want {
		t.Fatalf("get %q = %q, %v; want %q", key, got, err, want)
	}
}

func wantErr(t testing.TB, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("%s: error %v, want %v", what, err, want)
	}
}

func wantText(t testing.TB, what, got, want string) {
	t.Helper()
	if got != want {
		t.Fatalf("%s\n got %q\nwant %q", what, got, want)
	}
}
