package hhs

import (
	"context"
	"fmt"
	"iter"
	"slices"

	"github.com/hyperhyperspace/hhs-go/authority"
	"github.com/hyperhyperspace/hhs-go/crdt"
	"github.com/hyperhyperspace/hhs-go/object"
)

// Op is one edit of a field named at run time, as a command line or a page's
// script makes it. Actions: "set" of a register or once, "add" and "remove" of a set,
// "append" of a log, "add" of a counter. Value is an object value (see package object).
// The field "$undo" has "group": the commit joins the one of which Value is the id.
type Op struct {
	Field  string
	Action string
	Value  any
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
	return s.Commit(ctx, func(tx *Tx) error {
		for i, op := range ops {
			if err := s.applyOp(tx, op); err != nil {
				return &OpError{i, op.Field, err}
			}
		}
		for _, id := range attach {
			if err := tx.Attach(id); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *AnySpace) applyOp(tx *Tx, op Op) error {
	if op.Field == authority.UndoField {
		return joinOp(tx, op)
	}
	m, err := s.Manifest()
	if err != nil {
		return err
	}
	f, ok := m.Field(op.Field)
	if !ok {
		return fmt.Errorf("the kind %s has no such field", m.Kind)
	}
	block, err := object.Encode(op.Value)
	if err != nil {
		return err
	}
	return binding{space: s.rep, field: op.Field}.write(tx, func(env *crdt.Env) ([]crdt.Draft, error) {
		switch f.Type + " " + op.Action {
		case "register set":
			return one(crdt.RegisterSet(env, block))
		case "once set":
			return one(crdt.OnceSet(env, block))
		case "set add", "growset add":
			return []crdt.Draft{crdt.SetAdd(block)}, nil
		case "set remove":
			return crdt.SetRemove(env, block)
		case "counter add":
			return []crdt.Draft{{Action: crdt.ActionAdd, Payload: block}}, nil
		case "log append":
			return []crdt.Draft{crdt.LogAppend(block)}, nil
		}
		return nil, fmt.Errorf("a %s has no action %q", f.Type, op.Action)
	})
}

// AnyEntry is an entry of a field read at run time. Key is its place in the
// field: pass it to SetPage and LogPage to read on from there.
type AnyEntry struct {
	Entry[any]
	Key []byte
}

func anyEntry(raw crdt.Entry, keys keyTexts) (AnyEntry, error) {
	e, err := entryOf(raw, object.Decode, keys)
	return AnyEntry{e, raw.Cursor}, err
}

// field binds a field of the given types, by name.
func (s *AnySpace) field(name string, types ...string) (binding, error) {
	m, err := s.Manifest()
	if err != nil {
		return binding{}, err
	}
	f, ok := m.Field(name)
	if !ok {
		return binding{}, fmt.Errorf("field %q: the kind %s has no such field", name, m.Kind)
	}
	if !slices.Contains(types, f.Type) {
		return binding{}, fmt.Errorf("field %q is a %s", name, f.Type)
	}
	return binding{space: s.rep, field: name}, nil
}

// Register reads a register or a once: the shown value first, then those
// written concurrently with it; nothing while it was never set.
func (s *AnySpace) Register(name string) (list []AnyEntry, err error) {
	b, err := s.field(name, "register", "once")
	if err != nil {
		return nil, err
	}
	m, err := s.Manifest()
	if err != nil {
		return nil, err
	}
	read := crdt.RegisterConflicts
	if f, _ := m.Field(name); f.Type == "once" {
		read = crdt.OnceConflicts
	}
	err = b.read(func(env *crdt.Env) error {
		raw, err := read(env)
		keys := keyTexts{}
		for _, r := range raw {
			e, err := anyEntry(r, keys)
			if err != nil {
				return err
			}
			list = append(list, e)
		}
		return err
	})
	return list, err
}

// SetHas tells whether a set holds a value.
func (s *AnySpace) SetHas(name string, value any) (bool, error) {
	b, err := s.field(name, "set", "growset")
	if err != nil {
		return false, err
	}
	block, err := object.Encode(value)
	if err != nil {
		return false, err
	}
	has := false
	err = b.read(func(env *crdt.Env) error {
		has, err = crdt.SetHas(env, block)
		return err
	})
	return has, err
}

// Page is a stretch of a set or log.
type Page struct {
	Entries []AnyEntry // in the order of the field
	Size    int        // of the whole field
	More    bool       // there are entries beyond, in the direction read
}

// SetPage reads up to limit elements after a key; nil: from the first.
func (s *AnySpace) SetPage(name string, after []byte, limit int) (Page, error) {
	b, err := s.field(name, "set", "growset")
	if err != nil {
		return Page{}, err
	}
	return readPage(b, limit, crdt.SetLen, func(env *crdt.Env) iter.Seq2[crdt.Entry, error] {
		return crdt.SetScan(env, crdt.SetRange{After: after})
	})
}

// LogPage reads up to limit entries of a log, oldest first: the first after a
// key, or with last the last before one. A nil key means from that end.
func (s *AnySpace) LogPage(name string, from []byte, limit int, last bool) (Page, error) {
	b, err := s.field(name, "log")
	if err != nil {
		return Page{}, err
	}
	r := crdt.LogRange{After: from}
	if last {
		r = crdt.LogRange{Before: from, Reverse: true}
	}
	p, err := readPage(b, limit, crdt.LogLen, func(env *crdt.Env) iter.Seq2[crdt.Entry, error] { return crdt.LogScan(env, r) })
	if last {
		slices.Reverse(p.Entries)
	}
	return p, err
}

func readPage(b binding, limit int, size func(*crdt.Env) (uint64, error), scan func(*crdt.Env) iter.Seq2[crdt.Entry, error]) (p Page, err error) {
	err = b.read(func(env *crdt.Env) error {
		n, err := size(env)
		if err != nil {
			return err
		}
		p.Size = int(n)
		keys := keyTexts{}
		for raw, err := range scan(env) {
			if err != nil {
				return err
			}
			if len(p.Entries) >= limit {
				p.More = true
				return nil
			}
			e, err := anyEntry(raw, keys)
			if err != nil {
				return err
			}
			p.Entries = append(p.Entries, e)
		}
		return nil
	})
	return p, err
}
