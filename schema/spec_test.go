package schema

import (
	"errors"
	"os"
	"regexp"
	"testing"
)

// TestSpecExamples holds the table of examples in the specification to the code.
func TestSpecExamples(t *testing.T) {
	doc, err := os.ReadFile("../docs/spec/schema.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := regexp.MustCompile("(?m)^\\| `(.+)` \\| `(.+)` \\| (?:valid|`(.+)` at `(.*)`) \\|$").FindAllSubmatch(doc, -1)
	if len(rows) < 10 {
		t.Fatalf("%d examples", len(rows))
	}
	for _, row := range rows {
		err := mustParse(t, string(row[1])).Check(fromJSON(t, string(row[2])))
		var bad *Violation
		if errors.As(err, &bad) != (row[3] != nil) || bad != nil && (string(bad.Rule) != string(row[3]) || bad.Path != string(row[4])) {
			t.Errorf("%s of %s: %v", row[1], row[2], err)
		}
	}
}
