package replica

import (
	"bytes"
	"reflect"
	"testing"

	"github.com/hyperhyperspace/hhs-go/crdt"
	"github.com/hyperhyperspace/hhs-go/history"
)

// TestMailboxOwnsItsChanges: a change that waits is no piece of the batch it came with, and says the same.
func TestMailboxOwnsItsChanges(t *testing.T) {
	batch := bytes.Repeat([]byte("abcdefgh"), 1<<10)
	refs := []history.OpRef{{Index: 3}, {Index: 4}}
	posted := Change{Field: "tags", Change: crdt.Change{Key: batch[0:4], After: batch[8:16], Effective: true,
		Op: crdt.Op{Payload: batch[8:16], Action: "add", Refs: refs}}}
	var all subscribers
	box := newSubscriber()
	all.add(box)
	all.post([]Change{posted, {Field: "title", Change: crdt.Change{Before: batch[:0]}}})
	clear(batch)
	clear(refs)
	got, closed := box.take()
	want := []Change{{Field: "tags", Change: crdt.Change{Key: []byte("abcd"), After: []byte("abcdefgh"), Effective: true,
		Op: crdt.Op{Payload: []byte("abcdefgh"), Action: "add", Refs: []history.OpRef{{Index: 3}, {Index: 4}}}}},
		{Field: "title", Change: crdt.Change{Before: []byte{}}}}
	if closed || !reflect.DeepEqual(got, want) {
		t.Fatalf("%+v, not %+v", got, want)
	}
}
