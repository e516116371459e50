package scripts

import (
	"context"
	"fmt"
	"reflect"
	"strings"

	hhs "github.com/hyperhyperspace/hhs-go"
	"github.com/hyperhyperspace/hhs-go/crdt"
	"github.com/hyperhyperspace/hhs-go/object"
)

// readable is a space, or a past version of one.
type readable interface {
	Counter(field string, path ...any) (crdt.Total, error)
	Register(field string, path ...any) ([]hhs.AnyEntry, error)
	SetPage(field string, after []byte, limit int, path ...any) (hhs.Page, error)
	LogPage(field string, from []byte, limit int, last bool, path ...any) (hhs.Page, error)
	TextSlice(field string, from, to int, path ...any) (string, int, error)
	ListPage(field string, from, limit int, path ...any) (hhs.Page, error)
	MapPage(field string, q hhs.MapQuery, path ...any) (hhs.ItemPage, error)
}

// version finds the commits that a step names.
func (r *run) version(v any) (ids []object.ID, err error) {
	names, _ := v.([]any)
	for _, name := range names {
		text, _ := r.named(name).(string)
		id, err := object.ParseID(text)
		if err != nil {
			return nil, fmt.Errorf("there is no commit %v: %w", name, err)
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// nameOf is the name of a commit in the script.
func (r *run) nameOf(id object.ID) string {
	if c, ok := r.commits[id]; ok {
		return c.name
	}
	return id.String()
}

func (r *run) names(ids []object.ID) []any {
	list := make([]any, len(ids))
	for i, id := range ids {
		list[i] = r.nameOf(id)
	}
	return list
}

// past opens what somebody reads: the present, or with "past" a version.
func (r *run) past(ctx context.Context, space *hhs.AnySpace, step map[string]any) (readable, error) {
	if step["past"] == nil {
		return space, nil
	}
	version, err := r.version(step["past"])
	if err != nil {
		return nil, err
	}
	if step["now"] == true {
		return space.AtJudgedNow(ctx, version...)
	}
	return space.At(ctx, version...)
}

// look compares the history, or a difference, with what a script says of it.
func (r *run) look(ctx context.Context, step map[string]any) error {
	p, space, err := r.at(ctx, step)
	if err != nil {
		return err
	}
	read := r.log
	if step["diff"] != nil {
		read = r.diff
	}
	got, err := read(ctx, space, step)
	if fails, ok := step["fails"].(map[string]any); ok {
		return failed(err, fails)
	}
	if err != nil {
		return err
	}
	if !reflect.DeepEqual(any(got), step["gives"]) {
		return fmt.Errorf("%s is given\n%s\nnot\n%s", p.name, show(got), show(step["gives"]))
	}
	return nil
}

// placeOf is a field and a path in it.
func placeOf(field string, keys []string) []any {
	place := []any{field}
	for _, k := range keys {
		place = append(place, k)
	}
	return place
}

func (r *run) log(ctx context.Context, space *hhs.AnySpace, step map[string]any) ([]any, error) {
	m, _ := step["log"].(map[string]any)
	q := hhs.HistoryQuery{Limit: pageSize}
	q.Field, _ = m["field"].(string)
	path, _ := m["path"].([]any)
	for _, key := range path {
		text, _ := key.(string)
		q.Path = append(q.Path, text)
	}
	var err error
	if q.Version, err = r.version(m["past"]); err != nil {
		return nil, err
	}
	out := []any{}
	for {
		page, err := space.History(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, c := range page.Commits {
			ops := []any{}
			for _, op := range c.Ops {
				if op.Field != "" {
					ops = append(ops, []any{placeOf(op.Field, op.Keys), op.Action, op.Value, op.Effect, r.names(op.Commits)})
				}
			}
			if len(ops) > 0 {
				out = append(out, []any{r.nameOf(c.Commit), r.names(c.UndoneBy), ops})
			}
		}
		if q.Before = page.Next; page.Next.IsZero() {
			return out, nil
		}
	}
}

// record names the commit in the id of a record, which a change of a map has as its value.
func (r *run) record(v any) any {
	text, _ := v.(string)
	commit, op, _ := strings.Cut(text, ".")
	if id, err := object.ParseID(commit); err == nil {
		return r.nameOf(id) + "." + op
	}
	return v
}

func (r *run) diff(ctx context.Context, space *hhs.AnySpace, step map[string]any) ([]any, error) {
	ends, _ := step["diff"].([]any)
	if len(ends) != 2 {
		return nil, fmt.Errorf("a difference is of two versions, not %v", step["diff"])
	}
	from, err := r.version(ends[0])
	if err != nil {
		return nil, err
	}
	to, err := r.version(ends[1])
	if err != nil {
		return nil, err
	}
	list, err := space.Diff(ctx, from, to)
	if err != nil {
		return nil, err
	}
	out := make([]any, len(list))
	for i := range list {
		c := &list[i]
		before, after, err := c.Values()
		if err != nil {
			return nil, err
		}
		out[i] = []any{placeOf(c.Field, c.Keys()), r.record(before), r.record(after), r.nameOf(c.Op.Ref.Commit)}
	}
	return out, nil
}
