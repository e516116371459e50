// Package server is the one listening process of hhs: a single HTTP server that
// carries the signalling server at /signal, the node's peer endpoint at /peer,
// what it says about itself at /hhs.json and the pages, and a STUN responder on
// UDP beside it.
//
// Listen binds the addresses, so that they are known before the node opens and
// can be put into its links (Hosts); Serve answers until its context ends.
//
// Signalling and the peer endpoint accept any Origin: they carry no cookie and
// no authority of the surroundings, every right is proven inside. The pages are
// public files. Nothing here reads or changes a node's data, and nothing else
// listens: commands of the same user go through package internal/control.
//
// The origin of a page, port included, owns its keys and data in the browser. So
// a busy port is an error, never replaced silently, and an address chosen once is
// kept in the data directory.
package server
