package scripts

import (
	"fmt"
	"unicode/utf16"

	hhs "github.com/hyperhyperspace/hhs-go"
	"github.com/hyperhyperspace/hhs-go/authority"
	"github.com/hyperhyperspace/hhs-go/crdt"
)

// pageSize is small, so that scripts read several pages.
const pageSize = 2

// reader reads one field as scripts write its state.
type reader struct {
	*run
	space readable
	field string
}

// state reads the value that a path leads to.
func (r *reader) state(f *authority.Field, path ...any) (any, error) {
	switch f.Type {
	case "counter":
		total, err := r.space.Counter(r.field, path...)
		return total.String(), err
	case "register", "once":
		list, err := r.space.Register(r.field, path...)
		if err != nil {
			return nil, err
		}
		return r.entries(list)
	case "log":
		return r.pages(func(from []byte) (hhs.Page, error) { return r.space.LogPage(r.field, from, pageSize, false, path...) })
	case "list":
		return r.list(path)
	case "text":
		return r.text(path)
	case "set", "growset":
		return r.pages(func(from []byte) (hhs.Page, error) { return r.space.SetPage(r.field, from, pageSize, path...) })
	case authority.TypeFold:
		return r.fold(f)
	case authority.TypeMap:
		return r.mapping(f.Of, path)
	case authority.TypeRecord:
		return r.record(f, path)
	}
	return nil, fmt.Errorf("scripts cannot read a %s yet", f.Type)
}

func (r *reader) pages(read func(from []byte) (hhs.Page, error)) (any, error) {
	var list []hhs.AnyEntry
	for {
		var from []byte
		if len(list) > 0 {
			from = list[len(list)-1].Key
		}
		p, err := read(from)
		if err != nil {
			return nil, err
		}
		if list = append(list, p.Entries...); !p.More {
			if len(list) != p.Size {
				return nil, fmt.Errorf("%d entries are read, the size is %d", len(list), p.Size)
			}
			return r.entries(list)
		}
	}
}

// list reads the elements of a list.
func (r *reader) list(path []any) (any, error) {
	var list []hhs.AnyEntry
	for {
		p, err := r.space.ListPage(r.field, len(list), pageSize, path...)
		if err != nil {
			return nil, err
		}
		if list = append(list, p.Entries...); len(list) >= p.Size {
			return r.entries(list)
		}
	}
}

// text reads a text in pieces of a few units, which may end within a code point.
func (r *reader) text(path []any) (any, error) {
	var text string
	for from := 0; ; {
		part, size, err := r.space.TextSlice(r.field, from, from+pageSize+1, path...)
		if err != nil {
			return nil, err
		}
		text, from = text+part, from+len(utf16.Encode([]rune(part)))
		if from >= size {
			return text, nil
		}
	}
}

// mapping reads what is under each key, in their order; of a record also which op made it.
func (r *reader) mapping(of *authority.Field, path []any) (any, error) {
	var items []hhs.Item
	q := hhs.MapQuery{Limit: pageSize}
	for more := true; more; {
		p, err := r.space.MapPage(r.field, q, path...)
		if err != nil {
			return nil, err
		}
		if items, more = append(items, p.Items...), p.More; len(items) > 0 {
			q.MapRange = crdt.MapRange{After: items[len(items)-1].Key}
		}
		if !more && len(items) != p.Size {
			return nil, fmt.Errorf("%d keys are read, the size is %d", len(items), p.Size)
		}
	}
	list := []any{}
	for _, item := range items {
		in := append(append([]any{}, path...), item.Key)
		if of.Type == authority.TypeRecord {
			in = append(in, nil)
		}
		state, err := r.state(of, in...)
		if err != nil {
			return nil, err
		}
		entry := []any{item.Key, state}
		if of.Type == authority.TypeRecord {
			made, err := r.entries([]hhs.AnyEntry{{Entry: *item.Origin}})
			if err != nil {
				return nil, err
			}
			entry = append(entry, made.([]any)[0].([]any)[1])
		}
		list = append(list, entry)
	}
	return list, nil
}

func (r *reader) record(f *authority.Field, path []any) (any, error) {
	m := map[string]any{}
	for i := range f.Fields {
		state, err := r.state(&f.Fields[i], append(append([]any{}, path...), f.Fields[i].Name)...)
		if err != nil {
			return nil, err
		}
		m[f.Fields[i].Name] = state
	}
	return m, nil
}
