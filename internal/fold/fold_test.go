package fold

import (
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hyperhyperspace/hhs-go/object"
)

// adder is a fold of integers: it keeps their sum and how many there were, and ignores negative ones.
func adder(step func(n int64)) *Def {
	def := &Def{Name: "test.example/adder", Version: 1, Initial: func() any { return map[string]any{"n": int64(0), "sum": int64(0)} },
		Encode: object.Encode, Decode: object.Decode}
	def.Step = func(state, op any) (any, error) {
		n := op.(int64)
		if step != nil {
			step(n)
		}
		if n < 0 {
			return state, fmt.Errorf("%d is negative", n)
		}
		m := state.(map[string]any)
		return map[string]any{"n": m["n"].(int64) + 1, "sum": (m["sum"].(int64)*31 + n) % 1_000_003}, nil
	}
	return def
}

type label int

func (l label) String() string { return fmt.Sprint("op ", int(l)) }

func op(place int, n int64) Op {
	return Op{Place: fmt.Sprintf("%08d", place), Label: label(place), Given: n}
}

// after yields the ops of a list, in order, after a place.
func after(list []Op, place string) iter.Seq2[Op, error] {
	return func(yield func(Op, error) bool) {
		for _, o := range list {
			if o.Place > place && !yield(o, nil) {
				return
			}
		}
	}
}

func result(t testing.TB, r *Run) string {
	t.Helper()
	b, _, err := r.State()
	if err != nil {
		t.Fatal(err)
	}
	list, all := r.Ignored()
	return fmt.Sprintf("%x %d %v", b, all, list)
}

// TestRunEqualsReplay: through late ops, ops that go and come back, and copies, a run gives what one from the beginning does.
func TestRunEqualsReplay(t *testing.T) {
	for seed := range uint64(30) {
		r := rand.New(rand.NewPCG(seed, 1))
		steps := 0
		def := adder(func(int64) { steps++ })
		run, away := New(def), map[string]bool{}
		var list []Op
		for range 60 {
			least := "~"
			touch := func(place string) { least = min(least, place) }
			switch r.IntN(4) {
			case 0, 1:
				for range 1 + r.IntN(40) {
					list = append(list, op(1000*(len(list)+1)+r.IntN(900), int64(r.IntN(50)-5)))
				}
			case 2: // late
				late := op(r.IntN(1000*(len(list)+1)), int64(r.IntN(50)-5))
				if !slices.ContainsFunc(list, func(o Op) bool { return o.Place == late.Place }) {
					list = append(list, late)
					touch(late.Place)
				}
			default:
				for range min(len(list), 3) {
					o := list[r.IntN(len(list))]
					away[o.Place] = !away[o.Place]
					touch(o.Place)
				}
			}
			slices.SortFunc(list, func(a, b Op) int { return strings.Compare(a.Place, b.Place) })
			shown := slices.DeleteFunc(slices.Clone(list), func(o Op) bool { return away[o.Place] })
			if r.IntN(5) == 0 { // a reader that is thrown away
				c := run.Copy()
				c.Back(least)
				if err := c.Forward(after(shown, c.Place())); err != nil {
					t.Fatal(err)
				}
			}
			run.Back(least)
			if err := run.Forward(after(shown, run.Place())); err != nil {
				t.Fatal(err)
			}
			fresh := New(def)
			if err := fresh.Forward(after(shown, "")); err != nil {
				t.Fatal(err)
			}
			if got, want := result(t, run), result(t, fresh); got != want {
				t.Fatalf("seed %d: the run gives %s, from the beginning it is %s", seed, got, want)
			}
			if run.tip.count != len(shown) {
				t.Fatalf("seed %d: %d of %d ops", seed, run.tip.count, len(shown))
			}
		}
	}
}

