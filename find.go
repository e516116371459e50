package hhs

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"reflect"

	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/replica"
	"github.com/hyperhyperspace/hhs-go/schema"
)

// Query asks for what a space shows of a type, with a link, or with both: see
// replica.Query. Type is the $type of values, such as "example.org/task", or a # and the place of
// the records of a map: "#tasks", and "#tasks.parts" for those in them. Link is what is linked to (backlinks): an
// object, the Root of a Blob, or a space of which a Ref speaks; Ref is a reference with its path. Without a Limit a page has 50.
type Query = replica.Query

// ErrQuery is wrapped with what is wrong with a question.
var ErrQuery = replica.ErrQuery

// defaultFind is how many values a page of a query has if nobody says.
const defaultFind = 50

// Found is a value that a query asks for: with its author, time and commit,
// which are those of the op that wrote it.
type Found struct {
	Field string   // "": an attached object
	Path  string   // inside the field, as ["milk"].title; "" where the field is the value
	Keys  []string // of Path, as Change.Keys has them
	// Value is an object value; of a record what AnySpace.Value gives of it. FoundAs makes a Go
	// value of it.
	Entry[any]
	Record string    // the id of a record, "" of anything else
	Object object.ID // of an attached object
	More   bool      // a record has more in it than is read at once
	Next   []byte    // the From of a page that begins behind it
}

// FoundPage is a stretch of what a query asks for, in the order in which it
// came to this copy: other copies have it in another one.
type FoundPage struct {
	Found []Found
	Next  []byte // the From of the next page; nil: this was the last
}

// Find reads a page of what the space shows of a type or with a link: values that were replaced, removed
// or taken back, and what is inside a record that is gone, are not among it. The order is
// that in which it came to this copy. Where most of it is not shown any more a page may
// have fewer than Limit, or none, and still a Next.
func (s *AnySpace) Find(ctx context.Context, q Query) (page FoundPage, err error) {
	v, err := s.rep.View()
	if err != nil {
		return page, err
	}
	defer v.Close()
	return s.foundIn(ctx, v, limited(q))
}

func limited(q Query) Query {
	if q.Limit == 0 {
		q.Limit = defaultFind
	}
	return q
}

func (s *AnySpace) foundIn(ctx context.Context, v *replica.View, q Query) (page FoundPage, err error) {
	raw, err := v.Find(ctx, q)
	if err != nil {
		return page, err
	}
	page.Next = raw.Next
	keys, snap := keyTexts{}, newSnapshot()
	for i := range raw.Found {
		one, err := s.found(&raw.Found[i], keys, snap)
		if err != nil {
			return page, s.rep.Damaged(err)
		}
		if n := len(page.Found); n > 0 && snap.full() { // there is room for it in the next page
			page.Next = page.Found[n-1].Next
			break
		}
		page.Found = append(page.Found, one)
	}
	return page, nil
}

func (s *AnySpace) found(raw *replica.Found, keys keyTexts, snap *snapshot) (one Found, err error) {
	one = Found{Field: raw.Field, Keys: raw.Keys(), Object: raw.Object, Next: raw.Next}
	if raw.Field != "" {
		one.Path = s.rep.PathText(raw.Field, raw.Path)
	}
	if one.Entry, err = entryOf(raw.Entry, snap.decode, keys); err != nil || raw.Record == nil {
		return one, err
	}
	one.Record, _ = one.Value.(string)
	snap.more = false
	one.Value, _, err = snap.value(raw.Record)
	one.More = snap.more
	return one, err
}

// FoundAs is the value of what was found as a Go value, of a struct that the schema of its field is made
// of, for example. The error says where it is something else.
func FoundAs[T any](f Found) (v T, err error) {
	err = schema.ToGo(f.Value, reflect.ValueOf(&v).Elem())
	return v, err
}

// FoundChange is a page of a query, and what of it is new.
type FoundChange struct {
	FoundPage
	Came []Found // what was not on the page before, or with another value
	Went []Found // what is not on it any more, or has another value now
}

// WatchFind yields a page of what the query asks for, and again each time that it is
// another one: after commits, here or elsewhere, that bring, replace, remove, take back or give again. A slow consumer
// misses pages in between and none that stays, and makes nobody wait. It ends without an error when the consumer stops or ctx is done, and with
// ErrClosed when the space is closed. Before the first commit of the space is here the page is empty.
func (s *AnySpace) WatchFind(ctx context.Context, q Query) iter.Seq2[FoundChange, error] {
	q = limited(q)
	return func(yield func(FoundChange, error) bool) {
		var last, next FoundChange
		first := true
		err := s.rep.WatchFind(ctx, q, func(v *replica.View) error {
			page, err := s.foundIn(ctx, v, q)
			if err != nil && !errors.Is(err, ErrPending) {
				return err
			}
			next = changeOf(last.FoundPage, page)
			return nil
		}, func() bool {
			same := len(next.Came)+len(next.Went) == 0 && bytes.Equal(last.Next, next.Next)
			if last = next; same && !first {
				return true
			}
			first = false
			return yield(next, nil)
		})
		if err != nil && ctx.Err() == nil {
			yield(FoundChange{}, err)
		}
	}
}

// changeOf compares two pages by places, of which each belongs to one value for good.
func changeOf(was, is FoundPage) FoundChange {
	c := FoundChange{FoundPage: is}
	before := make(map[string]*Found, len(was.Found))
	for i := range was.Found {
		before[string(was.Found[i].Next)] = &was.Found[i]
	}
	for _, f := range is.Found {
		old := before[string(f.Next)]
		if old != nil && old.More == f.More && reflect.DeepEqual(old.Value, f.Value) {
			delete(before, string(f.Next))
			continue
		}
		c.Came = append(c.Came, f)
	}
	for _, f := range was.Found {
		if before[string(f.Next)] != nil {
			c.Went = append(c.Went, f)
		}
	}
	return c
}
