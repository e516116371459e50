package hhs_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"

	"github.com/hyperhyperspace/hhs-go"
)

// A wiki: pages are records that refer to each other, remarks are values with a type.
type remark struct {
	Type string     `hhs:"$type,enum=example.org/remark|example.org/question"`
	Text string     `hhs:"max=4000"`
	On   *hhs.Ref   // a page
	Shot *hhs.Blob  // a picture
	See  *hhs.Ref   // elsewhere
	More []hhs.Blob `hhs:"max=5"`
}

type wiki struct {
	Pages   hhs.Map[wikiPage]
	Remarks hhs.Log[remark]
	Pinned  hhs.Register[remark]
	Order   hhs.List[remark]
}

type wikiPage struct {
	Title hhs.Register[string]
	Next  hhs.Register[hhs.Ref]
	Parts hhs.Map[wikiPart]
}

type wikiPart struct{ Text hhs.Register[string] }

var wikiKind = hhs.Define[wiki]("test.example/wiki", 1)

func newWiki(t *testing.T) *hhs.Space[wiki] {
	t.Helper()
	node := must(hhs.Open(t.Context(), "", hhs.Kinds(wikiKind), hhs.Offline()))(t)
	t.Cleanup(func() { ok(t, node.Close()) })
	return must(hhs.Create(t.Context(), node, wikiKind))(t)
}

// foundTexts are what was found, for people.
func foundTexts(list []hhs.Found) (out []string) {
	for _, f := range list {
		switch m, _ := f.Value.(map[string]any); {
		case f.Record != "":
			out = append(out, fmt.Sprint(f.Field, f.Path, " ", m["title"], m["text"]))
		case m["text"] != nil:
			out = append(out, fmt.Sprint(f.Field, f.Path, " ", m["text"]))
		default:
			out = append(out, fmt.Sprint(f.Field, f.Path))
		}
	}
	return out
}

func expectFound(t *testing.T, got []hhs.Found, want ...string) {
	t.Helper()
	if all := foundTexts(got); !slices.Equal(all, want) {
		t.Errorf("found %q, want %q", all, want)
	}
}

// What is found are values of a type, records of a map and what refers to something, each with where it is and who wrote it;
// what is replaced, removed or taken back is not, and is again when it is given again.
func TestFind(t *testing.T) {
	s, ctx := newWiki(t), t.Context()
	home := hhs.Ref{Space: s.ID(), Path: []string{"pages", "home"}}
	find := func(q hhs.Query) []hhs.Found {
		t.Helper()
		return must(s.Find(ctx, q))(t).Found
	}
	say := func(text string) remark { return remark{Type: "example.org/remark", Text: text, On: &home} }
	ok(t, s.Update(ctx, func(tx *hhs.Tx, r wiki) error {
		page, err := r.Pages.Make(tx, "home")
		if err != nil {
			return err
		}
		part, err := page.Parts.Make(tx, "intro")
		if err != nil {
			return err
		}
		return errors.Join(page.Title.Set(tx, "Home"), page.Next.Set(tx, home), part.Text.Set(tx, "welcome"), r.Remarks.Append(tx, say("one")),
			r.Pinned.Set(tx, say("two")), r.Order.Append(tx, say("three"), remark{Type: "example.org/question", Text: "four"}))
	}))
	head := s.Heads()[0]
	expectFound(t, find(hhs.Query{Type: "example.org/remark"}), "remarks one", "pinned two", "order three")
	expectFound(t, find(hhs.Query{Type: "example.org/remark", Newest: true, Limit: 2}), "order three", "pinned two")
	expectFound(t, find(hhs.Query{Type: "example.org/question", Link: s.ID()}))
	expectFound(t, find(hhs.Query{Type: "example.org/question"}), "order four")
	expectFound(t, find(hhs.Query{Type: "#pages"}), `pages["home"] Home<nil>`)
	expectFound(t, find(hhs.Query{Type: "#pages.parts"}), `pages["home"].parts["intro"] <nil>welcome`)
	expectFound(t, find(hhs.Query{Ref: &home}), `pages["home"].next`, "remarks one", "pinned two", "order three")
	expectFound(t, find(hhs.Query{Ref: &hhs.Ref{Space: s.ID()}}))
	one := find(hhs.Query{Link: s.ID(), Type: "example.org/remark"})[0]
	if got := must(hhs.FoundAs[remark](one))(t); got.Text != "one" || one.Identity != s.Node().Identity() || one.Commit != head {
		t.Errorf("%+v is %+v", one, got)
	}
	ok(t, s.Update(ctx, func(tx *hhs.Tx, r wiki) error {
		return errors.Join(r.Pages.Remove(tx, "home"), r.Pinned.Set(tx, remark{Type: "example.org/question"}), r.Order.Delete(tx, 0, 1))
	}))
	expectFound(t, find(hhs.Query{Type: "#pages"}))
	expectFound(t, find(hhs.Query{Type: "#pages.parts"}))
	expectFound(t, find(hhs.Query{Ref: &home}), "remarks one")
	must(s.Undo(ctx))(t)
	expectFound(t, find(hhs.Query{Ref: &home}), `pages["home"].next`, "remarks one", "pinned two", "order three")
	if _, err := s.Find(ctx, hhs.Query{}); !errors.Is(err, hhs.ErrQuery) || hhs.Code(err) != "invalid" {
		t.Errorf("no question: %q %v", hhs.Code(err), err)
	}
}

