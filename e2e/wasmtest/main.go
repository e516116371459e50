// Command wasmtest runs a Go test binary compiled for the browser (GOOS=js GOARCH=wasm) in a dedicated Worker of a real,
// headless Chromium, on a page served from a random port of 127.0.0.1. Node has neither IndexedDB nor Worker, so the
// packages that need them are tested here. It is made for go test -exec:
//
//	go -C e2e build -o /tmp/wasmtest ./wasmtest
//	GOOS=js GOARCH=wasm go test -exec /tmp/wasmtest ./store/idb
//
// What the binary prints is printed, and its exit code is the exit code; an error that ends the worker gives 2. The
// binary sees its arguments and the environment variables that begin with HHS_. It has no files: opening one fails
// with "no such file or directory".
package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/hyperhyperspace/hhs-go/e2e/browser"
)

//go:embed worker.js
var workerJS []byte

// page starts the worker. Its errors reach the server, because a worker that died cannot report itself.
const page = `<!doctype html><title>wasmtest</title><link rel="icon" href="data:,"><script>
const worker = new Worker('/worker.js')
const failed = text => fetch('/exit?code=2', { method: 'POST', body: text })
worker.onerror = e => failed('worker: ' + e.message + ' at ' + e.filename + ':' + e.lineno + '\n')
worker.onmessageerror = () => failed('worker: message error\n')
</script>`

// exitFailure is the code of everything that goes wrong outside the binary, as of a Go program that panics.
const exitFailure = 2

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: wasmtest BINARY [ARGUMENT ...]")
		os.Exit(exitFailure)
	}
	// go test ends a test that takes too long with SIGQUIT; Chromium must not be left behind.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGQUIT)
	defer stop()
	code, err := run(ctx, os.Args[1], os.Args[2:], os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "wasmtest:", err)
		code = exitFailure
	}
	os.Exit(code)
}

// result is what ends a run.
type result struct {
	code int
	text string
}

func run(ctx context.Context, binary string, args []string, out io.Writer) (code int, err error) {
	handler, results, err := newHandler(binary, args, out)
	if err != nil {
		return 0, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	server := &http.Server{Handler: handler}
	go func() { _ = server.Serve(listener) }() // ends with Close
	defer server.Close()
	b, err := browser.Start(ctx, browser.Options{})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	p, err := b.Page(ctx)
	if err != nil {
		return 0, err
	}
	if err := p.Goto(ctx, "http://"+listener.Addr().String()+"/"); err != nil {
		return 0, err
	}
	select {
	case r := <-results:
		fmt.Fprint(out, r.text)
		if r.code != 0 {
			for _, line := range p.Errors() {
				fmt.Fprintln(out, "browser:", line)
			}
		}
		return r.code, nil
	case <-ctx.Done():
		return 0, fmt.Errorf("interrupted; console: %q", p.Console())
	}
}

// newHandler serves the page, the binary and what Go brings to run it, and takes output and exit code.
func newHandler(binary string, args []string, out io.Writer) (http.Handler, <-chan result, error) {
	glue, err := wasmExec()
	if err != nil {
		return nil, nil, err
	}
	results := make(chan result, 8)
	mux := http.NewServeMux()
	serve := func(path, kind string, body []byte) {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			_, _ = w.Write(body)
		})
	}
	serve("/{$}", "text/html", []byte(page))
	serve("/worker.js", "text/javascript", workerJS)
	serve("/wasm_exec.js", "text/javascript", glue)
	serve("/config.json", "application/json", config(binary, args))
	mux.HandleFunc("GET /test.wasm", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/wasm")
		http.ServeFile(w, r, binary)
	})
	mux.HandleFunc("POST /out", func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(out, r.Body) // one request at a time: the worker waits for each
	})
	mux.HandleFunc("POST /exit", func(_ http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		code, err := strconv.Atoi(r.URL.Query().Get("code"))
		if err != nil {
			code = exitFailure
		}
		select {
		case results <- result{code, string(text)}:
		default: // the first one counts
		}
	})
	return mux, results, nil
}

// config returns arguments and environment for the worker as JSON.
func config(binary string, args []string) []byte {
	argv := []string{filepath.Base(binary)}
	for _, a := range args {
		if !strings.HasPrefix(a, "-test.testlogfile=") { // a file; without it go test does not cache the result
			argv = append(argv, a)
		}
	}
	env := []string{}
	for _, v := range os.Environ() {
		if strings.HasPrefix(v, "HHS_") {
			env = append(env, v)
		}
	}
	data, err := json.Marshal(map[string][]string{"argv": argv, "env": env})
	if err != nil {
		panic(err) // unreachable: strings can be marshalled
	}
	return data
}

// wasmExec reads the file that the Go installation has for its own version of the binary format.
func wasmExec() ([]byte, error) {
	cmd := exec.Command("go", "env", "GOROOT")
	root, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("find wasm_exec.js: %w", err)
	}
	return os.ReadFile(filepath.Join(strings.TrimSpace(string(root)), "lib", "wasm", "wasm_exec.js"))
}
