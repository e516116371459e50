package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// build compiles a package's tests for the browser and returns the binary.
func build(t *testing.T, dir, pkg string) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "pkg.test")
	cmd := exec.Command("go", "test", "-c", "-o", binary, pkg)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm", "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", pkg, err, out)
	}
	return binary
}

const module = "module example\n\ngo 1.26\n"

const program = `package example

import (
	"fmt"
	"os"
	"syscall/js"
	"testing"
)

func TestPass(t *testing.T) {
	fmt.Print("partial ")
	fmt.Println("line", os.Getenv("HHS_WASMTEST"))
	if js.Global().Get("indexedDB").IsUndefined() || js.Global().Get("document").Truthy() {
		t.Fatal("not a worker of a browser")
	}
	if _, err := os.Open("file"); !os.IsNotExist(err) {
		t.Fatal(err)
	}
}

func TestFail(t *testing.T) { t.Fatal("on purpose") }

func TestPanic(t *testing.T) { panic("on purpose") }

func TestDeep(t *testing.T) {
	var f func(int) int
	f = func(n int) int { return f(n+1) + 1 }
	f(0)
}

func FuzzNothing(f *testing.F) { f.Add(1); f.Fuzz(func(t *testing.T, n int) {}) }
`

func TestRun(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"go.mod": module, "x_test.go": program} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	binary := build(t, dir, ".")
	t.Setenv("HHS_WASMTEST", "seen")
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"-test.run=Pass|Fuzz", "-test.v", "-test.testlogfile=/x"}, 0, "partial line seen\n"},
		{[]string{"-test.run=Fail"}, 1, "on purpose"},
		{[]string{"-test.run=Panic"}, 2, "panic: on purpose"},
		{[]string{"-test.run=Deep"}, 2, "stack"},
		{[]string{"-test.nosuchflag"}, 2, "nosuchflag"},
	} {
		var out bytes.Buffer
		code, err := run(t.Context(), binary, c.args, &out)
		if err != nil || code != c.code || !strings.Contains(out.String(), c.want) {
			t.Errorf("%v: code %d, %v, want %d with %q in\n%s", c.args, code, err, c.code, c.want, out.String())
		}
	}
}

// TestStore runs the suite of the browser's store, which needs a real IndexedDB.
func TestStore(t *testing.T) {
	binary := build(t, filepath.Join("..", ".."), "./store/idb")
	var out bytes.Buffer
	code, err := run(t.Context(), binary, []string{"-test.v", "-test.timeout=5m"}, &out)
	if err != nil || code != 0 {
		t.Fatalf("code %d, %v\n%s", code, err, out.String())
	}
}
