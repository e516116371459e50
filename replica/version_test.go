package replica_test

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/hyperhyperspace/hhs-go/replica"
	"github.com/hyperhyperspace/hhs-go/store"
)

// dump is all that a store holds.
func dump(t testing.TB, s store.Store) (list []store.KV) {
	t.Helper()
	snap, err := s.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	defer snap.Close()
	for kv, err := range snap.Scan(nil, nil, false) {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, store.KV{Key: bytes.Clone(kv.Key), Value: bytes.Clone(kv.Value)})
	}
	return list
}

func put(t testing.TB, s store.Store, key, value []byte) {
	t.Helper()
	var b store.Batch
	b.Put(key, value)
	if err := s.Apply(context.Background(), &b, store.Synced); err != nil {
		t.Fatal(err)
	}
}

// A store of a newer version is refused, and nothing of it is touched.
func TestNewerVersion(t *testing.T) {
	mem := store.NewMem()
	cfg := replica.Config{Store: mem, Device: newDevice(t, 1)}
	n := newNode(t, 1, func(c *replica.Config) { c.Store = mem })
	create(t, n)
	n.Close()
	key := []byte{'V'}
	for _, c := range []struct {
		value []byte
		want  error
	}{{[]byte{100, 1}, store.ErrNewer}, {nil, store.ErrCorrupt}, {[]byte{1}, store.ErrCorrupt}, {[]byte{1, 2, 3}, store.ErrCorrupt}, {[]byte{0, 2}, store.ErrCorrupt}} {
		put(t, mem, key, c.value)
		before := dump(t, mem)
		if _, err := replica.Open(context.Background(), cfg); !errors.Is(err, c.want) {
			t.Errorf("version %x: %v, not %v", c.value, err, c.want)
		}
		if after := dump(t, mem); len(after) != len(before) {
			t.Errorf("version %x: the store was changed", c.value)
		}
	}
}
