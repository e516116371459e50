package hhs_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"unicode/utf16"

	hhs "github.com/hyperhyperspace/hhs-go"
)

// editor shows a copy of a text as an editor does.
type editor struct {
	t       *testing.T
	f       *hhs.Follower
	field   string
	path    []any
	text    []uint16
	version string
	resets  int
}

func (e *editor) reset() {
	e.t.Helper()
	text, size, version, err := e.f.Text(e.field, 0, 1<<30, "", e.path...)
	if err != nil {
		e.t.Fatal(err)
	}
	e.resets++
	if e.text, e.version = utf16.Encode([]rune(text)), version; size != len(e.text) {
		e.t.Errorf("the text has %d units, not %d", len(e.text), size)
	}
}

func (e *editor) do(edits []hhs.TextEdit) {
	for _, x := range edits {
		e.text = append(e.text[:x.Index:x.Index], append(utf16.Encode([]rune(x.Insert)), e.text[x.Index+x.Delete:]...)...)
	}
}

func (e *editor) take(news hhs.TextNews) {
	e.t.Helper()
	if !news.Known {
		e.reset()
		return
	}
	e.do(news.Edits)
	e.version = news.Version
}

func (e *editor) news() {
	e.t.Helper()
	news, err := e.f.News(e.field, e.version, e.path...)
	if err != nil {
		e.t.Fatal(err)
	}
	e.take(news)
}

// edit writes; a stale version is brought up to date and tried again, elsewhere.
func (e *editor) edit(choose func(text []uint16) []hhs.TextEdit) {
	e.t.Helper()
	for {
		edits := choose(e.text)
		_, news, err := e.f.Edit(context.Background(), e.field, e.version, edits, e.path...)
		if errors.Is(err, hhs.ErrStale) {
			e.news()
			continue
		}
		if err != nil {
			e.t.Fatal(err)
		}
		e.do(edits)
		e.take(news)
		return
	}
}

func (e *editor) String() string { return string(utf16.Decode(e.text)) }

// boundary is a place that is not within a code point.
func boundary(r *rand.Rand, text []uint16) int {
	at := r.IntN(len(text) + 1)
	if at < len(text) && text[at] >= 0xdc00 && text[at] < 0xe000 {
		at--
	}
	return at
}

// someEdits are a few edits, last place first.
func someEdits(r *rand.Rand, text []uint16) (edits []hhs.TextEdit) {
	end := len(text)
	for range 1 + r.IntN(3) {
		from, to := boundary(r, text[:end]), boundary(r, text[:end])
		if from > to {
			from, to = to, from
		}
		to = min(to, from+6)
		if to < len(text) && text[to] >= 0xdc00 && text[to] < 0xe000 {
			to--
		}
		insert := strings.Repeat([]string{"a", "b ", "😀", "日", ""}[r.IntN(5)], r.IntN(4))
		edits = append(edits, hhs.TextEdit{Index: from, Delete: max(to-from, 0), Insert: insert})
		end = from
	}
	return edits
}

func follow(t *testing.T, s *hhs.AnySpace) *hhs.Follower {
	t.Helper()
	f, err := s.Follow()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	return f
}