// A blob is linked to by its root, wherever in a value its descriptor is; a page is as large as was asked for and goes on.
func TestFindPages(t *testing.T) {
	s, ctx := newWiki(t), t.Context()
	shot := must(s.Node().PutBlob(ctx, strings.NewReader("picture")))(t)
	for i := range 7 {
		ok(t, s.Update(ctx, func(tx *hhs.Tx, r wiki) error {
			return r.Remarks.Append(tx, remark{Type: "example.org/remark", Text: fmt.Sprint(i), More: []hhs.Blob{shot, shot}})
		}))
	}
	for _, newest := range []bool{false, true} {
		q := hhs.Query{Link: shot.Root, Limit: 3, Newest: newest}
		var sizes []int
		var all []string
		for {
			page := must(s.Find(ctx, q))(t)
			sizes, all = append(sizes, len(page.Found)), append(all, foundTexts(page.Found)...)
			if q.From = page.Next; q.From == nil {
				break
			}
		}
		if newest {
			slices.Reverse(all)
		}
		if !slices.Equal(sizes, []int{3, 3, 1}) || fmt.Sprint(all) != "[remarks 0 remarks 1 remarks 2 remarks 3 remarks 4 remarks 5 remarks 6]" {
			t.Errorf("pages of %v: %v", sizes, all)
		}
	}
	if page := must(s.Find(ctx, hhs.Query{Type: "hhs/blob"}))(t); page.Found != nil {
		t.Errorf("a blob inside a value is no value of its own: %+v", page.Found)
	}
}

// A large page ends before it is larger than one answer of the engine may be, and goes on.
func TestFindLargeValues(t *testing.T) {
	s, ctx := newWiki(t), t.Context()
	for i := range 200 {
		ok(t, s.Update(ctx, func(tx *hhs.Tx, r wiki) error {
			return r.Remarks.Append(tx, remark{Type: "example.org/remark", Text: strings.Repeat("x", 4000-i)})
		}))
	}
	q, n := hhs.Query{Type: "example.org/remark", Limit: 1000}, 0
	for pages := 1; ; pages++ {
		page := must(s.Find(ctx, q))(t)
		size := 0
		for _, f := range page.Found {
			m := f.Value.(map[string]any)
			size += len(m["text"].(string))
		}
		n += len(page.Found)
		if q.From = page.Next; size > 300<<10 || q.From == nil && (n != 200 || pages < 3) || len(page.Found) == 0 {
			t.Fatalf("page %d has %d bytes; %d found", pages, size, n)
		}
		if q.From == nil {
			return
		}
	}
}

