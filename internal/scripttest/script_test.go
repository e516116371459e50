package scripttest

import (
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"
)

const vectorFile = "../../testdata/vectors/scripts.json"

var update = flag.Bool("update", false, "write testdata/vectors/scripts.json")

// vectors are scripts and what comes of them everywhere.
type vectors struct {
	About   string   `json:"about"`
	Scripts []vector `json:"scripts"`
}

type vector struct {
	Seed    uint64 `json:"seed"`
	Commits int    `json:"commits"`
	Ops     int    `json:"ops"`
	Undos   int    `json:"undos"`
	Heads   string `json:"heads"`
	Values  string `json:"values"`
}

// Every script gives what the vector file says, in native code and in WebAssembly.
func TestVectors(t *testing.T) {
	if *update {
		write(t)
	}
	raw, err := os.ReadFile(vectorFile)
	if err != nil {
		t.Fatal(err)
	}
	var v vectors
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	if len(v.Scripts) < 12 {
		t.Fatalf("%d scripts", len(v.Scripts))
	}
	undos, empty := 0, map[string]int{}
	for _, want := range v.Scripts {
		got, nothing := run(t, want.Seed)
		if got != want {
			t.Errorf("script %d gives\n%+v\nnot\n%+v", want.Seed, got, want)
		}
		undos += got.Undos
		for _, name := range strings.Fields(nothing) {
			empty[name]++
		}
	}
	for name, n := range empty {
		if n > len(v.Scripts)/2 {
			t.Errorf("field %s shows nothing in %d of %d scripts", name, n, len(v.Scripts))
		}
	}
	if undos < len(v.Scripts) {
		t.Errorf("only %d undos and redos in %d scripts", undos, len(v.Scripts))
	}
}

func run(t *testing.T, seed uint64) (v vector, empty string) {
	t.Helper()
	o, err := Run(t.Context(), seed, Mem())
	if err != nil {
		t.Fatal(err)
	}
	return vector{seed, o.Commits, o.Ops, o.Undos, o.Heads, o.Values}, o.Empty
}

func write(t *testing.T) {
	v := vectors{About: "Random scripts of internal/scripttest by seed, and what comes of each: how many commits, ops, undos and redos, and SHA-256 digests of the ids of all heads and of what every field shows. Native code, WebAssembly and every store must give the same. They change with what a commit or a value is, and with the generators; written by go test ./internal/scripttest -run TestVectors -update."}
	for seed := range uint64(12) {
		one, _ := run(t, seed+1)
		v.Scripts = append(v.Scripts, one)
	}
	raw, err := json.MarshalIndent(v, "", "  ")
	if err == nil {
		err = os.WriteFile(vectorFile, append(raw, '\n'), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}
