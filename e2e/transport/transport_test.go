// Package transport_test runs the suites of the browser's transports in a real
// Chromium, against itself and against a native peer.
package transport_test

import (
	"bufio"
	"context"
	_ "embed"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hyperhyperspace/hhs-go/e2e/browser"
)

//go:embed page.html
var page []byte

const root = "../.."

func TestTransports(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	dir := t.TempDir()
	peer := startPeer(t, ctx, dir)
	site := serve(t, dir)
	b, err := browser.Start(ctx, browser.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	for _, name := range []string{"ws", "rtc"} {
		t.Run(name, func(t *testing.T) {
			build(t, ctx, filepath.Join(dir, name+".wasm"), []string{"GOOS=js", "GOARCH=wasm"}, "test", "-c", "./transport/"+name)
			p, err := b.Page(ctx)
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			if err := p.Goto(ctx, site); err != nil {
				t.Fatal(err)
			}
			var code int
			run := fmt.Sprintf(`run('/%s.wasm', {HHS_TEST_PEER: %q})`, name, peer)
			if err := p.Eval(ctx, run, &code); err != nil {
				t.Fatal(err)
			}
			if code != 0 {
				t.Errorf("the suite ended with code %d", code)
			}
		})
	}
}

// build runs a go command that makes the file out.
func build(t *testing.T, ctx context.Context, out string, env []string, args ...string) {
	t.Helper()
	args = append(args[:len(args)-1:len(args)-1], "-o", out, args[len(args)-1])
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), append(env, "CGO_ENABLED=0")...)
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, text)
	}
}

// startPeer starts the native other end and returns its URL.
func startPeer(t *testing.T, ctx context.Context, dir string) string {
	t.Helper()
	file := filepath.Join(dir, "peer")
	build(t, ctx, file, nil, "build", "./transport/transporttest/peer")
	cmd := exec.CommandContext(ctx, file)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stdin.Close()
		_ = cmd.Wait()
	})
	url, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(url)
}

// serve serves the page and what it runs, and passes on what that prints.
func serve(t *testing.T, dir string) string {
	t.Helper()
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	glue := filepath.Join(strings.TrimSpace(string(goroot)), "lib", "wasm", "wasm_exec.js")
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write(page)
	})
	mux.HandleFunc("GET /wasm_exec.js", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, glue) })
	mux.HandleFunc("GET /{file}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/wasm")
		http.ServeFile(w, r, filepath.Join(dir, filepath.Base(r.PathValue("file"))))
	})
	mux.HandleFunc("POST /out", func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(os.Stdout, r.Body)
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s.URL
}
