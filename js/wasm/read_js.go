package main

import (
	"context"
	"errors"
	"fmt"

	hhs "github.com/hyperhyperspace/hhs-go"
	"github.com/hyperhyperspace/hhs-go/authority"
	"github.com/hyperhyperspace/hhs-go/crdt"
)

// reading is a read of one value.
type reading struct {
	e     *engine
	s     readable
	field string
	path  []any
	q     *args
}

// nothing is what a read gives where there is no value, of whatever type it is.
func nothing() result {
	return result{"conflicts": []any{}, "entries": []any{}, "size": int64(0), "has": false, "value": int64(0), "text": "", "version": "", "mark": []byte{}, "more": false, "changed": false}
}

func (e *engine) read(ctx context.Context, a *args) (result, error) {
	r := reading{e: e, field: a.text("field"), path: a.path(), q: a.sub("query")}
	version, now := a.version("at"), a.optBool("now")
	s, err := e.space(a)
	if err == nil {
		err = a.end()
	}
	if err != nil {
		return nil, err
	}
	if r.s = s; len(version) > 0 {
		done, err := e.kept.turn(ctx)
		if err != nil {
			return nil, err
		}
		defer done()
		if r.s, err = e.past(s, version, now); err != nil {
			return nil, err
		}
	}
	m, err := r.s.Manifest()
	if errors.Is(err, hhs.ErrPending) {
		return nothing(), nil
	}
	if err != nil {
		return nil, err
	}
	read := readerOf(m, r.field, r.path)
	if read == nil { // a program may be newer than the space
		return nothing(), nil
	}
	res, err := read(r)
	if errors.Is(err, crdt.ErrNoRecord) && !r.q.has("cursor") && !r.q.has("position") { // on the way to the value
		return nothing(), nil
	}
	return res, err
}

// readerOf finds what reads the value that a path leads to; nil: the space has nothing there.
func readerOf(m *authority.Manifest, field string, path []any) func(reading) (result, error) {
	f, ok := m.Field(field)
	if !ok {
		return nil
	}
	for _, step := range path {
		name, named := step.(string)
		switch {
		case !named: // into the record that is there
		case f.Of != nil:
			f = *f.Of
		default:
			in := authority.Manifest{Fields: f.Fields}
			if f, ok = in.Field(name); !ok {
				return nil
			}
		}
	}
	switch f.Type {
	case "register", "once":
		return reading.register
	case "counter":
		return reading.counter
	case "log":
		return reading.log
	case "list":
		return reading.list
	case "text":
		return reading.text
	case "fold":
		return reading.fold
	case "map":
		return reading.mapping
	case "record":
		return reading.record
	}
	return reading.set
}

func (r reading) register() (result, error) {
	if err := r.q.end(); err != nil {
		return nil, err
	}
	list, err := r.s.Register(r.field, r.path...)
	if err != nil {
		return nil, err
	}
	res := result{"conflicts": []any{}}
	if len(list) > 0 {
		res["entry"], res["conflicts"] = entryOf(list[0]), entriesOf(list)
	}
	return res, nil
}

func (r reading) counter() (result, error) {
	if err := r.q.end(); err != nil {
		return nil, err
	}
	total, err := r.s.Counter(r.field, r.path...)
	if err != nil {
		return nil, err
	}
	if n, large := total.Int64(); large == nil {
		return result{"value": n}, nil
	}
	return result{"value": total.String()}, nil
}

func (q *args) limit(name string) int {
	n := q.optInt(name, defaultPage)
	if n > maxPage {
		q.fail(name, fmt.Sprintf("is over %d", maxPage))
	}
	return n
}

