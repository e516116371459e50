package replica

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/internal/order"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/store"
)

// head is a commit that no other one has in its past.
type head struct {
	num history.Num
	id  object.ID
}

// headList is the heads of a space, by number. A list is never changed, another one takes its place.
//
// On disk they are pages of headPage numbers each: a byte that says which number of the page it is, and the digest, for
// every head among them. A page without any is not there. So a line of commits rewrites one small record, and a
// hundred thousand heads are read in one scan.
type headList []head

const (
	headPage = 64
	headSize = 1 + 32
)

// after is the list once some came, which are later than all, and some went; both ascend. gone are the ids of those.
func (t headList) after(came []head, went []history.Num) (list headList, gone []object.ID) {
	list = make(headList, 0, len(t)+len(came)-len(went))
	for _, one := range t {
		if len(went) > 0 && one.num == went[0] {
			gone, went = append(gone, one.id), went[1:]
		} else {
			list = append(list, one)
		}
	}
	return append(list, came...), gone
}

// ids are the heads' ids, sorted: numbers are, which begin with a part of the digest, since opening a space waits for it.
func (t headList) ids() []object.ID {
	keys := make([]uint64, len(t))
	for i := range t {
		d := t[i].id.Digest()
		keys[i] = uint64(binary.BigEndian.Uint32(d[:]))<<32 | uint64(i)
	}
	slices.Sort(keys)
	list := make([]object.ID, len(t))
	for i, key := range keys {
		list[i] = t[uint32(key)].id
		for j := i; j > 0 && list[j].Compare(list[j-1]) < 0; j-- { // the rest of the digest
			list[j], list[j-1] = list[j-1], list[j]
		}
	}
	return list
}

// replaced is a sorted list of ids without those gone, which it holds, and with those that came. It sorts only these:
// the list may be long.
func replaced(ids, came, gone []object.ID) []object.ID {
	order.By(came, object.ID.Compare)
	order.By(gone, object.ID.Compare)
	list := make([]object.ID, 0, len(ids)+len(came)-len(gone))
	for _, id := range ids {
		if len(gone) > 0 && id == gone[0] {
			gone = gone[1:]
			continue
		}
		for len(came) > 0 && came[0].Compare(id) < 0 {
			list, came = append(list, came[0]), came[1:]
		}
		list = append(list, id)
	}
	return append(list, came...)
}

// page is the record of a page.
func (t headList) page(page uint64) (rec []byte) {
	at, _ := slices.BinarySearchFunc(t, page*headPage, func(one head, n history.Num) int {
		if one.num < n {
			return -1
		}
		return 1
	})
	for ; at < len(t) && t[at].num/headPage == page; at++ {
		rec = appendDigest(append(rec, byte(t[at].num%headPage)), t[at].id)
	}
	return rec
}

// readHeads reads all heads.
func (s *Space) readHeads(r store.Reader) (list headList, err error) {
	err = s.scan(r, subHeads, func(key, value []byte) error {
		if len(key) != 8 || len(value)%headSize != 0 {
			return fmt.Errorf("heads: %w", store.ErrCorrupt)
		}
		page := binary.BigEndian.Uint64(key)
		for ; len(value) > 0; value = value[headSize:] {
			id := object.IDFromDigest(object.DagCBOR, [32]byte(value[1:headSize]))
			list = append(list, head{page*headPage + uint64(value[0]), id})
		}
		return nil
	})
	return list, err
}

// heads puts what has become of the heads into the transaction.
func (d *door) heads() {
	s := d.space
	came, went := s.graph.HeadChanges()
	fresh, ids := make([]head, len(came)), make([]object.ID, len(came))
	pages := make([]uint64, 0, len(came)+len(went))
	for i, n := range came {
		ids[i] = d.fresh[n-d.base].commit.ID
		fresh[i] = head{n, ids[i]}
		pages = append(pages, n/headPage)
	}
	for _, n := range went {
		pages = append(pages, n/headPage)
	}
	list, gone := s.headList.after(fresh, went)
	d.headList, d.headIDs = list, replaced(s.headIDs(), ids, gone)
	slices.Sort(pages)
	for _, page := range slices.Compact(pages) {
		if rec := list.page(page); len(rec) > 0 {
			d.tx.Put(s.keys.num(subHeads, page), rec)
		} else {
			d.tx.Delete(s.keys.num(subHeads, page))
		}
	}
}
