package wasm

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// program does what the packed code and table must still do right: stacks that grow, goroutines that wait and go on, deferred
// calls and recovered panics, nil pointers, interfaces, floats, the collector with live pointers on stacks. At its end it
// panics with functions of its own in the trace.
const program = `package main

import ("errors"; "fmt"; "math"; "runtime"; "sort"; "strings"; "sync")

type node struct { left, right *node; n int }

func build(n int) *node { if n == 0 { return nil }; return &node{build(n-1), build(n-1), n} }

func (t *node) sum() int { if t == nil { return 0 }; if t.n == 5 { runtime.GC() }; return t.n + t.left.sum() + t.right.sum() }

func deep(n int, pad [32]int) int { if n == 0 { return pad[31] }; pad[31]++; return deep(n-1, pad) + 1 }

func guarded(f func()) (err error) {
	defer func() { if r := recover(); r != nil { err = fmt.Errorf("caught: %v", r) } }()
	for i := range 3 { defer func() { i++ }() }
	f()
	return nil
}

func workers() (sum int) {
	in, out := make(chan int), make(chan int, 3)
	var group sync.WaitGroup
	for range 8 { group.Add(1); go func() { defer group.Done(); for n := range in { runtime.Gosched(); out <- deep(n, [32]int{}) } }() }
	go func() { for n := range 200 { in <- n }; close(in); group.Wait(); close(out) }()
	for n := range out { sum += n }
	return sum
}

func switches(v any) string {
	switch x := v.(type) {
	case nil: return "nil"
	case int: for x > 10 { if x%3 == 0 { x /= 3; continue }; x-- }; return fmt.Sprint("int", x)
	case float64: return fmt.Sprintf("%.3f %d", math.Sqrt(x), int64(x))
	case error: return x.Error()
	case fmt.Stringer: return x.String()
	}
	return "else"
}

func main() {
	m := map[string]int{}
	for i := range 2000 { m[fmt.Sprint("key", i)] = i }
	runtime.GC()
	keys := []string{}
	for k := range m { keys = append(keys, k) }
	sort.Strings(keys)
	fmt.Println(len(strings.Join(keys, ",")), keys[0], m["key1999"])
	fmt.Println(build(12).sum(), deep(20000, [32]int{}), workers())
	var none *node
	var list []int
	var nobody fmt.Stringer
	for _, f := range []func(){func() { _ = none.n }, func() { none.left.n = 1 }, func() { _ = list[m["key7"]] }, func() { _ = list[m["key9"]:] },
		func() { _ = nobody.String() }, func() { _ = 1 / len(list) }, func() { _ = any(list).(string) }, func() { panic(errors.New("own")) }, func() {}} {
		fmt.Println(guarded(f))
	}
	for _, v := range []any{nil, 1000, 2.5, errors.New("e"), runtime.Error(nil), struct{}{}} { fmt.Println(switches(v)) }
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
	plain, packed := filepath.Join(dir, "plain.wasm"), filepath.Join(dir, "packed.wasm")
	linked := link(t, plain)
	small, err := Pack(linked)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(packed, small, 0o644); err != nil {
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
	if gotOut != wantOut || !strings.Contains(gotOut, "recovered here") {
		t.Errorf("packed: %q, plain: %q", gotOut, wantOut)
	}
	if !strings.Contains(wantTrace, "main.go:") || strings.Contains(gotTrace, "main.go:") || !strings.Contains(gotTrace, "main.deeper") {
		t.Errorf("packed trace: %s\nplain trace: %s", gotTrace, wantTrace)
	}
}

// link builds the program as the engine is built, and returns it.
func link(t *testing.T, file string) []byte {
	t.Helper()
	source := filepath.Join(filepath.Dir(file), "main.go")
	if err := os.WriteFile(source, []byte(program), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "build", "-ldflags=-s -w", "-o", file, source)
	cmd.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm", "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	linked, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return linked
}

// TestKnowsTheCompilersCode holds what is packed to what the compiler writes: a new version of Go may write other code, which
// would be left as it is. It also holds each part to what it is for.
func TestKnowsTheCompilersCode(t *testing.T) {
	p := &packer{}
	var err error
	if p.sections, err = sections(link(t, filepath.Join(t.TempDir(), "plain.wasm"))); err != nil {
		t.Fatal(err)
	}
	before := len(p.section(sectionCode).body)
	r := &reader{data: p.section(sectionCode).body}
	unknown := 0
	for range r.uint() {
		body := &reader{data: r.bytes(r.uint())}
		f := body.function()
		_, known := findPlaces(f.code)
		if body.err != nil || !known && slices.ContainsFunc(f.code, func(in instr) bool { return in.op == opBrTable }) {
			unknown++
		}
	}
	if r.err != nil || unknown > 0 {
		t.Errorf("%d functions have another form, %v", unknown, r.err)
	}
	if err := p.pack(); err != nil {
		t.Fatal(err)
	}
	r = &reader{data: p.section(sectionCode).body}
	panics, grows := p.number("runtime.sigpanic"), p.number("runtime.morestack_noctxt")
	own := int64(p.imported + len(p.table.functions))
	direct, shared := 0, 0
	for range r.uint() {
		f := (&reader{data: r.bytes(r.uint())}).function()
		for _, in := range f.code {
			switch {
			case in.op == opCall && (in.a == panics || in.a == grows):
				direct++
			case in.op == opCall && in.a >= own:
				shared++
			}
		}
	}
	// Each is called once by what is called instead, and by few functions of the runtime that are not written in Go.
	if direct > 10 || shared < 1000 {
		t.Errorf("%d calls are left, %d replaced", direct, shared)
	}
	if after := len(p.section(sectionCode).body); after > before*87/100 {
		t.Errorf("code of %d bytes became %d", before, after)
	}
}

func TestPackRefuses(t *testing.T) {
	for name, in := range map[string][]byte{
		"empty":             nil,
		"no sections":       []byte(header),
		"another format":    []byte("\x7fELF0000"),
		"cut":               []byte("\x00asm\x01\x00\x00\x00\x0b\x05"),
		"no function table": []byte("\x00asm\x01\x00\x00\x00\x0b\x07\x01\x00\x41\x00\x0b\x01x"),
		"passive segment":   []byte("\x00asm\x01\x00\x00\x00\x0b\x04\x01\x01\x01x"),
	} {
		if _, err := Pack(in); !errors.Is(err, ErrModule) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSignedNumbers(t *testing.T) {
	for _, n := range []int64{0, 1, 63, 64, 127, 128, 8191, 8192, 1 << 20, 1<<31 - 1, -1, -64, -65} {
		r := &reader{data: appendSigned(nil, n)}
		if got := r.signed(); got != n || r.err != nil || len(r.data) != 0 {
			t.Errorf("%d became %d", n, got)
		}
	}
}
