// Package ws carries transport messages over WebSockets: one binary frame, one
// message. A native program dials with Dialer and accepts with Handler; a
// browser dials with Dialer.
//
// The URL scheme is ws or wss. There is no subprotocol, no compression (it
// would let a few bytes become many, and the contents are encrypted) and no
// cookie or other authority from the surroundings: Handler accepts any Origin,
// since every right is proven inside the connection (docs/security.md).
// Redirects are not followed, so that a connection goes where its URL says.
package ws
