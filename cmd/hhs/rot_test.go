package main

import (
	"os"
	"path/filepath"

	"github.com/rogpeppe/go-internal/testscript"
)

// cmdRot is "rot PATTERN": changes a byte in the middle of the largest file that
// matches.
func cmdRot(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: rot PATTERN")
	}
	files, err := filepath.Glob(ts.MkAbs(args[0]))
	ts.Check(err)
	var largest string
	var bytes []byte
	for _, f := range files {
		data, err := os.ReadFile(f)
		ts.Check(err)
		if len(data) > len(bytes) {
			largest, bytes = f, data
		}
	}
	if largest == "" {
		ts.Fatalf("no file %s", args[0])
	}
	bytes[len(bytes)/3] ^= 0x10
	ts.Check(os.WriteFile(largest, bytes, 0o600))
}
