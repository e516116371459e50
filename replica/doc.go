// Package replica keeps one node's copies of spaces: the door every commit
// enters through, the lane local edits are made in, reads and watches.
//
// Start with Open, which needs a store.Store and an identity.Device, then
// Create a space or Join one by its id:
//
//	node, err := replica.Open(ctx, replica.Config{Store: store.NewMem(), Device: device})
//	space, err := node.Create(ctx, manifest)
//	receipt, err := space.Update(ctx, func(tx *replica.Tx) error { return tx.Do("topic", "set", nil, payload) })
//
// # The door
//
// Space.Ingest is the only way a commit gets in, whoever made it. A batch is
// taken whole or not at all: ids are computed from the bytes, the past must be
// present, every commit must be covered by an attestation inside the batch, the
// structure is judged by package authority, each op is applied to the state of
// its field, and all of it becomes one atomic batch of the store. Subscribers
// hear of it after it is durable. An error leaves store and memory as they were.
//
// # The lane
//
// Space.Update runs one at a time for the device key. It fixes seq, prev and
// parents on a snapshot, signs outside any store transaction, and then enters
// the door. A signature that fails or comes late uses up no seq. Updates that
// wait while one is being signed become a chain of commits under a single
// attestation.
//
// # What is on disk
//
// One store holds all spaces of a node; keys.go lists the key layout. The
// state of the fields is a cache of the pure function that package crdt
// defines; commits, parts, attestations and objects are the truth.
//
// # What is in memory
//
// An open space keeps its kind, its heads and the newest runs of its causal
// graph; older runs, the authors' chains and the acknowledgements are read when
// they are asked for and kept within limits.go. So opening a space costs the
// same whatever its history, and a thousand idle ones cost a thousand small
// structures and no goroutine.
//
// The package imports no storage engine and no network, starts no goroutine
// but those of Watch, and reads neither clock nor randomness but those of
// its Config.
package replica
