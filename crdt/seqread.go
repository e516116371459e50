package crdt

import (
	"fmt"
	"iter"
	"strings"

	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/object"
)

// TextLen is how many code points a text shows, and how many UTF-16 units they have. It is kept, not counted.
func TextLen(env *Env) (codePoints, units uint64, err error) {
	s, err := on(env).seq(false)
	if err != nil {
		return 0, 0, err
	}
	return s.total.shown, s.total.units, nil
}

// ListLen is how many elements a list shows. It is kept, not counted.
func ListLen(env *Env) (uint64, error) {
	s, err := on(env).seq(true)
	if err != nil {
		return 0, err
	}
	return s.total.shown, nil
}

// TextSlice reads code points from <= n < to of a text. Only the pages they are in are read.
func TextSlice(env *Env, from, to uint64) (string, error) {
	return textSlice(env, from, to, byShown)
}

// TextSliceUnits reads a text from one UTF-16 offset to another; one within a code point stands for where that begins.
func TextSliceUnits(env *Env, from, to uint64) (string, error) {
	return textSlice(env, from, to, byUnits)
}

func textSlice(env *Env, from, to uint64, by byte) (string, error) {
	s, err := on(env).seq(false)
	if err != nil {
		return "", err
	}
	m := measure{by: by}
	var b strings.Builder
	if all := s.total.units; by == byUnits {
		to = min(to, all)
	} else {
		to = min(to, s.total.shown)
	}
	at, start, err := s.seek(from, m)
	for err == nil && !at.end() && start < to {
		if r := at.piece(); r.shown() {
			part := *r
			if at.off > 0 {
				_, part = r.cut(at.off)
			}
			n := m.piece(&part)
			if left := to - start; n > left {
				cut := left
				if by == byUnits {
					cut, _ = codePointAt(part.text, left)
				}
				bytes, _ := prefixOf(part.text, cut)
				part.text = part.text[:bytes]
			}
			start += n
			b.WriteString(part.text)
		}
		at, err = s.behind(at)
	}
	s.release()
	return b.String(), err
}

// release forgets pages when there are many: reading a long text needs room for what it reads only.
func (s *seq) release() {
	if len(s.pages) > maxPagesKept || s.bundleLimit > 0 && len(s.pages) > 3 {
		clear(s.pages)
	}
}

// TextScan yields the code points from <= n < to of a text in stretches, each by one op: who wrote what. Value is the
// stretch, Key a cursor to its beginning. It needs State and Ops. An error ends it.
func TextScan(env *Env, from, to uint64) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		s, err := on(env).seq(false)
		if err == nil {
			err = s.scan(from, to, func(r *piece, off uint32) (bool, error) {
				by, err := s.writer(r.elem)
				if err != nil {
					return false, err
				}
				e := by.entry(r.elem)
				e.Value, err = object.Encode(r.text)
				return yield(e, err), err
			})
		}
		if err != nil {
			yield(Entry{}, err)
		}
	}
}

// ListScan yields the elements from <= n < to of a list. Author, time and ref are those of the op that wrote the value: the
// one that inserted the element, or set it. Key is a cursor to the element. It needs State and Ops. An error ends it.
func ListScan(env *Env, from, to uint64) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		s, err := on(env).seq(true)
		l := lister{s: s, yield: yield, room: 16}
		if err == nil {
			err = s.scan(from, to, func(r *piece, _ uint32) (more bool, err error) {
				for off := range r.n {
					if more, err = l.add(r, off); err != nil || !more {
						return false, err
					}
				}
				return true, nil
			})
		}
		if err == nil {
			_, err = l.flush()
		}
		if err != nil {
			yield(Entry{}, err)
		}
	}
}

// lister reads elements of a list, some at once: twice as many each time.
type lister struct {
	s     *seq
	yield func(Entry, error) bool
	room  int
	elems []elem
	set   []*Entry // who set an element; nil: nobody
	ended bool
}

func (l *lister) add(r *piece, off uint32) (more bool, err error) {
	_, set, err := l.s.valueOf(r, off)
	if err != nil {
		return false, err
	}
	if l.elems, l.set = append(l.elems, r.at(off)), append(l.set, set); len(l.elems) < l.room {
		return true, nil
	}
	l.room = min(2*l.room, maxListed)
	return l.flush()
}

// flush yields what was gathered.
func (l *lister) flush() (more bool, err error) {
	if l.ended {
		return false, nil
	}
	entries := make([]Entry, len(l.elems))
	err = l.s.ofAll(l.elems, func(i int, by *wrote) (err error) {
		e := &entries[i]
		*e = by.entry(l.elems[i])
		if set := l.set[i]; set != nil {
			set.Key, set.Cursor = e.Key, e.Cursor
			*e = *set
			return nil
		}
		v, err := by.at(l.elems[i])
		if err == nil {
			e.Value, err = object.Encode(v)
		}
		return err
	})
	l.elems, l.set = l.elems[:0], l.set[:0]
	for i := range entries {
		if err != nil {
			return false, err
		}
		if !l.yield(entries[i], nil) {
			l.ended = true
			return false, nil
		}
	}
	return true, err
}

// entry is what is known of an element but for its value.
func (o *wrote) entry(at elem) Entry {
	key := cursorOf(o.op.Ref, at.off, true)
	e := o.op.entry(key)
	e.Cursor = key
	return e
}

