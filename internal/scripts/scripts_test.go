package scripts

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
)

const dir = "../../testdata/scripts"

var update = flag.Bool("update", false, "write the ids of the commits into the files of testdata/scripts")

// Every file of scripts gives what it says, in native code and in WebAssembly.
func TestScripts(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	if len(paths) < 6 {
		t.Fatalf("only the files %v", paths)
	}
	for _, path := range paths {
		f, err := Read(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(f.Name, func(t *testing.T) {
			for _, s := range f.Scripts {
				if err := Run(t.Context(), f, s, *update); err != nil {
					t.Error(err)
				}
			}
			text, err := f.Text()
			if err == nil && *update {
				err = os.WriteFile(path, []byte(text), 0o644)
			}
			if err != nil {
				t.Fatal(err)
			}
			if kept, err := os.ReadFile(path); err != nil || string(kept) != text {
				t.Errorf("%s is not written as it would be: go test ./internal/scripts -update; error %v", path, err)
			}
		})
	}
}
