package crdt

import (
	"testing"

	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/object"
)

// The key of a value's state is found behind any path: texts with zeros and ones in them, and records that were made.
func TestLeafKey(t *testing.T) {
	made := history.OpRef{Commit: object.Sum(object.DagCBOR, []byte("x")), Index: 300}
	for _, text := range []string{"", "milk", "\x00", "\x00\x01", "a\x00\xffb", "\x01\x00"} {
		prefix := appendText([]byte{spaceKey}, text)
		prefix = appendRef(append(prefix, spaceMade), made)
		prefix = appendText(append(prefix, spaceProperty), text)
		for _, leaf := range []byte{spaceCount, spaceShown, spaceSeqHead, spacePage, spaceTip} {
			for _, key := range [][]byte{{leaf}, append(prefix[:len(prefix):len(prefix)], leaf, 7)} {
				if got := leafKey(key); len(got) == 0 || got[0] != leaf {
					t.Errorf("%x: %x", key, got)
				}
				if ByArrival(key) != (leaf >= spaceSeqHead) {
					t.Errorf("%x: by arrival %v", key, ByArrival(key))
				}
			}
		}
		for n := range prefix {
			if got := leafKey(prefix[:n]); len(got) > 0 && got[0] >= spaceSeqHead && got[0] <= spaceTip {
				t.Errorf("%x, cut short: %x", prefix[:n], got)
			}
		}
	}
	if leafKey(nil) != nil {
		t.Error("of nothing")
	}
}
