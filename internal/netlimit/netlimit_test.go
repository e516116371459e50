package netlimit

import (
	"strconv"
	"testing"
	"time"
)

func TestBucket(t *testing.T) {
	b := Bucket{PerSecond: 2, Burst: 3}
	now := time.Unix(1000, 0)
	for i := range 3 {
		if !b.Take(now) {
			t.Fatalf("token %d of the burst is missing", i)
		}
	}
	if w := b.Wait(now); w != 500*time.Millisecond {
		t.Fatalf("wait %v, want half a second", w)
	}
	if !b.Take(now.Add(500*time.Millisecond)) || b.Take(now.Add(500*time.Millisecond)) {
		t.Fatal("half a second gives one token")
	}
	if b.Take(now) { // a clock that goes back gives nothing
		t.Fatal("token from a clock that went back")
	}
}

func TestRatesForget(t *testing.T) {
	r := NewRates(1, 1)
	now := time.Unix(1000, 0)
	for i := range 3 * MaxGroups {
		if !r.Take(strconv.Itoa(i), now) {
			t.Fatal("a new group has no token")
		}
	}
	if r.Len() > MaxGroups {
		t.Fatalf("%d groups remembered", r.Len())
	}
	if !r.Take("same", now) || r.Take("same", now) {
		t.Fatal("one token for one group")
	}
}
