package crdt

import "github.com/hyperhyperspace/hhs-go/object"

// lastValues are the values that one op inserted into a list: those next to each other are read one after the other.
type lastValues struct {
	num    uint64
	index  uint32
	known  bool
	op     Op
	values []any
}

// fill remembers the op at hand.
func (l *lastValues) fill(op *Op, edits []edit) {
	l.num, l.index, l.known, l.op, l.values = op.Num, op.Ref.Index, true, *op, l.values[:0:0]
	for i := range edits {
		l.values = append(l.values, edits[i].values...)
	}
}

// read reads the op that inserted an element.
func (l *lastValues) read(s *seq, e elem) error {
	if l.known && l.num == e.num && l.index == e.index {
		return nil
	}
	op, err := s.field.op(e.num, e.index)
	if err != nil {
		return err
	}
	edits, err := decodeEdits(op.Payload, s.list)
	if err != nil {
		return &Corrupt{Key: elemKey(e), Reason: "its op inserts nothing"}
	}
	op.Num = e.num
	l.fill(&op, edits)
	return nil
}

// get is the value with which an element was inserted.
func (l *lastValues) get(s *seq, e elem) (any, error) {
	if err := l.read(s, e); err != nil {
		return nil, err
	}
	if int(e.off) >= len(l.values) {
		return nil, &Corrupt{Key: elemKey(e), Reason: "its op inserts less"}
	}
	return l.values[e.off], nil
}

// value is the value that an element of a list has now, and the entry of the op that set it, if one did.
func (s *seq) value(r *piece, off uint32) (v any, set *Entry, err error) {
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
	v, err = s.values.get(s, e)
	return v, nil, err
}
