package crdt

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/hyperhyperspace/hhs-go/store"
)

// bundle is what is live of one key of a field: the live adds of an element, the frontier of a register. Nearly always
// that is one op or a few, and they are kept together under one state key that is overwritten as they come and go: one
// read finds them, and no trail of deleted keys is left for later scans to walk over. A bundle over MaxBundle bytes is
// wide: its items have keys of their own and the common one keeps their number and size. Which of the two it is depends
// on the items alone, so equal contents are equal bytes.
//
// Value under the bundle's key, all numbers uvarints:
//
//	00, length and bytes of aux, for each item by id: length and id, length and record
//	01, length and bytes of aux, number of items, size of items
//	02, number and index of the only item, a live add of a set: nearly all elements have one
type bundle struct {
	f     *field
	space byte
	key   []byte // of the field
	aux   []byte // something short that the type keeps with it
	items []item // by id; when wide, not known
	wide  bool
	count uint64
	size  uint64
	gone  bool // there is nothing in the state
	solo  bool // the item is not read yet: only num and index are known
	num   uint64
	index uint32
}

// item is one op in a bundle.
type item struct {
	id string // a place or a ref, as bytes
	record
}

const (
	bundleInline = 0x00
	bundleWide   = 0x01
	bundleSolo   = 0x02
)

func itemSize(id string, record int) uint64 { return uint64(len(id) + record) }

// bundle reads the bundle of a key; an absent one is empty.
func (f *field) bundle(key []byte) (*bundle, error) { return f.bundleIn(spaceShown, key) }

func (f *field) bundleIn(space byte, key []byte) (*bundle, error) {
	b := &bundle{f: f, space: space, key: key}
	v, err := f.get(b.headKey())
	if err != nil {
		return nil, err
	}
	if v == nil {
		b.gone = true
		return b, nil
	}
	if !b.decode(v) {
		return nil, &Corrupt{Key: b.headKey(), Reason: "not a bundle of ops"}
	}
	return b, nil
}

// bundleAt reads a bundle that a scan of spaceShown yields. It copies what it keeps.
func (f *field) bundleAt(kv store.KV) (*bundle, error) {
	b := &bundle{f: f, space: kv.Key[0], key: bytes.Clone(kv.Key[1:])}
	if !b.decode(bytes.Clone(kv.Value)) {
		return nil, &Corrupt{Key: bytes.Clone(kv.Key), Reason: "not a bundle of ops"}
	}
	return b, nil
}

func (b *bundle) headKey() []byte          { return join(b.space, b.key, "") }
func (b *bundle) itemKey(id string) []byte { return join(spaceWide, b.key, id) }

// decode reads the value under the bundle's key. It aliases v.
func (b *bundle) decode(v []byte) bool {
	if len(v) == 0 || v[0] > bundleSolo {
		return false
	}
	if v[0] == bundleSolo {
		return b.decodeSolo(v[1:])
	}
	b.wide, v = v[0] == bundleWide, v[1:]
	aux, v, ok := chop(v)
	if !ok {
		return false
	}
	b.aux = aux
	if b.wide {
		var n, m int
		b.count, n = binary.Uvarint(v)
		if n <= 0 {
			return false
		}
		b.size, m = binary.Uvarint(v[n:])
		return m > 0 && n+m == len(v) && b.count > 0
	}
	ids := string(v)                           // the ids are pieces of it: one copy for all
	b.items = make([]item, 0, countItems(v)+1) // one is likely to come
	for len(v) > 0 {
		id, tail, ok := chop(v)
		if !ok {
			return false
		}
		at := len(ids) - len(tail) - len(id)
		var value []byte
		if value, v, ok = chop(tail); !ok {
			return false
		}
		it := item{id: ids[at : at+len(id)]}
		it.record, ok = decodeRecord(value)
		if last := len(b.items) - 1; !ok || last >= 0 && b.items[last].id >= it.id {
			return false
		}
		b.items = append(b.items, it)
		b.count, b.size = b.count+1, b.size+itemSize(it.id, len(value))
	}
	return b.count > 0
}

// countItems counts the items before they are read.
func countItems(v []byte) (n int) {
	for ; len(v) > 0; n++ {
		for range 2 {
			var ok bool
			if _, v, ok = chop(v); !ok {
				return n
			}
		}
	}
	return n
}

