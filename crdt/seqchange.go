package crdt

import (
	"cmp"

	"github.com/hyperhyperspace/hhs-go/internal/order"
	"github.com/hyperhyperspace/hhs-go/object"
)

// wrote is what one op inserted: of a list the values too, which are nowhere else.
type wrote struct {
	op     Op
	values []any
}

// opAt is where an op is.
type opAt struct {
	num   uint64
	index uint32
}

// writers are the ops that were read for what they inserted. Those who want to know of many elements ask for them in the
// order of the ops (ofAll), so that none is read again and again, however many there are.
type writers struct {
	read map[opAt]*wrote
	size int
}

// keep remembers an op, and forgets the others when they take much.
func (w *writers) keep(op Op, edits []edit, list bool) *wrote {
	got := &wrote{op: op}
	for i := range edits {
		got.values = append(got.values, edits[i].values...)
	}
	if !list {
		got.op.Payload = nil // the pages have the text
	}
	const each = 24 // of a value, besides its bytes
	size := len(got.op.Payload) + each*(len(got.values)+8)
	if w.size += size; w.read == nil || w.size > maxWriters {
		w.read, w.size = map[opAt]*wrote{}, size
	}
	w.read[opAt{op.Num, op.Ref.Index}] = got
	return got
}

// writer is the op that inserted an element.
func (s *seq) writer(e elem) (*wrote, error) {
	if got := s.writers.read[opAt{e.num, e.index}]; got != nil {
		return got, nil
	}
	op, err := s.field.op(e.num, e.index)
	if err != nil {
		return nil, err
	}
	op.Num = e.num
	var edits []edit
	if s.list {
		if edits, err = decodeEdits(op.Payload, true); err != nil {
			return nil, &Corrupt{Key: elemKey(e), Reason: "its op inserts nothing"}
		}
	}
	return s.writers.keep(op, edits, s.list), nil
}

// at is the value with which an element was inserted.
func (o *wrote) at(e elem) (any, error) {
	if int(e.off) >= len(o.values) {
		return nil, &Corrupt{Key: elemKey(e), Reason: "its op inserts less"}
	}
	return o.values[e.off], nil
}

// ofAll calls f with the op that inserted each of some elements, those of one op together.
func (s *seq) ofAll(elems []elem, f func(i int, by *wrote) error) error {
	turns := make([]int, len(elems))
	for i := range turns {
		turns[i] = i
	}
	order.By(turns, func(i, j int) int {
		a, b := &elems[i], &elems[j]
		return cmp.Or(cmp.Compare(a.num, b.num), cmp.Compare(a.index, b.index))
	})
	for _, i := range turns {
		by, err := s.writer(elems[i])
		if err == nil {
			err = f(i, by)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// pending stands for the value with which an element was inserted, until it is filled in with others.
type pending struct{ elem }

// fill fills in values that are pending, and tells how much room in bytes they leave: when there is none left, not all are.
func (s *seq) fill(contents []*Content, room int) (left int, err error) {
	var elems []elem
	var slots []*any
	for _, c := range contents {
		for i := range c.Values {
			if p, ok := c.Values[i].(pending); ok {
				elems, slots = append(elems, p.elem), append(slots, &c.Values[i])
			} else {
				room -= weigh(c.Values[i])
			}
		}
	}
	err = s.ofAll(elems, func(i int, by *wrote) (err error) {
		if room >= 0 {
			*slots[i], err = by.at(elems[i])
			room -= weigh(*slots[i])
		}
		return err
	})
	return room, err
}

// valueOf is the value that an element of a list has now, and the entry of the op that set it; without one it is pending.
func (s *seq) valueOf(r *piece, off uint32) (v any, set *Entry, err error) {
	e := r.at(off)
	if r.flags&runSet != 0 {
		got, ok, err := valueIn(s.Env, e.cell())
		if err != nil {
			return nil, nil, err
		}
		if ok {
			if v, err = object.Decode(got.Value); err != nil {
				return nil, nil, &Corrupt{Key: elemKey(e), Reason: "its value is not canonical CBOR"}
			}
			return v, &got, nil
		}
	}
	return pending{e}, nil, nil
}
