package sim

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// How many seeds the tests run, and from which on; internal/build sets them for
// the figures.
var (
	seeds = flag.Uint64("sim.seeds", 0, "seeds to run; 0: 24, or 6 in short tests")
	first = flag.Uint64("sim.first", 1, "first seed")
	limit = flag.Duration("sim.limit", 0, "begin no further seed after this time; 0: never")
	least = flag.Uint64("sim.least", 0, "fail if there were fewer seeds")
)

// wanted is how many seeds to run.
func wanted() uint64 {
	switch {
	case *seeds > 0:
		return *seeds
	case testing.Short():
		return 6
	}
	return 24
}

// run calls f for every seed, on all processors, and returns how many there were.
func run(t *testing.T, count uint64, f func(seed uint64) error) uint64 {
	t.Helper()
	var next, done atomic.Uint64
	next.Store(*first)
	start := time.Now()
	var all sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		all.Go(func() {
			for !t.Failed() && (*limit == 0 || time.Since(start) < *limit) {
				seed := next.Add(1) - 1
				if seed >= *first+count {
					return
				}
				if err := f(seed); err != nil {
					t.Errorf("%v", err)
					return
				}
				done.Add(1)
			}
		})
	}
	all.Wait()
	if n := done.Load(); n < *least && !t.Failed() {
		t.Errorf("%d seeds in %v, %d are wanted", n, time.Since(start), *least)
	}
	return done.Load()
}

// Five peers, two hundred ops each, every fault, and most times an adversary.
func TestFivePeers(t *testing.T) {
	var mu sync.Mutex
	var sum Report
	refused := map[string]int{}
	evil := map[string]int{}
	n := run(t, wanted(), func(seed uint64) error {
		opt := FromSeed(seed, 5, 200)
		r, err := Run(opt)
		mu.Lock()
		defer mu.Unlock()
		sum.Commits, sum.Ops, sum.Forks = sum.Commits+r.Commits, sum.Ops+r.Ops, sum.Forks+r.Forks
		sum.Restarted, sum.Faults, sum.Events = sum.Restarted+r.Restarted, sum.Faults+r.Faults, sum.Events+r.Events
		for rule, c := range r.Refused {
			refused[rule] += c
		}
		evil[fmt.Sprint(opt.Adversaries)]++
		return err
	})
	t.Logf("%d seeds, %d commits with %d ops, %d events, %d restarts, %d disk faults, %d forks, 0 violations", n, sum.Commits, sum.Ops, sum.Events, sum.Restarted, sum.Faults, sum.Forks)
	for _, rule := range slices.Sorted(maps.Keys(refused)) {
		t.Logf("refused: %s %d", rule, refused[rule])
	}
	for _, k := range slices.Sorted(maps.Keys(evil)) {
		t.Logf("adversaries: %s %d", k, evil[k])
	}
}

// Each kind of adversary, so that none is left out by chance.
func TestEachAdversary(t *testing.T) {
	for k := Honest + 1; k < kinds; k++ {
		t.Run(k.String(), func(t *testing.T) {
			opt := FromSeed(uint64(k), 4, 60)
			opt.Adversaries = []Kind{k}
			r, err := Run(opt)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%d commits, refused %v, %d forks", r.Commits, r.Refused, r.Forks)
			switch {
			case k == Equivocator && r.Forks != 1:
				t.Errorf("%d forks", r.Forks)
			case k == Forger && (r.Refused["bad_signature"] == 0 || r.Refused["not_attested"] == 0):
				t.Errorf("nothing of a forger was refused: %v", r.Refused)
			}
		})
	}
}

// Several adversaries among many peers.
func TestSixteenPeers(t *testing.T) {
	if testing.Short() {
		t.Skip("some seconds")
	}
	n := run(t, max(2, wanted()/12), func(seed uint64) error {
		opt := FromSeed(seed, 16, 500)
		opt.Adversaries = nil
		for i := range 5 {
			opt.Adversaries = append(opt.Adversaries, Honest+1+Kind((seed+uint64(i)*3)%uint64(kinds-1)))
		}
		_, err := Run(opt)
		return err
	})
	t.Logf("%d seeds, 0 violations", n)
}

// The same seed gives the same trace.
func TestDeterminism(t *testing.T) {
	traces := map[[32]byte]bool{}
	var mu sync.Mutex
	n := run(t, wanted(), func(seed uint64) error {
		opt := FromSeed(seed, 4, 50)
		a, err := Run(opt)
		if err != nil {
			return err
		}
		b, err := Run(opt)
		if err != nil {
			return err
		}
		if a.Trace != b.Trace || a.Events != b.Events {
			return fmt.Errorf("%v: two traces: %x (%d events), %x (%d events)", opt, a.Trace, a.Events, b.Trace, b.Events)
		}
		mu.Lock()
		defer mu.Unlock()
		traces[a.Trace] = true
		return nil
	})
	if uint64(len(traces)) != n {
		t.Errorf("%d seeds made %d traces", n, len(traces))
	}
	t.Logf("%d seeds twice, 0 differing traces", n)
}

// One seed, for looking into it: HHS_SIM_SEED=7 go test -run TestOneSeed -v
func TestOneSeed(t *testing.T) {
	var seed uint64
	if _, err := fmt.Sscan(os.Getenv("HHS_SIM_SEED"), &seed); err != nil {
		t.Skip("HHS_SIM_SEED names no seed")
	}
	opt := FromSeed(seed, 5, 200)
	t.Log(opt)
	start := time.Now()
	r, err := Run(opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%v: %d commits, %d ops, %d events, refused %v, trace %x", time.Since(start), r.Commits, r.Ops, r.Events, r.Refused, r.Trace)
}
