package hhs

import (
	"fmt"

	"github.com/hyperhyperspace/hhs-go/crdt"
	"github.com/hyperhyperspace/hhs-go/object"
)

// Lists and texts named at run time. Texts are counted in UTF-16 units, as scripts of a page count, unless an op says otherwise.

// EditError is an edit of a list or a text whose value says nothing that could be done.
type EditError struct{ Action, Reason string }

func (e *EditError) Error() string { return fmt.Sprintf("the value of %q %s", e.Action, e.Reason) }

// cut is one of the edits of an op: what is deleted at a position, and what is then inserted there.
type cut struct {
	at     uint64
	end    bool // at the end, wherever that is
	del    uint64
	text   string
	values []any
}

// cutsOf reads the value of an op: of "insert" a list of a position and what to insert, of "delete" of a position and how many, of
// "splice" of any number of positions, each with how many are deleted there and what is then inserted, which see those before. A
// position of null is the end. What is inserted is a text, or a list of values.
func cutsOf(op Op, list bool) (cuts []cut, err error) {
	fail := func(reason string, args ...any) error { return &EditError{op.Action, fmt.Sprintf(reason, args...)} }
	all, _ := op.Value.([]any)
	each := 2
	if op.Action == "splice" {
		each = 3
	}
	if len(all) == 0 || len(all)%each != 0 {
		return nil, fail("is a list: a position, and what to insert or how many to delete")
	}
	for ; len(all) > 0; all = all[each:] {
		var c cut
		if c.end = all[0] == nil; !c.end {
			if c.at, err = count(all[0]); err != nil {
				return nil, fail("has a position that is %v", err)
			}
		}
		if op.Action != "insert" {
			if c.del, err = count(all[1]); err != nil {
				return nil, fail("deletes a number of elements, not %v", err)
			}
		}
		if op.Action != "delete" {
			content, ok := all[each-1], false
			if list {
				c.values, ok = content.([]any)
			} else {
				c.text, ok = content.(string)
			}
			if !ok {
				return nil, fail("inserts a %T into a %s", content, map[bool]string{true: "list", false: "text"}[list])
			}
		}
		cuts = append(cuts, c)
	}
	return cuts, nil
}

// count reads a number of elements.
func count(v any) (uint64, error) {
	if n, ok := v.(int64); ok && n >= 0 {
		return uint64(n), nil
	}
	return 0, fmt.Errorf("%v", v)
}

// editOp applies an edit of the list or text that a binding leads to.
func (b binding) editOp(tx *Tx, op Op) error {
	var typ string
	if shape := tx.Shape(b.field, b.path); shape != nil {
		typ = typeOf(shape)
	} else if _, err := b.env(tx); err != nil { // it says what is wrong with the path
		return err
	}
	if typ != "list" && typ != "text" {
		return noAction(typ, op.Action)
	}
	list := typ == "list"
	cuts, err := cutsOf(op, list)
	if err != nil {
		return err
	}
	return b.edit(tx, list, !list && !op.CodePoints, func(w *crdt.SeqWriter) error {
		for _, c := range cuts {
			if c.end {
				c.at = w.Len()
			}
			if err := w.Delete(c.at, c.del); err != nil {
				return err
			}
			if err := w.Insert(c.at, c.text); err != nil {
				return err
			}
			if err := w.InsertValues(c.at, c.values); err != nil {
				return err
			}
		}
		return nil
	})
}

// listSet drafts a set named at run time: [position, value].
func listSet(env *crdt.Env, pair []any, lay func(at uint64, block []byte) ([]byte, error)) ([]crdt.Draft, error) {
	if len(pair) == 2 {
		if at, err := count(pair[0]); err == nil {
			block, err := object.Encode(pair[1])
			if err == nil {
				block, err = lay(at, block)
			}
			if err != nil {
				return nil, err
			}
			return one(crdt.ListSet(env, at, block))
		}
	}
	return nil, &EditError{crdt.ActionSet, "is a list of two: a position from 0 on, and a value"}
}

// Text reads a text.
func (s *AnySpace) Text(field string, path ...any) (string, error) {
	text, _, err := s.TextSlice(field, 0, int(^uint(0)>>1), path...)
	return text, err
}

// TextSlice reads a text from one UTF-16 offset to another, and how many units all of it has. An offset within a code point
// stands for where that begins.
func (s *AnySpace) TextSlice(field string, from, to int, path ...any) (text string, size int, err error) {
	err = s.of(field, path, func(env *crdt.Env) error {
		text, size, err = textUnits(env, from, to)
		return err
	}, "text")
	return text, size, err
}

// textUnits reads a text from one UTF-16 offset to another, and how many units all of it has.
func textUnits(env *crdt.Env, from, to int) (text string, size int, err error) {
	_, units, err := crdt.TextLen(env)
	if err == nil {
		text, err = crdt.TextSliceUnits(env, uint64(max(from, 0)), uint64(max(to, 0)))
	}
	return text, int(units), err
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
		elements, units, err := positionOf(env, list, c)
		if pos = int(units); list {
			pos = int(elements)
		}
		return err
	}, "list", "text")
	return pos, err
}