func (r reading) set() (result, error) {
	if r.q.has("has") {
		v := r.q.value("has")
		if err := r.q.end(); err != nil {
			return nil, err
		}
		has, err := r.s.SetHas(r.field, v, r.path...)
		return result{"has": has}, err
	}
	limit, after := r.q.limit("limit"), r.q.optBytes("after")
	if err := r.q.end(); err != nil {
		return nil, err
	}
	p, err := r.s.SetPage(r.field, after, limit, r.path...)
	if err != nil {
		return nil, err
	}
	res := result{"entries": entriesOf(p.Entries), "size": int64(p.Size)}
	if p.More && len(p.Entries) > 0 {
		res["next"] = p.Entries[len(p.Entries)-1].Key
	}
	return res, nil
}

func (r reading) log() (result, error) {
	last := !r.q.has("first")
	which, from := "first", "after"
	if last {
		which, from = "last", "before"
	}
	limit, key := r.q.limit(which), r.q.optBytes(from)
	if err := r.q.end(); err != nil {
		return nil, err
	}
	p, err := r.s.LogPage(r.field, key, limit, last, r.path...)
	if err != nil {
		return nil, err
	}
	res := result{"entries": entriesOf(p.Entries), "size": int64(p.Size)}
	if len(p.Entries) == 0 {
		return res, nil
	}
	if p.More && last || !last && key != nil {
		res["before"] = p.Entries[0].Key
	}
	if p.More && !last || last && key != nil {
		res["after"] = p.Entries[len(p.Entries)-1].Key
	}
	return res, nil
}

func (r reading) fold() (result, error) {
	q := hhs.FoldQuery{Limit: r.q.limit("limit"), After: r.q.optBytes("after"), Mark: r.q.optBytes("mark")}
	if err := r.q.end(); err != nil {
		return nil, err
	}
	p, err := r.s.FoldOps(r.field, q, r.path...)
	if err != nil {
		return nil, err
	}
	entries := entriesOf(p.Entries)
	for i, e := range entries {
		m := e.(map[string]any)
		m["key"], m["founder"] = p.Entries[i].Key, p.Founder[i]
	}
	res := result{"entries": entries, "size": int64(p.Size), "mark": p.Mark, "more": p.More, "changed": p.Changed}
	if p.From != nil {
		res["from"] = p.From
	}
	return res, nil
}

func (r reading) mapping() (result, error) {
	if r.q.has("key") {
		r.path = append(r.path, r.q.text("key"))
		if err := r.q.end(); err != nil {
			return nil, err
		}
		return r.item()
	}
	query := hhs.MapQuery{Limit: r.q.limit("limit"), Keys: r.q.optBool("keys")}
	query.MapRange = crdt.MapRange{From: r.q.optText("from"), After: r.q.optText("after"), To: r.q.optText("to"), Reverse: r.q.optBool("reverse")}
	if err := r.q.end(); err != nil {
		return nil, err
	}
	p, err := r.s.MapPage(r.field, query, r.path...)
	if err != nil {
		return nil, err
	}
	entries := make([]any, len(p.Items))
	for i, item := range p.Items {
		entries[i] = itemOf(item)
	}
	res := result{"entries": entries, "size": int64(p.Size)}
	if p.More && len(p.Items) > 0 {
		res["next"] = p.Items[len(p.Items)-1].Key
	}
	return res, nil
}

// record reads a record: in a map that of the key, whether it is there or not.
func (r reading) record() (result, error) {
	if err := r.q.end(); err != nil {
		return nil, err
	}
	if n := len(r.path); n > 0 && r.path[n-1] == nil {
		r.path = r.path[:n-1]
	}
	return r.item()
}

func (r reading) item() (result, error) {
	item, ok, err := r.s.Value(r.field, r.path...)
	if err != nil || !ok {
		return result{}, err
	}
	return result{"entry": itemOf(item)}, nil
}

func itemOf(item hhs.Item) map[string]any {
	m := map[string]any{}
	if from := item.Origin; from != nil {
		m = entryOf(hhs.AnyEntry{Entry: *from})
	}
	if item.Key != "" {
		m["key"] = item.Key
	}
	m["value"] = item.Value
	if item.More {
		m["more"] = true
	}
	return m
}
