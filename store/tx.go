package store

import (
	"bytes"
	"errors"
	"iter"
	"slices"
	"strings"

	"github.com/tidwall/btree"
)

// Tx is a Reader with writes laid over another Reader: it reads its own writes and gives them out as one Batch. It is
// not safe for concurrent use. A Tx over a Tx is a nested one, which is dropped or copied into the outer by its Batch.
type Tx struct {
	under   Reader
	at      map[string]int // where in entries a key is
	entries []entry        // in the order in which they were met
	wrote   int            // how many of them were written
	kept    int            // how many were read one by one
	size    int            // of the Batch

	over  *btree.Map[string, write] // the writes in order; nil until something scans
	scans int                       // under way over it
	bytes []byte                    // room for values
	names strings.Builder           // and for keys
}

// entry is a key that was written, or read from under and is remembered.
type entry struct {
	key   string
	value []byte // nil: deleted, or absent
	wrote bool
}

// maxRead bounds how many reads a Tx remembers: enough for what each of many
// ops reads again, such as its author.
const (
	maxRead      = 64
	maxReadValue = 1 << 10
)

// A Tx allocates room for many values at once: little at first, because most hold few, and each time twice as much.
const (
	minTxRoom = 512
	maxTxRoom = 32 << 10
)

// write is what a Tx has done to a key: the new value, or nil for a deletion.
type write struct{ value []byte }

var _ Reader = (*Tx)(nil)

// NewTx returns a Tx without writes over r, which must not change while the Tx is used. It does not close r.
func NewTx(r Reader) *Tx { return &Tx{under: r, at: make(map[string]int)} }

// Get returns a copy of the value that the Tx sees at key, or ErrNotFound.
func (t *Tx) Get(key []byte) ([]byte, error) {
	if i, ok := t.at[string(key)]; ok {
		if v := t.entries[i].value; v != nil {
			return clone(v), nil
		}
		return nil, ErrNotFound
	}
	v, err := t.under.Get(key)
	if t.kept < maxRead && (err == nil && len(v) <= maxReadValue || errors.Is(err, ErrNotFound)) {
		t.kept++
		t.remember(key, v, err == nil)
	}
	return v, err
}

// remember keeps what is under a key that has no entry.
func (t *Tx) remember(key, value []byte, here bool) {
	e := entry{key: t.name(key)}
	if here {
		e.value = t.keep(value)
	}
	t.at[e.key] = len(t.entries)
	t.entries = append(t.entries, e)
}

// keep copies a value into memory that many share.
func (t *Tx) keep(v []byte) []byte {
	if t.bytes == nil || cap(t.bytes)-len(t.bytes) < len(v) { // an empty value is not nil
		t.bytes = make([]byte, 0, max(minTxRoom, min(2*cap(t.bytes), maxTxRoom), len(v)))
	}
	from := len(t.bytes)
	t.bytes = append(t.bytes, v...)
	return t.bytes[from:len(t.bytes):len(t.bytes)]
}

// name is keep for keys.
func (t *Tx) name(key []byte) string {
	if t.names.Cap()-t.names.Len() < len(key) {
		room := max(minTxRoom, min(2*t.names.Cap(), maxTxRoom), len(key))
		t.names = strings.Builder{} // those before keep theirs
		t.names.Grow(room)
	}
	from := t.names.Len()
	t.names.Write(key)
	return t.names.String()[from:]
}

// Fetch reads keys in one go where the Reader below is a Fetcher, so that Get has them at hand; else it does nothing. The
// caller bounds their number. It sorts keys.
func (t *Tx) Fetch(keys [][]byte) error {
	f, ok := t.under.(Fetcher)
	if !ok {
		return nil
	}
	keys = slices.DeleteFunc(keys, func(k []byte) bool { _, known := t.at[string(k)]; return known })
	slices.SortFunc(keys, bytes.Compare)
	keys = slices.CompactFunc(keys, bytes.Equal)
	t.entries = slices.Grow(t.entries, len(keys))
	at := 0
	absent := func(to int) {
		for ; at < to; at++ {
			t.remember(keys[at], nil, false)
		}
	}
	err := f.Fetch(keys, func(i int, value []byte) {
		absent(i)
		if at++; len(value) <= maxReadValue {
			t.remember(keys[i], value, true)
		}
	})
	if err == nil {
		absent(len(keys))
	}
	return err
}

// Put sets key to a copy of value. Keys and values that a Batch does not take are reported when the Batch is applied.
func (t *Tx) Put(key, value []byte) { t.set(key, t.keep(value)) }

// Delete removes key.
func (t *Tx) Delete(key []byte) { t.set(key, nil) }

func (t *Tx) set(key, value []byte) {
	i, ok := t.at[string(key)]
	if !ok {
		i = len(t.entries)
		t.entries = append(t.entries, entry{key: t.name(key)})
		t.at[t.entries[i].key] = i
	}
	e := &t.entries[i]
	if e.wrote {
		t.size -= len(e.value)
	} else {
		e.wrote = true
		t.wrote++
		t.size += opOverhead + len(e.key)
	}
	t.size += len(value)
	if e.value = value; t.over == nil {
		return
	}
	if t.scans > 0 { // they go on with the tree as it is
		t.over, t.scans = t.over.Copy(), 0
	}
	t.over.Set(e.key, write{value})
}

