package syncer

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"io"
	"sync"

	"github.com/hyperhyperspace/hhs-go/history"
)

// How a batch is packed: the first byte of its data.
const (
	packStored  = 0 // the wire form of history as it is
	packDeflate = 1 // its length as a varint, then raw DEFLATE (RFC 1951)
)

// level was chosen by BenchmarkPack. On a batch of 2,000 chat messages 3 takes twice
// the time of 1 for 8 % less output, 6 twelve times for another 4 %; on text that
// does not repeat 3 takes four times as long for 1 % less.
const level = 1

// smallest is what is not worth compressing: most of a short batch is ids and
// signatures, which do not compress.
const smallest = 512

// usualRatio is how many times its length a batch is expected to inflate to.
const usualRatio = 4

// sample is how much of a long batch is deflated to see whether all of it should be, and worthwhile what may be left of
// that: nine tenths. Text of people comes to half; what is encrypted stays as long, and both sides would work for nothing.
const (
	sample     = 8 << 10
	worthwhile = sample * 9 / 10
)

// inflateChunk is how many bytes are inflated between two pauses: a few
// milliseconds in WASM.
const inflateChunk = 32 << 10

// A flate.Writer holds about 600 kB, so sessions share them.
var deflaters = sync.Pool{New: func() any {
	w, err := flate.NewWriter(nil, level)
	if err != nil {
		panic("syncer: the compression level does not exist") // a constant of ours
	}
	return w
}}

// packer makes the data of batches from their wire form. From the first that it
// compresses until release it keeps one of the deflaters.
type packer struct{ deflater *flate.Writer }

func (p *packer) release() {
	if p.deflater != nil {
		deflaters.Put(p.deflater)
		p.deflater = nil
	}
}

func (p *packer) pack(wire []byte) ([]byte, error) {
	if len(wire) >= smallest {
		if p.deflater == nil {
			p.deflater = deflaters.Get().(*flate.Writer)
		}
		worth, err := p.worth(wire)
		if err != nil {
			return nil, err
		}
		if worth {
			b := bytes.NewBuffer(make([]byte, 0, len(wire)+64))
			b.WriteByte(packDeflate)
			b.Write(binary.AppendUvarint(nil, uint64(len(wire))))
			if err := p.deflate(b, wire); err != nil {
				return nil, err
			}
			if b.Len() < len(wire) {
				return b.Bytes(), nil
			}
		}
	}
	return append(append(make([]byte, 0, 1+len(wire)), packStored), wire...), nil
}

func (p *packer) deflate(to *bytes.Buffer, wire []byte) error {
	p.deflater.Reset(to)
	if _, err := p.deflater.Write(wire); err != nil {
		return err
	}
	return p.deflater.Close()
}

// worth tells whether a batch shrinks by so much that it is worth the time of both sides, by a piece of it if it is long.
func (p *packer) worth(wire []byte) (bool, error) {
	if len(wire) < 4*sample {
		return true, nil
	}
	var b bytes.Buffer
	b.Grow(sample)
	from := (len(wire) - sample) / 2
	err := p.deflate(&b, wire[from:from+sample])
	return b.Len() <= worthwhile, err
}

// unpack returns the wire form of a batch. It never makes more than
// history.MaxBatchWire bytes, nor more than the length told, and reserves memory
// only as the bytes come. It calls pause every now and then.
func unpack(data []byte, pause func()) ([]byte, error) {
	if len(data) == 0 {
		return nil, malformed("a batch is empty")
	}
	switch data[0] {
	case packStored:
		return data[1:], nil
	case packDeflate:
	default:
		return nil, malformed("a batch is packed in an unknown way")
	}
	size, n := binary.Uvarint(data[1:])
	if n <= 0 || n > 1 && data[n] == 0 || size > history.MaxBatchWire {
		return nil, malformed("a batch has an impossible length")
	}
	in := bytes.NewReader(data[1+n:])
	r := flate.NewReader(in)
	var b bytes.Buffer
	b.Grow(min(int(size), usualRatio*len(data)) + bytes.MinRead)
	for more := true; more; pause() {
		room := int64(size) + 1 - int64(b.Len()) // a byte too many tells that the length is wrong
		got, err := io.CopyN(&b, r, min(inflateChunk, room))
		if err != nil && err != io.EOF {
			return nil, malformed("a batch does not inflate")
		}
		more = got == inflateChunk
	}
	if uint64(b.Len()) != size || in.Len() != 0 {
		return nil, malformed("a batch does not have the length it tells")
	}
	return b.Bytes(), nil
}