// TestCost: an op at the end costs a step, a late one about as many as there are behind it, and many late ones in one go
// no more than the earliest; snapshots stay few.
func TestCost(t *testing.T) {
	steps := 0
	run := New(adder(func(int64) { steps++ }))
	const n = 100_000
	var list []Op
	for i := range n {
		list = append(list, op(10*i, int64(i)))
	}
	forward := func() int {
		t.Helper()
		steps = 0
		if err := run.Forward(after(list, run.Place())); err != nil {
			t.Fatal(err)
		}
		return steps
	}
	if got := forward(); got > n+n/every {
		t.Errorf("%d steps for %d ops", got, n)
	}
	if len(run.kept) > 80 {
		t.Errorf("%d snapshots of %d ops", len(run.kept), n)
	}
	for _, back := range []int{0, 1, 10, 100, 1000, 10_000, n - 1} {
		run.Back(fmt.Sprintf("%08d", 10*(n-back)))
		if got, most := forward(), back+back/3+2*every+1; got > most {
			t.Errorf("%d steps for an op with %d behind it, at most %d", got, back, most)
		}
	}
	list = append(list, op(10*n, 1))
	if got := forward(); got > 1+every {
		t.Errorf("%d steps for one op more", got)
	}
	if got := forward(); got != 0 {
		t.Errorf("%d steps for none", got)
	}
}

// TestLargeStates: snapshots of large states are fewer, and the last stays.
func TestLargeStates(t *testing.T) {
	def := adder(nil)
	small := def.Step
	def.Step = func(state, op any) (any, error) {
		next, err := small(state, op)
		next.(map[string]any)["text"] = strings.Repeat("x", 500<<10)
		return next, err
	}
	run := New(def)
	var list []Op
	for i := range 400 {
		list = append(list, op(i, 1))
	}
	if err := run.Forward(after(list, "")); err != nil {
		t.Fatal(err)
	}
	size := 0
	for _, s := range run.kept {
		size += len(s.state)
	}
	if size > maxSnapshots || len(run.kept) < 4 || run.kept[len(run.kept)-1].count != 400 {
		t.Errorf("%d snapshots of %d bytes", len(run.kept), size)
	}
}

// TestManyLargeOpsIgnored: what snapshots keep of ignored ops counts as their states do, and the last of them stays.
func TestManyLargeOpsIgnored(t *testing.T) {
	for _, size := range []int{4 << 10, 64 << 10} {
		run := New(adder(nil))
		var list []Op
		for i := range 3 * MaxIgnored {
			o := op(i, -1)
			o.Size = size
			list = append(list, o)
		}
		if err := run.Forward(after(list, "")); err != nil {
			t.Fatal(err)
		}
		held := 0
		for _, s := range run.kept {
			held += len(s.state)
			for _, i := range s.ignored {
				held += i.size + len(i.Reason)
			}
		}
		if n := len(run.kept); n == 0 || n > 1 && held > maxSnapshots || size < 64<<10 && n < 2 || run.kept[n-1].count != len(list) {
			t.Errorf("%d snapshots hold %d bytes of ops of %d", n, held, size)
		}
	}
}

func fails(t *testing.T, err error, why string) *Error {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) || e.Why != why || e.Fold != "test.example/adder" || !strings.Contains(e.Error(), "test.example/adder version 1") {
		t.Fatalf("the error is %v, not %s", err, why)
	}
	return e
}

// TestFailures: a fold that goes wrong is named, with the op, goes wrong there again, and runs on when the op is taken away.
func TestFailures(t *testing.T) {
	for name, c := range map[string]struct {
		step func(n int64)
		give func(next map[string]any)
		why  string
	}{
		"panic":  {func(n int64) { panic("boom") }, nil, Throws},
		"goexit": {func(n int64) { runtime.Goexit() }, nil, Throws},
		"state":  {nil, func(next map[string]any) { next["f"] = func() {} }, State},
		"large":  {nil, func(next map[string]any) { next["f"] = strings.Repeat("x", MaxState) }, State},
	} {
		t.Run(name, func(t *testing.T) {
			def := adder(func(n int64) {
				if n == 13 && c.step != nil {
					c.step(n)
				}
			})
			step := def.Step
			def.Step = func(state, op any) (any, error) {
				next, err := step(state, op)
				if op.(int64) == 13 && c.give != nil {
					c.give(next.(map[string]any))
				}
				return next, err
			}
			list := []Op{op(1, 1), op(2, 2), op(3, 13)}
			run := New(def)
			e := fails(t, run.Forward(after(list, "")), c.why)
			if name != "goexit" && !strings.Contains(e.Op, "op 3") {
				t.Errorf("it says that it failed at %q", e.Op)
			}
			fails(t, run.Forward(after(list, run.Place())), c.why)
			if _, _, err := run.State(); err == nil {
				t.Error("a fold that failed has a state")
			}
			list = slices.Delete(list, 2, 3)
			run.Back(op(3, 0).Place)
			if err := run.Forward(after(list, run.Place())); err != nil {
				t.Fatal(err)
			}
			fresh := New(def)
			if err := fresh.Forward(after(list, "")); err != nil {
				t.Fatal(err)
			}
			if got, want := result(t, run), result(t, fresh); got != want {
				t.Errorf("afterwards it is %s, not %s", got, want)
			}
		})
	}
}