// Len returns the number of keys written or deleted.
func (t *Tx) Len() int { return t.wrote }

// Size is about how many bytes the Batch takes.
func (t *Tx) Size() int { return t.size }

// ordered returns the writes in order.
func (t *Tx) ordered() *btree.Map[string, write] {
	if t.over == nil {
		t.over = btree.NewMap[string, write](treeDegree)
		for _, e := range t.entries {
			if e.wrote {
				t.over.Set(e.key, write{e.value})
			}
		}
	}
	return t.over
}

// Scan yields what the Tx saw when the iteration began: writes made by the loop's body are not shown by it. As in every
// Reader, the pair is valid until the next step.
func (t *Tx) Scan(lo, hi []byte, reverse bool) iter.Seq2[KV, error] {
	return func(yield func(KV, error) bool) {
		l, h, ok := Bounds(lo, hi)
		if !ok {
			return
		}
		tree := t.ordered()
		t.scans++
		defer func() {
			if t.over == tree {
				t.scans--
			}
		}()
		c := newCursor(tree, l, h, reverse)
		c.merge(t.under.Scan(l, h, reverse), yield)
	}
}

// Batch returns the writes, of each key the last one.
func (t *Tx) Batch() *Batch {
	b := &Batch{}
	t.AddTo(b)
	return b
}

// AddTo adds the writes to b, of each key the last one.
func (t *Tx) AddTo(b *Batch) {
	b.buf = slices.Grow(b.buf, t.size)
	for i := range t.entries {
		switch e := &t.entries[i]; {
		case !e.wrote:
		case e.value == nil:
			b.Delete([]byte(e.key))
		default:
			b.Put([]byte(e.key), e.value)
		}
	}
}

// cursor stands on one entry of a Tx's writes.
type cursor struct {
	it      btree.MapIter[string, write]
	lo, hi  string
	open    bool // hi is no bound
	reverse bool
	valid   bool // the cursor stands on an entry in range
}

// newCursor returns a cursor on the first entry in range, or the last one in reverse.
func newCursor(m *btree.Map[string, write], lo, hi []byte, reverse bool) *cursor {
	c := &cursor{it: m.Iter(), lo: string(lo), hi: string(hi), open: hi == nil, reverse: reverse}
	switch {
	case !reverse:
		c.check(c.it.Seek(c.lo))
	case !c.open && c.it.Seek(c.hi):
		c.check(c.it.Prev()) // Seek found the first entry at or above the bound
	default:
		c.check(c.it.Last())
	}
	return c
}

func (c *cursor) check(ok bool) {
	c.valid = ok && c.it.Key() >= c.lo && (c.open || c.it.Key() < c.hi)
}

// pass yields the current entry unless it is a deletion and moves on; false means that the consumer has enough.
func (c *cursor) pass(yield func(KV, error) bool) bool {
	if v := c.it.Value().value; v != nil && !yield(KV{[]byte(c.it.Key()), v[:len(v):len(v)]}, nil) {
		return false
	}
	if c.reverse {
		c.check(c.it.Prev())
	} else {
		c.check(c.it.Next())
	}
	return true
}

// merge yields the pairs of under and the cursor's in order; where both have a key, the cursor's wins.
func (c *cursor) merge(under iter.Seq2[KV, error], yield func(KV, error) bool) {
	for kv, err := range under {
		if err != nil {
			yield(KV{}, err)
			return
		}
		hidden := false
		for c.valid && !hidden && !c.after(kv.Key) {
			hidden = c.it.Key() == string(kv.Key)
			if !c.pass(yield) {
				return
			}
		}
		if !hidden && !yield(kv, nil) {
			return
		}
	}
	for c.valid {
		if !c.pass(yield) {
			return
		}
	}
}

// after reports whether the cursor's entry comes after key in the direction of the scan.
func (c *cursor) after(key []byte) bool {
	if c.reverse {
		return c.it.Key() < string(key)
	}
	return c.it.Key() > string(key)
}

// scanTree calls f for the entries with lo <= key < hi (nil hi: to the end) until it returns false.
func scanTree[V any](m *btree.Map[string, V], lo, hi []byte, reverse bool, f func(string, V) bool) {
	from, to := string(lo), string(hi)
	if !reverse {
		m.Ascend(from, func(k string, v V) bool { return (hi == nil || k < to) && f(k, v) })
		return
	}
	down := func(k string, v V) bool {
		if hi != nil && k >= to {
			return true // Descend begins at its pivot, which is outside the range
		}
		return k >= from && f(k, v)
	}
	if hi == nil {
		m.Reverse(down)
		return
	}
	m.Descend(to, down)
}

func clone(v []byte) []byte { return append(make([]byte, 0, len(v)), v...) }
