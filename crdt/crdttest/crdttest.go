package crdttest

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"

	"github.com/hyperhyperspace/hhs-go/crdt"
	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/schema"
)

// Gen is what the suite needs to know about a type.
type Gen struct {
	// Schema of a value, nil for any.
	Schema *schema.Schema
	// Env changes the environment that the type works in; may be nil.
	Env func(env *crdt.Env)
	// Draft makes an op that me might write now, seeing env. ok is false when there is nothing to write.
	Draft func(r *rand.Rand, env *crdt.Env, me identity.PublicKey) (d crdt.Draft, ok bool)
	// Read reads everything shown, in the type's order.
	Read func(env *crdt.Env) ([]Shown, error)
	// ReadAll is in the place of Read for a type whose values can only be found by the ops for them.
	ReadAll func(env *crdt.Env, facts []Fact) ([]Shown, error)
	// Model computes the same from all ops. before is the causal order, of ops in one commit too. It may leave out
	// what the suite knows by itself: of an Entry it gives Value and Ref, and Key where the type's order is by key.
	Model func(facts []Fact, before func(a, b history.OpRef) bool) []Shown
	// Check holds the type's other readers (counters, paging) against what Read gave; may be nil.
	Check func(env *crdt.Env, shown []Shown) error
	// Follow applies changes to the values shown before, for a type whose changes are not by key; may be nil.
	Follow func(shown [][]byte, changes []crdt.Change) ([][]byte, error)
	// State writes out what must be equal where ops and verdicts are, for a type whose bytes depend on how they came; may be nil.
	State func(env *crdt.Env) (string, error)
	// Long is how many ops RunLong makes but in a soak, where they take long; 0: all.
	Long int
	// Keep uses one environment for several calls, as the engine does.
	Keep bool
}

// Shown is one visible value and the refs of those behind it (conflicts), in the type's order.
type Shown struct {
	crdt.Entry
	Others []history.OpRef
	Path   []crdt.Step // of the value inside a map or record; Key is then the place of a change (crdt.Change)
}

// Fact is an op with its verdict.
type Fact struct {
	crdt.Op
	Effective bool
}

// seedsEnv sets how many histories Run makes, for a long run; seedEnv makes it run one.
const (
	seedsEnv = "CRDTTEST_SEEDS"
	seedEnv  = "CRDTTEST_SEED"
)

const (
	defaultSeeds = 30
	shortSeeds   = 4  // in a browser's engine and under the race detector, where each takes ten times as long
	slowSeeds    = 10 // where reading takes long
	steps        = 40
)

// Run puts a type through the suite.
func Run(t *testing.T, typ crdt.Type, gen Gen) {
	t.Helper()
	first, count := uint64(1), uint64(defaultSeeds)
	if testing.Short() {
		count = shortSeeds
	}
	if gen.ReadAll != nil {
		count = min(count, slowSeeds)
	}
	if n, err := strconv.ParseUint(os.Getenv(seedsEnv), 10, 64); err == nil {
		count = n
	}
	if n, err := strconv.ParseUint(os.Getenv(seedEnv), 10, 64); err == nil {
		first, count = n, 1
	}
	for seed := first; seed < first+count; seed++ {
		if f := simulate(typ, gen, source(seed), steps); f != nil {
			t.Fatalf("%s=%d\n%s", seedEnv, seed, smallest(typ, gen, seed, f))
		}
	}
}

// Fuzz runs the suite once with choices taken from data: the body of a fuzz target.
func Fuzz(t *testing.T, typ crdt.Type, gen Gen, data []byte) {
	t.Helper()
	if f := simulate(typ, gen, rand.New(&bytesSource{data: data}), min(steps, 1+len(data)/8)); f != nil {
		t.Fatalf("%s: %s", typ.Name(), f)
	}
}

func source(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0x6868732f63726474)) }

// smallest runs a failing seed with fewer steps; the choices of a shorter run are a prefix of those of a longer one.
func smallest(typ crdt.Type, gen Gen, seed uint64, f *failure) *failure {
	for n := 1; n < steps; n++ {
		if g := simulate(typ, gen, source(seed), n); g != nil {
			return g
		}
	}
	return f
}

// bytesSource gives out data as random numbers, two bytes each, then numbers that do not repeat: loops that wait for a
// lucky choice must end.
type bytesSource struct {
	data []byte
	n    uint64
}

var _ rand.Source = (*bytesSource)(nil)

// Uint64 implements rand.Source. The generators look at the high bits first, so the bytes are spread over the number.
func (s *bytesSource) Uint64() uint64 {
	const spread = 0x9e3779b97f4a7c15
	n := s.n
	if len(s.data) == 0 {
		s.n++
		n = n<<16 | n
	}
	for range min(2, len(s.data)) {
		n, s.data = n<<8|uint64(s.data[0]), s.data[1:]
	}
	n = (n + 1) * spread
	return n ^ n>>29
}

// failure is what went wrong, with the history it went wrong in.
type failure struct {
	what string
	sim  *sim
}

func (f *failure) String() string { return f.what + "\n" + f.sim.draw() }

func (s *sim) fail(format string, args ...any) *failure {
	return &failure{fmt.Sprintf(format, args...), s}
}
