//go:build !js

package hhs_test

import (
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/hyperhyperspace/hhs-go/mesh"
	"github.com/hyperhyperspace/hhs-go/syncer"
	"github.com/hyperhyperspace/hhs-go/transport"
	"github.com/hyperhyperspace/hhs-go/transport/ws"
)

// What a node may keep of devices that came and went.
const (
	moreGoroutines  = 5
	moreDescriptors = 5
	moreHeap        = 8 << 20
)

// A thousand devices connect over real sockets, sync and leave: nothing of them
// stays but what is counted.
func TestChurn(t *testing.T) {
	n := 1000
	if testing.Short() {
		n = 100
	}
	v := newVictim(t)
	copied := author(t, v.space, "first")
	visit := func() {
		s := connecting(t, newDevice(t), mesh.Config{Dialers: map[string]transport.Dialer{"ws": &ws.Dialer{}}})
		defer s.close()
		s.space = copied
		reached := make(chan struct{}, 1)
		s.report = func(_ mesh.PeerInfo, st syncer.Status) {
			if st.Synced {
				select {
				case reached <- struct{}{}:
				default:
				}
			}
		}
		s.meet(t, mesh.Group{Endpoints: []string{"ws://" + v.host}})
		select {
		case <-reached:
		case <-time.After(patience):
			t.Error("never synced")
		}
	}
	for range 20 { // pools and tables have their size after some
		visit()
	}
	calm(t, v, 1<<20)
	goroutines, descriptors, heap := runtime.NumGoroutine(), openFiles(), heapInUse()
	next := make(chan struct{})
	done := make(chan struct{})
	for range 8 {
		go func() {
			for range next {
				visit()
			}
			done <- struct{}{}
		}()
	}
	for range n {
		next <- struct{}{}
	}
	close(next)
	for range 8 {
		<-done
	}
	calm(t, v, goroutines+moreGoroutines)
	g, d, h := runtime.NumGoroutine()-goroutines, openFiles()-descriptors, int64(heapInUse())-int64(heap)
	t.Logf("%d connects and disconnects: %d more goroutines, %d more descriptors, %d kB more heap", n, g, d, h>>10)
	if g > moreGoroutines || d > moreDescriptors || h > moreHeap {
		t.Errorf("more than %d goroutines, %d descriptors or %d kB", moreGoroutines, moreDescriptors, moreHeap>>10)
	}
}

// calm waits until nobody is connected and what served them has ended.
func calm(t *testing.T, v *victim, goroutines int) {
	t.Helper()
	await(t, v.space.AnySpace, "all gone", func() bool { return v.space.Status().Peers == 0 })
	for end := time.Now().Add(patience); runtime.NumGoroutine() > goroutines; runtime.Gosched() {
		if time.Now().After(end) {
			return // the test says how many are left
		}
	}
}

func heapInUse() uint64 {
	runtime.GC()
	runtime.GC() // what finalizers held
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// openFiles counts descriptors where the system tells them.
func openFiles() int {
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(list)
}
