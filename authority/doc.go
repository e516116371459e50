// Package authority decides what a commit may do.
//
// A verdict is a pure function of the set of commits, the same on every replica whatever the order of
// delivery. The policy of this format is "open": anyone may write to every field, under the manifest's
// grant 0, signed by a device whose certificate is in its own chain. Under it nothing can become void,
// so every commit that [Judge] does not refuse is effective.
//
// How to start: [Genesis] reads a space's first commit; [Judge] takes that, a commit, and a [Past] that
// answers for what has been admitted. A refusal is decided by the commit's own bytes and past alone, so
// it is the same everywhere and for ever, and nothing of a refused commit is stored.
//
// The rules of Judge, in the order in which they are applied (tests cite the names):
//
//	genesis      only a space's first commit has no edges
//	epoch        payloads are in the clear: epoch 0
//	grant        the commit exercises the manifest's grant 0
//	chain        prev is a commit of the same author with seq one less
//	branch       no two branches of the author are in the commit's past or-equal
//	device       a device's first commit in a space begins with its certificate, and no other changes its identity
//	schema       a change of the schema is a founder's, at most one in a commit, and fits what holds in its past (Kind.Check)
//	action       the only authority ops are create, in the first commit, device, and schema, in others
//	field        other ops are on fields that the first commit or a change of the schema in the commit's past, or in it, declares,
//	             on $profile or on $undo
//
// It reads no replicated value and no payload.
package authority
