package main

import (
	"context"
	"encoding/json"
	"errors"
	"time"
	"unicode/utf8"

	hhs "github.com/hyperhyperspace/hhs-go"
	"github.com/hyperhyperspace/hhs-go/authority"
	"github.com/hyperhyperspace/hhs-go/crdt"
	"github.com/hyperhyperspace/hhs-go/internal/control"
)

// entry is a value with where it comes from.
type entry struct {
	Value    json.RawMessage `json:"value"`
	Identity string          `json:"identity,omitempty"` // this and what follows are absent where no one op wrote the value
	Name     string          `json:"name,omitempty"`
	Device   string          `json:"device,omitempty"`
	Time     time.Time       `json:"time,omitzero"`
	Commit   string          `json:"commit,omitempty"`
	Index    int             `json:"index,omitempty"`
}

// fieldValue is what a field holds. A register or once has Value, and Conflicts where
// others wrote at the same time; sets, lists and logs have Entries, the first of Size, and of a log the latest,
// and so has a fold, whose ops they are; a text has Text of Size characters;
// a counter has Sum, with all its digits, of Size ops; a map has Items, the first of Size keys;
// a record, or one of a map, has Value with all that is in it.
type fieldValue struct {
	Field     string      `json:"field"`
	Type      string      `json:"type"`
	Value     *entry      `json:"value,omitempty"`
	Conflicts []entry     `json:"conflicts,omitempty"`
	Entries   []entry     `json:"entries,omitempty"`
	Sum       json.Number `json:"sum,omitempty"`
	Fold      string      `json:"fold,omitempty"`    // the fold whose ops the entries are
	Version   int64       `json:"version,omitempty"` // of the fold
	Items     []item      `json:"items,omitempty"`
	Text      *string     `json:"text,omitempty"`
	Size      int         `json:"size"`
	More      bool        `json:"more,omitempty"` // the text goes on
}

// maxText is how much of a text is shown, in UTF-16 units: far more than anybody reads on a terminal.
const maxText = 1 << 20

// item is a key of a map with all that is under it.
type item struct {
	Key   string          `json:"key"`
	ID    string          `json:"id,omitempty"` // of a record
	Value json.RawMessage `json:"value"`
	More  bool            `json:"more,omitempty"` // it is cut short; read it by itself
}

type getArgs struct {
	Space string `json:"space"`
	Field string `json:"field,omitempty"` // a field, or the path of a value in one; "": all
	Limit int    `json:"limit"`
	At    string `json:"at,omitempty"`  // a version; "": the present
	Now   bool   `json:"now,omitempty"` // judged by what is known now
}

// reader is a space, or a past version of it.
type reader interface {
	Manifest() (*authority.Manifest, error)
	Register(field string, path ...any) ([]hhs.AnyEntry, error)
	Counter(field string, path ...any) (crdt.Total, error)
	SetPage(field string, after []byte, limit int, path ...any) (hhs.Page, error)
	LogPage(field string, from []byte, limit int, last bool, path ...any) (hhs.Page, error)
	ListPage(field string, from, limit int, path ...any) (hhs.Page, error)
	TextSlice(field string, from, to int, path ...any) (text string, units int, err error)
	MapPage(field string, q hhs.MapQuery, path ...any) (hhs.ItemPage, error)
	Value(field string, path ...any) (hhs.Item, bool, error)
	NameOf(who hhs.Identity) (string, error)
}

