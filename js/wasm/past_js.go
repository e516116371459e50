package main

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	hhs "github.com/hyperhyperspace/hhs-go"
	"github.com/hyperhyperspace/hhs-go/authority"
	"github.com/hyperhyperspace/hhs-go/crdt"
	"github.com/hyperhyperspace/hhs-go/object"
)

// readable is a space as it is, or as it was.
type readable interface {
	Manifest() (*authority.Manifest, error)
	Register(field string, path ...any) ([]hhs.AnyEntry, error)
	Counter(field string, path ...any) (crdt.Total, error)
	SetHas(field string, value any, path ...any) (bool, error)
	SetPage(field string, after []byte, limit int, path ...any) (hhs.Page, error)
	LogPage(field string, from []byte, limit int, last bool, path ...any) (hhs.Page, error)
	TextSlice(field string, from, to int, path ...any) (string, int, error)
	ListPage(field string, from, limit int, path ...any) (hhs.Page, error)
	CursorAt(field string, pos int, ahead bool, path ...any) (hhs.Cursor, error)
	CursorPosition(field string, c hhs.Cursor, path ...any) (int, error)
	FoldOps(field string, q hhs.FoldQuery, path ...any) (hhs.FoldPage, error)
	MapPage(field string, q hhs.MapQuery, path ...any) (hhs.ItemPage, error)
	Value(field string, path ...any) (hhs.Item, bool, error)
}

// versionText writes a version as pages hold it: they do not look into it.
func versionText(heads []object.ID) string {
	list := make([]string, len(heads))
	for i, id := range heads {
		list[i] = id.String()
	}
	return strings.Join(list, ",")
}

// version reads an optional one; nil: the present.
func (a *args) version(name string) (ids []object.ID) {
	text := a.optText(name)
	if text == "" {
		return nil
	}
	for part := range strings.SplitSeq(text, ",") {
		id, err := object.ParseID(part)
		if err != nil {
			a.fail(name, "is not a version: "+err.Error())
			return nil
		}
		ids = append(ids, id)
	}
	return ids
}

// kept holds what took long to make and is likely to be asked for again, the latest used last.
type kept struct {
	mu     sync.Mutex
	list   []*keptOne
	making chan struct{} // has room for as many as may be made, or read, at once
}

func newKept() kept { return kept{making: make(chan struct{}, maxKept)} }

