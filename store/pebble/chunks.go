//go:build !js

package pebble

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"math/bits"
)

// Pebble writes its log and its manifest as chunks in blocks of 32 KiB: checksum, length, kind; in a log also the log's
// number; and in the newest form how much of the log was known to be synced. Its reader ends silently at the first chunk
// that is not valid, since that is what a loss of power leaves. The reader here goes on after it, so that a damaged record
// can be told from the torn end (see check.go). The layout is that of Pebble's package record, which must not change.
const (
	chunkBlock  = 32 << 10
	plainHeader = 7
	logHeader   = plainHeader + 4
	syncHeader  = logHeader + 8
	lastKind    = 12 // 1 to 4 plain, 5 to 8 with log number, 9 to 12 with synced offset
	eofKind     = 5  // with the number of the next log and nothing else: the log was closed
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func crc(b []byte) uint32       { return crc32.Checksum(b, castagnoli) }
func maskCRC(c uint32) uint32   { return (c>>15 | c<<17) + 0xa282ead8 }
func unmaskCRC(c uint32) uint32 { c -= 0xa282ead8; return c<<15 | c>>17 }

// chunk is one valid chunk.
type chunk struct {
	at     int64  // offset of its header
	end    int64  // offset behind it
	synced uint64 // what was known to be synced when it was written; 0 if it does not say
	first  bool   // begins a record
	last   bool   // ends one
	after  bool   // an invalid place comes before it
	data   []byte // valid until the next chunk is read
}

// ending is how the chunks of a file end.
type ending struct {
	at      int64 // the first offset that is no part of a valid chunk
	clean   bool  // closed, or ends exactly after a chunk
	flipped bool  // the chunk at this offset becomes valid by changing one bit: no loss of power does that
}

// chunkReader reads a log with this number, or a manifest with number 0.
type chunkReader struct {
	number uint32
	base   int64 // offset of the block
	buf    [chunkBlock]byte
	n      int
	found  ending
	broken bool // found is set
}

// read calls visit with every valid chunk of r, those behind an invalid place too.
func (c *chunkReader) read(r io.Reader, visit func(chunk) error) (ending, error) {
	for c.base = 0; ; c.base += chunkBlock {
		n, err := io.ReadFull(r, c.buf[:])
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return c.found, err
		}
		c.n = n
		closed, visitErr := c.block(visit)
		if visitErr != nil || closed || n < chunkBlock {
			return c.end(closed), visitErr
		}
	}
}

func (c *chunkReader) end(closed bool) ending {
	if !c.broken {
		return ending{at: c.base + int64(c.n), clean: true}
	}
	c.found.clean = closed && !c.broken
	return c.found
}

// block visits the chunks of one block.
func (c *chunkReader) block(visit func(chunk) error) (closed bool, err error) {
	for i := 0; c.n-i >= plainHeader; {
		b := c.buf[i:c.n]
		if c.closes(b) && !c.broken {
			c.n = i // where the log ends
			return true, nil
		}
		if ch, size, ok := c.parse(b); ok {
			ch.at, ch.end, ch.after = c.base+int64(i), c.base+int64(i+size), c.broken
			if err := visit(ch); err != nil {
				return false, err
			}
			i += size
			continue
		}
		if c.n == chunkBlock && len(b) < syncHeader && allZero(b) {
			break // too little room for a chunk
		}
		if !c.broken {
			c.broken = true
			c.found = ending{at: c.base + int64(i), flipped: !c.edged(int64(i), b) && c.flipped(b)}
		}
		i += c.skip(b)
	}
	return false, nil
}

// skip returns how far behind an invalid place the next chunk may begin: anywhere, but not within a chunk of the log that
// this file held before Pebble used it again, nor within zeros.
func (c *chunkReader) skip(b []byte) int {
	if b[6] > 4 {
		_, size, ok := c.header(b, b[6], binary.LittleEndian.Uint16(b[4:]))
		if ok && maskCRC(crc(b[6:size])) == binary.LittleEndian.Uint32(b) {
			return size
		}
	}
	zeros := 0
	for zeros < len(b) && b[zeros] == 0 {
		zeros++
	}
	return max(1, zeros-6) // a kind is not 0
}

