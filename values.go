package hhs

import (
	"errors"
	"fmt"
	"iter"
	"reflect"
	"slices"
	"strconv"
	"time"

	"github.com/hyperhyperspace/hhs-go/crdt"
	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/replica"
	"github.com/hyperhyperspace/hhs-go/schema"
)

// Identity is a person: the did:key text of their identity key. It never
// changes; the name they show is theirs to change in each space.
type Identity string

// SchemaType makes an Identity a value of schema type "identity".
func (Identity) SchemaType() string { return "identity" }

// Short is the end of the key, to show beside a name that anyone may choose.
func (i Identity) Short() string { return string(i[max(0, len(i)-8):]) }

// Tx is one transaction: the ops added to it become one commit, or none does.
type Tx = replica.Tx

// Entry is a value with where it comes from.
type Entry[T any] struct {
	Value    T
	Identity Identity  // who wrote it
	Device   string    // with which device key, as did:key
	Time     time.Time // by the writer's clock; advisory
	Commit   object.ID
	Index    int // of the op in its commit
}

// ErrUnbound is returned by a value that belongs to no space: use the ones of
// Space.Root or those given to the function of Update.
var ErrUnbound = errors.New("this value belongs to no space")

// ErrOtherSpace is returned by a write to a value of one space in a transaction
// of another: write to the values given to the function of Update.
var ErrOtherSpace = errors.New("this value is of another space than the transaction; write to the values that the function of Update is given")

// ErrTxEnded is returned by a transaction that is used after the function it was
// given to.
var ErrTxEnded = replica.ErrTxEnded

// binding ties a value to its place in a space: of the present version, of a
// transaction, or of a past version.
type binding struct {
	space   *replica.Space
	program *replica.Program // nil: what is asked for is what the space has
	tx      *Tx
	past    *replica.Past
	field   string
	path    []crdt.Step // from the field to the value
	text    string      // field and path, for people
}

// at is the binding of a field, or of a property of the record.
func (b binding) at(name string) binding {
	if b.field == "" {
		b.field, b.text = name, name
		return b
	}
	return b.step(crdt.Step{Key: name}, "."+name)
}

// key is the binding of what is under a key of the map.
func (b binding) key(key string) binding {
	return b.step(crdt.Step{Key: key}, "["+strconv.QuoteToASCII(key)+"]")
}

// record is the binding of a record that was made under the key.
func (b binding) record(s crdt.Step) binding { return b.step(s, "") }

func (b binding) step(s crdt.Step, text string) binding {
	b.path, b.text = append(slices.Clip(b.path), s), b.text+text
	return b
}

// read runs f on the field, in the transaction or in a view of its own.
func (b binding) read(f func(env *crdt.Env) error) error {
	switch {
	case b.space == nil:
		return ErrUnbound
	case b.tx != nil:
		env, err := b.env(b.tx)
		if err != nil {
			return err
		}
		return f(env)
	}
	open := b.space.View
	if b.past != nil {
		open = b.past.View
	}
	view, err := open()
	if err != nil {
		return err
	}
	return b.readIn(view, f)
}

// readMarked is read, with the mark of the version that is read. It is known of the
// present and, mostly, in a transaction, whose own ops are no part of what is marked.
func (b binding) readMarked(f func(env *crdt.Env, mark replica.Mark, known bool) error) error {
	switch {
	case b.space != nil && b.tx != nil:
		mark, known := b.tx.Mark()
		return b.read(func(env *crdt.Env) error { return f(env, mark, known) })
	case b.space == nil || b.past != nil:
		return b.read(func(env *crdt.Env) error { return f(env, replica.Mark{}, false) })
	}
	view, err := b.space.MarkedView()
	if err != nil {
		return err
	}
	return b.readIn(view, func(env *crdt.Env) error { return f(env, view.Mark(), true) })
}

func (b binding) readIn(view *replica.View, f func(env *crdt.Env) error) error {
	defer view.Close()
	env, err := view.EnvOf(b.program, b.field)
	if err == nil {
		env, err = b.reach(env)
	}
	if err != nil {
		return b.space.Damaged(err)
	}
	return b.space.Damaged(f(env))
}

// env is the value as a transaction sees it.
func (b binding) env(tx *Tx) (*crdt.Env, error) {
	env, err := tx.EnvOf(b.program, b.field)
	if err != nil {
		return nil, err
	}
	return b.reach(env)
}

// reach goes from the field to the value.
func (b binding) reach(env *crdt.Env) (*crdt.Env, error) {
	if len(b.path) == 0 {
		return env, nil
	}
	in, err := env.At(b.path...)
	return in, refusal(b.field, err)
}

