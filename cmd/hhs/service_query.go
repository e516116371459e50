package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"strings"
	"time"

	hhs "github.com/hyperhyperspace/hhs-go"
	"github.com/hyperhyperspace/hhs-go/object"
)

type queryArgs struct {
	Space   string `json:"space"`
	Type    string `json:"type,omitempty"`
	LinksTo string `json:"linksTo,omitempty"`
	Newest  bool   `json:"newest,omitempty"`
	From    string `json:"from,omitempty"`
	Limit   int    `json:"limit"`
}

// queried is a page of what a query asks for.
type queried struct {
	Space string       `json:"space"`
	Found []foundValue `json:"found"`
	Next  string       `json:"next,omitempty"` // --from for the next page
}

type foundValue struct {
	Field    string          `json:"field,omitempty"`
	Path     []string        `json:"path,omitempty"`   // as that of a change
	Record   string          `json:"record,omitempty"` // its id
	Object   string          `json:"object,omitempty"` // an attached object
	Value    json.RawMessage `json:"value"`
	More     bool            `json:"more,omitempty"` // a record has more in it
	Identity string          `json:"identity"`
	Name     string          `json:"name,omitempty"`
	Device   string          `json:"device"`
	Time     time.Time       `json:"time"`
	Commit   string          `json:"commit"`
}

// maxQueryPages bounds the pages that are looked through for one answer when most of what there was is not shown any more:
// some seconds at most. Who wants to look further goes on where it ended.
const maxQueryPages = 100

func querySpace(ctx context.Context, s *service, a queryArgs) (out queried, err error) {
	space, err := s.find(a.Space)
	if err != nil {
		return out, err
	}
	q := hhs.Query{Type: a.Type, Newest: a.Newest, Limit: a.Limit}
	if a.LinksTo != "" {
		if err := linkedTo(&q, a.LinksTo); err != nil {
			return out, err
		}
	}
	if a.From != "" {
		if q.From, err = hex.DecodeString(a.From); err != nil {
			return out, failf("value", "%q is not where a page ended; write what hhs query said behind --from", a.From)
		}
	}
	out = queried{Space: space.ID().String(), Found: []foundValue{}}
	for range maxQueryPages {
		page, err := space.Find(ctx, q)
		if err != nil {
			return out, err
		}
		for i := range page.Found {
			one, err := foundOf(space, &page.Found[i])
			if err != nil {
				return out, err
			}
			out.Found = append(out.Found, one)
		}
		q.From, q.Limit = page.Next, q.Limit-len(page.Found)
		if page.Next == nil || q.Limit == 0 {
			break
		}
	}
	out.Next = hex.EncodeToString(q.From)
	return out, nil
}

// linkedTo reads what --links-to says: an id, or one with a path behind it.
func linkedTo(q *hhs.Query, text string) error {
	idText, path, has := strings.Cut(text, "/")
	id, err := object.ParseID(idText)
	if err != nil {
		return failf("value", "%q is not an id: %v; write the whole id of an object, a file or a space, and behind one of a space maybe /field/key", idText, err)
	}
	if q.Link = id; has {
		q.Link, q.Ref = object.ID{}, &hhs.Ref{Space: id, Path: strings.Split(path, "/")}
	}
	return nil
}

func foundOf(space *hhs.AnySpace, f *hhs.Found) (one foundValue, err error) {
	one = foundValue{Field: f.Field, Path: f.Keys, Record: f.Record, More: f.More, Identity: string(f.Identity), Device: f.Device, Time: f.Time, Commit: f.Commit.String()}
	if !f.Object.IsZero() {
		one.Object = f.Object.String()
	}
	if one.Name, err = space.NameOf(f.Identity); err == nil {
		one.Value, err = text(f.Value)
	}
	return one, err
}