// closes recognises the mark at the end of a log that was closed.
func (c *chunkReader) closes(b []byte) bool {
	return c.number != 0 && len(b) >= logHeader && b[6] == eofKind && allZero(b[:6]) &&
		binary.LittleEndian.Uint32(b[plainHeader:]) == c.number+1
}

// header reads the lengths of a chunk that could begin b.
func (c *chunkReader) header(b []byte, kind byte, length uint16) (head, size int, ok bool) {
	switch {
	case kind == 0 || kind > lastKind || (c.number == 0) != (kind <= 4):
		return 0, 0, false
	case kind <= 4:
		head = plainHeader
	case kind <= 8:
		head = logHeader
	default:
		head = syncHeader
	}
	size = head + int(length)
	return head, size, size <= len(b)
}

func (c *chunkReader) parse(b []byte) (chunk, int, bool) {
	kind := b[6]
	head, size, ok := c.header(b, kind, binary.LittleEndian.Uint16(b[4:]))
	if !ok || head > plainHeader && binary.LittleEndian.Uint32(b[plainHeader:]) != c.number ||
		maskCRC(crc(b[6:size])) != binary.LittleEndian.Uint32(b) {
		return chunk{}, 0, false
	}
	place := (kind - 1) % 4 // full, first, middle, last
	ch := chunk{first: place <= 1, last: place == 0 || place == 3, data: b[head:size]}
	if head == syncHeader {
		ch.synced = binary.LittleEndian.Uint64(b[logHeader:])
	}
	return ch, size, true
}

// edged tells whether a sector holds less than 8 bytes of a chunk's beginning or end. Such a piece may differ in one bit from
// what was there before by chance, so that a torn write looks like a changed bit.
func (c *chunkReader) edged(i int64, b []byte) bool {
	const sector, few = 512, 8
	_, size, ok := c.header(b, b[6], binary.LittleEndian.Uint16(b[4:]))
	end := (c.base + i + int64(size)) % sector
	return (c.base+i)%sector > sector-few || ok && end > 0 && end < few
}

// flipped tells whether the chunk that begins b is valid but for one bit. That a chunk of n bytes torn by a loss of
// power looks so by chance happens once in 2^29/n times.
func (c *chunkReader) flipped(b []byte) bool {
	sum, length := binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint16(b[4:])
	for bit := range 16 {
		fixed := length ^ 1<<bit
		if _, size, ok := c.header(b, b[6], fixed); ok && maskCRC(crc(b[6:size])) == sum && c.ours(b, b[6]) {
			return true
		}
	}
	for bit := range 8 { // the kind says how long the header is
		kind := b[6] ^ 1<<bit
		if _, size, ok := c.header(b, kind, length); ok && c.ours(b, kind) {
			rest := crc32.Update(crc([]byte{kind}), castagnoli, b[plainHeader:size])
			if maskCRC(rest) == sum {
				return true
			}
		}
	}
	_, size, ok := c.header(b, b[6], length)
	if !ok {
		return false
	}
	have := crc(b[6:size])
	if c.ours(b, b[6]) && bits.OnesCount32(sum^maskCRC(have)) == 1 { // in the checksum
		return true
	}
	return c.nearly(b, b[6]) && oneBit(have^unmaskCRC(sum), size-plainHeader)
}

// ours tells whether a chunk of this kind is of this file.
func (c *chunkReader) ours(b []byte, kind byte) bool {
	return kind <= 4 || binary.LittleEndian.Uint32(b[plainHeader:]) == c.number
}

// nearly is ours but for one bit.
func (c *chunkReader) nearly(b []byte, kind byte) bool {
	return kind <= 4 || bits.OnesCount32(binary.LittleEndian.Uint32(b[plainHeader:])^c.number) <= 1
}

// oneBit tells whether the difference of two checksums is that of one bit within the last n bytes. The sum is linear: the
// difference that a bit makes is shifted by each byte behind it.
func oneBit(diff uint32, n int) bool {
	var mark [8]uint32
	for bit := range mark {
		mark[bit] = castagnoli[1<<bit]
	}
	for range n {
		for bit, m := range mark {
			if m == diff {
				return true
			}
			mark[bit] = m>>8 ^ castagnoli[byte(m)]
		}
	}
	return false
}

func allZero(b []byte) bool {
	for _, x := range b {
		if x != 0 {
			return false
		}
	}
	return true
}
