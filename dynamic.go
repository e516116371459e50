package hhs

import (
	"cmp"
	"context"
	"fmt"

	"github.com/hyperhyperspace/hhs-go/authority"
	"github.com/hyperhyperspace/hhs-go/crdt"
	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/object"
)

// Op is one edit of a value named at run time, as a command line or a page's
// script makes it. Actions: "set" of a register or once, "add" and "remove" of a
// set, "clear" of a set, "append" of a log, "add" of a counter, "do" of a fold; of a key of a map
// "remove", and in a map of records "make"; of a list or a text "insert"
// with [position, content], "delete" with [position, count] and "splice" with [position, count, content ...], where content
// is text or a list of values, a position null is the end, and texts are counted in UTF-16 units, or with CodePoints in
// code points, as Edits of a Change are; of a list "set" with [position, value]. Value is an object value (see package
// object), and nothing for make, remove of a key, and clear. The field "$undo"
// has "group": the commit joins the one of which Value is the id.
//
// Path leads from the field to a value inside it: a string is a key or the name
// of a property, nil enters the record that is shown under the key before it, an
// int the record that the op of that index, of the same Apply, made there, and a
// history.OpRef the one which that op made.
type Op struct {
	Field  string
	Path   []any
	Action string
	Value  any

	CodePoints bool

	// Known is the schema that the program has for the value, as data, where the
	// space's may have more: what a set does not know of is kept. nil: all is known.
	Known any
}

// OpError says which of several ops cannot be made.
type OpError struct {
	Index int
	Field string
	Cause error
}

func (e *OpError) Error() string {
	if as[*refusedValue](e.Cause) { // names the field itself
		return fmt.Sprintf("op %d: %v", e.Index, e.Cause)
	}
	return fmt.Sprintf("op %d on field %q: %v", e.Index, e.Field, e.Cause)
}

// Unwrap returns why.
func (e *OpError) Unwrap() error { return e.Cause }

// Apply makes one transaction of the ops, all or nothing, and attaches the
// given objects of this node to it. The error for an op is an *OpError.
func (s *AnySpace) Apply(ctx context.Context, ops []Op, attach ...object.ID) (Receipt, error) {
	return s.Commit(ctx, s.applying(ops, attach))
}

func (s *AnySpace) applying(ops []Op, attach []object.ID) func(tx *Tx) error {
	return func(tx *Tx) error {
		made := make([]history.OpRef, len(ops)) // the record that each op made
		for i, op := range ops {
			if err := s.applyOp(tx, op, made[:i]); err != nil {
				return &OpError{i, op.Field, err}
			}
			made[i] = history.OpRef{Index: uint32(tx.Ops() - 1)}
		}
		for _, id := range attach {
			if err := tx.Attach(id); err != nil {
				return err
			}
		}
		return nil
	}
}

func (s *AnySpace) applyOp(tx *Tx, op Op, made []history.OpRef) error {
	if op.Field == authority.UndoField {
		return joinOp(tx, op)
	}
	b, err := s.at(op.Field, op.Path, made)
	if err != nil {
		return err
	}
	if op.Action == "insert" || op.Action == "delete" || op.Action == "splice" {
		return b.editOp(tx, op)
	}
	var block []byte
	if op.Action != crdt.ActionMake {
		if block, err = object.Encode(op.Value); err != nil {
			return err
		}
	}
	return b.write(tx, func(env *crdt.Env) ([]crdt.Draft, error) {
		if env.Shape.Type == nil {
			return draftKey(env, op.Action)
		}
		name := env.Shape.Type.Name()
		if op.Action == crdt.ActionRemove && env.Key() && name != "set" {
			return crdt.MapRemove(env)
		}
		switch name + " " + op.Action {
		case "register set":
			if block, err = op.laidOver(b, tx, block, func() (crdt.Entry, bool, error) { return crdt.RegisterValue(env) }); err != nil {
				return nil, err
			}
			return one(crdt.RegisterSet(env, block))
		case "once set":
			return one(crdt.OnceSet(env, block))
		case "set add", "growset add":
			return []crdt.Draft{crdt.SetAdd(block)}, nil
		case "set remove":
			return crdt.SetRemove(env, block)
		case "set clear":
			return crdt.SetClear(env)
		case "counter add":
			return []crdt.Draft{{Action: crdt.ActionAdd, Payload: block}}, nil
		case "list set":
			pair, _ := op.Value.([]any)
			return listSet(env, pair, func(at uint64, block []byte) ([]byte, error) {
				return op.laidOver(b, tx, block, func() (crdt.Entry, bool, error) { return elementAt(env, at) })
			})
		case "log append":
			return []crdt.Draft{crdt.LogAppend(block)}, nil
		case "fold do":
			return []crdt.Draft{crdt.FoldDo(block)}, nil
		default:
			return nil, noAction(name, op.Action)
		}
	})
}

// draftKey drafts an op on a key of a map of records.
func draftKey(env *crdt.Env, action string) ([]crdt.Draft, error) {
	switch action {
	case crdt.ActionMake:
		return one(crdt.MapMake(env))
	case crdt.ActionRemove:
		return crdt.MapRemove(env)
	}
	return nil, fmt.Errorf("a key of a map of records has no action %q; it has make and remove, and a path leads to a value in the record", action)
}

// noAction says which actions a type has.
func noAction(typ, action string) error {
	has := map[string]string{"register": "set", "once": "set", "set": "add, remove, clear", "growset": "add", "log": "append", "counter": "add",
		"list": "insert, delete, splice, set", "text": "insert, delete, splice", "fold": "do"}[typ]
	return fmt.Errorf("a %s has no action %q; it has %s", typ, action, cmp.Or(has, "none: a path leads to a value in it"))
}

// at binds the value that a path leads to.
func (s *AnySpace) at(field string, path []any, made []history.OpRef) (b binding, err error) {
	m, err := s.Manifest()
	if err != nil {
		return b, err
	}
	if _, ok := m.Field(field); !ok {
		return b, fmt.Errorf("field %q of the kind %s: %w", field, m.Kind, ErrNoField)
	}
	b = binding{space: s.rep, past: s.past, field: field, text: field}
	for i, s := range path {
		var step crdt.Step
		switch s := s.(type) {
		case string:
			if step.Key = s; s == "" {
				return b, &crdt.PathError{Reason: fmt.Sprintf("step %d is empty", i)}
			}
		case nil:
			step.Shown = true
		case history.OpRef:
			step.Maker = s
		case int:
			if s < 0 || s >= len(made) {
				return b, &crdt.PathError{Reason: fmt.Sprintf("step %d: op %d is none before this one", i, s)}
			}
			step.Maker = made[s]
		default:
			return b, &crdt.PathError{Reason: fmt.Sprintf("step %d is of the type %T", i, s)}
		}
		b.path = append(b.path, step)
	}
	return b, nil
}