func getFields(ctx context.Context, s *service, a getArgs) ([]fieldValue, error) {
	space, err := s.read(ctx, a)
	if err != nil {
		return nil, err
	}
	m, err := space.Manifest()
	if err != nil {
		return nil, err
	}
	places := []string{a.Field}
	if a.Field == "" {
		places = nil
		for _, f := range m.Fields {
			places = append(places, f.Name)
		}
	}
	var list []fieldValue
	for _, label := range places {
		p, err := placeOf(m, label)
		if err != nil {
			return nil, err
		}
		v, err := readPlace(space, p, a.Limit)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, nil
}

func unknownField(m *authority.Manifest, name string) error {
	return failf("not_found", "the kind %s has no field %q; its fields are: %s", m.Kind, name, fieldNames(m.Fields))
}

func readPlace(space reader, p place, limit int) (fieldValue, error) {
	v := fieldValue{Field: p.label, Type: p.shape.Type, Fold: p.shape.Fold, Version: p.shape.Version}
	var page hhs.Page
	var err error
	switch v.Type {
	case "counter":
		total, err := space.Counter(p.field, p.path...)
		v.Sum, v.Size = json.Number(total.String()), int(total.Adds)
		return v, err
	case "register", "once":
		raw, err := space.Register(p.field, p.path...)
		if err != nil || len(raw) == 0 {
			return v, err
		}
		list, err := entries(space, raw)
		if err != nil {
			return v, err
		}
		v.Value, v.Size = &list[0], 1
		if len(list) > 1 {
			v.Conflicts = list
		}
		return v, nil
	case "set", "growset":
		page, err = space.SetPage(p.field, nil, limit, p.path...)
	case "log", authority.TypeFold:
		page, err = space.LogPage(p.field, nil, limit, true, p.path...)
	case "list":
		page, err = space.ListPage(p.field, 0, limit, p.path...)
	case "text":
		text, units, err := space.TextSlice(p.field, 0, maxText, p.path...)
		v.Text, v.Size, v.More = &text, utf8.RuneCountInString(text), units > maxText
		return v, err
	case authority.TypeMap:
		return v, v.readMap(space, p, limit)
	default:
		return v, v.readWhole(space, p)
	}
	if err != nil {
		return v, err
	}
	v.Size = page.Size
	v.Entries, err = entries(space, page.Entries)
	return v, err
}

func (v *fieldValue) readMap(space reader, p place, limit int) error {
	page, err := space.MapPage(p.field, hhs.MapQuery{Limit: limit}, p.path...)
	v.Size = page.Size
	for _, i := range page.Items {
		value, textErr := text(i.Value)
		if err = errors.Join(err, textErr); err != nil {
			return err
		}
		v.Items = append(v.Items, item{Key: i.Key, ID: i.ID(), Value: value, More: i.More})
	}
	return err
}

// readWhole reads a value with all that is in it.
func (v *fieldValue) readWhole(space reader, p place) error {
	i, there, err := space.Value(p.field, p.path...)
	if err != nil || !there {
		return err
	}
	e := hhs.Entry[any]{}
	if i.Origin != nil {
		e = *i.Origin
	}
	if e.Value = i.Value; i.Origin == nil {
		value, err := text(i.Value)
		v.Value, v.Size = &entry{Value: value}, 1
		return err
	}
	list, err := entries(space, []hhs.AnyEntry{{Entry: e}})
	if err == nil {
		v.Value, v.Size = &list[0], 1
	}
	return err
}

func entries(space reader, raw []hhs.AnyEntry) ([]entry, error) {
	list := make([]entry, 0, len(raw))
	for _, e := range raw {
		value, err := text(e.Value)
		if err != nil {
			return nil, err
		}
		name, err := space.NameOf(e.Identity)
		if err != nil {
			return nil, err
		}
		list = append(list, entry{Value: value, Identity: string(e.Identity), Name: name, Device: e.Device, Time: e.Time,
			Commit: e.Commit.String(), Index: e.Index})
	}
	return list, nil
}

// change is one line of watch.
type change struct {
	Event    string          `json:"event"` // "watching", "change", "schema", "resync" or "status"
	Space    string          `json:"space"`
	Field    string          `json:"field,omitempty"`
	Path     []string        `json:"path,omitempty"` // of the value inside the field: keys and names of properties
	Before   json.RawMessage `json:"before,omitempty"`
	After    json.RawMessage `json:"after,omitempty"`
	Edits    []edit          `json:"edits,omitempty"` // of a list or text, instead of Before and After
	Identity string          `json:"identity,omitempty"`
	Name     string          `json:"name,omitempty"`
	Time     *time.Time      `json:"time,omitempty"`
	Commit   string          `json:"commit,omitempty"`
	Action   string          `json:"action,omitempty"`  // what the commit did: "remove", "undo"
	Undone   string          `json:"undone,omitempty"`  // of an undo or redo: the commit taken back or made again
	Version  int64           `json:"version,omitempty"` // of the kind, since a change of the schema
	Status   *statusInfo     `json:"status,omitempty"`
}

// edit is a stretch of a list or text that was replaced. Index is where it was before the change, in elements or code
// points; the edits of a change are in order.
type edit struct {
	Index    uint64          `json:"index"`
	Deleted  json.RawMessage `json:"deleted,omitempty"` // a text, or a list of values
	Inserted json.RawMessage `json:"inserted,omitempty"`
}

func editsOf(raw []crdt.Edit) ([]edit, error) {
	list := make([]edit, 0, len(raw))
	for i := range raw {
		one := edit{Index: raw[i].Index}
		var err error
		if c := raw[i].Deleted; c.Len() > 0 {
			one.Deleted, err = text(c.Value())
		}
		if c := raw[i].Inserted; err == nil && c.Len() > 0 {
			one.Inserted, err = text(c.Value())
		}
		if err != nil {
			return nil, err
		}
		list = append(list, one)
	}
	return list, nil
}

// watchSpace sends every change until the other end goes away.
func watchSpace(ctx context.Context, s *service, c *control.Call) error {
	a, err := arguments[spaceArgs](c)
	if err != nil {
		return err
	}
	space, err := s.find(a.Space)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	id := space.ID().String()
	changes := make(chan change)
	failed := make(chan error, 1)
	news := space.Watch(ctx)
	go func() { failed <- feed(ctx, space, news, changes) }()
	st := statusOf(space)
	err = c.Send(change{Event: "watching", Space: id, Status: &st})
	for err == nil {
		changed := space.StatusChanged()
		if now := statusOf(space); now != st {
			st = now
			if err = c.Send(change{Event: "status", Space: id, Status: &now}); err != nil {
				break
			}
		}
		select {
		case one := <-changes:
			err = c.Send(one)
		case err = <-failed:
			return err
		case <-changed:
		case <-c.Closing: // of this process; nil in the process that watches itself
			return failf("closed", "the process that has the directory open is ending")
		case <-ctx.Done():
			return nil
		}
	}
	return err
}

// feed turns changes into lines.
func feed(ctx context.Context, space *hhs.AnySpace, news func(func(hhs.Change, error) bool), to chan<- change) error {
	for n, err := range news {
		if err != nil {
			return err
		}
		one, err := changeOf(space, n)
		if err != nil {
			return err
		}
		select {
		case to <- one:
		case <-ctx.Done():
			return nil
		}
	}
	return nil
}

func changeOf(space *hhs.AnySpace, n hhs.Change) (one change, err error) {
	id := space.ID().String()
	if n.Resync {
		return change{Event: "resync", Space: id}, nil
	}
	if n.Schema != nil {
		when := hhs.WallTime(n.Schema.Time)
		return change{Event: "schema", Space: id, Identity: n.Schema.By.String(), Time: &when, Commit: n.Schema.Op.Commit.String(), Version: n.Schema.Version()}, nil
	}
	by := n.Cause()
	when := hhs.WallTime(by.Time)
	one = change{Event: "change", Space: id, Field: n.Field, Path: n.Keys(), Identity: by.Identity.String(), Time: &when, Commit: by.Ref.Commit.String(), Action: by.Action}
	if n.Undo != nil {
		one.Undone = n.Op.Ref.Commit.String()
	}
	if one.Name, err = space.NameOf(hhs.Identity(one.Identity)); err != nil {
		return one, err
	}
	if n.Edits != nil {
		one.Edits, err = editsOf(n.Edits)
		return one, err
	}
	if one.Before, err = blockText(n.Before); err == nil {
		one.After, err = blockText(n.After)
	}
	return one, err
}
