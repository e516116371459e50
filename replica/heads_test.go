package replica

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/object"
)

// TestHeadList: the lists of heads by number and by id are what a plain set of heads is, through any changes, also where
// digests begin alike.
func TestHeadList(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var list headList
	var ids []object.ID
	model := map[history.Num]object.ID{}
	next := history.Num(0)
	for range 300 {
		var came []head
		var cameIDs []object.ID
		var went []history.Num
		for range random.IntN(6) {
			var d [32]byte
			binary.BigEndian.PutUint64(d[:], random.Uint64N(8)<<32|random.Uint64N(4))
			binary.BigEndian.PutUint64(d[24:], next)
			id := object.IDFromDigest(object.DagCBOR, d)
			came, cameIDs = append(came, head{next, id}), append(cameIDs, id)
			next += 1 + random.Uint64N(40)
		}
		for _, h := range list {
			if random.IntN(4) == 0 {
				went = append(went, h.num)
			}
		}
		var gone []object.ID
		list, gone = list.after(came, went)
		ids = replaced(ids, cameIDs, gone)
		for _, n := range went {
			delete(model, n)
		}
		for _, h := range came {
			model[h.num] = h.id
		}
		var want []object.ID
		pages := map[uint64][]byte{}
		for _, h := range list {
			if model[h.num] != h.id {
				t.Fatalf("head %d is %s, not %s", h.num, h.id, model[h.num])
			}
			want = append(want, h.id)
			pages[h.num/headPage] = appendDigest(append(pages[h.num/headPage], byte(h.num%headPage)), h.id)
		}
		slices.SortFunc(want, object.ID.Compare)
		if len(list) != len(model) || !slices.Equal(ids, want) || !slices.Equal(list.ids(), want) {
			t.Fatalf("%d heads of %d, or not the ids of them in order", len(list), len(model))
		}
		for page := range next/headPage + 1 {
			if !slices.Equal(list.page(page), pages[page]) {
				t.Fatalf("page %d: %x, not %x", page, list.page(page), pages[page])
			}
		}
	}
}
