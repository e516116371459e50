// Package mesh connects the peers of spaces: it finds them, proves who they
// are, and hands each space one message stream per peer.
//
// Start with New and Mesh.Join; inbound connections go to Mesh.Accept. Whoever
// speaks the sync protocol gets every stream through Group.Serve.
//
// From the bottom up (docs/spec/mesh.md has the bytes):
//
//   - a channel is Noise XX (25519, ChaChaPoly, SHA-256) over any
//     transport.Conn. The transport's binding is in the prologue; inside, each
//     side proves its device key by a signature over the handshake hash.
//   - a link carries streams over a channel: frames, credit, keep-alive.
//   - a stream belongs to a space (or to a lookup). Opening one proves, both
//     ways, knowledge of the space id; to a stranger a space that is not here
//     and one that is here but not for him give the same answer.
//   - a Membership keeps a few peers of one space connected, through URLs it is
//     given and through signalling servers, where peers meet on a topic only
//     those who know the space id can derive.
//
// # Invariants
//
// Tests cite these numbers.
//
//  1. Nothing is sent or accepted on a stream before both sides have proven
//     their device keys, and for a space before both have proven its id.
//  2. A changed, lost, repeated or reordered record ends the channel with a
//     typed error; it is never passed on.
//  3. What a peer can make us hold is bounded by Limits, whatever it declares.
//  4. A channel on which nothing arrives for Limits.Dead is over; for Limits.Doubt,
//     after its device has asked to be connected anew.
//  5. Between two devices one channel remains. Where two exist, the lower
//     device key decides which, so that never both go; everything accepted by
//     Send before is still delivered.
//  6. At most one stream per space and device is current; a newer one is served
//     before the older ends, and the older ends with ReasonSuperseded.
//  7. A group without servers, endpoints, source and anchors opens nothing.
//  8. No goroutine outlives Mesh.Close.
//
// The package stores nothing, knows no commits, and does not hide addresses.
// All waiting goes through Config.Clock, all chance through Config.Rand.
package mesh