// scan calls f with the shown pieces of a stretch, cut to it, until it returns false.
func (s *seq) scan(from, to uint64, f func(r *piece, off uint32) (bool, error)) error {
	to = min(to, s.total.shown)
	at, _, err := s.seek(from, measure{by: byShown})
	for err == nil && !at.end() && from < to {
		if r := at.piece(); r.shown() {
			part := *r
			if at.off > 0 {
				_, part = part.cut(at.off)
			}
			if left := to - from; uint64(part.n) > left {
				part, _ = part.cut(uint32(left))
			}
			from += uint64(part.n)
			if more, err := f(&part, at.off); err != nil || !more {
				return err
			}
		}
		at, err = s.behind(at)
	}
	s.release()
	return err
}

// A cursor stays where it was put while elements come and go, also when the element it is at is deleted or void. It holds
// for every replica: side (0 before the element, 1 behind it), the element's address (digest of the commit, index of the op,
// which of its elements). Without an address it is the beginning (1) or the end (0) of the sequence.
const cursorSize = 32

func cursorOf(ref history.OpRef, off uint32, before bool) []byte {
	b := []byte{1}
	if before {
		b[0] = 0
	}
	return appendOrdered(appendRef(b, ref), uint64(off))
}

// SeqCursor makes a cursor for a position of a list or a text, 0 to its length, by elements or UTF-16 units. It sticks to
// what is before it, or to what is behind it: what is inserted in between later comes behind it, or before it.
func SeqCursor(env *Env, list bool, pos uint64, units, sticksBefore bool) ([]byte, error) {
	s, err := on(env).seq(list)
	if err != nil {
		return nil, err
	}
	m := measure{by: byShown}
	size := s.total.shown
	if units {
		m.by, size = byUnits, s.total.units
	}
	if pos > size {
		return nil, &RangeError{From: pos, To: pos, Len: size}
	}
	if sticksBefore && pos == 0 {
		return []byte{1}, nil
	}
	seen := pos
	if sticksBefore {
		seen--
	}
	at, start, err := s.seek(seen, m)
	if err != nil {
		return nil, err
	}
	if at.end() {
		return []byte{0}, nil
	}
	if one := at.one(m); sticksBefore && start+one != pos || !sticksBefore && start != pos {
		return nil, &RangeError{From: pos, To: pos, Len: size, Within: true}
	}
	e := at.elem()
	op, err := s.field.op(e.num, e.index)
	if err != nil {
		return nil, err
	}
	return cursorOf(op.Ref, e.off, !sticksBefore), nil
}

// one is how much the element at a place counts.
func (at point) one(m measure) uint64 {
	_, part := at.piece().cut(at.off)
	if part.n > 1 {
		part, _ = part.cut(1)
	}
	return m.piece(&part)
}

// SeqPosition is where a cursor is now, in elements and in UTF-16 units. A cursor at an element that is not here is *Unknown.
func SeqPosition(env *Env, list bool, cursor []byte) (elements, units uint64, err error) {
	s, err := on(env).seq(list)
	if err != nil {
		return 0, 0, err
	}
	switch {
	case len(cursor) == 1 && cursor[0] == 1:
		return 0, 0, nil
	case len(cursor) == 1 && cursor[0] == 0:
		return s.total.shown, s.total.units, nil
	case len(cursor) < 1+cursorSize || cursor[0] > 1:
		return 0, 0, &CursorError{}
	}
	index, n := readOrdered(cursor[1+cursorSize:])
	off, m := readOrdered(cursor[1+cursorSize+n:])
	if n == 0 || m == 0 || 1+cursorSize+n+m != len(cursor) || index >= 1<<32 || off >= 1<<32 {
		return 0, 0, &CursorError{}
	}
	ref, ok := parseRef(cursor[1 : 1+cursorSize+n])
	if !ok || ref.Commit.IsZero() {
		return 0, 0, &CursorError{}
	}
	num, _, err := s.Ops.Find(ref.Commit)
	if err != nil {
		return 0, 0, fmt.Errorf("find commit %s: %w", ref.Commit, err)
	}
	at, err := s.locate(elem{num, uint32(index), uint32(off)})
	if err != nil {
		return 0, 0, &Unknown{ref}
	}
	if cursor[0] == 1 {
		if at.off++; at.off == at.piece().n {
			at = point{at.leaf, at.i + 1, 0}
		}
	}
	t, err := s.rank(at)
	return t.shown, t.units, err
}

// RawElement is an element of a sequence whether it is shown or not, for tests and for people who look for what is hidden.
type RawElement struct {
	Num   uint64 // where it was inserted: commit, op, which of its elements
	Index uint32
	Off   uint32
	Void  bool
	// Covers is how many effective deletions cover it.
	Covers uint32
	Text   string // of a text
}

// SeqRaw yields all elements there ever were, in their order. It needs only State. An error ends it.
func SeqRaw(env *Env, list bool) iter.Seq2[RawElement, error] {
	return func(yield func(RawElement, error) bool) {
		s, err := on(env).seq(list)
		var at point
		if err == nil {
			at, _, err = s.seek(0, measure{})
		}
		for err == nil && !at.end() {
			r := at.piece()
			text := r.text
			for off := range r.n {
				e := RawElement{Num: r.num, Index: r.index, Off: r.off + off, Void: r.flags&runVoid != 0, Covers: r.covers}
				if n, ok := prefixOf(text, 1); ok {
					e.Text, text = text[:n], text[n:]
				}
				if !yield(e, nil) {
					return
				}
			}
			at, err = s.behind(at)
		}
		if err != nil {
			yield(RawElement{}, err)
		}
	}
}
