//go:build !js

package hhs_test

import (
	"runtime"
	"testing"

	hhs "github.com/hyperhyperspace/hhs-go"
	"github.com/hyperhyperspace/hhs-go/store"
)

// TestManySpacesCostLittle: a space that is open and idle takes some kilobytes, and a goroutine or two once
// there is a network.
func TestManySpacesCostLittle(t *testing.T) {
	const spaces, each = 200, 10
	mem, device := store.NewMem(), newDevice(t)
	open := func(opts ...hhs.Option) *hhs.Node {
		n := must(hhs.Open(within(t), "", append(opts, hhs.WithStore(mem), hhs.WithDevice(device), hhs.Kinds(desk))...))(t)
		t.Cleanup(func() { n.Close() })
		return n
	}
	n := open(hhs.Offline())
	for range spaces {
		s := must(hhs.Create(within(t), n, desk))(t)
		for range each {
			ok(t, s.Update(within(t), func(tx *hhs.Tx, d Desk) error { return d.Lines.Append(tx, "a line") }))
		}
	}
	ok(t, n.Close())
	for _, c := range []struct {
		name              string
		opts              []hhs.Option
		goroutines, bytes int // for each space
	}{
		{"offline", []hhs.Option{hhs.Offline()}, 0, 12 << 10},
		{"online", nil, 2, 20 << 10},
	} {
		n := open(c.opts...)
		routines, bytes := runtime.NumGoroutine(), int64(heapInUse())
		list := must(hhs.Spaces(n, desk))(t)
		for _, s := range list {
			if l, err := s.Root().Lines.Len(); err != nil || l != each {
				t.Fatalf("%d lines: %v", l, err)
			}
		}
		if len(list) != spaces {
			t.Fatalf("%d spaces", len(list))
		}
		if got := runtime.NumGoroutine() - routines; got > c.goroutines*spaces+10 {
			t.Errorf("%s: %d goroutines for %d spaces", c.name, got, spaces)
		}
		got := int(int64(heapInUse())-bytes) / spaces
		t.Logf("%s: %d bytes a space", c.name, got)
		if got > c.bytes {
			t.Errorf("%s: %d bytes for each space, at most %d", c.name, got, c.bytes)
		}
		ok(t, n.Close())
		runtime.KeepAlive(list)
	}
}
