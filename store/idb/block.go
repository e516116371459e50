package idb

import (
	"bytes"
	"encoding/binary"
	"sort"

	"github.com/hyperhyperspace/hhs-go/store"
)

// A block is the unit of reading: pairs in order of their keys. Each is: the length of the prefix that its key shares
// with the key before, the length of the rest, the length of the value plus one (0: the key is deleted), as uvarints;
// then the rest of the key, and the value. The first of every interval of pairs shares nothing, so that a search can
// begin there.

// interval is how many pairs are read one after the other to find one: half of them are, on average, and a full key
// for each interval costs about 3 bytes per pair. Part of the stored form.
const interval = 16

// blockWriter makes the payload of one block.
type blockWriter struct {
	buf  []byte
	last []byte
	n    int
}

// add appends a pair; a nil value is a deletion. Keys come in order.
func (w *blockWriter) add(key, value []byte) {
	shared := 0
	if w.n%interval > 0 {
		shared = common(w.last, key)
	}
	w.n++
	size := uint64(0)
	if value != nil {
		size = uint64(len(value)) + 1
	}
	for _, n := range [...]uint64{uint64(shared), uint64(len(key) - shared), size} {
		w.buf = binary.AppendUvarint(w.buf, n)
	}
	for _, v := range [...][]byte{key[shared:], value} {
		w.buf = join(w.buf, v)
	}
	w.last = join(w.last[:0], key)
}

func (w *blockWriter) reset() { w.buf, w.n = w.buf[:0], 0 }

// common returns the length of the common prefix.
func common(a, b []byte) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// block is a checked block, which nobody changes.
type block struct {
	data   []byte
	starts []uint32 // where the intervals begin
}

// pair is one pair as it is stored; a nil value is a deletion.
type pair struct {
	shared      int
	rest, value []byte
}

// openBlock checks a payload and finds its intervals. What it accepts is exactly what blockWriter makes; why tells what
// is wrong.
func openBlock(data []byte) (b *block, why string) {
	b = &block{data: data}
	var last []byte
	for n, at := 0, 0; at < len(data); n++ {
		p, next, ok := cutPair(data, at)
		if !ok || p.shared > len(last) || p.shared+len(p.rest) > store.MaxKey {
			return nil, "length"
		}
		if n%interval == 0 {
			b.starts = append(b.starts, uint32(at))
			if p.shared > 0 || n > 0 && bytes.Compare(last, p.rest) >= 0 || store.Reserved(p.rest) {
				return nil, "order"
			}
		} else if len(p.rest) == 0 || p.shared < len(last) && last[p.shared] >= p.rest[0] {
			return nil, "order"
		}
		last = join(last[:p.shared], p.rest)
		at = next
	}
	if len(b.starts) == 0 {
		return nil, "empty"
	}
	return b, ""
}

// cutPair reads the pair at an offset.
func cutPair(data []byte, at int) (p pair, next int, ok bool) {
	shared, at, ok1 := number(data, at, store.MaxKey)
	rest, at, ok2 := number(data, at, store.MaxKey)
	size, at, ok3 := number(data, at, store.MaxValue+1)
	if !ok1 || !ok2 || !ok3 {
		return pair{}, 0, false
	}
	length := max(size, 1) - 1
	if uint64(len(data)-at) < rest+length {
		return pair{}, 0, false
	}
	mid, end := at+int(rest), at+int(rest+length)
	p = pair{shared: int(shared), rest: data[at:mid:mid]}
	if size > 0 {
		p.value = data[mid:end:end] // not nil, also when it is empty
	}
	return p, end, true
}

// number reads a uvarint in its shortest form; after a failure at is past the end, so that what follows fails too.
func number(data []byte, at int, limit uint64) (n uint64, next int, ok bool) {
	if at < len(data) && data[at] < 0x80 { // nearly all are
		return uint64(data[at]), at + 1, uint64(data[at]) <= limit
	}
	if at > len(data) {
		return 0, len(data) + 1, false
	}
	n, size := binary.Uvarint(data[at:])
	if size <= 0 || n > limit || data[at+size-1] == 0 {
		return 0, len(data) + 1, false
	}
	return n, at + size, true
}

// startKey returns the first key of an interval.
func (b *block) startKey(i int) []byte {
	p, _, _ := cutPair(b.data, int(b.starts[i]))
	return p.rest
}

// find returns the interval that key is in if it is in the block, -1 if it is below all.
func (b *block) find(key []byte) int {
	return sort.Search(len(b.starts), func(i int) bool { return bytes.Compare(b.startKey(i), key) > 0 }) - 1
}

// get looks a key up.
func (b *block) get(key []byte) (value []byte, found bool) {
	i := b.find(key)
	if i < 0 {
		return nil, false
	}
	var scratch [128]byte
	k := scratch[:0]
	for at, n := int(b.starts[i]), 0; at < len(b.data) && n < interval; n++ {
		p, next, _ := cutPair(b.data, at)
		k = join(k[:p.shared], p.rest)
		if c := bytes.Compare(k, key); c > 0 {
			break
		} else if c == 0 {
			return p.value, true
		}
		at = next
	}
	return nil, false
}

// read adds the pairs of an interval to b, whose values alias the block.
func (b *block) read(i int, to *batch) {
	for at, n := int(b.starts[i]), 0; at < len(b.data) && n < interval; n++ {
		p, next, _ := cutPair(b.data, at)
		to.add(p.shared, p.rest, p.value)
		at = next
	}
}
