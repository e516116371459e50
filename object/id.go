package object

import (
	"bytes"
	"crypto/sha256"
)

// Codec says how a block is to be read. The numbers are those of the multicodec table and never change.
type Codec uint8

// The two codecs: values, and plain bytes (the chunks of a blob).
const (
	DagCBOR Codec = 0x71
	Raw     Codec = 0x55
)

const (
	idSize   = 36     // 01, codec, 12 20, 32 bytes of digest
	idText   = 1 + 58 // "b" and 58 base32 characters
	cidV1    = 0x01   // CID version
	sha2_256 = 0x12   // multihash code
	hashSize = 32     // multihash length, and the digest's
	shortLen = 8      // characters that Short keeps
	alphabet = "abcdefghijklmnopqrstuvwxyz234567"
)

// ID names a block by the hash of its bytes: a CIDv1 with sha2-256, of codec dag-cbor or raw. It is a value:
// compare with ==, use as a map key. The zero ID names nothing and cannot be encoded.
type ID struct {
	codec  Codec
	digest [hashSize]byte
}

// Sum is the id of block. A codec that is neither [DagCBOR] nor [Raw] gives the zero ID.
func Sum(c Codec, block []byte) ID {
	return IDFromDigest(c, sha256.Sum256(block))
}

// IDFromDigest is the id of the block whose sha2-256 is digest. A codec that is neither [DagCBOR] nor [Raw]
// gives the zero ID.
func IDFromDigest(c Codec, digest [32]byte) ID {
	if c != DagCBOR && c != Raw {
		return ID{}
	}
	return ID{codec: c, digest: digest}
}

// IDFromBytes reads the 36 bytes that [ID.Bytes] gives. Anything else is a *[DecodeError] with [ReasonID].
func IDFromBytes(b []byte) (ID, error) {
	id, ok := parseIDBytes(b)
	if !ok {
		return ID{}, &DecodeError{Reason: ReasonID}
	}
	return id, nil
}

func parseIDBytes(b []byte) (id ID, ok bool) {
	if len(b) != idSize || b[0] != cidV1 || b[2] != sha2_256 || b[3] != hashSize {
		return ID{}, false
	}
	c := Codec(b[1])
	if c != DagCBOR && c != Raw {
		return ID{}, false
	}
	id.codec = c
	copy(id.digest[:], b[4:])
	return id, true
}

// ParseID reads the text form that [ID.String] gives, and only that: "b", lower case, no padding, unused bits
// zero. Anything else is a *[DecodeError] with [ReasonID].
func ParseID(s string) (ID, error) {
	bad := &DecodeError{Reason: ReasonID}
	if len(s) != idText || s[0] != 'b' {
		return ID{}, bad
	}
	var out [idSize]byte
	var acc uint32
	bits, n := 0, 0
	for i := 1; i < len(s); i++ {
		c := s[i]
		var v uint32
		switch {
		case 'a' <= c && c <= 'z':
			v = uint32(c - 'a')
		case '2' <= c && c <= '7':
			v = uint32(c-'2') + 26
		default:
			return ID{}, &DecodeError{Offset: i, Reason: ReasonID}
		}
		acc = acc<<5 | v
		if bits += 5; bits >= 8 {
			bits -= 8
			out[n] = byte(acc >> bits)
			n++
		}
	}
	if acc&(1<<bits-1) != 0 {
		return ID{}, bad
	}
	return IDFromBytes(out[:])
}

// Codec is how the block named by id is to be read; 0 for the zero ID.
func (id ID) Codec() Codec { return id.codec }

// Digest is the sha2-256 of the block.
func (id ID) Digest() [32]byte { return id.digest }

// IsZero reports whether id is the zero ID, which names nothing.
func (id ID) IsZero() bool { return id == ID{} }

// Bytes is the binary CID, 36 bytes: 01, codec, 12 20, digest. The zero ID gives nil.
func (id ID) Bytes() []byte {
	if id.IsZero() {
		return nil
	}
	return id.Append(make([]byte, 0, idSize))
}

// Append appends what [ID.Bytes] gives to dst.
func (id ID) Append(dst []byte) []byte {
	if id.IsZero() {
		return dst
	}
	dst = append(dst, cidV1, byte(id.codec), sha2_256, hashSize)
	return append(dst, id.digest[:]...)
}

// String is the text CID: "b" and the base32 of the bytes, 59 characters. The zero ID gives "".
func (id ID) String() string {
	if id.IsZero() {
		return ""
	}
	var raw [idSize]byte
	id.Append(raw[:0])
	var out [idText]byte
	out[0] = 'b'
	var acc uint32
	bits, n := 0, 1
	for _, c := range raw {
		acc = acc<<8 | uint32(c)
		for bits += 8; bits >= 5; n++ {
			bits -= 5
			out[n] = alphabet[acc>>bits&31]
		}
	}
	out[n] = alphabet[acc<<(5-bits)&31]
	return string(out[:])
}

// Short is the end of the text form, 8 characters: enough for people to tell ids apart on a screen, too
// little to trust.
func (id ID) Short() string {
	s := id.String()
	if len(s) < shortLen {
		return s
	}
	return s[len(s)-shortLen:]
}

// Compare orders ids by their bytes: -1, 0 or +1. The zero ID comes first.
func (id ID) Compare(other ID) int {
	if id.codec != other.codec {
		if id.codec < other.codec {
			return -1
		}
		return 1
	}
	return bytes.Compare(id.digest[:], other.digest[:])
}

// MarshalText is [ID.String], for encoders of text formats.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText is [ParseID]; the empty text is the zero ID.
func (id *ID) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*id = ID{}
		return nil
	}
	v, err := ParseID(string(b))
	if err != nil {
		return err
	}
	*id = v
	return nil
}
