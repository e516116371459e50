package hhs

import (
	"fmt"
	"iter"
	"slices"

	"github.com/hyperhyperspace/hhs-go/crdt"
	"github.com/hyperhyperspace/hhs-go/object"
)

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

// of reads the value that a path leads to, which is of one of the given types.
func (s *AnySpace) of(field string, path []any, read func(env *crdt.Env) error, types ...string) error {
	b, err := s.at(field, path, nil)
	if err != nil {
		return err
	}
	return b.read(func(env *crdt.Env) error {
		if err := isOf(field, env, types...); err != nil {
			return err
		}
		return read(env)
	})
}

func isOf(field string, env *crdt.Env, types ...string) error {
	if typ := typeOf(env.Shape); !slices.Contains(types, typ) {
		return fmt.Errorf("field %q is a %s", field, typ)
	}
	return nil
}

// typeOf is what a manifest calls a value.
func typeOf(s *crdt.Shape) string { return s.Field().Name() }

// Register reads a register or a once: the shown value first, then those
// written concurrently with it; nothing while it was never set. A path leads to
// a value inside the field, here and in the other readers, as that of an Op.
func (s *AnySpace) Register(field string, path ...any) (list []AnyEntry, err error) {
	err = s.of(field, path, func(env *crdt.Env) error {
		read := crdt.RegisterConflicts
		if typeOf(env.Shape) == "once" {
			read = crdt.OnceConflicts
		}
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
	}, "register", "once")
	return list, err
}

// Counter reads a counter.
func (s *AnySpace) Counter(field string, path ...any) (total crdt.Total, err error) {
	err = s.of(field, path, func(env *crdt.Env) error {
		total, err = crdt.CounterTotal(env)
		return err
	}, "counter")
	return total, err
}

// SetHas tells whether a set holds a value.
func (s *AnySpace) SetHas(field string, value any, path ...any) (has bool, err error) {
	block, err := object.Encode(value)
	if err != nil {
		return false, err
	}
	err = s.of(field, path, func(env *crdt.Env) error {
		has, err = crdt.SetHas(env, block)
		return err
	}, "set", "growset")
	return has, err
}

// maxPageBytes is after how much of values a page ends, whatever was asked for:
// it and one more value, the largest there is, fit into one block with what is
// told about them, which is what the engine in a browser answers with.
const maxPageBytes = 1 << 18

// cost is what a value takes of a page: its bytes, and something for each list
// and map, of which a block has not more than some thousands.
func cost(block []byte, v any) int { return len(block) + 32*containers(v) }

func containers(v any) (n int) {
	switch v := v.(type) {
	case []any:
		for _, x := range v {
			n += containers(x)
		}
		n++
	case map[string]any:
		for _, x := range v {
			n += containers(x)
		}
		n++
	}
	return n
}

// Page is a stretch of a set or log. It is shorter than asked for, with More,
// where values are large.
type Page struct {
	Entries []AnyEntry // in the order of the value
	Size    int        // of all of it
	More    bool       // there are entries beyond, in the direction read
}

// SetPage reads up to limit elements after a key; nil: from the first.
func (s *AnySpace) SetPage(field string, after []byte, limit int, path ...any) (p Page, err error) {
	err = s.of(field, path, func(env *crdt.Env) error {
		return p.read(env, limit, crdt.SetLen, crdt.SetScan(env, crdt.SetRange{After: after}))
	}, "set", "growset")
	return p, err
}

// LogPage reads up to limit entries of a log, or ops of a fold, oldest first: the first after a
// key, or with last the last before one. A nil key means from that end.
func (s *AnySpace) LogPage(field string, from []byte, limit int, last bool, path ...any) (p Page, err error) {
	r := crdt.LogRange{After: from}
	if last {
		r = crdt.LogRange{Before: from, Reverse: true}
	}
	err = s.of(field, path, func(env *crdt.Env) error { return p.read(env, limit, crdt.LogLen, crdt.LogScan(env, r)) }, "log", "fold")
	if last {
		slices.Reverse(p.Entries)
	}
	return p, err
}

func (p *Page) read(env *crdt.Env, limit int, size func(*crdt.Env) (uint64, error), scan iter.Seq2[crdt.Entry, error]) error {
	n, err := size(env)
	if err != nil {
		return err
	}
	p.Size = int(n)
	keys, room := keyTexts{}, maxPageBytes
	for raw, err := range scan {
		if err != nil {
			return err
		}
		if len(p.Entries) >= limit || room <= 0 {
			p.More = true
			return nil
		}
		e, err := anyEntry(raw, keys)
		if err != nil {
			return err
		}
		room -= cost(raw.Value, e.Value)
		p.Entries = append(p.Entries, e)
	}
	return nil
}

// Item is a value of any type as it was when it was read.
type Item struct {
	Key string // under which a map has it
	// Value is an object value: what a register or once shows; the sum of a
	// counter, beyond 64 bits its decimal digits; lists of the elements of a set
	// and of the last entries of a log; maps of what is under the keys of a map
	// and of the properties of a record, without those that show nothing.
	// A fold is its ops here, as the entries of a log: its function is the application's.
	Value  any
	More   bool        // something was left out: values with very many in them are cut short
	Origin *Entry[any] // who wrote it, of a register or once, and who made it, of a record of a map; without its Value
}

// ID is the id of a record of a map, "" of anything else.
func (i *Item) ID() string {
	if _, record := i.Value.(map[string]any); !record || i.Origin == nil {
		return ""
	}
	return crdt.RecordID(i.origin())
}

// MapQuery says which keys of a map to read, see crdt.MapRange.
type MapQuery struct {
	crdt.MapRange
	Limit int  // at most so many
	Keys  bool // the keys alone: no values
}

// ItemPage is a stretch of a map.
type ItemPage struct {
	Items []Item
	Size  int  // keys of the whole map
	More  bool // there are keys beyond, in the direction read
}

// MapPage reads a stretch of a map. A page may be shorter than asked for when its
// values are large; read on after its last key (crdt.MapRange: After, or in
// reverse To).
func (s *AnySpace) MapPage(field string, q MapQuery, path ...any) (p ItemPage, err error) {
	err = s.of(field, path, func(env *crdt.Env) error {
		n, err := crdt.MapLen(env)
		if err != nil {
			return err
		}
		p.Size = int(n)
		snap := newSnapshot()
		for key, err := range crdt.MapKeys(env, q.MapRange) {
			if err != nil {
				return err
			}
			if len(p.Items) >= q.Limit || len(p.Items) > 0 && snap.full() {
				p.More = true
				return nil
			}
			item := Item{Key: key}
			snap.bytes -= len(key)
			if !q.Keys {
				if item, _, err = snap.under(env, key); err != nil {
					return err
				}
				if item.More && snap.full() && len(p.Items) > 0 { // there is room for it in the next page
					p.More = true
					return nil
				}
			}
			p.Items = append(p.Items, item)
		}
		return nil
	}, "map")
	return p, err
}

// Value reads any value, with all that is in it; ok is false where nothing is
// shown: a register never set, a key that is not there.
func (s *AnySpace) Value(field string, path ...any) (item Item, ok bool, err error) {
	b, err := s.at(field, path, nil)
	if err != nil {
		return item, false, err
	}
	err = b.read(func(env *crdt.Env) error {
		item, ok, err = newSnapshot().item(env)
		return err
	})
	if len(b.path) > 0 {
		item.Key = b.path[len(b.path)-1].Key
	}
	return item, ok, err
}
