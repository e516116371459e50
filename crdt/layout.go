package crdt

import (
	"crypto/sha256"
	"encoding/binary"
	"math/bits"

	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/object"
)

// The keyed state. Every op has one entry (a visible one of a once two); the first byte of its key says what it is to its value now, and it
// moves when that changes. What is said of a log holds for a fold. K is the key within the field (empty for a register, an identity for a profile, an element's
// key for a set); all K of one field are of fixed length or prefix-free, so that what follows can be told apart.
//
//	00           count of the field: entries of a log that are shown, elements of a set; counter: number of its effective
//	             ops and their sum
//	01 ...       live; log: place, an entry that is shown; register and profile: K, a bundle (bundle.go) of shown ops and
//	             last ops by place; set: where a commit stands, those of its ops that brought an element (roll.go);
//	             counter: number of a commit and index, an effective op; once: place, a visible op
//	02 ...       at rest; log: place, a void entry; register and profile: K place, replaced or void; set: K spot, a void
//	             or covered add, or a void removal; counter: number of a commit and index, a void op; once: place, an
//	             effective op that came too late
//	03 K id      an op of a bundle that is too large for one value
//	04 tag       an author: device key, identity key
//	05 place     an ignored op: why
//	06 K         set: a bundle of the element's live adds by spot
//	07 K spot    set: an effective removal
//	08 place     once: a void op
//	09 id        once: a visible op by digest of its commit and index
//	0a place     once: an op that every op with a greater place is after
//
// A map or record hands its ops to the values in it, whose states are parts of its own (path.go). T is a text that ends
// where it is seen to end:
//
//	00            map: the number of its keys
//	01 key        map: a key that is there
//	20 T ...      map: the state of what is under a key: a value, or of a map of records the ops that make and remove
//	              them (01, 02 and 03 as of a register), and each that was made
//	21 T ...      record: the state of a property
//	22 ref ...    a record that was made, by its maker's digest and index
//	23            there: it was made
//
// 04 and 05 are kept once per field, at its top.
//
// K of a set is a tag of the element's value. A set, a log and a once keep no values and no authors: they read them from
// their ops (Ops).
//
// Space numbers and value layouts may change: state is a cache, and the engine rebuilds it when [StateVersion] differs.
const (
	spaceCount   = 0x00
	spaceShown   = 0x01
	spaceRest    = 0x02
	spaceWide    = 0x03
	spaceAuthor  = 0x04
	spaceIgnored = 0x05
	spaceElement = 0x06
	spaceRemoval = 0x07
	spaceVoid    = 0x08
	spaceWinner  = 0x09
	spaceFloor   = 0x0a

	spaceKey      = 0x20
	spaceProperty = 0x21
	spaceMade     = 0x22
	spaceMark     = 0x23
)

// StateVersion is the version of the layout. State written under another one is dropped and rebuilt from the ops. It is
// that of what package replica keeps beside the fields' state, too: 4 is the first with facts, 5 that with how subtrees nest.
const StateVersion = 5

// place is where an op stands in the order (height, commit id, index), as bytes that compare like it: height, digest of
// the commit id (all commits are dag-cbor, the rest of the id is constant), index.
type place string

func placeOf(op *Op) place {
	b := make([]byte, 0, 40)
	b = appendOrdered(b, op.Height)
	return place(appendRef(b, op.Ref))
}

// appendRef writes a ref without the height: digest and index. Refs of one commit compare by index.
func appendRef(b []byte, r history.OpRef) []byte {
	d := r.Commit.Digest()
	b = append(b, d[:]...)
	return appendOrdered(b, uint64(r.Index))
}

// parsePlace reads a place that fills b.
func parsePlace(b []byte) (height uint64, ref history.OpRef, ok bool) {
	height, n := readOrdered(b)
	if n == 0 {
		return 0, ref, false
	}
	ref, ok = parseRef(b[n:])
	return height, ref, ok
}

