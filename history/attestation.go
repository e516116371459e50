package history

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/object"
)

// Attestation is the author's signature for a commit, kept beside it. It also vouches for every
// earlier commit of the same author reached through Prev.
type Attestation struct {
	Commit object.ID
	Sig    []byte // 64 bytes
}

// SignatureSize is the length of an attestation's signature, in bytes.
const SignatureSize = 64

// AttestationStatement is what the author of the commit id with the given seq signs. For the first
// commit of a space, space is id itself. The wire constant inside never changes.
func AttestationStatement(space object.ID, seq uint64, id object.ID) identity.Statement {
	h := sha256.New()
	h.Write([]byte("hhs/1/attestation"))
	var n [8]byte
	binary.BigEndian.PutUint64(n[:], seq)
	h.Write(n[:])
	digest := id.Digest()
	h.Write(digest[:])
	s := identity.Statement{Purpose: identity.PurposeCommit, Space: space}
	h.Sum(s.Hash[:0])
	return s
}

// Check is the signature check of an attestation of env, whose id the attestation names, in a space.
func (a Attestation) Check(space object.ID, env *Envelope) identity.Check {
	return identity.Check{Key: env.Author, Statement: AttestationStatement(space, env.Seq, a.Commit), Sig: a.Sig}
}