func (b *bundle) decodeSolo(v []byte) bool {
	num, n := binary.Uvarint(v)
	if n <= 0 {
		return false
	}
	index, m := binary.Uvarint(v[n:])
	b.num, b.index, b.solo, b.count = num, uint32(index), true, 1
	return m > 0 && n+m == len(v) && index < 1<<32
}

// open reads the only item, if only its number is known.
func (b *bundle) open() error {
	if !b.solo {
		return nil
	}
	op, err := b.f.op(b.num, b.index)
	if err != nil {
		return err
	}
	it := item{spotOf(&op), liveAdd(b.num)}
	b.items, b.size, b.solo = []item{it}, itemSize(it.id, it.size()), false
	return nil
}

// chop takes a length and as many bytes off v.
func chop(v []byte) (head, tail []byte, ok bool) {
	n, size := binary.Uvarint(v)
	if size <= 0 || n > uint64(len(v)-size) {
		return nil, nil, false
	}
	end := size + int(n)
	return v[size:end:end], v[end:], true
}

func (b *bundle) search(id string) (int, bool) {
	return slices.BinarySearchFunc(b.items, id, func(it item, id string) int { return strings.Compare(it.id, id) })
}

// get reads one op.
func (b *bundle) get(id string) (record, bool, error) {
	if err := b.open(); err != nil {
		return record{}, false, err
	}
	if b.wide {
		return b.f.record(b.itemKey(id))
	}
	if i, ok := b.search(id); ok {
		return b.items[i].record, true, nil
	}
	return record{}, false, nil
}

// put adds an op or changes it; flush makes it last.
func (b *bundle) put(id string, r record) error {
	if err := b.del(id); err != nil {
		return err
	}
	b.count, b.size = b.count+1, b.size+itemSize(id, r.size())
	if b.wide {
		return b.f.put(b.itemKey(id), r.encode())
	}
	i, _ := b.search(id)
	b.items = slices.Insert(b.items, i, item{id, r})
	return nil
}

// del takes an op out; absent is fine.
func (b *bundle) del(id string) error {
	r, ok, err := b.get(id)
	if err != nil || !ok {
		return err
	}
	b.count, b.size = b.count-1, b.size-itemSize(id, r.size())
	if b.wide {
		return b.f.remove(b.itemKey(id))
	}
	i, _ := b.search(id)
	b.items = slices.Delete(b.items, i, i+1)
	return nil
}

// all returns every op, by id.
func (b *bundle) all() ([]item, error) {
	if !b.wide {
		err := b.open()
		return b.items, err
	}
	prefix := b.itemKey("")
	return b.scan(prefix, after(prefix))
}

// between returns the ops with lo <= id < hi.
func (b *bundle) between(lo, hi string) ([]item, error) {
	if err := b.open(); err != nil {
		return nil, err
	}
	if !b.wide {
		i, _ := b.search(lo)
		j, _ := b.search(hi)
		return b.items[i:j], nil
	}
	return b.scan(b.itemKey(lo), b.itemKey(hi))
}

func (b *bundle) scan(lo, hi []byte) ([]item, error) {
	var items []item
	n := len(b.itemKey(""))
	for kv, err := range b.f.State.Scan(lo, hi, false) {
		if err != nil {
			return nil, fmt.Errorf("read state: %w", err)
		}
		r, ok := decodeRecord(bytes.Clone(kv.Value))
		if !ok {
			return nil, &Corrupt{Key: bytes.Clone(kv.Key), Reason: "not an op's entry"}
		}
		items = append(items, item{string(kv.Key[n:]), r})
	}
	return items, nil
}

// backward yields the ops with lo <= id < hi, the last one first; hi "" is no bound. When the bundle is wide, no more
// are read than are taken.
func (b *bundle) backward(lo, hi string) iter.Seq2[item, error] {
	return func(yield func(item, error) bool) {
		if !b.wide {
			b.backwardInline(lo, hi, yield)
			return
		}
		n, end := len(b.itemKey("")), after(b.itemKey(""))
		if hi != "" {
			end = b.itemKey(hi)
		}
		for kv, err := range b.f.State.Scan(b.itemKey(lo), end, true) {
			if err != nil {
				yield(item{}, fmt.Errorf("read state: %w", err))
				return
			}
			r, ok := decodeRecord(bytes.Clone(kv.Value))
			if !ok {
				yield(item{}, &Corrupt{Key: bytes.Clone(kv.Key), Reason: "not an op's entry"})
				return
			}
			if !yield(item{string(kv.Key[n:]), r}, nil) {
				return
			}
		}
	}
}

