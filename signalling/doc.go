// Package signalling lets two peers that cannot dial each other meet: both
// listen on the same topic at a server, learn of each other by an opaque
// handle, and exchange small messages (connection offers) through it. It
// carries no data of spaces.
//
// A peer starts with Dial and Client.Listen and reads Client.Events. A server
// is NewServer, an http.Handler; ServeSTUN answers address questions beside
// it. The client works over any transport.Conn and runs in a browser; the
// server is native only.
//
// # Trust
//
// The server is not trusted. It sees addresses, topics, listening keys, sizes
// and times. Topics are hashes its users derive from something it does not
// know, bodies are sealed by its users; it is up to them (package mesh) that
// neither tells it anything, and that who answers is who was meant. A server
// can refuse, delay, drop, invent and repeat, and no more.
//
// A listener proves its key by a signature over (server name as dialled, the
// server's nonce, topic, expiry) with purpose "listen"; see Proof. The bytes
// signed are made by this package, never chosen by the server, and the name in
// them is the one this client dialled: a proof relayed to another server does
// not verify there.
//
// The messages and the limits are in docs/spec/signalling.md.
package signalling
