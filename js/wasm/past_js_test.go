package main

import (
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
