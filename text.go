package hhs

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/hyperhyperspace/hhs-go/authority"
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
		at, _, err := crdt.SeqPosition(env, list, c)
		pos = int(at)
		return err
	})
	return pos, err
}

// edit edits a list or a text: what a transaction does to it until it is read is one op, or few. units tells that a text
// is counted in UTF-16 units.
func (b binding) edit(tx *Tx, list, units bool, do func(w *crdt.SeqWriter) error) error {
	if b.space == nil || tx == nil {
		return ErrUnbound
	}
	if b.past != nil {
		return ErrPast
	}
	if b.space != tx.Space() {
		return ErrOtherSpace
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
	if err = refusal(b.field, err); err == nil || as[*refusedValue](err) {
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

// applyEdit makes an op named at run time an edit: of a text "insert" with [offset, text] and "delete" with [offset, n], in
// UTF-16 units as scripts of a page count; of a list "insert" with [position, [value ...]] and "delete" with [position, n].
func (b binding) applyEdit(tx *Tx, op Op, list bool) error {
	pair, _ := op.Value.([]any)
	if len(pair) != 2 {
		return fmt.Errorf("%s takes a list of two: a position, and what to insert or how many to delete", op.Action)
	}
	at, ok := pair[0].(int64)
	if !ok || at < 0 {
		return fmt.Errorf("%s takes a position first, a whole number from 0 on", op.Action)
	}
	content := pair[1]
	if _, number := content.(int64); number != (op.Action == "delete") {
		return fmt.Errorf("%s does not take a %T", op.Action, content)
	}
	switch content := content.(type) {
	case string:
		return b.edit(tx, false, true, func(w *crdt.SeqWriter) error { return w.Insert(uint64(at), content) })
	case []any:
		return b.edit(tx, true, false, func(w *crdt.SeqWriter) error { return w.InsertValues(uint64(at), content) })
	case int64:
		if content >= 0 {
			return b.edit(tx, list, !list, func(w *crdt.SeqWriter) error { return w.Delete(uint64(at), uint64(content)) })
		}
	}
	return fmt.Errorf("%s inserts a text or a list of values, or deletes a number of elements", op.Action)
}

// editOp applies an edit of the list or text that a binding leads to.
func (s *AnySpace) editOp(tx *Tx, b binding, op Op) error {
	m, err := s.Manifest()
	if err != nil {
		return err
	}
	f, _ := m.Field(b.field)
	for _, step := range b.path {
		switch {
		case step.Key == "": // into a record that is under the key
		case f.Of != nil:
			f = *f.Of
		default:
			i := slices.IndexFunc(f.Fields, func(p authority.Field) bool { return p.Name == step.Key })
			if i < 0 {
				return &crdt.PathError{Reason: fmt.Sprintf("there is no %q", step.Key)}
			}
			f = f.Fields[i]
		}
	}
	if f.Type != "list" && f.Type != "text" {
		return fmt.Errorf("a %s has no action %q", f.Type, op.Action)
	}
	return b.applyEdit(tx, op, f.Type == "list")
}

// Text reads a text.
func (s *AnySpace) Text(field string, path ...any) (string, error) {
	text, _, err := s.TextSlice(field, 0, int(^uint(0)>>1), path...)
	return text, err
}

// TextSlice reads a text from one UTF-16 offset to another, and how many units all of it has.
func (s *AnySpace) TextSlice(field string, from, to int, path ...any) (text string, size int, err error) {
	err = s.of(field, path, func(env *crdt.Env) error {
		_, units, err := crdt.TextLen(env)
		if err == nil {
			size = int(units)
			text, err = crdt.TextSliceUnits(env, uint64(max(from, 0)), uint64(max(to, 0)))
		}
		return err
	}, "text")
	return text, size, err
}

// ListPage reads up to limit elements of a list from a position on.
func (s *AnySpace) ListPage(field string, from, limit int, path ...any) (p Page, err error) {
	err = s.of(field, path, func(env *crdt.Env) error {
		return p.read(env, limit, crdt.ListLen, crdt.ListScan(env, uint64(max(from, 0)), 1<<62))
	}, "list")
	return p, err
}

// CursorAt marks a place in a list, by elements, or in a text, by UTF-16 units; see [Text.Cursor].
func (s *AnySpace) CursorAt(field string, pos int, ahead bool, path ...any) (c Cursor, err error) {
	err = s.of(field, path, func(env *crdt.Env) error {
		list := typeOf(env.Shape) == "list"
		c, err = crdt.SeqCursor(env, list, uint64(max(pos, 0)), !list, !ahead)
		return err
	}, "list", "text")
	return c, err
}

// CursorPosition is where a cursor is now, counted as in CursorAt.
func (s *AnySpace) CursorPosition(field string, c Cursor, path ...any) (pos int, err error) {
	err = s.of(field, path, func(env *crdt.Env) error {
		list := typeOf(env.Shape) == "list"
		elements, units, err := crdt.SeqPosition(env, list, c)
		if pos = int(units); list {
			pos = int(elements)
		}
		return err
	}, "list", "text")
	return pos, err
}
