package hhs

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/hyperhyperspace/hhs-go/crdt"
	"github.com/hyperhyperspace/hhs-go/replica"
)

// Text is plain text that many people edit at once. Positions are code points; what was written at the same time in one
// place stands one after the other, never mixed. The edits of a transaction become one small op.
type Text struct{ b binding }

func (Text) typeName() string    { return "text" }
func (Text) elem() reflect.Type  { return nil }
func (Text) bound(b binding) any { return Text{b} }

// Insert inserts text at a position, 0 to Len. One beyond is a *crdt.RangeError.
func (t Text) Insert(tx *Tx, pos int, text string) error {
	return t.b.edit(tx, false, false, func(w *crdt.SeqWriter) error { return w.Insert(uint64(pos), text) })
}

// Delete deletes n code points from a position on.
func (t Text) Delete(tx *Tx, pos, n int) error {
	return t.b.edit(tx, false, false, func(w *crdt.SeqWriter) error { return w.Delete(uint64(pos), uint64(n)) })
}

// Replace deletes n code points from a position on and inserts text there.
func (t Text) Replace(tx *Tx, pos, n int, text string) error {
	if err := t.Delete(tx, pos, n); err != nil {
		return err
	}
	return t.Insert(tx, pos, text)
}

// Len is the number of code points. It is kept, not counted.
func (t Text) Len() (n int, err error) {
	err = t.b.read(func(env *crdt.Env) error {
		all, _, err := crdt.TextLen(env)
		n = int(all)
		return err
	})
	return n, err
}

// String returns the whole text. It is "" when it cannot be read: Slice tells why.
func (t Text) String() string {
	s, _ := t.Slice(0, int(^uint(0)>>1))
	return s
}

// Slice returns the code points from <= n < to. Only what they are in is read.
func (t Text) Slice(from, to int) (s string, err error) {
	if from < 0 || to < from {
		return "", &crdt.RangeError{From: uint64(from), To: uint64(to)}
	}
	err = t.b.read(func(env *crdt.Env) error {
		s, err = crdt.TextSlice(env, uint64(from), uint64(to))
		return err
	})
	return s, err
}

// Cursor marks a place in a Text or a List that stays where it was while others edit around it. It is the same on every
// replica and may be kept.
type Cursor []byte

// Cursor marks a position, 0 to Len. It sticks to what is before it: what is inserted there later comes behind it. With
// ahead it sticks to what is behind it.
func (t Text) Cursor(pos int, ahead bool) (Cursor, error) { return t.b.cursor(false, pos, ahead) }

// Position is where a cursor is now.
func (t Text) Position(c Cursor) (int, error) { return t.b.position(false, c) }

func (b binding) cursor(list bool, pos int, ahead bool) (c Cursor, err error) {
	err = b.read(func(env *crdt.Env) error {
		c, err = crdt.SeqCursor(env, list, uint64(pos), false, !ahead)
		return err
	})
	return c, err
}

func (b binding) position(list bool, c Cursor) (pos int, err error) {
	err = b.read(func(env *crdt.Env) error {
		at, _, err := positionOf(env, list, c)
		pos = int(at)
		return err
	})
	return pos, err
}

// positionOf is where a cursor is, in elements and in UTF-16 units.
func positionOf(env *crdt.Env, list bool, c Cursor) (elements, units uint64, err error) {
	elements, units, err = crdt.SeqPosition(env, list, c)
	if as[*crdt.Unknown](err) || errors.Is(err, replica.ErrMissing) {
		err = fmt.Errorf("%w: the cursor is at an element that is not here, or not of this value", ErrNotFound)
	}
	return elements, units, err
}

// edit edits a list or a text: what a transaction does to it until it is read is one op, or few. units tells that a text
// is counted in UTF-16 units.
func (b binding) edit(tx *Tx, list, units bool, do func(w *crdt.SeqWriter) error) error {
	if err := b.writable(tx); err != nil {
		return err
	}
	p, err := tx.Hold(b.field, b.place(list, units), func(env *crdt.Env) (replica.Pending, error) {
		inner, err := b.reach(env)
		switch {
		case err != nil:
			return nil, err
		case list:
			return crdt.NewListWriter(inner)
		}
		return crdt.NewTextWriter(inner, units)
	})
	w, ok := p.(*crdt.SeqWriter)
	if err == nil && ok {
		err = do(w)
	}
	if err = b.refused(tx, err); err == nil || as[*refusedValue](err) {
		return err
	}
	return fmt.Errorf("field %s: %w", b.text, err)
}

// place tells values that are edited apart.
func (b binding) place(list, units bool) string {
	var at strings.Builder
	fmt.Fprint(&at, list, units)
	for _, s := range b.path {
		fmt.Fprintf(&at, "/%q", s.Key)
		if s.Key == "" {
			fmt.Fprint(&at, s.Shown, s.Maker.Commit, s.Maker.Index)
		}
	}
	return at.String()
}
