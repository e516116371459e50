package main

import (
	"errors"
	"fmt"
	"testing"

	hhs "github.com/hyperhyperspace/hhs-go"
)

// TestHeldByAnotherProgram: what has the directory, and never left a note there as hhs does, is named in one sentence.
func TestHeldByAnotherProgram(t *testing.T) {
	dir := t.TempDir()
	node, err := hhs.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer node.Close()
	a := &app{}
	_, locked := a.tryOwn(t.Context(), dir, role{})
	if !errors.Is(locked, hhs.ErrLocked) {
		t.Fatal(locked)
	}
	f := describe(a.silent(dir, locked))
	want := "the data directory " + dir + " is in use by another program, not by hhs; end it first, or give this command a directory of its own with --dir"
	if f.code != "locked" || fmt.Sprint(f) != want || !errors.Is(f, hhs.ErrLocked) {
		t.Errorf("%s: %s", f.code, f)
	}
}
