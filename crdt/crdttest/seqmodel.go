package crdttest

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"
	"unicode/utf8"

	"github.com/hyperhyperspace/hhs-go/crdt"
	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/object"
)

// The model of a list and of a text: the tree of the specification, grown op by op, each looking at the whole document
// through its own past.

// seqModel is the tree, with its elements once more in a row, so that an op can look at all.
type seqModel struct {
	root    element // nowhere
	row     []*element
	commits map[object.ID]int // of the elements, and the others
	past    [][]bool          // of a commit, by number, those in its past; as far as it is known
	before  func(a, b history.OpRef) bool
}

// element is a node of the tree.
type element struct {
	op          Fact
	commit      int // of op, in seqModel.commits
	off         int // among the elements of op
	value       []byte
	void        bool
	deleted     bool
	left, right []*element // children, in order
	sets        []Fact
}

// walk calls f with a subtree's elements in order.
func (e *element) walk(f func(*element)) {
	for _, c := range e.left {
		c.walk(f)
	}
	f(e)
	for _, c := range e.right {
		c.walk(f)
	}
}

// change is one edit of an op, as the specification encodes it.
type change struct {
	del   bool
	at, n uint64
}

// parseEdits reads the payload of an edit; values are canonical bytes.
func parseEdits(payload []byte, list bool) (changes []change, values [][]byte, ok bool) {
	v, err := object.Decode(payload)
	pair, isPair := v.([]any)
	if err != nil || !isPair || len(pair) != 2 || len(payload) > 65536 {
		return nil, nil, false
	}
	b, ok := pair[0].([]byte)
	if !ok {
		return nil, nil, false
	}
	switch content := pair[1].(type) {
	case string:
		if list {
			return nil, nil, false
		}
		for _, c := range content {
			values = append(values, encoded(string(c)))
		}
	case []any:
		if !list {
			return nil, nil, false
		}
		for _, v := range content {
			text, ok := v.(string)
			if !ok || utf8.RuneCountInString(text) > maxText {
				return nil, nil, false
			}
			values = append(values, encoded(v))
		}
	default:
		return nil, nil, false
	}
	cursor, inserted, deleted := int64(0), uint64(0), uint64(0)
	for len(b) > 0 {
		var numbers [2]uint64
		for i := range numbers {
			x, size := binary.Uvarint(b)
			if size <= 0 || size > 1 && b[size-1] == 0 {
				return nil, nil, false
			}
			numbers[i], b = x, b[size:]
		}
		z, n := numbers[0], numbers[1]
		if z >= 1<<62 || n == 0 || n > 65536 {
			return nil, nil, false
		}
		step := int64(z >> 2)
		if z&2 != 0 {
			step = -step - 1
		}
		cursor += step
		if cursor < 0 || cursor >= 1<<62 {
			return nil, nil, false
		}
		changes = append(changes, change{z&1 == 1, uint64(cursor), n})
		if z&1 == 1 {
			deleted += n
		} else {
			cursor, inserted = cursor+int64(n), inserted+n
		}
	}
	return changes, values, len(changes) > 0 && len(changes) <= 256 && inserted == uint64(len(values)) && deleted <= 16384
}

func encoded(v any) []byte {
	b, err := object.Encode(v)
	if err != nil {
		panic(err) // it was decoded
	}
	return b
}

// modelSeq is the model.
func modelSeq(list bool) func([]Fact, func(a, b history.OpRef) bool) []Shown {
	return func(facts []Fact, before func(a, b history.OpRef) bool) []Shown {
		m := &seqModel{commits: map[object.ID]int{}, before: before}
		sorted := slices.Clone(facts)
		slices.SortFunc(sorted, order)
		for _, f := range sorted {
			if len(f.Refs) > 0 {
				continue
			}
			switch {
			case f.Action == "edit":
				m.edit(f, list)
			case f.Action == "set" && list:
				m.set(f)
			}
		}
		return m.shown()
	}
}

func (m *seqModel) shown() (shown []Shown) {
	n := 0
	m.root.walk(func(e *element) {
		if e == &m.root {
			return
		}
		if e != m.row[n] {
			panic("crdttest: the model of a sequence has two orders")
		}
		if n++; e.void || e.deleted {
			return
		}
		s := Shown{Entry: crdt.Entry{Value: e.value, Ref: e.op.Ref}}
		if last := visible(e.sets, m.before); last != nil {
			s.Ref, s.Value = last.Ref, encoded(setValue(*last))
		}
		shown = append(shown, s)
	})
	return shown
}

