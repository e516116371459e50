package hhs

import (
	"iter"
	"slices"

	"github.com/hyperhyperspace/hhs-go/crdt"
	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/object"
)

const (
	// maxInside is how many elements of a set, entries of a log and keys of a map
	// stand in the snapshot of what they are inside of: a page of it is for people,
	// and what is larger is read by itself.
	maxInside = 100

	// maxSnapshotValues and maxSnapshotBytes bound one reading in all, since values
	// inside values multiply.
	maxSnapshotValues = 10_000
	maxSnapshotBytes  = maxPageBytes
)

// snapshot reads values with all that is in them, as far as there is room.
type snapshot struct {
	values int // room left
	bytes  int
	more   bool // something was left out of the item at hand
	keys   keyTexts
}

func newSnapshot() *snapshot {
	return &snapshot{values: maxSnapshotValues, bytes: maxSnapshotBytes, keys: keyTexts{}}
}

func (s *snapshot) full() bool { return s.values <= 0 || s.bytes <= 0 }

// decode reads one value, and takes its room.
func (s *snapshot) decode(block []byte) (any, error) {
	v, err := object.Decode(block)
	s.values, s.bytes = s.values-1, s.bytes-cost(block, v)
	return v, err
}

// under is the item under a key of a map.
func (s *snapshot) under(env *crdt.Env, key string) (Item, bool, error) {
	in, err := env.At(crdt.Step{Key: key})
	if err != nil {
		return Item{}, false, err
	}
	item, ok, err := s.item(in)
	item.Key = key
	return item, ok, err
}

// item is what env shows, with where it comes from.
func (s *snapshot) item(env *crdt.Env) (item Item, ok bool, err error) {
	s.more = false
	from, err := s.origin(env)
	if err != nil {
		return item, false, err
	}
	if from != nil {
		item.Origin = &Entry[any]{Identity: Identity(s.keys.of(from.Identity)), Device: s.keys.of(from.Author), Time: WallTime(from.Time),
			Commit: from.Ref.Commit, Index: int(from.Ref.Index)}
	}
	item.Value, ok, err = s.value(env)
	item.More = s.more
	return item, ok, err
}

// origin is the op behind what env shows, nil where it is not one op.
func (s *snapshot) origin(env *crdt.Env) (*crdt.Entry, error) {
	var e crdt.Entry
	var ok bool
	var err error
	switch typ := typeOf(env.Shape); {
	case typ == "register":
		e, ok, err = crdt.RegisterValue(env)
	case typ == "once":
		e, ok, err = crdt.OnceValue(env)
	case typ == "record" && env.Key():
		e, ok, err = crdt.RecordShown(env)
	}
	if err != nil || !ok {
		return nil, err
	}
	return &e, nil
}

// origin is the op of an item.
func (i *Item) origin() history.OpRef {
	return history.OpRef{Commit: i.Origin.Commit, Index: uint32(i.Origin.Index)}
}

// value is what env shows as an object value; ok is false where that is nothing.
func (s *snapshot) value(env *crdt.Env) (v any, ok bool, err error) {
	if s.full() {
		s.more = true
		return nil, false, nil
	}
	switch typeOf(env.Shape) {
	case "register":
		return s.one(crdt.RegisterValue(env))
	case "once":
		return s.one(crdt.OnceValue(env))
	case "counter":
		total, err := crdt.CounterTotal(env)
		s.values--
		if n, large := total.Int64(); large == nil {
			return n, err == nil, err
		}
		return total.String(), err == nil, err
	case "set", "growset":
		v, err = s.list(crdt.SetScan(env, crdt.SetRange{}), false)
	case "log", "fold":
		v, err = s.list(crdt.LogScan(env, crdt.LogRange{Reverse: true}), true)
	case "list":
		v, err = s.list(crdt.ListScan(env, 0, 1<<62), false)
	case "text":
		return s.text(env)
	case "map":
		v, err = s.mapping(env)
	case "record":
		return s.record(env)
	default:
		return nil, false, nil
	}
	return v, err == nil, err
}

func (s *snapshot) one(e crdt.Entry, ok bool, err error) (any, bool, error) {
	if err != nil || !ok {
		return nil, false, err
	}
	v, err := s.decode(e.Value)
	return v, err == nil, err
}

// text is a text, cut short where there is no room for all of it.
func (s *snapshot) text(env *crdt.Env) (any, bool, error) {
	room := uint64(max(s.bytes, 0)) / 4
	n, _, err := crdt.TextLen(env)
	if err != nil {
		return nil, false, err
	}
	s.more = s.more || n > room
	text, err := crdt.TextSlice(env, 0, room)
	s.values, s.bytes = s.values-1, s.bytes-len(text)
	return text, err == nil, err
}

func (s *snapshot) list(scan iter.Seq2[crdt.Entry, error], reverse bool) (any, error) {
	list := []any{}
	for e, err := range scan {
		if err != nil {
			return nil, err
		}
		if len(list) == maxInside || s.full() {
			s.more = true
			break
		}
		v, err := s.decode(e.Value)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	if reverse {
		slices.Reverse(list)
	}
	return list, nil
}

func (s *snapshot) mapping(env *crdt.Env) (any, error) {
	m := map[string]any{}
	for key, err := range crdt.MapKeys(env, crdt.MapRange{}) {
		if err != nil {
			return nil, err
		}
		if len(m) == maxInside || s.full() {
			s.more = true
			break
		}
		in, err := env.At(crdt.Step{Key: key})
		if err != nil {
			return nil, err
		}
		v, ok, err := s.value(in)
		if err != nil {
			return nil, err
		}
		if s.bytes -= len(key); ok {
			m[key] = v
		}
	}
	return m, nil
}

// record reads a record; of a key of a map, the one shown.
func (s *snapshot) record(env *crdt.Env) (any, bool, error) {
	if env.Key() {
		e, ok, err := crdt.RecordShown(env)
		if err == nil && ok {
			env, err = env.At(crdt.Step{Maker: e.Ref})
		}
		if err != nil || !ok {
			return nil, false, err
		}
	}
	m := make(map[string]any, len(env.Shape.Fields))
	s.values--
	for _, p := range env.Shape.Fields {
		in, err := env.At(crdt.Step{Key: p.Name})
		if err != nil {
			return nil, false, err
		}
		v, ok, err := s.value(in)
		if err != nil {
			return nil, false, err
		}
		if ok {
			m[p.Name] = v
		}
	}
	return m, true, nil
}
