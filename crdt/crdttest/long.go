package crdttest

import (
	"fmt"
	"os"
	"strconv"
	"testing"

	"github.com/hyperhyperspace/hhs-go/crdt"
)

// opsEnv sets how many ops RunLong makes. With soakEnv it makes as many as it is meant to for every type.
const (
	opsEnv  = "CRDTTEST_OPS"
	soakEnv = "HHS_SOAK"
)

const (
	longOps    = 10_000
	longShort  = 300 // with -short: in a browser's engine, and under the race detector
	longPeople = 3
	longCheck  = 3 // how often a long run is held against the model
	longSeldom = 5000
)

// RunLong is one long history of three replicas who write, merge and change their minds about verdicts: 10,000 ops, or for a
// type that takes longer than some seconds gen.Long of them, and 10,000 in a soak. It is compared with the model now
// and then only, and with fresh replicas in the end.
func RunLong(t *testing.T, typ crdt.Type, gen Gen) {
	t.Helper()
	ops, seed := longOps, uint64(1)
	switch {
	case testing.Short():
		ops = longShort
	case gen.Long > 0 && os.Getenv(soakEnv) == "":
		ops = gen.Long
	}
	if n, err := strconv.Atoi(os.Getenv(opsEnv)); err == nil {
		ops = n
	}
	if n, err := strconv.ParseUint(os.Getenv(seedEnv), 10, 64); err == nil {
		seed = n
	}
	if f := long(typ, gen, seed, ops); f != nil {
		t.Fatalf("%s=%d %s=%d: %s", seedEnv, seed, opsEnv, ops, f.what)
	}
}

func long(typ crdt.Type, gen Gen, seed uint64, ops int) *failure {
	s := newSim(typ, gen, source(seed))
	s.replicas, s.quiet, s.seldom = s.replicas[:longPeople], true, longSeldom
	made := 0
	for step := 0; made < ops; step++ {
		a := s.r.IntN(longPeople)
		p, before := s.replicas[a], len(s.commits)
		var f *failure
		switch n := s.r.IntN(100); {
		case n < 80:
			f = s.write(a)
		case n < 95:
			f = s.merge(p, s.replicas[s.r.IntN(longPeople)])
		case n < 99:
			f = s.flipSome(p)
		default:
			f = s.flipSuffix(p)
		}
		if f != nil {
			return f
		}
		for _, c := range s.commits[before:] {
			if was := made * longCheck / ops; (made+len(c.ops))*longCheck/ops > was {
				f = s.compare(p, fmt.Sprintf("replica %s after %d ops", name(a), made))
			}
			made += len(c.ops)
		}
		if f != nil {
			return f
		}
	}
	return s.converge()
}