// writable tells why tx cannot write to the value, nil: it can.
func (b binding) writable(tx *Tx) error {
	switch {
	case b.space == nil || tx == nil:
		return ErrUnbound
	case b.past != nil:
		return ErrPast
	case b.space != tx.Space():
		return ErrOtherSpace
	case b.program != nil:
		return tx.Has(b.program, b.field, b.path)
	}
	return nil
}

// write drafts an op from the field as tx sees it and adds it to tx.
func (b binding) write(tx *Tx, draft func(env *crdt.Env) ([]crdt.Draft, error)) error {
	if err := b.writable(tx); err != nil {
		return err
	}
	env, err := b.env(tx)
	if err != nil {
		return err
	}
	drafts, err := draft(env)
	if err != nil {
		if err = b.refused(tx, err); as[*refusedValue](err) {
			return err
		}
		return fmt.Errorf("field %s: %w", b.text, err)
	}
	for _, d := range drafts {
		if d, err = env.Wrap(d); err == nil {
			err = tx.Do(b.field, d)
		}
		if err != nil {
			return b.refused(tx, err)
		}
	}
	return nil
}

// refused is a refusal that says what helps where a program knows a property that
// the space does not.
func (b binding) refused(tx *Tx, err error) error {
	err = refusal(b.field, err)
	var v *schema.Violation
	if b.program == nil || !errors.As(err, &v) || v.Rule != schema.RuleUnknown {
		return err
	}
	return &refusedValue{err.Error() + " in the space; " + tx.Upgrading(b.program), err}
}

// refusedValue is a value that an own write may not have: the place from the
// field on, and why. A peer's op of that sort is stored and ignored, of which
// the error behind it speaks.
type refusedValue struct {
	text  string
	cause error
}

func (e *refusedValue) Error() string { return e.text }

// Unwrap returns the error behind it.
func (e *refusedValue) Unwrap() error { return e.cause }

func refusal(field string, err error) error {
	var in *crdt.InnerError
	var v *schema.Violation
	var i *crdt.Ignored
	var p *crdt.PathError
	blamed := err
	if errors.As(err, &in) {
		field, blamed = field+in.Path, in.Err
	}
	switch {
	case errors.As(blamed, &v):
		return &refusedValue{join(field, v.Path) + ": " + v.Reason, err}
	case errors.As(blamed, &p):
		return &refusedValue{field + p.Path + ": " + p.Reason, err}
	case errors.As(blamed, &i):
		return &refusedValue{field + ": " + i.Reason, err}
	}
	return err
}

// join puts a path inside a value behind the one that leads to it.
func join(path, inner string) string {
	if path != "" && inner != "" && inner[0] != '[' {
		path += "."
	}
	return path + inner
}

func encode[T any](field string, v T) ([]byte, error) {
	o, err := schema.FromGoValue(reflect.ValueOf(&v).Elem())
	if err != nil {
		return nil, fmt.Errorf("field %s: %w", field, err)
	}
	return object.Encode(o)
}

func decode[T any](block []byte) (v T, err error) {
	if text, ok := any(&v).(*string); ok { // most often; the same without reflection
		*text, err = decodeText(block)
		return v, err
	}
	o, err := object.Decode(block)
	if err == nil {
		err = schema.ToGo(o, reflect.ValueOf(&v).Elem())
	}
	return v, err
}

// decodeText is decode for text.
func decodeText(block []byte) (string, error) {
	r := object.NewReader(block)
	text, err := r.String()
	if err == nil {
		err = r.End()
	}
	return text, err
}

// keyTexts remembers the texts of keys while a field is read: few people wrote
// most of it, and making a text takes longer than all else about an entry.
type keyTexts map[identity.PublicKey]string

// maxKeyTexts bounds them; a field that more wrote is read with a few forgotten.
const maxKeyTexts = 1024

func (t keyTexts) of(k identity.PublicKey) string {
	s, known := t[k]
	if !known {
		if len(t) >= maxKeyTexts {
			clear(t)
		}
		s = k.String()
		t[k] = s
	}
	return s
}

func entryOf[T any](e crdt.Entry, decode func([]byte) (T, error), keys keyTexts) (Entry[T], error) {
	v, err := decode(e.Value)
	return Entry[T]{Value: v, Identity: Identity(keys.of(e.Identity)), Device: keys.of(e.Author),
		Time: WallTime(e.Time), Commit: e.Ref.Commit, Index: int(e.Ref.Index)}, err
}