// commitOf numbers commits, in an order in which none comes before one of its past, and finds out what that is.
func (m *seqModel) commitOf(f Fact) int {
	n, ok := m.commits[f.Ref.Commit]
	if ok {
		return n
	}
	past := make([]bool, len(m.past))
	for id, earlier := range m.commits {
		past[earlier] = m.before(history.OpRef{Commit: id}, f.Ref)
	}
	n = len(m.past)
	m.commits[f.Ref.Commit], m.past = n, append(m.past, past)
	return n
}

// sees tells whether an op of a commit has an element in its past, or inserted it itself.
func (m *seqModel) sees(f *Fact, commit int, e *element) bool {
	if e.commit == commit {
		return e.op.Ref.Index <= f.Ref.Index
	}
	return e.commit < commit && m.past[commit][e.commit]
}

// seen is the document in the past of an op.
func (m *seqModel) seen(f *Fact, commit int) []*element {
	var doc []*element
	for _, e := range m.row {
		if m.sees(f, commit, e) {
			doc = append(doc, e)
		}
	}
	return doc
}

func (m *seqModel) edit(f Fact, list bool) {
	changes, values, ok := parseEdits(f.Payload, list)
	if !ok {
		return
	}
	commit := m.commitOf(f)
	doc := m.seen(&f, commit)
	var last *element // deleted
	stretches, inserted := 0, 0
	for _, c := range changes {
		at := int(min(c.at, uint64(len(doc))))
		if c.del {
			for _, e := range doc[at:min(at+int(c.n), len(doc))] {
				if last == nil || e.op.Ref != last.op.Ref || e.off != last.off+1 {
					stretches++
				}
				last = e
				e.deleted = e.deleted || f.Effective && stretches <= 256
			}
			continue
		}
		a := &m.root
		if at > 0 {
			a = doc[at-1]
		}
		for range c.n {
			e := &element{op: f, commit: commit, off: inserted, value: values[0], void: !f.Effective}
			values, inserted = values[1:], inserted+1
			if slices.ContainsFunc(a.right, func(o *element) bool { return m.sees(&f, commit, o) }) {
				m.insertLeft(doc[at], e)
			} else {
				m.insertRight(a, e)
			}
			doc = slices.Insert(doc, at, e)
			a, at = e, at+1
		}
	}
}

// insertLeft makes an element a left child of another: in the row it is before the next of these, or before their parent.
func (m *seqModel) insertLeft(b, e *element) {
	b.left = sibling(b.left, e)
	next := b
	if i := slices.Index(b.left, e); i+1 < len(b.left) {
		for next = b.left[i+1]; len(next.left) > 0; {
			next = next.left[0]
		}
	}
	m.row = slices.Insert(m.row, slices.Index(m.row, next), e)
}

// insertRight makes an element a right child of another: in the row it is behind the one before of these, or behind their parent.
func (m *seqModel) insertRight(a, e *element) {
	a.right = sibling(a.right, e)
	last := a
	if i := slices.Index(a.right, e); i > 0 {
		for last = a.right[i-1]; len(last.right) > 0; {
			last = last.right[len(last.right)-1]
		}
	}
	m.row = slices.Insert(m.row, slices.Index(m.row, last)+1, e) // the root is not in it: 0
}

// sibling puts an element among others, by (height, commit id).
func sibling(all []*element, e *element) []*element {
	i := 0
	for i < len(all) && cmp.Or(cmp.Compare(all[i].op.Height, e.op.Height),
		bytes.Compare(all[i].op.Ref.Commit.Bytes(), e.op.Ref.Commit.Bytes())) < 0 {
		i++
	}
	return slices.Insert(all, i, e)
}

func setValue(f Fact) any { return decodedPair(f.Payload)[1] }

func decodedPair(payload []byte) []any {
	v, err := object.Decode(payload)
	if pair, ok := v.([]any); err == nil && ok && len(pair) == 2 {
		return pair
	}
	return nil
}

func (m *seqModel) set(f Fact) {
	pair := decodedPair(f.Payload)
	if pair == nil || len(f.Payload) > 65536 {
		return
	}
	at, ok := pair[0].(int64)
	text, isText := pair[1].(string)
	doc := m.seen(&f, m.commitOf(f))
	if ok && isText && utf8.RuneCountInString(text) <= maxText && at >= 0 && at < int64(len(doc)) {
		doc[at].sets = append(doc[at].sets, f)
	}
}

// visible is the greatest effective op that is before no other effective one.
func visible(sets []Fact, before func(a, b history.OpRef) bool) *Fact {
	var last *Fact
	for i := range sets { // in order
		hidden := slices.ContainsFunc(sets, func(o Fact) bool { return o.Effective && before(sets[i].Ref, o.Ref) })
		if sets[i].Effective && !hidden {
			last = &sets[i]
		}
	}
	return last
}
