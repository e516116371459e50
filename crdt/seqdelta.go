package crdt

import (
	"bytes"
	"slices"
	"unicode/utf8"

	"github.com/hyperhyperspace/hhs-go/object"
)

// Content is elements next to each other: of a text Text, of a list Values. Nobody changes it.
type Content struct {
	Text   string
	Values []any // object values
}

// Len is how many elements there are: code points of a text.
func (c Content) Len() uint64 { return uint64(utf8.RuneCountInString(c.Text) + len(c.Values)) }

// Units is how many UTF-16 units a text has; of a list it is Len.
func (c Content) Units() uint64 {
	return uint64(unitsOf(c.Text, uint32(utf8.RuneCountInString(c.Text))) + uint32(len(c.Values)))
}

// Value is the content as an object value: a text, or a list of values.
func (c Content) Value() any {
	if c.Values != nil {
		return c.Values
	}
	return c.Text
}

// cut divides content behind n elements.
func (c Content) cut(n uint64) (a, b Content) {
	if c.Values != nil {
		return Content{Values: c.Values[:n:n]}, Content{Values: c.Values[n:]}
	}
	at, _ := prefixOf(c.Text, n)
	return Content{Text: c.Text[:at]}, Content{Text: c.Text[at:]}
}

// Edit is a stretch of a list or a text that was replaced by another. The edits of one change are in order, do not touch,
// and all their places are those of what was shown before the change: who applies them to that one after the other goes
// from the last to the first, or adds what those before have inserted and deleted. What was deleted and inserted again at
// its place, or came and went while a subscriber was busy, is in none of them.
type Edit struct {
	Index    uint64 // how many elements are before it: code points of a text
	Units    uint64 // and how many UTF-16 units; of a list the same as Index
	Deleted  Content
	Inserted Content
}

// Size is about what edits take in memory, in bytes.
func Size(edits []Edit) (n int) {
	const each = 128
	for i := range edits {
		for _, c := range [2]*Content{&edits[i].Deleted, &edits[i].Inserted} {
			n += len(c.Text) + weigh(c.Values)
		}
	}
	return n + each*len(edits)
}

// weigh is about what a value takes in memory, in bytes.
func weigh(v any) int {
	const each = 24
	switch v := v.(type) {
	case string:
		return each + len(v)
	case []byte:
		return each + len(v)
	case []any:
		n := each
		for _, e := range v {
			n += weigh(e)
		}
		return n
	case map[string]any:
		n := each
		for k, e := range v {
			n += each + len(k) + weigh(e)
		}
		return n
	case object.ID:
		return 2 * each
	}
	return each
}

// Edits gathers edits that follow each other, each speaking of what those before left, into edits of what was there at
// first. Work is, but for a logarithm, linear in what is added. The zero value has none.
type Edits struct {
	stack [][]Edit // each more than twice as large as the next
	sizes []int
}

// Add adds the edits of one change.
func (s *Edits) Add(edits []Edit) {
	s.stack, s.sizes = append(s.stack, edits), append(s.sizes, Size(edits))
	for n := len(s.stack) - 1; n > 0 && s.sizes[n-1] <= 2*s.sizes[n]; n-- {
		s.fold(n)
	}
}

// fold makes one of the topmost two.
func (s *Edits) fold(n int) {
	both := compose(s.stack[n-1], s.stack[n])
	s.stack, s.sizes = append(s.stack[:n-1], both), append(s.sizes[:n-1], Size(both))
}

// Size is about what they take in memory, in bytes.
func (s *Edits) Size() (n int) {
	for _, size := range s.sizes {
		n += size
	}
	return n
}

// All are the edits together; nil when nothing is changed by them.
func (s *Edits) All() []Edit {
	for n := len(s.stack) - 1; n > 0; n-- {
		s.fold(n)
	}
	if len(s.stack) == 0 || len(s.stack[0]) == 0 {
		return nil
	}
	return s.stack[0]
}

// Between are the edits that lead from what a left to what b left, both beginning with the same.
func Between(a, b []Edit) []Edit {
	back := make([]Edit, len(a))
	var shift, units uint64 // modulo 2^64
	for i, e := range a {
		back[i] = Edit{e.Index + shift, e.Units + units, e.Inserted, e.Deleted}
		shift += e.Inserted.Len() - e.Deleted.Len()
		units += e.Inserted.Units() - e.Deleted.Units()
	}
	return compose(back, b)
}

