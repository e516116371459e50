package crdt

import "github.com/hyperhyperspace/hhs-go/history"

// Step is one step from a field to a value inside it: the key of a map, the name of a property, or the record that is
// meant of those made under a key.
type Step struct {
	Key   string        // of a map, or a property's name; empty: a record that was made
	Maker history.OpRef // the op that made it
	Shown bool          // the record shown under the key now, whichever that is; only for [Env.At]
}
