package crdt

import (
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/hyperhyperspace/hhs-go/object"
)

// SeqWriter makes the ops of several edits of one list or text, as they would be typed: positions are those of what is shown
// with all edits before. Typing on, deleting on and deleting what was just typed are one edit, so that the keystrokes of a
// moment make one op of a few bytes. It reads the Env it was made with, which must not change meanwhile, and writes nothing.
type SeqWriter struct {
	s     *seq
	env   *Env
	units bool
	edits []edit
	done  []Draft
	size  int // about, of the op to come
	del   uint64
	parts int // of pages that the op deletes: it has no more stretches
	typed uint64
}

// draftNum is the number of a commit in a writer's pages: above all that are given.
const draftNum = 1<<64 - 2

// NewTextWriter begins edits of a text. Positions are code points, or with units UTF-16 offsets.
func NewTextWriter(env *Env, units bool) (*SeqWriter, error) { return newWriter(env, false, units) }

// NewListWriter begins edits of a list.
func NewListWriter(env *Env) (*SeqWriter, error) { return newWriter(env, true, false) }

func newWriter(env *Env, list, units bool) (*SeqWriter, error) {
	inner := *env
	inner.kept, inner.Quiet = nil, true
	s, err := on(&inner).seq(list)
	if err != nil {
		return nil, err
	}
	s.draft = true
	return &SeqWriter{s: s, env: env, units: units}, nil
}

// Len is how many elements are shown with the edits so far, by what the writer counts in.
func (w *SeqWriter) Len() uint64 {
	if w.units {
		return w.s.total.units
	}
	return w.s.total.shown
}

// RangeError is a place that is not in what is read or edited: beyond its end, or within a code point.
type RangeError struct {
	From, To, Len uint64
	Within        bool
}

func (e *RangeError) Error() string {
	if e.Within {
		return fmt.Sprintf("offset %d of %d is within a code point, between the halves of a surrogate pair; take the one before or behind it", e.From, e.Len)
	}
	if e.From == e.To {
		return fmt.Sprintf("position %d is beyond the end: there are %d elements; read the length first", e.From, e.Len)
	}
	return fmt.Sprintf("from %d to %d of %d elements: there are not so many; read the length first", e.From, e.To, e.Len)
}

func (w *SeqWriter) beyond(from, to uint64) error {
	return &RangeError{From: from, To: to, Len: w.Len()}
}

func (w *SeqWriter) within(pos uint64) error {
	return &RangeError{From: pos, To: pos, Len: w.Len(), Within: true}
}

// Insert inserts text at a position, 0 to Len.
func (w *SeqWriter) Insert(pos uint64, text string) error {
	if !utf8.ValidString(text) {
		return ignored("the text is not UTF-8", nil)
	}
	if pos > w.Len() {
		return w.beyond(pos, pos)
	}
	for len(text) > 0 {
		cut := min(len(text), MaxValue/2) // an op travels whole
		for cut < len(text) && !utf8.RuneStart(text[cut]) {
			cut--
		}
		e := edit{text: text[:cut], n: uint64(utf8.RuneCountInString(text[:cut]))}
		if err := w.insert(pos, e, cut); err != nil {
			return err
		}
		if pos += e.n; w.units {
			pos += uint64(unitsOf(e.text, uint32(e.n))) - e.n
		}
		text = text[cut:]
	}
	return nil
}

// InsertValues inserts values at a position, 0 to Len.
func (w *SeqWriter) InsertValues(pos uint64, values []any) error {
	if pos > w.Len() {
		return w.beyond(pos, pos)
	}
	for i, v := range values {
		b, err := object.Encode(v)
		if err != nil {
			return fmt.Errorf("value %d: %w", i, err)
		}
		if w.s.Schema != nil {
			if err := w.s.Schema.Check(v); err != nil {
				return ignored(fmt.Sprintf("value %d breaks the schema", i), err)
			}
		}
		if err := w.insert(pos+uint64(i), edit{values: []any{v}, n: 1}, len(b)); err != nil {
			return err
		}
	}
	return nil
}

// Delete deletes n elements from a position on.
func (w *SeqWriter) Delete(pos, n uint64) error {
	if pos+n > w.Len() || pos+n < pos {
		return w.beyond(pos, pos+n)
	}
	m, to := w.measure(), pos+n
	for n > 0 {
		at, start, err := w.s.seek(pos, m)
		if err != nil {
			return err
		}
		r := at.piece()
		if !r.shown() || start != pos {
			return w.within(pos)
		}
		part := *r
		if at.off > 0 {
			_, part = r.cut(at.off)
		}
		take := uint64(part.n)
		if room := m.piece(&part); room > n {
			take = n
			if w.units && !w.s.list {
				if take, start = codePointAt(part.text, n); start != n {
					return w.within(to)
				}
			}
			part, _ = part.cut(uint32(take))
		}
		n -= m.piece(&part)
		if done, err := w.takeBack(at, &part); err != nil {
			return err
		} else if done {
			continue
		}
		raw, err := w.s.rank(at)
		if err == nil {
			err = w.room(0, take)
		}
		if err != nil {
			return err
		}
		w.join(edit{del: true, at: raw.raw, n: take})
		if _, err = w.s.cover(at, uint32(take), 1); err != nil {
			return err
		}
	}
	return nil
}

