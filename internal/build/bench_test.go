package main

import (
	"math"
	"os"
	"path/filepath"
	"testing"
)

// A slope is the power of a power law.
func TestSlope(t *testing.T) {
	x := []float64{1000, 2000, 4000, 8000}
	for _, power := range []float64{0, 1, 1.15, 2} {
		y := make([]float64, len(x))
		for i := range x {
			y[i] = 3 * math.Pow(x[i], power)
		}
		if got := slope(x, y); math.Abs(got-power) > 1e-9 {
			t.Errorf("n^%v has the slope %v", power, got)
		}
	}
}

// A system that does less in a second of CPU, or needs more of it, makes a ratio above 1; one that fails, or says
// something else, makes none.
func TestCompare(t *testing.T) {
	dir := t.TempDir()
	script := "#!/bin/sh\ncase $1 in\nslow) echo first; echo '{\"ops_per_cpu_s\":500,\"cpu_ms\":80,\"n\":'$3'}';;\nsilent) ;;\nbroken) exit 3;;\nesac\n"
	if err := os.WriteFile(filepath.Join(dir, "run"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	p, err := findPeers(dir)
	if err != nil {
		t.Fatal(err)
	}
	b := &build{root: dir}
	ours := map[string]any{"n": 1000.0, "ops_per_cpu_s": 1500.0, "cpu_ms": 20.0}
	for _, c := range []struct {
		r     rival
		ratio any
	}{
		{rival{peer: "slow", tasks: []string{"T1"}, field: "ops_per_cpu_s"}, 3.0},
		{rival{peer: "slow", tasks: []string{"T1", "T2"}, field: "cpu_ms", less: true}, 4.0},
		{rival{peer: "slow", tasks: []string{"T1"}, field: "absent"}, nil},
		{rival{peer: "silent", tasks: []string{"T1"}, field: "cpu_ms"}, nil},
		{rival{peer: "broken", tasks: []string{"T1"}, field: "cpu_ms"}, nil},
	} {
		line, err := p.compare(t.Context(), b, c.r, ours)
		if (err != nil) != (c.ratio == nil) {
			t.Errorf("%+v: %v, error %v", c.r, line, err)
			continue
		}
		if err == nil && line[len(line)-1] != (named{"ratio", c.ratio}) {
			t.Errorf("%+v: %v, want the ratio %v", c.r, line, c.ratio)
		}
	}
	if _, err := findPeers(filepath.Join(dir, "nowhere")); err == nil {
		t.Error("a folder without systems is taken")
	}
}
