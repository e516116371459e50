//go:build !js

package hhs_test

import (
	"context"
	"errors"
	"testing"

	hhs "github.com/hyperhyperspace/hhs-go"
)

func TestWaitSynced(t *testing.T) {
	var w wires
	ana := w.listen(t, "ws://ana")
	hers := must(hhs.Create(within(t), ana, Notebook))(t)
	write(t, hers, "from ana")

	alone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := hers.WaitSynced(alone); !errors.Is(err, context.Canceled) {
		t.Errorf("alone: %v", err)
	}

	bob := w.open(t)
	his := must(hhs.Join(within(t), bob, Notebook, hers.Link().String()))(t)
	for range 20 { // each time right after a write, of which the session cannot know yet
		r := write(t, his, "from bob")
		ok(t, his.WaitSynced(within(t)))
		if held, err := his.HeldBy(r.Commit); err != nil || len(held) != 1 {
			t.Fatalf("held by %v, %v", held, err)
		}
	}
	if n := len(lines(t, hers)); n != 21 {
		t.Errorf("ana has %d lines", n)
	}

	ok(t, ana.Close())
	await(t, his.AnySpace, "ana is gone", func() bool { return len(his.Peers()) == 0 })
	done := make(chan error, 1)
	go func() { done <- his.WaitSynced(within(t)) }()
	ok(t, bob.Close())
	if err := <-done; !errors.Is(err, hhs.ErrClosed) {
		t.Errorf("closed: %v", err)
	}

	off := w.open(t, hhs.Offline())
	s := must(hhs.Create(within(t), off, Notebook))(t)
	if err := s.WaitSynced(within(t)); !errors.Is(err, hhs.ErrOffline) {
		t.Errorf("offline: %v", err)
	}
}

func TestSpacesOfAKind(t *testing.T) {
	var w wires
	n := w.open(t, hhs.Kinds(Shopping))
	if list, err := hhs.Spaces(n, Notebook); err != nil || len(list) != 0 {
		t.Errorf("%v, %v", list, err)
	}
	a := must(hhs.Create(within(t), n, Notebook))(t)
	must(hhs.Create(within(t), n, Shopping))(t)
	b := must(hhs.Create(within(t), n, Notebook))(t)
	other := must(hhs.Create(within(t), w.open(t), Notebook))(t)
	must(n.JoinSpace(within(t), other.Link().String()))(t) // nobody gives it
	list := must(hhs.Spaces(n, Notebook))(t)
	if a.ID().Compare(b.ID()) > 0 {
		a, b = b, a
	}
	if len(list) != 2 || list[0].ID() != a.ID() || list[1].ID() != b.ID() {
		t.Errorf("got %d spaces", len(list))
	}
	if _, err := hhs.Spaces(n, hhs.Kind[Notes]{}); hhs.Code(err) != "invalid" {
		t.Errorf("no kind: %v", err)
	}
}
