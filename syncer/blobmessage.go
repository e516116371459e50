package syncer

import (
	"encoding/binary"

	"github.com/hyperhyperspace/hhs-go/object"
)

// Ask asks for a block of a blob: docs/spec/blob.md, section 5.
type Ask struct {
	Number uint64 // 1, 2, 3 ...
	Block  BlockAt
}

// BlockAt is a block of a blob: how deep below its root, and which one of that depth from the left.
type BlockAt struct {
	Root  object.ID
	Depth uint64
	Index uint64
}

// Block answers one ask.
type Block struct {
	Number uint64
	Status BlockStatus
	Data   []byte // nil unless the status is BlockHere
}

// BlockStatus says whether an answer has the block.
type BlockStatus byte

// The statuses. Wire constants.
const (
	BlockHere   BlockStatus = 0 // data follows
	BlockAbsent BlockStatus = 1 // not here; others of the blob may be
	BlobAbsent  BlockStatus = 2 // no such blob here through this space
)

// maxDepth is how deep a block may be: below two nodes.
const maxDepth = 2

func (m *Ask) append(dst []byte) []byte {
	dst = binary.AppendUvarint(append(dst, kindAsk), m.Number)
	digest := m.Block.Root.Digest()
	dst = append(append(dst, byte(m.Block.Root.Codec())), digest[:]...)
	return binary.AppendUvarint(binary.AppendUvarint(dst, m.Block.Depth), m.Block.Index)
}

func (m *Block) append(dst []byte) []byte {
	dst = binary.AppendUvarint(append(dst, kindBlock), m.Number)
	return append(append(dst, byte(m.Status)), m.Data...)
}

func (d *decoder) ask() Message {
	m := &Ask{Number: d.uint()}
	codec := d.take(1)
	if len(codec) == 1 && codec[0] != byte(object.Raw) && codec[0] != byte(object.DagCBOR) {
		d.fail("it asks for a blob with an unknown codec")
	}
	digest := d.digest()
	if d.err == nil {
		m.Block.Root = object.IDFromDigest(object.Codec(codec[0]), digest)
	}
	m.Block.Depth, m.Block.Index = d.uint(), d.uint()
	if d.err == nil && (m.Number == 0 || m.Block.Depth > maxDepth) {
		d.fail("it asks for a block that no blob has")
	}
	return m
}

func (d *decoder) block() Message {
	m := &Block{Number: d.uint()}
	if status := d.take(1); len(status) == 1 {
		m.Status = BlockStatus(status[0])
	}
	switch {
	case d.err != nil:
	case m.Status > BlobAbsent:
		d.fail("it answers with an unknown status")
	case m.Status == BlockHere && len(d.rest) > object.MaxBlock:
		d.fail("it has more bytes than a block may have")
	case m.Status == BlockHere:
		m.Data, d.rest = d.rest, nil
	}
	return m
}
