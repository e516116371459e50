package syncer

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"slices"

	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/object"
)

// The kinds of messages: the first byte. Wire constants, never reused.
const (
	kindHello  = 1
	kindChains = 2
	kindBatch  = 3
	kindHave   = 4
	kindBye    = 5
	kindAsk    = 6
	kindBlock  = 7
)

// Message is one of *Hello, *Chains, *Batch, *Have, *Bye, *Ask, *Block.
type Message interface{ append(dst []byte) []byte }

// Heads are the heads of a replica: all of them by hash and number, and the first
// MaxHeads by id.
type Heads struct {
	Hash  [32]byte
	Total uint64
	IDs   []object.ID // sorted
}

// Complete reports whether the ids are all heads there are.
func (h *Heads) Complete() bool { return h.Total == uint64(len(h.IDs)) }

// Hello is the first message each way: who I am in the protocol and what I hold.
type Hello struct {
	Version uint64
	Heads   Heads
}

// Chain is an author branch: the newest commit of it a replica holds.
type Chain struct {
	Author identity.PublicKey
	Seq    uint64
	Tip    object.ID
}

// Chains says how far author branches have come. Round 0 lists those that moved
// since Base, which the receiver is believed to hold; round 1 is a retry: it lists
// all, assumes nothing, and asks for everything that these do not cover.
type Chains struct {
	Round  uint64
	Base   []object.ID // sorted
	Chains []Chain     // sorted by author, seq, tip
}

// Batch carries commits.
type Batch struct {
	Round uint64
	Left  uint64 // commits still to come after this one, as far as known
	Final bool   // nothing is left: the sender's heads have this hash
	Hash  [32]byte
	Data  []byte // packed; see unpack
}

// Have is a receipt: what I hold durably, how many of your batches of the round I
// have taken, the round of my own batches, and whether that is done: nothing of it
// is left for you.
type Have struct {
	Round uint64
	Acked uint64
	Sends uint64
	Done  bool
	Heads Heads
}

// Bye ends the session.
type Bye struct{ Code Code }

// HeadsOf makes the wire form of sorted heads.
func HeadsOf(ids []object.ID) Heads {
	return Heads{Hash: hashOf(ids), Total: uint64(len(ids)), IDs: ids[:min(len(ids), MaxHeads)]}
}

// hashOf is the hash over sorted heads, by which replicas are equal or not.
func hashOf(ids []object.ID) [32]byte {
	h := sha256.New()
	h.Write([]byte("hhs/1/heads"))
	for _, id := range ids {
		d := id.Digest()
		h.Write(d[:])
	}
	return [32]byte(h.Sum(nil))
}

// Encode returns the bytes of a message.
func Encode(m Message) []byte { return m.append(nil) }

func (m *Hello) append(dst []byte) []byte {
	return m.Heads.append(binary.AppendUvarint(append(dst, kindHello), m.Version))
}

func (h *Heads) append(dst []byte) []byte {
	dst = append(dst, h.Hash[:]...)
	dst = binary.AppendUvarint(dst, h.Total)
	return appendIDs(dst, h.IDs)
}

func appendIDs(dst []byte, ids []object.ID) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(ids)))
	for _, id := range ids {
		d := id.Digest()
		dst = append(dst, d[:]...)
	}
	return dst
}

func (m *Chains) append(dst []byte) []byte {
	dst = binary.AppendUvarint(append(dst, kindChains), m.Round)
	dst = appendIDs(dst, m.Base)
	dst = binary.AppendUvarint(dst, uint64(len(m.Chains)))
	for _, c := range m.Chains {
		dst = c.Author.Append(dst)
		dst = binary.AppendUvarint(dst, c.Seq)
		d := c.Tip.Digest()
		dst = append(dst, d[:]...)
	}
	return dst
}

func (m *Batch) append(dst []byte) []byte {
	dst = slices.Grow(dst, len(m.Data)+64)
	dst = binary.AppendUvarint(append(dst, kindBatch), m.Round)
	dst = binary.AppendUvarint(dst, m.Left)
	dst = append(dst, flag(m.Final))
	if m.Final {
		dst = append(dst, m.Hash[:]...)
	}
	return append(dst, m.Data...)
}

func (m *Have) append(dst []byte) []byte {
	dst = binary.AppendUvarint(append(dst, kindHave), m.Round)
	dst = binary.AppendUvarint(dst, m.Acked)
	dst = binary.AppendUvarint(dst, m.Sends)
	return m.Heads.append(append(dst, flag(m.Done)))
}

func (m *Bye) append(dst []byte) []byte {
	return binary.AppendUvarint(append(dst, kindBye), uint64(m.Code))
}

func flag(b bool) byte {
	if b {
		return 1
	}
	return 0
}

