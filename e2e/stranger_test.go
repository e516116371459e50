package e2e

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

// maxStranger bounds the lines of a Go program with a kind of its own.
const maxStranger = 40

// TestStrangersKind builds a program outside the module, which defines a kind of its own in a few lines, and syncs it
// with a page made of nothing but what the npm package holds.
func TestStrangersKind(t *testing.T) {
	t.Parallel()
	program := run(t, outside(t, "testdata/shopping/main.go"))
	link := program.line()

	p := profile(t, "page").open(packaged(t, "testdata/shopping/index.html") + "#" + link)
	items := `[...document.querySelectorAll('li')].map(e => e.textContent)`
	p.until(items + `.join() === 'bread'`)
	p.do(`add('milk')`)
	for program.line() != "milk" {
	}
	p.until(items + `.sort().join() === 'bread,milk'`)
}

// outside builds a program in a module of its own.
func outside(t *testing.T, source string) *exec.Cmd {
	t.Helper()
	text, err := os.ReadFile(source)
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(text, []byte("\n")); n >= maxStranger {
		t.Errorf("%s has %d lines, not under %d", source, n, maxStranger)
	}
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	sums, err := os.ReadFile("../go.sum")
	if err != nil {
		t.Fatal(err)
	}
	const hhs = "github.com/hyperhyperspace/hhs-go"
	mod := "module example.org/shopping\n\ngo 1.26\n\nrequire " + hhs + " v0.0.0\n\nreplace " + hhs + " => " + root + "\n"
	dir := t.TempDir()
	for name, data := range map[string][]byte{"main.go": text, "go.mod": []byte(mod), "go.sum": sums} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	// Linking takes its time where nothing of it is cached; go test's own limit ends it.
	build := exec.CommandContext(t.Context(), "go", "build", "-mod=mod", "-o", "shopping", ".")
	build.Dir = dir
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", source, err, out)
	}
	run := exec.Command(filepath.Join(dir, "shopping"))
	run.Dir = dir
	return run
}

// packaged serves a page and, beside it, what the npm package gives to browsers.
func packaged(t *testing.T, page string) string {
	t.Helper()
	file, err := os.Open(built(t, "HHS_NPM", "dist/hhs.tgz"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for archive := tar.NewReader(unzipped); ; {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if name, ok := strings.CutPrefix(h.Name, "package/dist/"); ok && path.Base(name) == name {
			data, err := io.ReadAll(archive)
			if err == nil {
				err = os.WriteFile(filepath.Join(dir, name), data, 0o644)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	mux := http.NewServeMux()
	mux.Handle("/hhs/", http.StripPrefix("/hhs", http.FileServerFS(os.DirFS(dir))))
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, page) })
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s.URL + "/"
}
