package main

import (
	"context"
	"testing"

	hhs "github.com/hyperhyperspace/hhs-go"
	"github.com/hyperhyperspace/hhs-go/object"
)

// TestRoomForUndos: what is told of who took commits back takes room of the answer, as what is in them does.
func TestRoomForUndos(t *testing.T) {
	var id object.ID
	c := hhs.PastCommit{Commit: id, Ops: []hhs.PastOp{{Field: "topic", Action: "set"}}}
	for range 16 {
		c.UndoneBy = append(c.UndoneBy, id)
	}
	left, list := room(maxAnswer), []any{}
	for range maxPage {
		one, cut := left.commit(&c)
		if cut {
			break
		}
		list = append(list, map[string]any(one))
	}
	if _, err := encodeMap(result{"entries": list}); err != nil || len(list) == maxPage {
		t.Errorf("a page of %d commits: %v", len(list), err)
	}
}

// TestTurns: of what takes memory no more is made at once than is kept.
func TestTurns(t *testing.T) {
	k := newKept()
	var all []func()
	for range maxKept {
		done, err := k.turn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, done)
	}
	given, stop := context.WithCancel(t.Context())
	stop()
	if _, err := k.turn(given); err != context.Canceled {
		t.Errorf("one more: %v", err)
	}
	all[0]()
	if _, err := k.turn(t.Context()); err != nil {
		t.Error(err)
	}
}