// takeBack deletes what was typed last as if it had never been: it is in no op yet.
func (w *SeqWriter) takeBack(at point, part *piece) (bool, error) {
	r := at.piece()
	if len(w.edits) == 0 || r.num != draftNum || at.off+part.n != r.n || part.off+part.n != uint32(w.typed) || len(at.leaf.runs) < 2 {
		return false, nil
	}
	l := &w.edits[len(w.edits)-1]
	if l.del || l.n < uint64(part.n) || uint64(r.index) != uint64(len(w.done)) {
		return false, nil
	}
	was := r.tally()
	var now tally
	if part.n == r.n {
		at.leaf.runs = slices.Delete(at.leaf.runs, at.i, at.i+1)
	} else {
		*r, _ = r.cut(at.off)
		now = r.tally()
	}
	if err := w.s.count(at.leaf, was, now); err != nil {
		return false, err
	}
	w.typed -= uint64(part.n)
	l.n -= uint64(part.n)
	if !w.s.list {
		l.text = l.text[:len(l.text)-len(part.text)]
	} else {
		l.values = l.values[:l.n]
	}
	if l.n == 0 {
		w.edits = w.edits[:len(w.edits)-1]
	}
	return true, nil
}

func (w *SeqWriter) measure() measure {
	if w.units {
		return measure{by: byUnits}
	}
	return measure{by: byShown}
}

// room begins another op when one is full.
func (w *SeqWriter) room(size int, deletes uint64) error {
	part := 0
	if deletes > 0 {
		part = 1
	}
	if len(w.edits) < MaxEdits && w.size+size < MaxValue*3/4 && w.del+deletes <= MaxDeleted && w.parts+part <= MaxStretches {
		w.size, w.del, w.parts = w.size+size, w.del+deletes, w.parts+part
		return nil
	}
	err := w.finish()
	w.size, w.del, w.parts = size, deletes, part
	return err
}

// finish makes an op of the edits so far.
func (w *SeqWriter) finish() error {
	if len(w.edits) == 0 {
		return nil
	}
	payload, err := encodeEdits(w.edits, w.s.list)
	if err != nil {
		return err
	}
	d, err := w.env.Wrap(Draft{Action: ActionEdit, Payload: payload})
	if err != nil {
		return err
	}
	w.done = append(w.done, d)
	w.edits = w.edits[:0]
	return nil
}

func (w *SeqWriter) insert(pos uint64, e edit, size int) error {
	if err := w.room(size+8, 0); err != nil {
		return err
	}
	raw := uint64(0)
	if pos > 0 {
		before, _, err := w.s.seek(pos-1, w.measure())
		if err != nil {
			return err
		}
		if w.units && !w.s.list {
			if _, start, err := w.s.seek(pos, w.measure()); err != nil {
				return err
			} else if start != pos {
				return w.within(pos)
			}
		}
		t, err := w.s.rank(before)
		if err != nil {
			return err
		}
		raw = t.raw + 1
	}
	e.at = raw
	op := Op{Num: draftNum}
	g, err := w.s.gapAt(&op, raw, measure{})
	if err != nil {
		return err
	}
	r := piece{elem: elem{draftNum, uint32(len(w.done)), uint32(w.typed)}, n: uint32(e.n), units: uint32(e.n), text: e.text, flags: runHead}
	if !w.s.list {
		r.units = unitsOf(e.text, r.n)
	}
	w.typed += e.n
	w.join(e)
	return w.s.insert(g, r)
}

// join adds an edit, or lets it be part of the one before.
func (w *SeqWriter) join(e edit) {
	if len(w.edits) > 0 {
		l := &w.edits[len(w.edits)-1]
		switch {
		case !e.del && !l.del && l.at+l.n == e.at:
			l.n, l.text, l.values = l.n+e.n, l.text+e.text, append(l.values, e.values...)
			return
		case e.del && l.del && l.at+l.n == e.at && l.n+e.n <= MaxDeleted:
			l.n += e.n
			return
		case e.del && l.del && e.at+e.n == l.at && l.n+e.n <= MaxDeleted:
			l.at, l.n = e.at, l.n+e.n
			return
		}
	}
	w.edits = append(w.edits, e)
}

// Drafts ends the edits and returns the ops that make them, in order.
func (w *SeqWriter) Drafts() ([]Draft, error) {
	err := w.finish()
	return w.done, err
}

// ListSet makes the op that writes a value into the element at a position of a list.
func ListSet(env *Env, pos uint64, value []byte) (Draft, error) {
	s, err := on(env).seq(true)
	if err != nil {
		return Draft{}, err
	}
	at, _, err := s.seek(pos, measure{by: byShown})
	if err != nil {
		return Draft{}, err
	}
	if at.end() {
		return Draft{}, &RangeError{From: pos, To: pos + 1, Len: s.total.shown}
	}
	t, err := s.rank(at)
	if err != nil {
		return Draft{}, err
	}
	v, err := object.Decode(value)
	if err != nil {
		return Draft{}, ignored("the value is not canonical CBOR", err)
	}
	payload, err := object.Encode([]any{int64(t.raw), v})
	if err != nil {
		return Draft{}, fmt.Errorf("encode value: %w", err)
	}
	return Draft{Action: ActionSet, Payload: payload}, nil
}
