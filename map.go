package hhs

import (
	"iter"
	"reflect"

	"github.com/hyperhyperspace/hhs-go/authority"
	"github.com/hyperhyperspace/hhs-go/crdt"
	"github.com/hyperhyperspace/hhs-go/history"
)

// Map holds values by key, a text of 1 to 1,024 bytes. V is a Register, Once,
// Set, GrowSet or Counter, or a struct of values, which makes it a map of
// records.
//
// A key is there as soon as something is written under it, and a record when it
// is made. Of a removal and a write that have not seen each other the write
// wins. Keys are in the order of their bytes.
type Map[V any] struct{ b binding }

func (Map[V]) typeName() string    { return authority.TypeMap }
func (Map[V]) elem() reflect.Type  { return reflect.TypeFor[V]() }
func (Map[V]) bound(b binding) any { return Map[V]{b} }

// At is the value under a key, to read and to write, whether or not the key is
// there. In a map of records it is the record that is shown under the key when
// it is used; where there is none, reading and writing it fail, see Make.
func (m Map[V]) At(key string) V { return m.value(key, crdt.Step{Shown: true}) }

// value binds the value under a key; of a map of records the one that s leads to.
func (m Map[V]) value(key string, s crdt.Step) (v V) {
	b, handle := m.b.key(key), reflect.ValueOf(&v).Elem()
	if _, leaf := any(v).(value); !leaf {
		b = b.record(s)
	}
	bindTo(handle, b)
	return v
}

// Make makes a record under a key and returns it, for use in this transaction.
// It takes the place of one that is there: whoever writes to that one meanwhile
// writes to what is not shown any more.
func (m Map[V]) Make(tx *Tx, key string) (v V, err error) {
	if _, leaf := any(v).(value); leaf {
		return v, &refusedValue{text: m.b.key(key).text + ": only records are made; a value is there once it is written"}
	}
	err = m.b.key(key).write(tx, func(env *crdt.Env) ([]crdt.Draft, error) { return one(crdt.MapMake(env)) })
	if err != nil {
		return v, err
	}
	made := m
	made.b.tx = tx
	return made.value(key, crdt.Step{Maker: history.OpRef{Index: uint32(tx.Ops() - 1)}}), nil
}

// Get is the value under a key; ok is false when the key is not there. A record
// that it gives is that one, whichever is shown later.
func (m Map[V]) Get(key string) (v V, ok bool, err error) {
	err = m.b.read(func(env *crdt.Env) error {
		if ok, err = crdt.MapHas(env, key); err == nil && ok {
			v, err = m.inside(env, key)
		}
		return err
	})
	return v, ok, err
}

// inside is the value under a key that is there, given the map.
func (m Map[V]) inside(env *crdt.Env, key string) (v V, err error) {
	if _, leaf := any(v).(value); leaf {
		return m.At(key), nil
	}
	in, err := env.At(crdt.Step{Key: key})
	if err != nil {
		return v, err
	}
	e, _, err := crdt.RecordShown(in)
	return m.value(key, crdt.Step{Maker: e.Ref}), err
}

// Has tells whether a key is there.
func (m Map[V]) Has(key string) (has bool, err error) {
	err = m.b.read(func(env *crdt.Env) error {
		has, err = crdt.MapHas(env, key)
		return err
	})
	return has, err
}

// Remove takes a key out; removing what is not there does nothing. A set under
// it loses the elements it has, at most crdt.MaxClear in one transaction. What
// only grows, a GrowSet, Once or Counter, cannot be removed.
func (m Map[V]) Remove(tx *Tx, key string) error {
	return m.b.key(key).write(tx, crdt.MapRemove)
}

// Len is the number of keys.
func (m Map[V]) Len() (n int, err error) {
	err = m.b.read(func(env *crdt.Env) error {
		size, err := crdt.MapLen(env)
		n = int(size)
		return err
	})
	return n, err
}

// MapEntry is a key of a map with its value.
type MapEntry[V any] struct {
	Key   string
	Value V
}

// All yields the keys with their values, in order. An error ends the sequence.
func (m Map[V]) All() iter.Seq2[MapEntry[V], error] { return m.scan(crdt.MapRange{}) }

// Backward yields the keys with their values from the last to the first.
func (m Map[V]) Backward() iter.Seq2[MapEntry[V], error] {
	return m.scan(crdt.MapRange{Reverse: true})
}

// Range yields the keys from <= key < to with their values, in order; an empty
// text is no bound. What is not asked for is not read, so that the first few
// keys cost the same in a map of any size.
func (m Map[V]) Range(from, to string) iter.Seq2[MapEntry[V], error] {
	return m.scan(crdt.MapRange{From: from, To: to})
}

// RangeBackward is Range from the last key to the first.
func (m Map[V]) RangeBackward(from, to string) iter.Seq2[MapEntry[V], error] {
	return m.scan(crdt.MapRange{From: from, To: to, Reverse: true})
}

func (m Map[V]) scan(r crdt.MapRange) iter.Seq2[MapEntry[V], error] {
	return func(yield func(MapEntry[V], error) bool) {
		stopped := false
		err := m.b.read(func(env *crdt.Env) error {
			for key, err := range crdt.MapKeys(env, r) {
				if err != nil {
					return err
				}
				v, err := m.inside(env, key)
				if err != nil {
					return err
				}
				if !yield(MapEntry[V]{key, v}, nil) {
					stopped = true
					return nil
				}
			}
			return nil
		})
		if err != nil && !stopped {
			yield(MapEntry[V]{}, err)
		}
	}
}
