package hhs

import (
	"iter"
	"reflect"

	"github.com/hyperhyperspace/hhs-go/crdt"
	"github.com/hyperhyperspace/hhs-go/object"
)

// List is values in an order that its writers choose. What was inserted at the same time in one place stands one after the
// other, never mixed; of values set into one element at the same time the latest is shown, by causal order.
type List[T any] struct{ b binding }

func (List[T]) typeName() string    { return "list" }
func (List[T]) elem() reflect.Type  { return reflect.TypeFor[T]() }
func (List[T]) bound(b binding) any { return List[T]{b} }

// Insert inserts values at a position, 0 to Len. One beyond is a *crdt.RangeError.
func (l List[T]) Insert(tx *Tx, pos int, values ...T) error {
	plain, err := l.plain(values)
	if err != nil {
		return err
	}
	return l.b.edit(tx, true, false, func(w *crdt.SeqWriter) error { return w.InsertValues(uint64(pos), plain) })
}

// Append inserts values at the end.
func (l List[T]) Append(tx *Tx, values ...T) error {
	plain, err := l.plain(values)
	if err != nil {
		return err
	}
	return l.b.edit(tx, true, false, func(w *crdt.SeqWriter) error { return w.InsertValues(w.Len(), plain) })
}

// plain are values as the data model has them.
func (l List[T]) plain(values []T) ([]any, error) {
	plain := make([]any, len(values))
	for i, v := range values {
		block, err := encode(l.b.field, v)
		if err != nil {
			return nil, err
		}
		if plain[i], err = object.Decode(block); err != nil {
			return nil, err
		}
	}
	return plain, nil
}

// Delete deletes n elements from a position on.
func (l List[T]) Delete(tx *Tx, pos, n int) error {
	return l.b.edit(tx, true, false, func(w *crdt.SeqWriter) error { return w.Delete(uint64(pos), uint64(n)) })
}

// Set writes a new value into the element at a position. It stays the same element: a cursor to it holds, and a deletion
// at the same time deletes it.
func (l List[T]) Set(tx *Tx, pos int, v T) error {
	return l.b.write(tx, func(env *crdt.Env) ([]crdt.Draft, error) {
		block, err := encode(l.b.field, v)
		if err != nil {
			return nil, err
		}
		block, err = l.b.laidOver(tx, block, func() (crdt.Entry, bool, error) { return elementAt(env, uint64(pos)) })
		if err != nil {
			return nil, err
		}
		return one(crdt.ListSet(env, uint64(pos), block))
	})
}

// Len is the number of elements. It is kept, not counted.
func (l List[T]) Len() (n int, err error) {
	err = l.b.read(func(env *crdt.Env) error {
		all, err := crdt.ListLen(env)
		n = int(all)
		return err
	})
	return n, err
}

// All yields all elements in order. An error ends it.
func (l List[T]) All() iter.Seq2[Entry[T], error] { return l.Range(0, int(^uint(0)>>1)) }

// Range yields the elements from <= n < to. Only what they are in is read. An error ends it.
func (l List[T]) Range(from, to int) iter.Seq2[Entry[T], error] {
	return all(l.b, decode[T], func(env *crdt.Env) iter.Seq2[crdt.Entry, error] {
		return crdt.ListScan(env, uint64(max(from, 0)), uint64(max(to, 0)))
	})
}

// Cursor marks a position, 0 to Len, as [Text.Cursor] does.
func (l List[T]) Cursor(pos int, ahead bool) (Cursor, error) { return l.b.cursor(true, pos, ahead) }

// Position is where a cursor is now.
func (l List[T]) Position(c Cursor) (int, error) { return l.b.position(true, c) }
