// Package control lets the one process that has a data directory open answer
// for the other commands of the same user.
//
// The process that holds the directory's lock calls Listen, which writes a note
// (control.json, mode 0600: process id, command, socket, token) into the
// directory and listens on a Unix socket of mode 0600. Others call Connect with
// the directory. Nothing is open to a network or to a browser.
//
// A call is one connection. Each frame is its length in 4 bytes, big-endian, and
// that many bytes of JSON:
//
//	client: {"token"}            proves that it can read the directory
//	server: {"pid","command",..} from here on the call will be answered
//	client: {"method","args"}
//	server: {"result"}           any number of times
//	server: {"end":true,"error"} the last
//
// # Invariants
//
//  1. The socket and the note are made, replaced and removed by the holder of
//     the directory's lock only: Close must come before the lock is given back.
//  2. A call that was greeted is answered, unless its process is killed.
//     Connect failing means that nothing was asked, and may be tried again.
//  3. A client that goes away ends its call's context.
package control