// compose makes one change of two, the second of which speaks of what the first left.
func compose(a, b []Edit) []Edit {
	x, y, out := deltaReader{rest: a}, deltaReader{rest: b}, deltaWriter{}
	for {
		p, q := x.peek(), y.peek()
		switch {
		case p.kind == deltaDelete:
			out.deleted(p.content)
			x.skip(p.n, p.units)
			continue
		case q.kind == deltaInsert:
			out.inserted(q.content)
			y.skip(q.n, q.units)
			continue
		case p.end && q.end:
			out.flush()
			return out.edits
		}
		n, units := p.n, p.units
		if p.end || !q.end && q.n < p.n {
			n, units = q.n, q.units
		}
		switch {
		case p.kind == deltaInsert && q.kind == deltaKeep:
			out.inserted(p.first(n))
		case p.kind == deltaKeep && q.kind == deltaDelete:
			out.deleted(q.first(n))
		case p.kind == deltaKeep:
			out.keep(n, units)
		}
		x.skip(n, units)
		y.skip(n, units)
	}
}

const (
	deltaKeep = iota
	deltaDelete
	deltaInsert
)

// deltaPart is what a change does next: leaves elements, deletes some, inserts some. After the last edit it leaves all.
type deltaPart struct {
	kind     byte
	end      bool
	n, units uint64
	content  Content
}

// first is the content of the first elements.
func (p *deltaPart) first(n uint64) Content {
	if n == p.n {
		return p.content
	}
	c, _ := p.content.cut(n)
	return c
}

// deltaReader reads a change in parts.
type deltaReader struct {
	rest      []Edit
	at, units uint64 // how far it has come in what was there before
	part      deltaPart
	known     bool
	inserts   bool // the deletion of rest[0] is done
}

func (r *deltaReader) peek() *deltaPart {
	if r.known {
		return &r.part
	}
	r.known = true
	if len(r.rest) == 0 {
		r.part = deltaPart{end: true}
		return &r.part
	}
	e := &r.rest[0]
	switch {
	case r.at < e.Index:
		r.part = deltaPart{kind: deltaKeep, n: e.Index - r.at, units: e.Units - r.units}
	case !r.inserts && e.Deleted.Len() > 0:
		r.part = deltaPart{deltaDelete, false, e.Deleted.Len(), e.Deleted.Units(), e.Deleted}
	case e.Inserted.Len() > 0:
		r.part = deltaPart{deltaInsert, false, e.Inserted.Len(), e.Inserted.Units(), e.Inserted}
	default:
		r.rest, r.inserts, r.known = r.rest[1:], false, false
		return r.peek()
	}
	return &r.part
}

// skip takes the first elements of a part.
func (r *deltaReader) skip(n, units uint64) {
	p := r.peek()
	if p.end {
		return
	}
	if p.kind != deltaInsert {
		r.at, r.units = r.at+n, r.units+units
	}
	if n < p.n {
		p.n, p.units = p.n-n, p.units-units
		if p.kind != deltaKeep {
			_, p.content = p.content.cut(n)
		}
		return
	}
	r.known = false
	switch p.kind {
	case deltaDelete:
		r.inserts = true
	case deltaInsert:
		r.rest, r.inserts = r.rest[1:], false
	}
}

// deltaWriter writes a change in parts.
type deltaWriter struct {
	edits     []Edit
	at, units uint64 // of what was there before, left or deleted
	gone      gathered
	came      gathered
}

// gathered is content that grows.
type gathered struct {
	text   []byte
	values []any
}

func (g *gathered) add(c Content) {
	g.text, g.values = append(g.text, c.Text...), append(g.values, c.Values...)
}

func (w *deltaWriter) deleted(c Content)  { w.gone.add(c) }
func (w *deltaWriter) inserted(c Content) { w.came.add(c) }

func (w *deltaWriter) keep(n, units uint64) {
	w.flush()
	w.at, w.units = w.at+n, w.units+units
}

