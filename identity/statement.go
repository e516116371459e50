package identity

import "github.com/hyperhyperspace/hhs-go/object"

// Purpose says what a signature is for. It is covered by the signature, so one
// made for a purpose is worth nothing for another.
type Purpose string

// The purposes in use. Their text is part of the wire format and never changes.
const (
	PurposeCommit    Purpose = "commit"    // a device attests a commit and its own chain before it
	PurposeDevice    Purpose = "device"    // an identity certifies a device key
	PurposeInvite    Purpose = "invite"    // a member invites somebody into a space
	PurposeHandshake Purpose = "handshake" // a device proves itself inside a secure channel
	PurposeListen    Purpose = "listen"    // a device proves a listening key to a signalling server
)

// domain begins every signed statement; the number is the version of the form.
const domain = "hhs/1/"

// Statement is the only thing a key signs: a purpose, the space it concerns
// (zero where there is none) and a SHA-256 hash of the matter itself.
type Statement struct {
	Purpose Purpose
	Space   object.ID
	Hash    [32]byte
}

// Bytes returns the signed bytes, in the form given in the package comment. It
// is total: two different statements never have the same bytes.
func (s Statement) Bytes() []byte {
	b := make([]byte, 0, len(domain)+2+maxPurpose+36+32)
	b = append(b, domain...)
	b = append(b, byte(len(s.Purpose)))
	b = append(b, s.Purpose...)
	if s.Space.IsZero() {
		b = append(b, 0)
	} else {
		id := s.Space.Bytes()
		b = append(b, byte(len(id)))
		b = append(b, id...)
	}
	return append(b, s.Hash[:]...)
}

// valid reports whether the purpose is one that can be signed at all.
func (p Purpose) valid() bool { return p != "" && len(p) <= maxPurpose }