// parseRef reads a ref that fills b.
func parseRef(b []byte) (history.OpRef, bool) {
	if len(b) < sha256.Size {
		return history.OpRef{}, false
	}
	i, n := readOrdered(b[sha256.Size:])
	if n == 0 || n != len(b)-sha256.Size || i > 1<<32-1 {
		return history.OpRef{}, false
	}
	r := history.OpRef{Index: uint32(i)}
	if digest := [32]byte(b); digest != ([32]byte{}) { // all zero: the commit being built
		r.Commit = object.IDFromDigest(object.DagCBOR, digest)
	}
	return r, true
}

// appendOrdered writes n as its length in bytes and its big-endian digits: short, and comparing like the number.
func appendOrdered(b []byte, n uint64) []byte {
	var digits [8]byte
	binary.BigEndian.PutUint64(digits[:], n)
	i := 0
	for i < 8 && digits[i] == 0 {
		i++
	}
	return append(append(b, byte(8-i)), digits[i:]...)
}

// readOrdered reads what appendOrdered wrote and returns how many bytes it took, 0 if it wrote no such thing.
func readOrdered(b []byte) (n uint64, size int) {
	if len(b) == 0 || b[0] > 8 || len(b) < 1+int(b[0]) || (b[0] > 0 && b[1] == 0) {
		return 0, 0
	}
	size = 1 + int(b[0])
	for _, d := range b[1:size] {
		n = n<<8 | uint64(d)
	}
	return n, size
}

// tagSize is how much of a SHA-256 stands for an author, for a set's element, and for a commit among those of its height.
// Two with one tag would take 2^64 work to find and could only be passed off for each other by whoever made both.
const tagSize = 16

type authorTag [tagSize]byte

func tagOf(device, person identity.PublicKey) authorTag {
	h := sha256.New()
	h.Write(device.Bytes())
	h.Write(person.Bytes())
	return authorTag(h.Sum(nil))
}

// Flags of an entry. A log's entries need none: where they are says it all.
const (
	flagEffective = 1 << iota
	flagTip       // cell: no later op on the key
	flagCut       // cell: every other op on the key is before it or after it
	flagRemoval   // set: a removal, not an add
	flagBare      // set: an entry without author and time
	flagsEnd      // not a flag: the first unused bit
)

// record is the value of an op's entry: flags, author, time, and then what the type puts there.
type record struct {
	flags  byte
	author authorTag
	time   int64
	rest   []byte
}

func (r *record) encode() []byte { return r.append(make([]byte, 0, r.size())) }

func (r *record) append(b []byte) []byte {
	if b = append(b, r.flags); r.flags&flagBare != 0 {
		return append(b, r.rest...)
	}
	b = append(b, r.author[:]...)
	b = binary.AppendVarint(b, r.time)
	return append(b, r.rest...)
}

// size is how many bytes encode gives.
func (r *record) size() int {
	if r.flags&flagBare != 0 {
		return 1 + len(r.rest)
	}
	zigzag := uint64(r.time)<<1 ^ uint64(r.time>>63)
	return 1 + tagSize + max(1, (bits.Len64(zigzag)+6)/7) + len(r.rest)
}

// decodeRecord aliases b.
func decodeRecord(b []byte) (r record, ok bool) {
	if len(b) > 0 && b[0] < flagsEnd && b[0]&flagBare != 0 {
		return record{flags: b[0], rest: b[1:]}, true
	}
	if len(b) < 1+tagSize || b[0] >= flagsEnd {
		return r, false
	}
	r.flags, r.author = b[0], authorTag(b[1:])
	t, n := binary.Varint(b[1+tagSize:])
	if n <= 0 || n > 1 && b[tagSize+n] == 0 { // cut short, or longer than it need be
		return r, false
	}
	r.time, r.rest = t, b[1+tagSize+n:]
	return r, true
}

// join puts a space, a key within the field and a suffix together.
func join[S ~string | ~[]byte](space byte, key []byte, suffix S) []byte {
	b := make([]byte, 0, 1+len(key)+len(suffix)+1)
	b = append(append(b, space), key...)
	return append(b, suffix...)
}

// after returns the least key above every key that begins with p, nil if there is none.
func after(p []byte) []byte {
	for i := len(p) - 1; i >= 0; i-- {
		if p[i] != 0xff {
			hi := append([]byte(nil), p[:i+1]...)
			hi[i]++
			return hi
		}
	}
	return nil
}
