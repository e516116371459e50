package history

import (
	"encoding/binary"
	"slices"
	"testing"

	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/object"
)

// key returns the n-th public key of the tests. Nothing can sign for it.
func key(n byte) identity.PublicKey {
	b := make([]byte, identity.KeySize)
	b[0], b[1] = 0xed, 0x01
	for i := 2; i < len(b); i++ {
		b[i] = n*7 + byte(i)
	}
	b[len(b)-1] &= 0x3f
	k, err := identity.PublicKeyFromBytes(b)
	if err != nil {
		panic(err)
	}
	return k
}

// id returns the n-th id of a commit that is nowhere.
func id(n uint64) object.ID {
	return object.Sum(object.DagCBOR, binary.BigEndian.AppendUint64(nil, n))
}

func salt(n byte) (s [16]byte) {
	for i := range s {
		s[i] = n + byte(i)*3
	}
	return s
}

// story builds commits on each other.
type story struct {
	t    testing.TB
	last map[identity.PublicKey]*Commit
	all  []*Commit
	time int64
}

func newStory(t testing.TB) *story {
	s := &story{t: t, last: map[identity.PublicKey]*Commit{}, time: 1_760_000_000_000}
	body, err := object.Encode(map[string]any{"$type": "test"})
	if err != nil {
		t.Fatal(err)
	}
	s.commit(&Envelope{
		Author: key(1), Grant: GrantRef{Index: NoGrant},
		Ops: []Op{{Action: "create", Part: NoPart, Body: body, Size: len(body)}},
	}, nil)
	return s
}

// commit adds env to its author's chain.
func (s *story) commit(env *Envelope, parts [][]byte) *Commit {
	s.t.Helper()
	env.Version, env.Seq = Version, 1
	if before := s.last[env.Author]; before != nil {
		env.Seq, env.Prev = before.Env.Seq+1, before.ID
	}
	s.time += 1500
	env.Time = s.time
	for _, p := range parts {
		env.Parts = append(env.Parts, PartDigest(p))
	}
	c, err := NewCommit(env, parts)
	if err != nil {
		s.t.Fatal(err)
	}
	s.last[env.Author] = c
	s.all = append(s.all, c)
	return c
}

// say adds a commit of one op with a payload of n bytes.
func (s *story) say(author identity.PublicKey, n int, parents ...object.ID) *Commit {
	s.t.Helper()
	payload := make([]byte, n)
	for i := range payload {
		payload[i] = byte(i) ^ byte(len(s.all))
	}
	part := encodePart(s.t, &Part{Salt: salt(byte(len(s.all))), Payloads: [][]byte{payload}})
	return s.commit(&Envelope{
		Author: author, Parents: parents,
		Ops: []Op{{Field: "messages", Action: "append", Size: n}},
	}, [][]byte{part})
}

func encodePart(t testing.TB, p *Part) []byte {
	t.Helper()
	b, err := p.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func sig(n byte) []byte {
	b := make([]byte, SignatureSize)
	b[0] = n
	return b
}

func sortIDs(ids []object.ID) { slices.SortFunc(ids, object.ID.Compare) }

func sorted(ids ...object.ID) []object.ID { sortIDs(ids); return ids }