// WallTime is a time in milliseconds, such as that of Change.Op, which is what
// its writer claims, kept within what calendars and JSON can show.
func WallTime(ms int64) time.Time {
	const year9999 = 253402300799000
	return time.UnixMilli(min(max(ms, 0), year9999))
}

func one(d crdt.Draft, err error) ([]crdt.Draft, error) {
	if err != nil {
		return nil, err
	}
	return []crdt.Draft{d}, nil
}

// Register holds one value; the latest write wins. Of concurrent writes the one
// with the greatest (height, commit id) is shown, and Conflicts gives them all.
type Register[T any] struct{ b binding }

func (Register[T]) typeName() string    { return "register" }
func (Register[T]) elem() reflect.Type  { return reflect.TypeFor[T]() }
func (Register[T]) bound(b binding) any { return Register[T]{b} }

// Get returns the value; ok is false while nothing was ever set.
func (r Register[T]) Get() (v T, ok bool, err error) {
	e, ok, err := r.Entry()
	return e.Value, ok, err
}

// Entry is Get with author and time.
func (r Register[T]) Entry() (e Entry[T], ok bool, err error) {
	return shownOf[T](r.b, crdt.RegisterValue)
}

// Conflicts returns every value written concurrently with the one shown, that
// one first. It has one element where nobody wrote at the same time.
func (r Register[T]) Conflicts() ([]Entry[T], error) {
	return conflicts[T](r.b, crdt.RegisterConflicts)
}

// shownOf reads the one value of a field.
func shownOf[T any](b binding, read func(*crdt.Env) (crdt.Entry, bool, error)) (e Entry[T], ok bool, err error) {
	err = b.read(func(env *crdt.Env) error {
		var raw crdt.Entry
		if raw, ok, err = read(env); err == nil && ok {
			e, err = entryOf(raw, decode[T], keyTexts{})
		}
		return err
	})
	return e, ok, err
}

// conflicts reads it with those written at the same time.
func conflicts[T any](b binding, read func(*crdt.Env) ([]crdt.Entry, error)) (list []Entry[T], err error) {
	err = b.read(func(env *crdt.Env) error {
		raw, err := read(env)
		if err != nil {
			return err
		}
		list, err = entriesOf[T](raw)
		return err
	})
	return list, err
}

// Set replaces the value.
func (r Register[T]) Set(tx *Tx, v T) error {
	return r.b.write(tx, func(env *crdt.Env) ([]crdt.Draft, error) {
		block, err := encode(r.b.text, v)
		if err != nil {
			return nil, err
		}
		block, err = r.b.laidOver(tx, block, func() (crdt.Entry, bool, error) { return crdt.RegisterValue(env) })
		if err != nil {
			return nil, err
		}
		return one(crdt.RegisterSet(env, block))
	})
}

func entriesOf[T any](raw []crdt.Entry) ([]Entry[T], error) {
	list := make([]Entry[T], 0, len(raw))
	keys := keyTexts{}
	for _, r := range raw {
		e, err := entryOf(r, decode[T], keys)
		if err != nil {
			return nil, err
		}
		list = append(list, e)
	}
	return list, nil
}

// GrowSet is a set that only grows.
type GrowSet[T any] struct{ b binding }

func (GrowSet[T]) typeName() string    { return "growset" }
func (GrowSet[T]) elem() reflect.Type  { return reflect.TypeFor[T]() }
func (GrowSet[T]) bound(b binding) any { return GrowSet[T]{b} }

// Add puts a value in.
func (s GrowSet[T]) Add(tx *Tx, v T) error { return setAdd(s.b, tx, v) }

// Has tells whether the value is in the set.
func (s GrowSet[T]) Has(v T) (bool, error) { return setHas(s.b, v) }

// Len is the number of values.
func (s GrowSet[T]) Len() (int, error) { return setLen(s.b) }

// All yields the values with who added them, in the order in which they were
// added, which is the same on every copy. An error ends the sequence.
func (s GrowSet[T]) All() iter.Seq2[Entry[T], error] { return setAll[T](s.b) }

// Set is a set in which an addition wins over a concurrent removal: Remove
// takes out the additions it saw. Values are the same when their canonical
// bytes are.
type Set[T any] struct{ b binding }

func (Set[T]) typeName() string    { return "set" }
func (Set[T]) elem() reflect.Type  { return reflect.TypeFor[T]() }
func (Set[T]) bound(b binding) any { return Set[T]{b} }

// Add puts a value in.
func (s Set[T]) Add(tx *Tx, v T) error { return setAdd(s.b, tx, v) }