// TestFollow: what several editors of one copy show is the text, whoever writes at the same time, and nothing is lost.
func TestFollow(t *testing.T) {
	s := newPage(t).AnySpace
	var all sync.WaitGroup
	f := follow(t, s)
	editors := make([]*editor, 4)
	for i := range editors {
		editors[i] = &editor{t: t, f: f, field: "body"}
		editors[i].reset()
	}
	for i, e := range editors {
		all.Go(func() {
			r := rand.New(rand.NewPCG(1, uint64(i)))
			for n := range 60 {
				e.edit(func(text []uint16) []hhs.TextEdit { return someEdits(r, text) })
				e.edit(func(text []uint16) []hhs.TextEdit {
					return []hhs.TextEdit{{Index: boundary(r, text), Insert: fmt.Sprintf("<%d.%d>", i, n)}}
				})
				if _, err := s.Apply(context.Background(), []hhs.Op{{Field: "items", Action: "insert", Value: []any{nil, []any{"x"}}}}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	want, err := s.Text("body")
	if err != nil {
		t.Fatal(err)
	}
	for i, e := range editors {
		if e.news(); e.String() != want {
			t.Errorf("editor %d shows\n%q, the text is\n%q", i, e, want)
		}
		if e.resets != 1 {
			t.Errorf("editor %d read all of the text %d times", i, e.resets)
		}
	}
}

// TestFollowVersions: a version is good for what gave it, as long as the edits since are known; a write on an old one is refused.
func TestFollowVersions(t *testing.T) {
	s := newPage(t).AnySpace
	ctx := context.Background()
	insert := func(field string, path []any, text string) {
		t.Helper()
		if _, err := s.Apply(ctx, []hhs.Op{{Field: field, Path: path, Action: "insert", Value: []any{nil, text}}}); err != nil {
			t.Fatal(err)
		}
	}
	f := follow(t, s)
	e := &editor{t: t, f: f, field: "body"}
	note := &editor{t: t, f: f, field: "meta", path: []any{"note"}}
	e.reset()
	note.reset()
	insert("body", nil, "one ")
	insert("meta", []any{"note"}, "not here")
	insert("body", nil, "two")
	news, err := f.News("body", e.version)
	if err != nil || !news.Known || fmt.Sprint(news.Edits) != "[{0 0 one two}]" {
		t.Errorf("the news are %+v, error %v", news, err)
	}
	if _, err := f.Apply(ctx, e.version, []hhs.Op{{Field: "items", Action: "insert", Value: []any{nil, []any{"x"}}}}); hhs.Code(err) != "stale" {
		t.Errorf("a write on an old version: %v", err)
	}
	if _, err := f.Apply(ctx, news.Version, []hhs.Op{{Field: "items", Action: "insert", Value: []any{nil, []any{"x"}}}}); err != nil {
		t.Errorf("a write on the version: %v", err)
	}
	e.take(news)
	note.news()
	if e.news(); e.String() != "one two" || note.String() != "not here" || e.resets+note.resets != 2 {
		t.Errorf("the texts are %q and %q, %d resets", e, note, e.resets+note.resets)
	}
	for name, since := range map[string]string{"none": "", "of another text": note.version, "of another follower": otherVersion(t, s), "made up": e.version + "0"} {
		if news, err := f.News("body", since); news.Known || err != nil {
			t.Errorf("version %s: %+v, error %v", name, news, err)
		}
	}
	if _, _, _, err := f.Text("body", 0, 9, e.version); err != nil {
		t.Errorf("at the version: %v", err)
	}
	insert("body", nil, strings.Repeat("x", 50_000))
	if _, _, _, err := f.Text("body", 0, 9, e.version); hhs.Code(err) != "stale" {
		t.Errorf("at an old version: %v", err)
	}
	for range 8 { // more than is kept
		if news, err := f.News("body", note.version); err != nil || news.Known {
			t.Fatalf("news of another text: %+v, error %v", news, err)
		}
		insert("body", nil, strings.Repeat("x", 50_000))
	}
	if e.news(); e.resets != 2 || len(e.text) != 450_007 {
		t.Errorf("%d units, read %d times", len(e.text), e.resets)
	}
	overlap := []hhs.TextEdit{{Index: 3, Delete: 1}, {Index: 2, Delete: 2}}
	if _, _, err := f.Edit(ctx, "body", e.version, overlap); hhs.Code(err) != "invalid" {
		t.Errorf("edits that overlap: %v", err)
	}
	if _, _, err := f.Edit(ctx, "items", e.version, overlap); hhs.Code(err) != "invalid" {
		t.Errorf("edits of a list: %v", err)
	}
}

// otherVersion is a version that another Follower gave.
func otherVersion(t *testing.T, s *hhs.AnySpace) string {
	t.Helper()
	_, _, version, err := follow(t, s).Text("body", 0, 0, "")
	if err != nil {
		t.Fatal(err)
	}
	return version
}