// flush ends an edit. What it inserts as it deletes it is left out.
func (w *deltaWriter) flush() {
	gone, came := &w.gone, &w.came
	e := Edit{w.at, w.units, Content{string(gone.text), slices.Clone(gone.values)}, Content{string(came.text), slices.Clone(came.values)}}
	w.at, w.units = w.at+e.Deleted.Len(), w.units+e.Deleted.Units()
	*gone, *came = gathered{gone.text[:0], gone.values[:0]}, gathered{came.text[:0], came.values[:0]}
	if e.trim(); e.Deleted.Len()+e.Inserted.Len() > 0 {
		w.edits = append(w.edits, e)
	}
}

// trim leaves out what is the same before and after, at both ends.
func (e *Edit) trim() {
	a, b := &e.Deleted, &e.Inserted
	n := 0
	for n < min(len(a.Text), len(b.Text)) && a.Text[n] == b.Text[n] {
		n++
	}
	for n > 0 && (n < len(a.Text) && !utf8.RuneStart(a.Text[n]) || n < len(b.Text) && !utf8.RuneStart(b.Text[n])) {
		n--
	}
	same := Content{Text: a.Text[:n]}
	a.Text, b.Text = a.Text[n:], b.Text[n:]
	for len(a.Values) > 0 && len(b.Values) > 0 && sameValue(a.Values[0], b.Values[0]) {
		same.Values = append(same.Values, a.Values[0])
		a.Values, b.Values = a.Values[1:], b.Values[1:]
	}
	e.Index, e.Units = e.Index+same.Len(), e.Units+same.Units()
	n = 0
	for n < min(len(a.Text), len(b.Text)) && a.Text[len(a.Text)-1-n] == b.Text[len(b.Text)-1-n] {
		n++
	}
	for n > 0 && !utf8.RuneStart(a.Text[len(a.Text)-n]) {
		n--
	}
	a.Text, b.Text = a.Text[:len(a.Text)-n], b.Text[:len(b.Text)-n]
	for len(a.Values) > 0 && len(b.Values) > 0 && sameValue(a.Values[len(a.Values)-1], b.Values[len(b.Values)-1]) {
		a.Values, b.Values = a.Values[:len(a.Values)-1], b.Values[:len(b.Values)-1]
	}
}

func sameValue(a, b any) bool {
	x, errA := object.Encode(a)
	y, errB := object.Encode(b)
	return errA == nil && errB == nil && bytes.Equal(x, y)
}

// tell notes that the elements of a piece at a place come or go. It is told before the tree counts them.
func (s *seq) tell(at point, r *piece, gone bool) error {
	if s.Quiet || s.draft || s.tooMuch {
		return nil
	}
	t, err := s.rank(at)
	if err != nil {
		return err
	}
	e := Edit{Index: t.shown, Units: t.units, Inserted: Content{Text: r.text}}
	for off := range r.n {
		if !s.list {
			break
		}
		v, _, err := s.valueOf(r, off)
		if err != nil {
			return err
		}
		e.Inserted.Values = append(e.Inserted.Values, v)
	}
	if gone {
		e.Deleted, e.Inserted = e.Inserted, e.Deleted
	}
	if s.news.Add([]Edit{e}); s.news.Size() > MaxTold {
		s.news, s.tooMuch = Edits{}, true
	}
	return nil
}

// told is the change noted since it was asked last.
func (s *seq) told(op *Op, effective bool) ([]Change, error) {
	ch := Change{Edits: s.news.All(), Lost: s.tooMuch, Op: *op, Effective: effective}
	s.news, s.tooMuch = Edits{}, false
	if s.list && ch.Edits != nil {
		var all []*Content
		for i := range ch.Edits {
			all = append(all, &ch.Edits[i].Deleted, &ch.Edits[i].Inserted)
		}
		left, err := s.fill(all, MaxTold)
		if err != nil {
			return nil, err
		}
		if ch.Edits = compose(ch.Edits, nil); left < 0 { // now that it is seen what is equal
			ch.Edits, ch.Lost = nil, true
		}
	}
	if ch.Edits == nil && !ch.Lost {
		return nil, nil
	}
	return []Change{ch}, nil
}