// TestDiffers: a step that depends on something else is found, at once in a short history and soon in a long one.
func TestDiffers(t *testing.T) {
	calls := int64(0)
	counting := adder(nil)
	step := counting.Step
	counting.Step = func(state, op any) (any, error) {
		next, err := step(state, op)
		calls++
		next.(map[string]any)["calls"] = calls
		return next, err
	}
	turns := 0
	moody := adder(nil)
	moody.Step = func(state, op any) (any, error) {
		if turns++; turns%7 == 0 {
			return state, errors.New("not now")
		}
		return step(state, op)
	}
	careless := adder(nil)
	careless.Step = func(state, op any) (any, error) {
		state.(map[string]any)["n"] = int64(99)
		return state, errors.New("no")
	}
	for name, def := range map[string]*Def{"state": counting, "ignores others": moody, "changes what it ignores": careless} {
		t.Run(name, func(t *testing.T) {
			for _, n := range []int{1, 5, 15, 16, 40} {
				var list []Op
				for i := range n {
					list = append(list, op(i, 1))
				}
				turns = 0
				run := New(def)
				err := run.Forward(after(list, ""))
				if name == "ignores others" && n == 1 {
					continue // two calls, and the third would be another
				}
				e := fails(t, err, Differs)
				run.Back("")
				if fails(t, run.Forward(after(list, "")), Differs); !e.Final() {
					t.Error("it is run again")
				}
			}
		})
	}
}

// TestSlow: a step that does not come back within two seconds is left behind, and its fold is not run again.
func TestSlow(t *testing.T) {
	for _, c := range []struct {
		takes time.Duration
		slow  bool
	}{{time.Second, false}, {2 * time.Second, true}, {time.Hour, true}} {
		synctest.Test(t, func(t *testing.T) {
			end := make(chan struct{})
			def := adder(func(n int64) {
				if n == 13 {
					select {
					case <-end:
					case <-time.After(c.takes):
					}
				}
			})
			run := New(def)
			list := []Op{op(1, 1), op(2, 13), op(3, 3)}
			began := time.Now()
			err := run.Forward(after(list, ""))
			if !c.slow {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if fails(t, err, Slow); time.Since(began) != StepLimit {
				t.Errorf("it was told after %v", time.Since(began))
			}
			run.Back("")
			fails(t, run.Forward(after(list[:1], "")), Slow)
			close(end)
		})
	}
}

// TestReasonsAreBounded: long reasons are cut, and only the latest ignored ops are kept.
func TestReasonsAreBounded(t *testing.T) {
	def := adder(nil)
	def.Step = func(state, op any) (any, error) { return state, errors.New(strings.Repeat("ü", MaxReason+1)) }
	run := New(def)
	var list []Op
	for i := range MaxIgnored + 50 {
		list = append(list, op(i, int64(i)))
	}
	if err := run.Forward(after(list, "")); err != nil {
		t.Fatal(err)
	}
	latest, all := run.Ignored()
	if all != len(list) || len(latest) != MaxIgnored || latest[0].Op != int64(50) || latest[0].Reason != strings.Repeat("ü", MaxReason) {
		t.Errorf("%d of %d, the first %v", len(latest), all, latest[0])
	}
}

// TestErrorOfTheOps: what came with the ops is given back, and the run goes on afterwards.
func TestErrorOfTheOps(t *testing.T) {
	broken := errors.New("broken")
	run := New(adder(nil))
	list := []Op{op(1, 1), op(2, 2)}
	err := run.Forward(func(yield func(Op, error) bool) { _ = yield(list[0], nil) && yield(Op{}, broken) })
	if !errors.Is(err, broken) {
		t.Fatal(err)
	}
	if err := run.Forward(after(list, run.Place())); err != nil || run.tip.count != 2 {
		t.Errorf("%v, %d ops", err, run.tip.count)
	}
}
