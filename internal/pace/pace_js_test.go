package pace_test

import (
	"sync"
	"syscall/js"
	"testing"
	"time"

	"github.com/hyperhyperspace/hhs-go/internal/pace"
)

// compute keeps the thread busy for d, calling point all the time.
func compute(d time.Duration, point func()) {
	for end := time.Now().Add(d); time.Now().Before(end); {
		point()
	}
}

// ticks counts how often a 1 ms timer of the event loop fires while f runs.
func ticks(f func()) int {
	n := 0
	tick := js.FuncOf(func(js.Value, []js.Value) any {
		n++
		return nil
	})
	defer tick.Release()
	timer := js.Global().Call("setInterval", tick, 1)
	defer js.Global().Call("clearInterval", timer)
	f()
	return n
}

func TestEventLoopGetsItsTurn(t *testing.T) {
	const busy = 40 * pace.Slice
	if n := ticks(func() { compute(busy, func() {}) }); n != 0 {
		t.Fatalf("the timer fired %d times without Point: the test shows nothing", n)
	}
	if n := ticks(func() { compute(busy, pace.Point) }); n < 3 {
		t.Fatalf("the timer fired %d times in %v", n, busy)
	}
}

func TestSeveralBusyGoroutines(t *testing.T) {
	n := ticks(func() {
		var all sync.WaitGroup
		for range 3 {
			all.Go(func() { compute(60*pace.Slice, pace.Point) })
		}
		all.Wait()
	})
	if n < 2 {
		t.Fatalf("the timer fired %d times", n)
	}
}

// The callback path of a browser, which has no setImmediate.
func TestMessageChannel(t *testing.T) {
	global := js.Global()
	immediate := global.Get("setImmediate")
	global.Set("setImmediate", js.Undefined())
	defer global.Set("setImmediate", immediate)
	done := make(chan struct{}, 1)
	pace.Poster(func() { done <- struct{}{} })()
	<-done
}