// Remove takes a value out; removing what is not there does nothing.
func (s Set[T]) Remove(tx *Tx, v T) error {
	return s.b.write(tx, func(env *crdt.Env) ([]crdt.Draft, error) {
		block, err := encode(s.b.text, v)
		if err != nil {
			return nil, err
		}
		return crdt.SetRemove(env, block)
	})
}

// Has tells whether the value is in the set.
func (s Set[T]) Has(v T) (bool, error) { return setHas(s.b, v) }

// Len is the number of values.
func (s Set[T]) Len() (int, error) { return setLen(s.b) }

// All yields the values with who added them, in the order in which they were
// added, which is the same on every copy. An error ends the sequence.
func (s Set[T]) All() iter.Seq2[Entry[T], error] { return setAll[T](s.b) }

func setAdd[T any](b binding, tx *Tx, v T) error {
	return b.write(tx, func(env *crdt.Env) ([]crdt.Draft, error) {
		block, err := encode(b.text, v)
		if err != nil {
			return nil, err
		}
		return []crdt.Draft{crdt.SetAdd(block)}, nil
	})
}

func setHas[T any](b binding, v T) (has bool, err error) {
	block, err := encode(b.text, v)
	if err != nil {
		return false, err
	}
	err = b.read(func(env *crdt.Env) error {
		has, err = crdt.SetHas(env, block)
		return err
	})
	return has, err
}

func setLen(b binding) (n int, err error) {
	err = b.read(func(env *crdt.Env) error {
		size, err := crdt.SetLen(env)
		n = int(size)
		return err
	})
	return n, err
}

func setAll[T any](b binding) iter.Seq2[Entry[T], error] {
	return all(b, decode[T], func(env *crdt.Env) iter.Seq2[crdt.Entry, error] { return crdt.SetScan(env, crdt.SetRange{}) })
}

// all yields what scan yields, in one view of the field.
func all[T any](b binding, decode func([]byte) (T, error), scan func(env *crdt.Env) iter.Seq2[crdt.Entry, error]) iter.Seq2[Entry[T], error] {
	return func(yield func(Entry[T], error) bool) {
		stopped, keys := false, keyTexts{}
		err := b.read(func(env *crdt.Env) error {
			for raw, err := range scan(env) {
				if err != nil {
					return err
				}
				e, err := entryOf(raw, decode, keys)
				if err != nil {
					return err
				}
				if !yield(e, nil) {
					stopped = true
					return nil
				}
			}
			return nil
		})
		if err != nil && !stopped {
			yield(Entry[T]{}, err)
		}
	}
}

// Log is an append-only list. Its order never contradicts causality: what was
// written after reading something comes after it, on every copy.
type Log[T any] struct{ b binding }

func (Log[T]) typeName() string    { return "log" }
func (Log[T]) elem() reflect.Type  { return reflect.TypeFor[T]() }
func (Log[T]) bound(b binding) any { return Log[T]{b} }

// Append adds a value.
func (l Log[T]) Append(tx *Tx, v T) error {
	return l.b.write(tx, func(env *crdt.Env) ([]crdt.Draft, error) {
		block, err := encode(l.b.text, v)
		if err != nil {
			return nil, err
		}
		return []crdt.Draft{crdt.LogAppend(block)}, nil
	})
}

// Len is the number of values.
func (l Log[T]) Len() (n int, err error) {
	err = l.b.read(func(env *crdt.Env) error {
		size, err := crdt.LogLen(env)
		n = int(size)
		return err
	})
	return n, err
}

// All yields the values from the first to the last, reading them as it goes.
// An error ends the sequence.
func (l Log[T]) All() iter.Seq2[Entry[T], error] {
	return all(l.b, decode[T], func(env *crdt.Env) iter.Seq2[crdt.Entry, error] { return crdt.LogScan(env, crdt.LogRange{}) })
}

// Backward yields the values from the last to the first, reading them as it
// goes, so that the latest few cost the same in a log of any length.
func (l Log[T]) Backward() iter.Seq2[Entry[T], error] {
	return all(l.b, decode[T], func(env *crdt.Env) iter.Seq2[crdt.Entry, error] {
		return crdt.LogScan(env, crdt.LogRange{Reverse: true})
	})
}

// Last returns up to n of the latest values, oldest first.
func (l Log[T]) Last(n int) ([]Entry[T], error) {
	var list []Entry[T]
	if n <= 0 {
		return nil, nil
	}
	for e, err := range l.Backward() {
		if err != nil {
			return nil, err
		}
		if list = append(list, e); len(list) == n {
			break
		}
	}
	for i, j := 0, len(list)-1; i < j; i, j = i+1, j-1 {
		list[i], list[j] = list[j], list[i]
	}
	return list, nil
}
