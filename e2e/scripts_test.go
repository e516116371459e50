package e2e

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestScripts runs the files of testdata/scripts by the TypeScript API, each person of a script in a worker of its own. Go
// runs them in internal/scripts: commit ids, values and error codes are the same.
func TestScripts(t *testing.T) {
	t.Parallel()
	const dir = "../testdata/scripts"
	mux := http.NewServeMux()
	mux.Handle("/scripts/", http.StripPrefix("/scripts", http.FileServerFS(os.DirFS(dir))))
	mux.Handle("/", http.FileServerFS(os.DirFS(built(t, "HHS_SCRIPTS", "build/scripts"))))
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	p := profile(t, "scripts").open(server.URL)
	p.until(`d.state === 'loaded'`)
	paths, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no scripts in %s: %v", dir, err)
	}
	for _, path := range paths {
		var file struct{ Scripts []struct{ Steps []any } }
		text, err := os.ReadFile(path)
		p.must(err)
		p.must(json.Unmarshal(text, &file))
		steps := 0
		for _, s := range file.Scripts {
			steps += len(s.Steps)
		}
		var got struct {
			Steps    int
			Failures []string
		}
		p.must(p.Eval(p.ctx(), `run(`+quote(strings.TrimSuffix(filepath.Base(path), ".json"))+`)`, &got))
		for _, f := range got.Failures {
			t.Error(f)
		}
		if len(got.Failures) == 0 && got.Steps != steps {
			t.Errorf("%s has %d steps, %d were made", path, steps, got.Steps)
		}
	}
}
