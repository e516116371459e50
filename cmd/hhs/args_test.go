package main

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/hyperhyperspace/hhs-go/internal/server"
)

// TestExamples: hhs demo names the examples that are built.
func TestExamples(t *testing.T) {
	page := &fstest.MapFile{}
	s := &serving{Options: server.Options{Pages: fstest.MapFS{"index.html": page, "playground/index.html": page, "examples/page.css": page,
		"examples/b/index.html": page, "examples/b/assets/x.js": page, "examples/a/index.html": page, "examples/none/x.js": page}}}
	if got := s.examples("http://x"); !slices.Equal(got, []string{"http://x/examples/a", "http://x/examples/b"}) {
		t.Errorf("examples %q", got)
	}
}

// TestArgumentsAreText: an argument that is no UTF-8 text is refused by name before anything is read or written. Between two
// commands of one directory it would become another text.
func TestArgumentsAreText(t *testing.T) {
	for _, args := range [][]string{{"get", "4kq2jsye", "votes.k\xff"}, {"set", "4kq2jsye", "votes[\"k\xff\"]", "1"}, {"log", "4kq2jsye", "--field=k\xff"}, {"set", "4kq2jsye", "title", "\"k\xff\""}} {
		var out, err bytes.Buffer
		a := &app{in: strings.NewReader(""), out: &out, err: &err, dir: t.TempDir()}
		if code := a.run(t.Context(), args); code != exitUsage {
			t.Errorf("%q ends with %d", args, code)
		}
		if !strings.Contains(err.String(), `k\xff`) || !strings.Contains(err.String(), "is not UTF-8 text [usage]") || out.Len() > 0 {
			t.Errorf("%q says %q and %q", args, err.String(), out.String())
		}
	}
}
