package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// program panics with functions of its own in the trace, after work that needs data, a map and the collector.
const program = `package main

import ("fmt"; "runtime"; "sort"; "strings")

func main() {
	m := map[string]int{}
	for i := range 2000 { m[fmt.Sprint("key", i)] = i }
	runtime.GC()
	keys := []string{}
	for k := range m { keys = append(keys, k) }
	sort.Strings(keys)
	fmt.Println(len(strings.Join(keys, ",")), keys[0], m["key1999"])
	defer func() { fmt.Println("recovered", recover()); deeper(3) }()
	deeper(0)
}

//go:noinline
func deeper(n int) { if n == 3 { panic("here") }; deeper(n+1) }
`

// TestPackedProgramRuns packs a program and runs both: they say the same, apart from lines in the trace.
func TestPackedProgramRuns(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("needs Node.js") // make test requires it: there this test runs
	}
	dir := t.TempDir()
	source, plain, packed := filepath.Join(dir, "main.go"), filepath.Join(dir, "plain.wasm"), filepath.Join(dir, "packed.wasm")
	if err := os.WriteFile(source, []byte(program), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "build", "-ldflags=-s -w", "-o", plain, source)
	cmd.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm", "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if err := copyFile(plain, packed, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := packFile(packed); err != nil {
		t.Fatal(err)
	}
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	glue := filepath.Join(strings.TrimSpace(string(root)), "lib", "wasm", "wasm_exec_node.js")
	run := func(file string) (stdout, stderr string) {
		var out, trace bytes.Buffer
		cmd := exec.Command(node, glue, file)
		cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir}
		cmd.Stdout, cmd.Stderr = &out, &trace
		if err := cmd.Run(); err == nil {
			t.Errorf("%s did not panic", file)
		}
		return out.String(), trace.String()
	}
	wantOut, wantTrace := run(plain)
	gotOut, gotTrace := run(packed)
	if gotOut != wantOut || !strings.HasPrefix(gotOut, "") || !strings.Contains(gotOut, "recovered here") {
		t.Errorf("packed: %q, plain: %q", gotOut, wantOut)
	}
	if !strings.Contains(wantTrace, "main.go:") || strings.Contains(gotTrace, "main.go:") || !strings.Contains(gotTrace, "main.deeper") {
		t.Errorf("packed trace: %s\nplain trace: %s", gotTrace, wantTrace)
	}
}

func TestPackRefuses(t *testing.T) {
	for name, in := range map[string][]byte{
		"empty":             nil,
		"another format":    []byte("\x7fELF0000"),
		"cut":               []byte("\x00asm\x01\x00\x00\x00\x0b\x05"),
		"no function table": []byte("\x00asm\x01\x00\x00\x00\x0b\x07\x01\x00\x41\x00\x0b\x01x"),
		"passive segment":   []byte("\x00asm\x01\x00\x00\x00\x0b\x04\x01\x01\x01x"),
	} {
		if _, err := packWASM(in); !errors.Is(err, errWASM) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Without data there is nothing to do.
	if out, err := packWASM([]byte("\x00asm\x01\x00\x00\x00")); err != nil || len(out) != 8 {
		t.Errorf("%x, %v", out, err)
	}
}

func TestSignedNumbers(t *testing.T) {
	for _, n := range []int64{0, 1, 63, 64, 127, 128, 8191, 8192, 1 << 20, 1<<31 - 1, -1, -64, -65} {
		r := &wasmReader{data: appendSigned(nil, n)}
		if got := r.signed(); got != int(n) || r.err != nil || len(r.data) != 0 {
			t.Errorf("%d became %d", n, got)
		}
	}
}