// Who watches sees the page, and again when it is another one: after each of the ways in which something comes and goes,
// also the commits that only attach an object, and not after what does not concern it.
func TestWatchFind(t *testing.T) {
	s := newWiki(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	next, stop := iter.Pull2(s.WatchFind(ctx, hhs.Query{Type: "example.org/remark", Limit: 3}))
	defer stop()
	expect := func(came, went string) {
		t.Helper()
		c, err, more := next()
		if err != nil || !more || fmt.Sprint(foundTexts(c.Came)) != came || fmt.Sprint(foundTexts(c.Went)) != went {
			t.Fatalf("came %q, went %q, %v; want %s and %s", foundTexts(c.Came), foundTexts(c.Went), err, came, went)
		}
	}
	edit := func(f func(tx *hhs.Tx, r wiki) error) {
		t.Helper()
		ok(t, s.Update(ctx, f))
	}
	say := func(text string) remark { return remark{Type: "example.org/remark", Text: text} }
	expect("[]", "[]")
	edit(func(tx *hhs.Tx, r wiki) error { return r.Pinned.Set(tx, say("a")) })
	expect("[pinned a]", "[]")
	edit(func(tx *hhs.Tx, r wiki) error { return r.Pinned.Set(tx, say("b")) })
	expect("[pinned b]", "[pinned a]")
	edit(func(tx *hhs.Tx, r wiki) error {
		return r.Remarks.Append(tx, remark{Type: "example.org/question", Text: "no"})
	})
	edit(func(tx *hhs.Tx, r wiki) error { return r.Order.Append(tx, say("c"), say("d")) })
	expect("[order c order d]", "[]")
	edit(func(tx *hhs.Tx, r wiki) error { return r.Order.Delete(tx, 0, 1) })
	expect("[]", "[order c]")
	must(s.Undo(ctx))(t)
	expect("[order c]", "[]")
	for i := range 50 { // while nobody looks
		edit(func(tx *hhs.Tx, r wiki) error { return r.Pinned.Set(tx, say(fmt.Sprint(i))) })
	}
	expect("[pinned 49]", "[pinned b]")
	id := must(s.Node().Put(ctx, map[string]any{"$type": "example.org/remark", "text": "object"}))(t)
	edit(func(tx *hhs.Tx, r wiki) error { return r.Pinned.Set(tx, remark{Type: "example.org/question"}) })
	expect("[]", "[pinned 49]")
	must(s.Apply(ctx, nil, id))(t)
	expect("[ object]", "[]")
	cancel()
	if _, err, more := next(); more {
		t.Fatal(err)
	}
}

// Records are told of with what is in them; and a space that is closed ends who watches it.
func TestWatchFindRecords(t *testing.T) {
	s, ctx := newWiki(t), t.Context()
	next, stop := iter.Pull2(s.WatchFind(ctx, hhs.Query{Type: "#pages"}))
	defer stop()
	parts, stopParts := iter.Pull2(s.WatchFind(ctx, hhs.Query{Ref: &hhs.Ref{Space: s.ID()}}))
	defer stopParts()
	expect := func(next func() (hhs.FoundChange, error, bool), want string) {
		t.Helper()
		c, err, _ := next()
		if got := fmt.Sprint(foundTexts(c.Found)); got != want || err != nil {
			t.Fatalf("found %s, want %s; %v", got, want, err)
		}
	}
	expect(next, "[]")
	expect(parts, "[]")
	ok(t, s.Update(ctx, func(tx *hhs.Tx, r wiki) error { return second(r.Pages.Make(tx, "home")) }))
	expect(next, `[pages["home"] <nil> <nil>]`)
	ok(t, s.Update(ctx, func(tx *hhs.Tx, r wiki) error { return r.Pages.At("home").Title.Set(tx, "Home") }))
	expect(next, `[pages["home"] Home<nil>]`)
	ok(t, s.Update(ctx, func(tx *hhs.Tx, r wiki) error {
		return r.Pages.At("home").Next.Set(tx, hhs.Ref{Space: s.ID()})
	}))
	expect(next, `[pages["home"] Home<nil>]`)
	expect(parts, `[pages["home"].next]`)
	ok(t, s.Update(ctx, func(tx *hhs.Tx, r wiki) error { return r.Pages.Remove(tx, "home") }))
	expect(next, "[]")
	expect(parts, "[]") // it went with the record that it was in
	ok(t, s.Node().Close())
	if _, err, more := next(); !more || !errors.Is(err, hhs.ErrClosed) {
		t.Fatalf("the node is closed: %v %v", err, more)
	}
}

func second[T any](_ T, err error) error { return err }
