package idb

import (
	"bytes"
	"encoding/binary"
	"sort"
)

// index is what a table says about its blocks: the length of the filter as a uvarint, the filter, and a block of the
// first keys of the blocks with empty values.
type index struct {
	filter filter
	firsts batch
}

// indexBytes makes an index of a filter and the payload of the block of first keys.
func indexBytes(f filter, firsts []byte) []byte {
	return join(join(binary.AppendUvarint(nil, uint64(len(f))), f), firsts)
}

// openIndex reads what indexBytes returned; the index aliases it.
func openIndex(data []byte) (x *index, why string) {
	f, at, ok := field(data, 0, uint64(len(data)))
	if !ok {
		return nil, "length"
	}
	b, why := openBlock(data[at:])
	if why != "" {
		return nil, why
	}
	x = &index{filter: f}
	for i := range b.starts {
		b.read(i, &x.firsts)
	}
	for _, v := range x.firsts.values {
		if v == nil || len(v) > 0 {
			return nil, "value"
		}
	}
	x.firsts.values = nil
	return x, ""
}

// blocks returns how many there are.
func (x *index) blocks() int { return len(x.firsts.ends) }

// find returns the last block whose first key is not above key, -1 if there is none.
func (x *index) find(key []byte) int {
	return sort.Search(x.blocks(), func(i int) bool { return bytes.Compare(x.firsts.key(i), key) > 0 }) - 1
}

// field reads a length and as many bytes.
func field(data []byte, at int, limit uint64) (v []byte, next int, ok bool) {
	n, at, ok := number(data, at, limit)
	if !ok || n > uint64(len(data)-at) {
		return nil, len(data) + 1, false
	}
	end := at + int(n)
	return data[at:end:end], end, true
}
