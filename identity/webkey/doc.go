//go:build js

// Package webkey is identity in a browser: keys that the browser holds and never
// gives out, and signature checks by WebCrypto, which is about ten times as fast
// as Go compiled to WebAssembly.
//
// To start: [Open] loads the keys of this origin, or makes and stores them on
// first use; [NewVerifier] returns the Verifier for this browser.
//
// Keys are Ed25519 CryptoKey objects with extractable false. They are kept in
// IndexedDB by structured clone: the database holds handles, the bytes stay in
// the browser. A browser without Ed25519 in WebCrypto, or a page outside a secure
// context, gets an *[UnsupportedError] that names what is missing before any key
// is made; there is no fallback to weaker keys. Checking signatures works
// everywhere: a browser whose WebCrypto judges one of the probe signatures
// differently from the rule in package identity uses the Go verifier.
//
// A signature is made by SubtleCrypto.sign over exactly Statement.Bytes().
package webkey
