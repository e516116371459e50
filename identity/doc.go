// Package identity holds the keys of people and devices, what they may sign,
// and the one rule by which every replica checks a signature.
//
// To start: [NewDevice] makes a person's identity key, a device key and the
// [Certificate] that ties them together. A [Signer] signs a [Statement]; a
// [Verifier] checks many [Check] values at once.
//
// # Keys
//
// A [PublicKey] is an Ed25519 point with its suite tag in front: the two
// multicodec bytes 0xed 0x01 and 32 bytes of key. Its text form is did:key
// ("did:key:z6Mk..."). The tag leaves room for other suites; there is one form
// per key, so equal keys are equal bytes and equal text.
//
// A person is an identity key. It signs device certificates and nothing else
// and can be kept away. Commits are signed by a device key. A private key has
// no encoder and never prints itself; only the key file package can reach it.
//
// # Statements
//
// No component signs bytes chosen by someone else. Every signature covers
//
//	"hhs/1/"  len(purpose)  purpose  len(space)  space  hash
//
// with lengths of one byte, the space id as its 36 bytes (or none, length 0)
// and a 32-byte SHA-256 hash. The form is prefix-free, so a signature made for
// one purpose or space can never stand for another.
//
// # Verification
//
// A signature (R, S) over message m by key A is valid if and only if
//
//  1. A and R are canonical encodings: y < p, and not the sign bit with x = 0,
//  2. A is not of small order,
//  3. S < L, the order of the base point,
//  4. encode([S]B - [SHA-512(R, A, m)]A) equals R: the cofactorless equation.
//
// Implementations of Ed25519 differ in exactly these points ("Taming the many
// EdDSAs", Chalkias, Garillot, Nikolaenko, 2020). Replicas that judge one
// signature differently diverge, so the rule is the same on every engine, and a
// batch means checks side by side, never a batch equation: those multiply by
// the cofactor and accept what rule 4 refuses. The cases are vectors in
// testdata/vectors/identity.json.
//
// This package does not store keys (see keyfile and webkey), does not decide
// what a key may do (see authority), and has no clock.
package identity
