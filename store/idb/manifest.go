package idb

import (
	"bytes"
	"encoding/binary"
	"sort"

	"github.com/hyperhyperspace/hhs-go/store"
)

// A manifest says what is in the store besides the journal. As uvarints: the last journal entry that the runs cover;
// generation and number of chunks of a snapshot of format 1 that is still to be migrated, or zeros; and for each run,
// newest first, the number of its ranges, the ranges, the number of its tables, the tables. A range is its bounds, the
// upper one empty if there is none. A table is number of the first block, number of blocks (the index has the number
// after the last block), bytes, first key, last key. Bounds and keys begin with their length.
type manifest struct {
	covered            uint64
	generation, chunks uint64
	runs               []*run
}

// run is what one memory or one merge became: tables with keys in order, over everything older. Nobody changes it.
type run struct {
	ranges *tree // keys that are deleted from older runs
	tables []*table
}

// table is a sequence of blocks and their index.
type table struct {
	first, blocks uint64
	size          uint64
	low, high     []byte // first and last key
	refs          int    // versions that hold it; guarded by engine.mu
}

// number of the record of the index.
func (t *table) index() uint64 { return t.first + t.blocks }

// size of a run is what merging it costs.
func (r *run) size() (n uint64) {
	for _, t := range r.tables {
		n += t.size
	}
	return n
}

// find returns the last table that does not begin above key, -1 if there is none.
func (r *run) find(key []byte) int {
	return sort.Search(len(r.tables), func(i int) bool { return bytes.Compare(r.tables[i].low, key) > 0 }) - 1
}

// without returns the run without the tables that lie in one of the ranges.
func (r *run) without(ranges *tree) *run {
	left := &run{ranges: r.ranges}
	for _, t := range r.tables {
		if end, in := rangeOf(ranges, t.low); !in || end != nil && bytes.Compare(t.high, end) >= 0 {
			left.tables = append(left.tables, t)
		}
	}
	return left
}

func (m *manifest) record() []byte {
	b := beginRecord(kindManifest, 0, 0, 0)
	num := func(n uint64) { b = binary.AppendUvarint(b, n) }
	text := func(v []byte) { num(uint64(len(v))); b = join(b, v) }
	num(m.covered)
	num(m.generation)
	num(m.chunks)
	for _, r := range m.runs {
		num(uint64(r.ranges.Len()))
		r.ranges.Ascend("", func(lo string, hi []byte) bool {
			text([]byte(lo))
			text(hi)
			return true
		})
		num(uint64(len(r.tables)))
		for _, t := range r.tables {
			num(t.first)
			num(t.blocks)
			num(t.size)
			text(t.low)
			text(t.high)
		}
	}
	return endRecord(b)
}

// openManifest reads what record returned.
func openManifest(rec []byte) (*manifest, error) {
	data, err := openRecord(kindManifest, 0, 0, rec)
	if err != nil {
		return nil, err
	}
	d := decoder{data: data, ok: true}
	m := &manifest{covered: d.number(maxNumber), generation: d.number(maxNumber), chunks: d.number(maxNumber)}
	for d.ok && d.at < len(d.data) {
		m.runs = append(m.runs, d.run())
	}
	if !d.ok {
		return nil, damaged(kindManifest, 0, 0, "length or order")
	}
	return m, nil
}

// decoder reads numbers and keys; after a failure all it gives is empty.
type decoder struct {
	data []byte
	at   int
	ok   bool
}

func (d *decoder) number(limit uint64) (n uint64) {
	if d.ok {
		n, d.at, d.ok = number(d.data, d.at, limit)
	}
	return n
}

// key reads a key that is allowed and above the one given.
func (d *decoder) key(above []byte) (k []byte) {
	if d.ok {
		k, d.at, d.ok = field(d.data, d.at, store.MaxKey)
		d.ok = d.ok && !store.Reserved(k) && bytes.Compare(above, k) < 0
	}
	return k
}

func (d *decoder) run() *run {
	r := &run{ranges: newTree()}
	var last []byte
	for n := d.number(maxNumber); d.ok && n > 0; n-- {
		lo := d.key(last)
		last = d.bound(lo, n == 1)
		r.ranges.Set(string(lo), last)
	}
	last = nil
	for n := d.number(maxNumber); d.ok && n > 0; n-- {
		t := &table{first: d.number(maxNumber), blocks: d.number(maxTableBlocks), size: d.number(maxNumber), low: d.key(last)}
		t.high = d.high(t.low)
		d.ok = d.ok && t.blocks > 0
		last = t.high
		r.tables = append(r.tables, t)
	}
	return r
}

// bound reads the upper bound of a range that begins at lo; only the last one may have none.
func (d *decoder) bound(lo []byte, last bool) []byte {
	if !d.ok || !last || d.at >= len(d.data) || d.data[d.at] != 0 {
		return d.key(lo)
	}
	d.at++
	return nil
}

// high reads the last key of a table whose first is low: it is the same if there is only one.
func (d *decoder) high(low []byte) (k []byte) {
	if d.ok {
		k, d.at, d.ok = field(d.data, d.at, store.MaxKey)
		d.ok = d.ok && bytes.Compare(low, k) <= 0
	}
	return k
}
