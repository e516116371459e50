package main

import (
	"testing"
	"time"
)

// TestPauses: what people do is told within eventPause of the event before; a flood less and less often, until it ends.
func TestPauses(t *testing.T) {
	pause := eventPause
	for range 100 { // six people who type 50 keys in a second
		if pause = pauseAfter(pause, pause, 6*50/20); pause != eventPause {
			t.Fatalf("events pause for %v", pause)
		}
	}
	if pause = pauseAfter(pause, time.Second, 6*50); pause != eventPause { // while the engine was busy for a second
		t.Errorf("events pause for %v", pause)
	}
	var seen []time.Duration
	for range 5 { // 2,000 in a second
		pause = pauseAfter(pause, pause, int(2000*pause/time.Second))
		seen = append(seen, pause)
	}
	if seen[0] != 2*eventPause || seen[4] != floodPause {
		t.Errorf("in a flood events pause for %v", seen)
	}
	if pause = pauseAfter(pause, pause, 3); pause != eventPause {
		t.Errorf("after it they pause for %v", pause)
	}
}