// Decode reads a message strictly: one encoding per message, no bytes left over.
// The error is a *MessageError. Batch.Data and Block.Data alias data.
func Decode(data []byte) (Message, error) {
	if len(data) == 0 {
		return nil, malformed("it is empty")
	}
	if len(data) > MaxMessage {
		return nil, malformed("it is longer than any message")
	}
	d := decoder{rest: data[1:]}
	var m Message
	switch data[0] {
	case kindHello:
		m = d.hello()
	case kindChains:
		m = d.chains()
	case kindBatch:
		m = d.batch()
	case kindHave:
		m = &Have{Round: d.uint(), Acked: d.uint(), Sends: d.uint(), Done: d.flag(), Heads: d.heads()}
	case kindBye:
		m = &Bye{Code: Code(d.uint())}
	case kindAsk:
		m = d.ask()
	case kindBlock:
		m = d.block()
	default:
		return nil, &MessageError{CodeUnknown, "its kind does not exist"}
	}
	if d.err == nil && len(d.rest) > 0 {
		d.fail("it has bytes after its end")
	}
	if d.err != nil {
		return nil, d.err
	}
	return m, nil
}

// decoder takes fields from the front; after the first error all are zero.
type decoder struct {
	rest []byte
	err  error
}

func (d *decoder) fail(detail string) {
	if d.err == nil {
		d.err, d.rest = malformed(detail), nil
	}
}

func (d *decoder) take(n int) []byte {
	if d.err != nil || n > len(d.rest) {
		d.fail("it ends too early")
		return nil
	}
	b := d.rest[:n]
	d.rest = d.rest[n:]
	return b
}

func (d *decoder) uint() uint64 {
	v, n := binary.Uvarint(d.rest)
	if n <= 0 || n > 1 && d.rest[n-1] == 0 {
		d.fail("it has a number that is cut off or not minimal")
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

func (d *decoder) flag() bool {
	b := d.take(1)
	if len(b) == 1 && b[0] > 1 {
		d.fail("it has a flag that is neither 0 nor 1")
	}
	return len(b) == 1 && b[0] == 1
}

func (d *decoder) digest() (h [32]byte) {
	copy(h[:], d.take(32))
	return h
}

// count reads the length of a list whose elements have at least size bytes.
func (d *decoder) count(limit, size int) int {
	n := d.uint()
	if n > uint64(limit) || n > uint64(len(d.rest)/size) {
		d.fail("it has a list that is too long")
		return 0
	}
	return int(n)
}

func (d *decoder) ids() []object.ID {
	n := d.count(MaxHeads, 32)
	ids := make([]object.ID, 0, n)
	var last []byte
	for range n {
		b := d.take(32)
		if b == nil || last != nil && bytes.Compare(last, b) >= 0 {
			d.fail("it has ids that are not sorted")
			return nil
		}
		ids = append(ids, object.IDFromDigest(object.DagCBOR, [32]byte(b)))
		last = b
	}
	return ids
}

func (d *decoder) heads() Heads {
	h := Heads{Hash: d.digest(), Total: d.uint(), IDs: d.ids()}
	switch {
	case d.err != nil:
	case h.Complete() && hashOf(h.IDs) != h.Hash:
		d.fail("its heads do not have their hash")
	case !h.Complete() && (len(h.IDs) != MaxHeads || h.Total < MaxHeads):
		d.fail("it lists fewer heads than it could")
	}
	return h
}

func (d *decoder) hello() Message {
	m := &Hello{Version: d.uint()}
	if d.err == nil && m.Version != Version {
		d.err, d.rest = &MessageError{CodeVersion, "its version is not spoken here"}, nil
		return m
	}
	m.Heads = d.heads()
	return m
}

func (d *decoder) chains() Message {
	m := &Chains{Round: d.uint(), Base: d.ids()}
	n := d.count(MaxChains, identity.KeySize+1+32)
	m.Chains = make([]Chain, 0, n)
	for range n {
		author, err := identity.PublicKeyFromBytes(d.take(identity.KeySize))
		c := Chain{Author: author, Seq: d.uint(), Tip: object.IDFromDigest(object.DagCBOR, d.digest())}
		if d.err == nil && (err != nil || c.Seq == 0) {
			d.fail("it has an author branch that cannot be")
		}
		if last := len(m.Chains) - 1; last >= 0 && compareChains(m.Chains[last], c) >= 0 {
			d.fail("it has author branches that are not sorted")
		}
		if d.err != nil {
			return m
		}
		m.Chains = append(m.Chains, c)
	}
	if m.Round > MaxRetries || m.Round > 0 && len(m.Base) > 0 {
		d.fail("it asks for a round that cannot be")
	}
	return m
}

func compareIDs(a, b object.ID) int { return a.Compare(b) }

func compareChains(a, b Chain) int {
	if c := a.Author.Compare(b.Author); c != 0 {
		return c
	}
	if a.Seq != b.Seq {
		if a.Seq < b.Seq {
			return -1
		}
		return 1
	}
	return a.Tip.Compare(b.Tip)
}

func (d *decoder) batch() Message {
	m := &Batch{Round: d.uint(), Left: d.uint(), Final: d.flag()}
	if m.Final {
		m.Hash = d.digest()
		if m.Left != 0 {
			d.fail("it is the final batch and not the last")
		}
	}
	m.Data, d.rest = d.rest, nil
	return m
}