// turn waits until there is memory for one more that is made. Call done when it was.
func (k *kept) turn(ctx context.Context) (done func(), err error) {
	select {
	case k.making <- struct{}{}:
		return func() { <-k.making }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

type keptOne struct {
	key    keptKey
	value  any
	forget *time.Timer
}

// keptKey says of which copy of a space it is: one that was rebuilt, or left and joined again, has another.
type keptKey struct {
	space *hhs.AnySpace
	what  string
}

// get gives what is kept under a key, or makes it. Who was given something goes on with it when it is forgotten.
func (k *kept) get(key keptKey, make func() (any, error)) (any, error) {
	k.mu.Lock()
	one := k.find(key)
	k.mu.Unlock()
	if one != nil {
		return one.value, nil
	}
	value, err := make()
	if err != nil {
		return nil, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if one = k.find(key); one != nil { // somebody else has made it meanwhile
		return one.value, nil
	}
	for len(k.list) >= maxKept {
		k.drop(k.list[0])
	}
	one = &keptOne{key: key, value: value}
	one.forget = time.AfterFunc(keepFor, func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.drop(one)
	})
	k.list = append(k.list, one)
	return value, nil
}

// find gives what is kept under a key and keeps it on, nil for nothing; it needs mu.
func (k *kept) find(key keptKey) *keptOne {
	i := slices.IndexFunc(k.list, func(one *keptOne) bool { return one.key == key })
	if i < 0 {
		return nil
	}
	one := k.list[i]
	k.list = append(slices.Delete(k.list, i, i+1), one)
	one.forget.Reset(keepFor)
	return one
}

// drop forgets a value; it needs mu.
func (k *kept) drop(one *keptOne) {
	one.forget.Stop()
	k.list = slices.DeleteFunc(k.list, func(x *keptOne) bool { return x == one })
}

// clear forgets all.
func (k *kept) clear() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for len(k.list) > 0 {
		k.drop(k.list[0])
	}
}

// past is a version of a space; with now judged by what is known at the time of the call.
func (e *engine) past(s *hhs.AnySpace, version []object.ID, now bool) (*hhs.AnyPast, error) {
	if len(version) == 0 {
		version = s.Heads()
	}
	key := keptKey{s, "at " + versionText(version)}
	if now {
		key.what += " now " + strconv.Itoa(s.Replica().Len())
	}
	v, err := e.kept.get(key, func() (any, error) {
		if now {
			return s.AtJudgedNow(context.Background(), version...)
		}
		return s.At(context.Background(), version...)
	})
	if err != nil {
		return nil, err
	}
	return v.(*hhs.AnyPast), nil
}

func (e *engine) version(_ context.Context, a *args) (result, error) {
	version, now := a.version("at"), a.optBool("now")
	s, err := e.space(a)
	if err == nil {
		err = a.end()
	}
	if err != nil {
		return nil, err
	}
	p, err := e.past(s, version, now)
	if err != nil {
		return nil, err
	}
	return result{"version": versionText(p.Heads()), "commits": int64(p.Commits())}, nil
}

// room is what is left of an answer.
type room int

// take tells whether a value fits, and takes the room if so.
func (r *room) take(v any) bool {
	block, err := object.Encode(v)
	n := 64 + 2*len(block)
	if err != nil || n > int(*r) {
		return false
	}
	*r -= room(n)
	return true
}

func (e *engine) history(ctx context.Context, a *args) (result, error) {
	q := hhs.HistoryQuery{Field: a.optText("field"), Path: a.texts("path"), Limit: a.optInt("limit", 0), Version: a.version("at")}
	if q.Limit > maxPage {
		a.fail("limit", "is over "+strconv.Itoa(maxPage))
	}
	if before := a.version("before"); len(before) == 1 {
		q.Before = before[0]
	} else if len(before) > 1 {
		a.fail("before", "is not a commit")
	}
	s, err := e.space(a)
	if err == nil {
		err = a.end()
	}
	if err != nil {
		return nil, err
	}
	page, err := s.History(ctx, q)
	if errors.Is(err, hhs.ErrPending) {
		return result{"entries": []any{}}, nil
	}
	if err != nil {
		return nil, err
	}
	left := room(maxAnswer)
	list := make([]any, 0, len(page.Commits))
	for i := range page.Commits {
		one, cut := left.commit(&page.Commits[i])
		if cut && len(list) > 0 { // it is first in the next page
			page.Next = page.Commits[i-1].Commit
			break
		}
		list = append(list, map[string]any(one))
	}
	r := result{"entries": list}
	if !page.Next.IsZero() {
		r["next"] = page.Next.String()
	}
	return r, nil
}

// commit is a commit as an answer has it; cut tells that not all of it fits.
func (r *room) commit(c *hhs.PastCommit) (one result, cut bool) {
	one = result{"commit": c.Commit.String(), "identity": string(c.Identity), "device": c.Device, "time": c.Time.UnixMilli()}.opt("name", c.Name)
	if len(c.UndoneBy) > 0 {
		one["undoneBy"] = idTexts(c.UndoneBy)
	}
	cut = !r.take(map[string]any(one))
	ops := []any{}
	for i := range c.Ops {
		op := &c.Ops[i]
		m := result{"field": op.Field, "action": op.Action, "effect": op.Effect}.opt("reason", op.Ignored)
		if len(op.Keys) > 0 {
			m["path"] = texts(op.Keys)
		}
		if len(op.Commits) > 0 {
			m["commits"] = idTexts(op.Commits)
		}
		if !r.take(map[string]any(m)) {
			one["more"], cut = true, true
			break
		}
		switch {
		case op.Value == nil:
		case r.take(op.Value):
			m["value"] = op.Value
		default:
			m["more"], cut = true, true
		}
		ops = append(ops, map[string]any(m))
	}
	one["ops"] = ops
	return one, cut
}

// difference is what two versions show differently, all of it.
type difference struct {
	from, to string
	changes  []hhs.Change
}

func (e *engine) diff(ctx context.Context, a *args) (result, error) {
	from, to, skip := a.version("from"), a.version("to"), a.optInt("skip", 0)
	s, err := e.space(a)
	if err == nil {
		err = a.end()
	}
	if err != nil {
		return nil, err
	}
	for _, v := range []*[]object.ID{&from, &to} {
		if len(*v) == 0 {
			*v = s.Heads()
		}
	}
	done, err := e.kept.turn(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	d := difference{from: versionText(from), to: versionText(to)}
	made, err := e.kept.get(keptKey{s, "diff " + d.from + " " + d.to}, func() (any, error) {
		list, err := s.Diff(ctx, from, to)
		d.changes = list
		return d, err
	})
	if err != nil {
		return nil, err
	}
	d = made.(difference)
	left := room(maxAnswer)
	list := []any{}
	r := result{"from": d.from, "to": d.to}
	for i := min(skip, len(d.changes)); i < len(d.changes); i++ {
		one, cut, err := left.change(s, &d.changes[i])
		if err != nil {
			return nil, err
		}
		if cut && len(list) > 0 {
			r["next"] = int64(i)
			break
		}
		list = append(list, map[string]any(one))
	}
	r["changes"] = list
	return r, nil
}

// change is a difference as an answer has it; cut tells that not all of it fits.
func (r *room) change(s *hhs.AnySpace, c *hhs.Change) (one result, cut bool, err error) {
	who := hhs.Identity(c.Op.Identity.String())
	one = result{"field": c.Field, "commit": c.Op.Ref.Commit.String(), "identity": string(who), "time": hhs.WallTime(c.Op.Time).UnixMilli()}
	if keys := c.Keys(); len(keys) > 0 {
		one["path"] = texts(keys)
	}
	name, err := s.NameOf(who)
	if err != nil {
		return one, false, err
	}
	one.opt("name", name)
	cut = !r.take(map[string]any(one))
	before, after, err := c.Values()
	if err != nil {
		return one, cut, err
	}
	if before != nil && r.take(before) {
		one["before"] = before
	} else if before != nil {
		one["more"], cut = true, true
	}
	if after != nil && r.take(after) {
		one["after"] = after
	} else if after != nil {
		one["more"], cut = true, true
	}
	var edits []any
	for _, e := range c.Edits {
		m := map[string]any{"index": int64(e.Units)}
		if e.Deleted.Len() > 0 {
			m["deleted"] = e.Deleted.Value()
		}
		if e.Inserted.Len() > 0 {
			m["inserted"] = e.Inserted.Value()
		}
		if !r.take(m) {
			one["more"], cut = true, true
			break
		}
		edits = append(edits, m)
	}
	if edits != nil {
		one["edits"] = edits
	}
	return one, cut, nil
}
