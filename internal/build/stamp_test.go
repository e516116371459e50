package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestEngineSource finds every package of this module that the engine imports among what the engine is made anew for.
func TestEngineSource(t *testing.T) {
	b, err := newBuild()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "list", "-deps", "./js/wasm")
	cmd.Dir, cmd.Env = b.root, append(os.Environ(), goWASM...)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, pkg := range strings.Fields(string(out)) {
		if dir, ours := strings.CutPrefix(pkg, module+"/"); ours && !engineSource(dir+"/any.go") {
			t.Errorf("a change of %s does not make the engine anew", dir)
		}
	}
	for _, path := range []string{"cmd/hhs/main.go", "internal/build/main.go", "web/embed.go", "object/object_test.go"} {
		if engineSource(path) {
			t.Errorf("a change of %s makes the engine anew", path)
		}
	}
}
