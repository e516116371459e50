package mesh

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"

	"github.com/hyperhyperspace/hhs-go/object"
)

// tagSize is the length of a tag.
const tagSize = sha256.Size

// tag proves to the other end of one channel that this end knows a secret: it
// is bound to the channel by the handshake hash and to the side by the role,
// so it can be neither replayed nor reflected. To someone who does not know
// the secret it is random.
type tag = [tagSize]byte

// purpose says what a stream is for. Purposes are wire constants.
type purpose byte

const (
	purposeSpace  purpose = 1 // the secret is a space id
	purposeLookup purpose = 2 // the secret is the 36 bits of three words
)

const (
	spaceDomain = "hhs/mesh/space/1"
	wordsDomain = "hhs/mesh/words/1"
)

func makeTag(secret []byte, domain string, hash [32]byte, initiator bool) tag {
	m := hmac.New(sha256.New, secret)
	m.Write([]byte(domain))
	m.Write(hash[:])
	m.Write([]byte{role(initiator)})
	return tag(m.Sum(nil))
}

// spaceTag is what the side with this role sends to open or accept a space.
func spaceTag(space object.ID, hash [32]byte, initiator bool) tag {
	return makeTag(space.Bytes(), spaceDomain, hash, initiator)
}

// wordsTag is the same for a lookup.
func wordsTag(bits uint64, hash [32]byte, initiator bool) tag {
	return makeTag(binary.BigEndian.AppendUint64(nil, bits), wordsDomain, hash, initiator)
}
