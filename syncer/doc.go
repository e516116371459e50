// Package syncer makes two replicas of one space equal, over any stream of
// messages between them, and keeps them equal while both go on changing.
//
// To start: [Run] drives one session over a [Stream] until the stream or the
// context ends. The protocol itself is [Session], a machine without clock,
// network or goroutine: Step(event) returns effects. docs/spec/sync.md has the
// bytes and walks through an exchange.
//
// # How it works
//
// Histories are causally closed: whoever holds a commit holds its whole past. So
// a few heads say everything a replica has, and two replicas are equal exactly if
// the hashes over their sorted heads are.
//
// Each side begins with its heads. Who knows all of the other's heads knows
// exactly what the other lacks and sends that. Where both have moved, each tells
// the tip of every author branch that moved since what the pair last had in
// common, and sends what is in the past of neither tip; that is exact unless an
// author has forked. New commits then follow at once, each to the peers not known
// to have it.
//
// # Invariants
//
//  1. The first message each way is hello. Anything else, or a second hello, ends
//     the session.
//  2. Heads are told only when they are durable: hello and have are receipts.
//  3. A batch is in causal order after everything the peer was sent before and
//     everything it is assumed to hold; every id so assumed is in our own graph, or
//     in a batch of its own that is at the door.
//  4. No commit is sent twice in a round, none that the peer is known to hold, and
//     none that came from the peer.
//  5. At most MaxInFlight batches are unacknowledged; a peer that sends more is
//     closed.
//  6. Have is told whenever our heads or our acknowledgements changed, and says
//     done only when nothing is left to send.
//  7. Status is synced only while the last heads told by the peer equal our own
//     and nothing received waits for the door.
//  8. A batch whose past is missing, and two sides that are both done and not equal,
//     are answered with one retry: full chains and no assumptions. A second time
//     ends the session.
//  9. Every message is bounded before it is decoded, decoded strictly, and an
//     unknown kind or version ends the session with its own code. Nothing the
//     peer sends panics.
//  10. A peer that owes something has ProgressTimeout for the next step; one that
//     never says hello has HelloTimeout.
//  11. After Close there are no effects.
//
// A cut loses nothing: every batch that was acknowledged is in the heads of the
// next hello. The package stores nothing, decides nothing about commits (the
// replica's door does) and knows no peers but the one at the other end.
package syncer