// last returns the greatest op that has all flags of has and none of hasNot.
func (b *bundle) last(has, hasNot byte) (it item, ok bool, err error) {
	if b.wide {
		for it, err := range b.backward("", "") {
			if err != nil || it.flags&(has|hasNot) == has {
				return it, err == nil, err
			}
		}
		return item{}, false, nil
	}
	for i := len(b.items) - 1; i >= 0; i-- {
		if b.items[i].flags&(has|hasNot) == has {
			return b.items[i], true, nil
		}
	}
	return item{}, false, nil
}

func (b *bundle) backwardInline(lo, hi string, yield func(item, error) bool) {
	i, _ := b.search(lo)
	j := len(b.items)
	if hi != "" {
		j, _ = b.search(hi)
	}
	for j--; j >= i; j-- {
		if !yield(b.items[j], nil) {
			return
		}
	}
}

// flush writes the bundle back.
func (b *bundle) flush() error {
	if b.count == 0 && b.gone {
		return nil
	}
	limit := b.f.bundleLimit
	if limit == 0 {
		limit = MaxBundle
	}
	if err := b.reshape(b.size > limit); err != nil {
		return err
	}
	if b.count == 0 {
		return b.f.remove(b.headKey())
	}
	return b.f.put(b.headKey(), b.head())
}

// head is the value under the bundle's key.
func (b *bundle) head() []byte {
	n := 3 * binary.MaxVarintLen64
	if !b.wide {
		n += int(b.size) + 4*len(b.items) // each item has two lengths, of two bytes at most
	}
	v := append(make([]byte, 0, n+len(b.aux)), bundleInline)
	v = append(binary.AppendUvarint(v, uint64(len(b.aux))), b.aux...)
	if b.wide {
		v[0] = bundleWide
		return binary.AppendUvarint(binary.AppendUvarint(v, b.count), b.size)
	}
	if num, index, ok := b.only(); ok {
		v[0] = bundleSolo
		return binary.AppendUvarint(binary.AppendUvarint(v[:1], num), uint64(index))
	}
	for _, it := range b.items {
		v = append(binary.AppendUvarint(v, uint64(len(it.id))), it.id...)
		v = it.append(binary.AppendUvarint(v, uint64(it.record.size())))
	}
	return v
}

// only returns the only item if it is a live add.
func (b *bundle) only() (num uint64, index uint32, ok bool) {
	if b.solo {
		return b.num, b.index, true
	}
	if len(b.items) != 1 || b.items[0].flags != flagBare {
		return 0, 0, false
	}
	num, ok = liveNum(b.items[0].record)
	_, index, ok2 := parseSpot(b.items[0].id)
	return num, index, ok && ok2
}

// first returns the op with the least id.
func (b *bundle) first() (it item, ok bool, err error) {
	if err := b.open(); err != nil {
		return it, false, err
	}
	if !b.wide {
		if len(b.items) == 0 {
			return it, false, nil
		}
		return b.items[0], true, nil
	}
	prefix := b.itemKey("")
	for kv, err := range b.f.State.Scan(prefix, after(prefix), false) {
		if err != nil {
			return it, false, fmt.Errorf("read state: %w", err)
		}
		r, ok := decodeRecord(bytes.Clone(kv.Value))
		if !ok {
			return it, false, &Corrupt{Key: bytes.Clone(kv.Key), Reason: "not an op's entry"}
		}
		return item{string(kv.Key[len(prefix):]), r}, true, nil
	}
	return it, false, nil
}

// reshape moves the items into keys of their own, or back under the common one.
func (b *bundle) reshape(wide bool) error {
	if b.wide == wide {
		return nil
	}
	items, err := b.all()
	if err != nil {
		return err
	}
	for _, it := range items {
		if wide {
			err = b.f.put(b.itemKey(it.id), it.encode())
		} else {
			err = b.f.remove(b.itemKey(it.id))
		}
		if err != nil {
			return err
		}
	}
	if b.wide, b.items = wide, items; wide {
		b.items = nil
	}
	return nil
}
