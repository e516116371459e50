package replica

import (
	"bytes"
	"iter"
	"testing"

	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/store"
)

// counted counts what is read.
type counted struct {
	store.Reader
	gets, scanned int
}

func (c *counted) Get(key []byte) ([]byte, error) {
	c.gets++
	return c.Reader.Get(key)
}

func (c *counted) Scan(lo, hi []byte, reverse bool) iter.Seq2[store.KV, error] {
	return func(yield func(store.KV, error) bool) {
		for kv, err := range c.Reader.Scan(lo, hi, reverse) {
			if c.scanned++; !yield(kv, err) {
				return
			}
		}
	}
}

// Records that are asked for in order are read by scans; those asked for here and there, however near, one by one.
func TestAheadRecords(t *testing.T) {
	const all = 200
	mem := store.NewMem()
	keys := newKeyspace(1)
	var b store.Batch
	value := func(n history.Num) []byte { return bytes.Repeat([]byte{byte(n)}, int(n%7)*100) }
	for n := range history.Num(all) {
		b.Put(keys.commit(n), value(n))
	}
	if err := mem.Apply(t.Context(), &b, store.Memory); err != nil {
		t.Fatal(err)
	}
	var up, down, about []history.Num
	for n := range history.Num(all) {
		up, down = append(up, n), append(down, all-1-n)
		about = append(about, (n/2+n%2*5)%all) // to and fro
	}
	for _, c := range []struct {
		name          string
		order         []history.Num
		gets, scanned int // at most
	}{{"up", up, 3, all + maxAhead}, {"down", down, 3, all + maxAhead}, {"to and fro", about, all, 0}} {
		t.Run(c.name, func(t *testing.T) {
			snap, err := mem.Snapshot()
			if err != nil {
				t.Fatal(err)
			}
			defer snap.Close()
			r := &counted{Reader: snap}
			var a aheadRecords
			var kept [][]byte
			for _, n := range c.order {
				v, err := a.get(&commits{keys: keys, r: r}, n)
				if err != nil {
					t.Fatal(err)
				}
				kept = append(kept, v)
			}
			for i, n := range c.order { // what was read stays what it is
				if !bytes.Equal(kept[i], value(n)) {
					t.Fatalf("record %d is %x", n, kept[i])
				}
			}
			if r.gets > c.gets || r.scanned > c.scanned {
				t.Errorf("%d read one by one and %d by scans, at most %d and %d are good", r.gets, r.scanned, c.gets, c.scanned)
			}
		})
	}
}
