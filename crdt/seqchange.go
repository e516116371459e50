package crdt

import (
	"encoding/binary"
	"fmt"

	"github.com/hyperhyperspace/hhs-go/object"
)

// splice is a stretch of elements that came or went.
type splice struct {
	at     tally // what is shown before it
	n      uint64
	gone   bool
	text   []byte
	values []any
}

// tell notes that the elements of a piece at a place come or go. It is told before the tree counts them.
func (s *seq) tell(at point, r *piece, gone bool) error {
	if s.Quiet || s.draft {
		return nil
	}
	t, err := s.rank(at)
	if err != nil {
		return err
	}
	var last *splice
	if n := len(s.news); n > 0 {
		last = &s.news[n-1]
	}
	switch {
	case last == nil || last.gone != gone, gone && t.shown != last.at.shown, !gone && t.shown != last.at.shown+last.n:
		s.news = append(s.news, splice{at: t, gone: gone})
		last = &s.news[len(s.news)-1]
	}
	last.n += uint64(r.n)
	if last.text = append(last.text, r.text...); !s.list {
		return nil
	}
	for off := range r.n {
		v, _, err := s.value(r, off)
		if err != nil {
			return err
		}
		last.values = append(last.values, v)
	}
	return nil
}

// told are the changes noted since it was asked last.
func (s *seq) told(op *Op, effective bool) ([]Change, error) {
	news := s.news
	s.news = s.news[:0]
	var changes []Change
	for _, n := range news {
		content := any(string(n.text))
		if s.list {
			content = n.values
		}
		b, err := object.Encode(content)
		if err != nil {
			return nil, fmt.Errorf("encode change: %w", err)
		}
		ch := Change{Key: spliceKey(n.at), Op: *op, Effective: effective}
		if ch.After = b; n.gone {
			ch.Before, ch.After = b, nil
		}
		changes = append(changes, ch)
	}
	return changes, nil
}

// spliceKey is the Key of a change of a sequence: where it is, in elements and in UTF-16 units.
func spliceKey(at tally) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(nil, at.shown), at.units)
}

// SplicePos reads where a change of a list or a text is: how many elements are shown before it, and how many UTF-16 units
// they have. Before holds what went there, After what came: a text, or a list of values; nil when nothing did. The changes
// of one op follow each other: each speaks of what the one before left.
func SplicePos(ch Change) (elements, units uint64, err error) {
	w := walk{b: ch.Key}
	elements, units = w.number(), w.number()
	if w.bad || len(w.b) > 0 {
		return 0, 0, &Corrupt{Key: ch.Key, Reason: "not a place in a sequence"}
	}
	return elements, units, nil
}

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

// of is get as canonical bytes.
func (l *lastValues) of(s *seq, e elem) ([]byte, error) {
	v, err := l.get(s, e)
	if err != nil {
		return nil, err
	}
	b, err := object.Encode(v)
	if err != nil {
		return nil, fmt.Errorf("encode value: %w", err)
	}
	return b, nil
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
