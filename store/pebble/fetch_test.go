//go:build !js

package pebble

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/hyperhyperspace/hhs-go/store"
)

// Fetch finds in tables of several levels, behind filters, what Get finds.
func TestFetchFromTables(t *testing.T) {
	d, err := Open(t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	key := func(i int) []byte { return fmt.Appendf(nil, "key %06d", i*7919%10000) }
	for round := range 4 {
		var b store.Batch
		for i := round * 500; i < round*500+1000; i++ {
			if i%11 == 3 {
				b.Delete(key(i))
			} else {
				b.Put(key(i), fmt.Appendf(nil, "%d in round %d", i, round))
			}
		}
		if err := d.Apply(context.Background(), &b, store.Written); err != nil {
			t.Fatal(err)
		}
		if round < 3 { // the last stays in memory
			if err := d.db.Flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	snap, err := d.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	defer snap.Close()
	var keys [][]byte
	for i := range 5000 {
		keys = append(keys, key(i))
	}
	slices.SortFunc(keys, bytes.Compare)
	got := map[string]string{}
	if err := snap.(store.Fetcher).Fetch(keys, func(i int, v []byte) { got[string(keys[i])] = string(v) }); err != nil {
		t.Fatal(err)
	}
	there := 0
	for _, k := range keys {
		v, err := snap.Get(k)
		if errors.Is(err, store.ErrNotFound) {
			if w, ok := got[string(k)]; ok {
				t.Fatalf("%s is not there, fetched %q", k, w)
			}
			continue
		}
		if there++; err != nil || got[string(k)] != string(v) {
			t.Fatalf("%s = %q, %v; fetched %q", k, v, err, got[string(k)])
		}
	}
	if there < 2000 || there > 2400 {
		t.Fatalf("%d keys are there", there)
	}
}
