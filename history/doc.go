// Package history is the form of commits and the graph they make.
//
// A commit is an [Envelope], kept for ever, and payload parts ([Part]), separate blocks that may be
// absent or erased. Its id is the CID of the envelope's canonical DAG-CBOR bytes, without signature.
// The signature is an [Attestation] kept beside it, over (space, seq, id), and vouches for the whole
// chain of its author reached through Prev. Commits travel in a [Batch] in causal order; how they
// relate is answered by a [Graph] over local numbers.
//
// How to start: fill an Envelope, make its parts with Part.Encode, and call [NewCommit]. What came over
// the network or from disk goes through [DecodeBatch] or [DecodeCommit]. Both ways end in the same
// checks, so a *Commit is always well formed.
//
// What holds of every commit:
//
//   - Equal commits have equal bytes: [DecodeEnvelope] accepts exactly what [Envelope.Encode] makes.
//   - The past of a commit is the closure over [Commit.Edges]: parents, prev, the commits of the ops it
//     names and of the grant it exercises. Only a space's first commit has no edges.
//   - Height is 1 + the highest of these. It is computed, never read from anybody.
//   - Whether an author may do what a commit says is not decided here but by package authority.
//
// The bytes are specified in docs/spec/history.md, with an example that a test checks.
package history
