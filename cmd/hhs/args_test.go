package main

import (
	"bytes"
	"strings"
	"testing"
)

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
