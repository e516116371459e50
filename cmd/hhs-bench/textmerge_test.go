package main

import (
	"context"
	"encoding/json"
	"os"
	"testing"
)

// TestConcurrentTrace types the beginning of a recorded session of three authors again, each on a node of their own with
// signed commits, and syncs it to a node that has none: all have the recorded text.
func TestConcurrentTrace(t *testing.T) {
	text, err := os.ReadFile("testdata/excerpt.json")
	if err != nil {
		t.Fatal(err)
	}
	var tr trace
	if err := json.Unmarshal(text, &tr); err != nil {
		t.Fatal(err)
	}
	merges := 0
	for _, s := range stretches(tr.Txns, keystrokes) {
		if len(s.parents) > 1 {
			merges++
		}
	}
	if merges < 50 {
		t.Fatalf("the excerpt has %d merges: it shows nothing", merges)
	}
	r := &run{dir: t.TempDir(), n: len(tr.Txns)}
	out := &run{}
	if err := r.merge(context.Background(), "excerpt", &tr, out); err != nil {
		t.Fatal(err)
	}
}
