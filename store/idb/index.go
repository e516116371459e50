package idb

import (
	"bytes"
	"encoding/binary"
	"sort"

	"github.com/hyperhyperspace/hhs-go/store"
)

// index is what a table says about its blocks: the length of the filter and the filter, then for each block the length
// of its first key and the key, all lengths as uvarints.
type index struct {
	filter filter
	keys   [][]byte // first key of each block
}

func (x *index) bytes() []byte {
	b := append(binary.AppendUvarint(nil, uint64(len(x.filter))), x.filter...)
	for _, k := range x.keys {
		b = append(binary.AppendUvarint(b, uint64(len(k))), k...)
	}
	return b
}

// openIndex reads what bytes returned; the index aliases it.
func openIndex(data []byte) (x *index, why string) {
	x = new(index)
	var at int
	var ok bool
	if x.filter, at, ok = field(data, 0, uint64(len(data))); !ok {
		return nil, "length"
	}
	var last []byte
	for at < len(data) {
		var key []byte
		if key, at, ok = field(data, at, store.MaxKey); !ok {
			return nil, "length"
		}
		if store.Reserved(key) || bytes.Compare(last, key) >= 0 {
			return nil, "order"
		}
		last = key
		x.keys = append(x.keys, key)
	}
	if len(x.keys) == 0 {
		return nil, "empty"
	}
	return x, ""
}

// find returns the last block whose first key is not above key, -1 if there is none.
func (x *index) find(key []byte) int {
	return sort.Search(len(x.keys), func(i int) bool { return bytes.Compare(x.keys[i], key) > 0 }) - 1
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
