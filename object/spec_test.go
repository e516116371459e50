package object

import (
	"encoding/hex"
	"os"
	"regexp"
	"testing"
)

// TestSpecExamples holds the table of examples in the specification to the code.
func TestSpecExamples(t *testing.T) {
	doc, err := os.ReadFile("../docs/spec/object.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := regexp.MustCompile("(?m)^\\| `(.+)` \\| `([0-9a-f]+)` \\| `(b[a-z2-7]+)` \\|$").FindAllSubmatch(doc, -1)
	if len(rows) < 10 {
		t.Fatalf("%d examples", len(rows))
	}
	for _, row := range rows {
		v, err := FromJSON(row[1])
		if err != nil {
			t.Fatalf("%s: %v", row[1], err)
		}
		block, err := Encode(v)
		if err != nil || hex.EncodeToString(block) != string(row[2]) || Sum(DagCBOR, block).String() != string(row[3]) {
			t.Errorf("%s: %x %s (%v)", row[1], block, Sum(DagCBOR, block), err)
		}
	}
}
