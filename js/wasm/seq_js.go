package main

import (
	"context"
	"fmt"

	hhs "github.com/hyperhyperspace/hhs-go"
	"github.com/hyperhyperspace/hhs-go/object"
)

// text reads a stretch of a text, shorter than asked for where that is much; or what became of it since a version.
func (r reading) text() (result, error) {
	if res, asked, err := r.place(); asked {
		return res, err
	}
	since, on := r.q.optText("since"), r.q.optText("version")
	from := r.q.optInt("from", 0)
	to := r.q.optInt("to", from+maxTextPage)
	if err := r.q.end(); err != nil {
		return nil, err
	}
	s, present := r.s.(*hhs.AnySpace)
	if !present {
		if since+on != "" {
			return nil, invalid("a past version has no news")
		}
		text, size, err := r.s.TextSlice(r.field, from, min(to, from+maxTextPage), r.path...)
		return result{"text": text, "size": int64(size)}, err
	}
	f, err := r.e.follower(s)
	if err != nil {
		return nil, err
	}
	if since != "" {
		news, err := f.News(r.field, since, r.path...)
		return newsOf(news), err
	}
	text, size, version, err := f.Text(r.field, from, min(to, from+maxTextPage), on, r.path...)
	return result{"text": text, "size": int64(size), "version": version}, err
}

// newsOf tells edits in one flat list: a list for each would be too many in one block.
func newsOf(news hhs.TextNews) result {
	r := result{"version": news.Version}
	if news.Known {
		edits := make([]any, 0, 3*len(news.Edits))
		for _, e := range news.Edits {
			edits = append(edits, int64(e.Index), int64(e.Delete), e.Insert)
		}
		r["edits"] = edits
	}
	return r
}

// follower is the one of a space, whoever asks. It ends with the last subscription.
func (e *engine) follower(s *hhs.AnySpace) (*hhs.Follower, error) {
	e.mu.Lock()
	f := e.follows[s.ID()]
	e.mu.Unlock()
	if f != nil && f.Of(s) {
		return f, nil
	}
	fresh, err := s.Follow() // reads the space: others go on meanwhile
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if f = e.follows[s.ID()]; f != nil && f.Of(s) {
		fresh.Close()
		return f, nil
	}
	e.unfollow(s.ID())
	e.follows[s.ID()] = fresh
	return fresh, nil
}

// unfollow needs mu.
func (e *engine) unfollow(space object.ID) {
	if f := e.follows[space]; f != nil {
		f.Close()
		delete(e.follows, space)
	}
}

func (e *engine) edit(ctx context.Context, a *args) (result, error) {
	field, path, since, list := a.text("field"), a.path(), a.text("since"), a.list("edits", true)
	s, err := e.space(a)
	if err == nil {
		err = a.end()
	}
	if err != nil {
		return nil, err
	}
	if len(list)%3 != 0 {
		return nil, invalid("argument edits is not a list of places, numbers and texts in turn")
	}
	var edits []hhs.TextEdit
	for i := 0; i < len(list); i += 3 {
		at, ok1 := list[i].(int64)
		n, ok2 := list[i+1].(int64)
		text, ok3 := list[i+2].(string)
		if !ok1 || !ok2 || !ok3 || at < 0 || n < 0 || at+n > 1<<31 {
			return nil, invalid(fmt.Sprintf("argument edits has no edit at %d", i))
		}
		edits = append(edits, hhs.TextEdit{Index: int(at), Delete: int(n), Insert: text})
	}
	f, err := e.follower(s)
	if err != nil {
		return nil, err
	}
	r, news, err := f.Edit(ctx, field, since, edits, path...)
	if err != nil {
		return nil, err
	}
	res := newsOf(news)
	res["commit"] = r.Commit.String()
	return res, nil
}

func (r reading) list() (result, error) {
	if res, asked, err := r.place(); asked {
		return res, err
	}
	from, limit := r.q.optInt("from", 0), r.q.limit("limit")
	if err := r.q.end(); err != nil {
		return nil, err
	}
	p, err := r.s.ListPage(r.field, from, limit, r.path...)
	return result{"entries": entriesOf(p.Entries), "size": int64(p.Size)}, err
}

// place answers for cursors, if that is what is asked for.
func (r reading) place() (res result, asked bool, err error) {
	switch {
	case r.q.has("cursor"):
		at, ahead := r.q.optInt("cursor", 0), r.q.optBool("ahead")
		if err := r.q.end(); err != nil {
			return nil, true, err
		}
		c, err := r.s.CursorAt(r.field, at, ahead, r.path...)
		return result{"cursor": []byte(c)}, true, err
	case r.q.has("position"):
		c := r.q.optBytes("position")
		if err := r.q.end(); err != nil {
			return nil, true, err
		}
		at, err := r.s.CursorPosition(r.field, c, r.path...)
		return result{"position": int64(at)}, true, err
	}
	return nil, false, nil
}
