package mesh

import (
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"time"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/object"
	"github.com/hyperhyperspace/hhs-go/signalling"
)

const (
	topicDomain = "hhs/topic/1"
	wordsTopic  = "hhs/words/1"
	sealInfo    = "hhs/mesh/signal/1"
)

// spaceTopic is where peers of a space meet at a server on one UTC day. Who
// does not know the space id can neither make it nor connect two days.
func spaceTopic(space object.ID, host string, day int64) signalling.Topic {
	return makeTopic(topicDomain, space.Bytes(), host, day)
}

// wordsMeeting is where a space can be found by its three words. Their 36 bits
// can be tried out; they only lead to what is public.
func wordsMeeting(bits uint64, host string, day int64) signalling.Topic {
	return makeTopic(wordsTopic, binary.BigEndian.AppendUint64(nil, bits), host, day)
}

// makeTopic hashes the parts, each with its length before it.
func makeTopic(domain string, secret []byte, host string, day int64) signalling.Topic {
	var b []byte
	for _, part := range [][]byte{[]byte(domain), secret, []byte(host), binary.BigEndian.AppendUint64(nil, uint64(day))} {
		b = binary.BigEndian.AppendUint16(b, uint16(len(part)))
		b = append(b, part...)
	}
	return sha256.Sum256(b)
}

// meetingHost is the name of a server in topics: host and port as signalling
// has them, with one name for this machine, so that peers that reach one server
// as localhost and as 127.0.0.1 meet.
func meetingHost(url string) (string, error) {
	name, err := signalling.ServerName(url)
	if err != nil {
		return "", err
	}
	for _, own := range []string{"127.0.0.1:", "[::1]:"} {
		if port, ok := strings.CutPrefix(name, own); ok {
			return "localhost:" + port, nil
		}
	}
	return name, nil
}

// daySlack is how near to midnight UTC the neighbouring day's topic is listened
// to as well: clocks differ, and a listener of yesterday has to be found until
// it has moved on.
const daySlack = 2 * time.Hour

const dayLength = 24 * time.Hour

// days returns the days to listen on and when that changes next.
func days(now time.Time) (list []int64, next time.Time) {
	for _, t := range []time.Time{now.Add(-daySlack), now, now.Add(daySlack)} {
		d := t.Unix() / int64(dayLength/time.Second)
		if len(list) == 0 || list[len(list)-1] != d {
			list = append(list, d)
		}
	}
	midnight := time.Unix(now.Unix()/int64(dayLength/time.Second)*int64(dayLength/time.Second), 0)
	for _, at := range []time.Time{midnight.Add(daySlack), midnight.Add(dayLength - daySlack), midnight.Add(dayLength)} {
		if at.After(now) {
			return list, at
		}
	}
	return list, midnight.Add(dayLength + daySlack)
}

// sealKey is the key of a topic's bodies.
func sealKey(secret []byte, topic signalling.Topic) ([32]byte, error) {
	k, err := hkdf.Key(sha256.New, secret, topic[:], sealInfo, 32)
	if err != nil {
		return [32]byte{}, err
	}
	return [32]byte(k), nil
}

// signalKind says what a signalling body is. Wire constants.
type signalKind byte

const (
	signalDial   signalKind = 1 // begins an introduction: the sender's device, first message
	signalTo     signalKind = 2 // from who began it
	signalBack   signalKind = 3 // to who began it
	signalRefuse signalKind = 4 // to who began it: a reason, the sender's device
)

type attemptID [16]byte

// sealedSignal is a signalling body in the clear:
//
//	kind (1 byte)  attempt (16)  number (uvarint)  rest
//
// Numbers grow by one with each message of a side, from 0, so that none is
// taken twice.
type sealedSignal struct {
	kind    signalKind
	attempt attemptID
	number  uint64
	rest    []byte
}

var errSignal = errors.New("mesh: not a signalling body of this topic")

// seal encrypts a signal: a random nonce of 24 bytes, then XChaCha20-Poly1305
// with the topic as associated data.
func (s sealedSignal) seal(key [32]byte, topic signalling.Topic, random io.Reader) ([]byte, error) {
	aead, err := chacha20poly1305.NewX(key[:])
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, chacha20poly1305.NonceSizeX, chacha20poly1305.NonceSizeX+17+10+len(s.rest)+chacha20poly1305.Overhead)
	if _, err := io.ReadFull(random, nonce); err != nil {
		return nil, err
	}
	plain := append([]byte{byte(s.kind)}, s.attempt[:]...)
	plain = binary.AppendUvarint(plain, s.number)
	plain = append(plain, s.rest...)
	return aead.Seal(nonce, nonce, plain, topic[:]), nil
}

// openSignal decrypts and reads a body. rest aliases nothing of it.
func openSignal(body []byte, key [32]byte, topic signalling.Topic) (sealedSignal, error) {
	if len(body) < chacha20poly1305.NonceSizeX || len(body) > signalling.MaxBody {
		return sealedSignal{}, errSignal
	}
	aead, err := chacha20poly1305.NewX(key[:])
	if err != nil {
		return sealedSignal{}, err
	}
	plain, err := aead.Open(nil, body[:chacha20poly1305.NonceSizeX], body[chacha20poly1305.NonceSizeX:], topic[:])
	if err != nil {
		return sealedSignal{}, errSignal
	}
	return readSignal(plain)
}

func readSignal(plain []byte) (s sealedSignal, err error) {
	if len(plain) < 18 || plain[0] < byte(signalDial) || plain[0] > byte(signalRefuse) {
		return s, errSignal
	}
	s.kind = signalKind(plain[0])
	copy(s.attempt[:], plain[1:17])
	if s.number, s.rest, err = uvarint(plain[17:]); err != nil {
		return s, errSignal
	}
	return s, nil
}

// readDevice splits the rest of a dial or, after its reason, of a refusal.
func readDevice(rest []byte) (identity.PublicKey, []byte, error) {
	if len(rest) < identity.KeySize {
		return identity.PublicKey{}, nil, errSignal
	}
	k, err := identity.PublicKeyFromBytes(rest[:identity.KeySize])
	return k, rest[identity.KeySize:], err
}

// seenIDs remembers the last introductions, so that a server that repeats one
// makes us do nothing.
type seenIDs struct {
	set  map[attemptID]bool
	line []attemptID
}

// maxSeen is many times what one peer begins in a day.
const maxSeen = 1024

func (s *seenIDs) add(id attemptID) {
	if s.set == nil {
		s.set = map[attemptID]bool{}
	}
	if s.set[id] {
		return
	}
	if len(s.line) >= maxSeen {
		delete(s.set, s.line[0])
		s.line = s.line[1:]
	}
	s.set[id] = true
	s.line = append(s.line, id)
}

func (s *seenIDs) has(id attemptID) bool { return s.set[id] }
