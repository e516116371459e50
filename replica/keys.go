package replica

import (
	"encoding/binary"

	"github.com/hyperhyperspace/hhs-go/blob"
	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/object"
)

// Key layout. Integers are big-endian so that keys sort as numbers do.
//
//	n <space digest>              registry: local number and state of a space
//	N                             the next free local number
//	V                             versions of all this: of the data, of the fields' state
//	M                             there while spaces are brought up to V
//	E                             a device key whose chain goes on elsewhere
//	r <space digest>              number that a rebuild is filling
//	d <space digest>              what is known of damage, and the numbers set aside for it
//	l <space digest> <device key> the end of this device's chain in a space it left
//	m <name>                      node metadata (free for package hhs)
//	o <codec> <digest>            an object's block, once per node
//	B <codec> <digest>            a blob by its root: its local number, size, bytes here, time (blobs.go)
//	C                             the next local number of a blob
//	b <number:8> <level> <index:8>  a block of a blob
//	b <number:8> ff <page:8>      which of 1,024 chunks are here
//	U <number:8>                  a put that has not ended: time, digest of the first chunk
//	K <space digest> <codec> <digest>  a blob that is here through a space; of zeros: put, and not named since
//	s <space number:4> ...        all of one space:
//	   c <num:8>                  commit record: envelope and parts (record.go)
//	   i <digest:8>               first bytes of commit ids -> the numbers of those that begin so
//	   t <num:8>                  attestation signature
//	   g <start:8>                one run of the causal graph
//	   h <page:8>                 the heads among 64 numbers
//	   a <device key> <first:8>   one branch of an author's chain
//	   q <device> <first> <seq>   which number an author's seq has, for a few
//	   v <codec> <digest>         an object attached in this space -> num of the commit that brought it
//	   k <device key>             heads a device acknowledged as durable
//	   y                          versions of this space, as in V
//	   z                          totals: bytes kept, time of the last change
//	   x <num:8>                  changes of the schema that count from this commit on (kinds.go)
//	   f <field:2> ...            state of one field; of ffff: what is taken back (undo.go); of fffe: blobs (blobnames.go);
//	                              of fffd: those that changes of the schema added, by slot; of fffc: facts (facts.go)
const (
	prefixSpaceIndex = 'n'
	prefixNextSpace  = 'N'
	prefixVersion    = 'V'
	prefixMigrating  = 'M'
	prefixElsewhere  = 'E'
	prefixRebuild    = 'r'
	prefixTrouble    = 'd'
	prefixLeft       = 'l'
	prefixMeta       = 'm'
	prefixObject     = 'o'
	prefixBlob       = 'B'
	prefixNextBlob   = 'C'
	prefixBlock      = 'b'
	prefixPut        = 'U'
	prefixHeld       = 'K'
	prefixSpace      = 's'

	subCommit   = 'c'
	subIndex    = 'i'
	subAttest   = 't'
	subRun      = 'g'
	subHeads    = 'h'
	subChain    = 'a'
	subAttached = 'v'
	subAck      = 'k'
	subField    = 'f'
	subTotals   = 'z'
	subFormat   = 'y'
	subMark     = 'q'
	subKind     = 'x'
)

func spaceIndexKey(id object.ID) []byte {
	d := id.Digest()
	return append([]byte{prefixSpaceIndex}, d[:]...)
}

func leftKey(id object.ID, device identity.PublicKey) []byte {
	return append(appendDigest([]byte{prefixLeft}, id), device.Bytes()...)
}

func metaKey(name string) []byte { return append([]byte{prefixMeta}, name...) }

func objectKey(id object.ID) []byte {
	d := id.Digest()
	return append([]byte{prefixObject, byte(id.Codec())}, d[:]...)
}

func rootKey(prefix []byte, root object.ID) []byte {
	d := root.Digest()
	return append(append(prefix, byte(root.Codec())), d[:]...)
}

func blobKey(root object.ID) []byte { return rootKey([]byte{prefixBlob}, root) }

// heldKeys is how the keys of what a space brought begin.
func heldKeys(space object.ID) []byte { return appendDigest([]byte{prefixHeld}, space) }

// heldKey says that a blob is here through a space; through none, that it was put and not named since.
func heldKey(space, root object.ID) []byte { return rootKey(heldKeys(space), root) }

func putKey(num uint64) []byte { return binary.BigEndian.AppendUint64([]byte{prefixPut}, num) }

// blocksOf is how the keys of a blob's blocks begin.
func blocksOf(num uint64) []byte { return binary.BigEndian.AppendUint64([]byte{prefixBlock}, num) }

func blockKey(num uint64, p blob.Place) []byte {
	return binary.BigEndian.AppendUint64(append(blocksOf(num), byte(p.Level)), uint64(p.Index))
}

// pageChunks is how many chunks a page of the map of what is here tells of.
const pageChunks = 1024

func pageKey(num uint64, page int64) []byte {
	return binary.BigEndian.AppendUint64(append(blocksOf(num), 0xff), uint64(page))
}

// keyspace makes the keys of one space.
type keyspace [5]byte

func newKeyspace(num uint32) (k keyspace) {
	k[0] = prefixSpace
	binary.BigEndian.PutUint32(k[1:], num)
	return k
}

func (k keyspace) key(sub byte, size int) []byte {
	b := make([]byte, 0, len(k)+1+size)
	b = append(b, k[:]...)
	return append(b, sub)
}

func (k keyspace) num(sub byte, n uint64) []byte {
	return binary.BigEndian.AppendUint64(k.key(sub, 9), n)
}

func (k keyspace) commit(n uint64) []byte { return k.num(subCommit, n) }
func (k keyspace) attest(n uint64) []byte { return k.num(subAttest, n) }
func (k keyspace) run(n uint64) []byte    { return k.num(subRun, n) }

// indexSize is how much of an id's digest the index of ids holds. Who wants two
// commits to begin alike can have them, so an entry may name several.
const indexSize = 8

func (k keyspace) index(id object.ID) []byte {
	d := id.Digest()
	return append(k.key(subIndex, indexSize), d[:indexSize]...)
}

// chain is the key of the branch of an author that begins with first.
func (k keyspace) chain(p identity.PublicKey, first history.Num) []byte {
	return binary.BigEndian.AppendUint64(k.author(p), first)
}

// author is how the keys of all branches of an author begin.
func (k keyspace) author(p identity.PublicKey) []byte {
	return append(k.key(subChain, 42), p.Bytes()...)
}

func (k keyspace) ack(p identity.PublicKey) []byte { return append(k.key(subAck, 34), p.Bytes()...) }

func (k keyspace) attached(id object.ID) []byte {
	d := id.Digest()
	return append(append(k.key(subAttached, 33), byte(id.Codec())), d[:]...)
}

// addedFields is of all fields that changes of the schema add, below that of blobs.
const addedFields = 0xfffd

func (k keyspace) field(i int) []byte {
	return binary.BigEndian.AppendUint16(k.key(subField, 2), uint16(i))
}

// end is the first key after all keys that begin with prefix.
func end(prefix []byte) []byte {
	e := append([]byte(nil), prefix...)
	for i := len(e) - 1; i >= 0; i-- {
		if e[i]++; e[i] != 0 {
			return e[:i+1]
		}
	}
	return nil
}
