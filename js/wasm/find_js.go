package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"strconv"

	hhs "github.com/hyperhyperspace/hhs-go"
	"github.com/hyperhyperspace/hhs-go/object"
)

// find answers a query. With the mark of an answer before it says when that is still the answer.
func (e *engine) find(ctx context.Context, a *args) (result, error) {
	q := hhs.Query{Type: a.optText("type"), From: a.optBytes("from"), Newest: a.optBool("newest"), Limit: a.optInt("limit", 0)}
	if q.Limit > maxPage {
		a.fail("limit", "is over "+strconv.Itoa(maxPage))
	}
	q.Link, _ = arg[object.ID](a, "link", false)
	if a.has("ref") {
		ref, err := object.RefFromValue(a.value("ref"))
		if err != nil {
			a.fail("ref", "is "+err.Error())
		}
		q.Ref = &ref
	}
	mark := a.optBytes("mark")
	s, err := e.space(a)
	if err == nil {
		err = a.end()
	}
	if err != nil {
		return nil, err
	}
	page, err := s.Find(ctx, q)
	if err != nil && !errors.Is(err, hhs.ErrPending) {
		return nil, err
	}
	left := room(maxAnswer)
	list := make([]any, 0, len(page.Found))
	for i := range page.Found {
		one, cut := left.found(&page.Found[i])
		if cut && i > 0 { // it is first in the next page
			page.Next = page.Found[i-1].Next
			break
		}
		list = append(list, map[string]any(one))
	}
	r := result{"entries": list}
	if page.Next != nil {
		r["next"] = page.Next
	}
	block, err := encodeMap(r)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(block)
	if bytes.Equal(sum[:16], mark) {
		return result{"mark": mark}, nil
	}
	r["mark"] = sum[:16]
	return r, nil
}

// found is a value as an answer has it; cut tells that not all of it fits.
func (r *room) found(f *hhs.Found) (one result, cut bool) {
	one = result(entryOf(hhs.AnyEntry{Entry: f.Entry})).opt("field", f.Field).opt("record", f.Record)
	delete(one, "value")
	if len(f.Keys) > 0 {
		one["path"] = texts(f.Keys)
	}
	if !f.Object.IsZero() {
		one["object"] = f.Object.String()
	}
	if f.More {
		one["more"] = true
	}
	if cut = !r.take(map[string]any(one)); cut {
		return one, true
	}
	if cut = !r.take(f.Value); cut {
		one["more"] = true
	} else {
		one["value"] = f.Value
	}
	return one, cut
}
