package car

import (
	"encoding/binary"
	"fmt"
	"io"

	"github.com/hyperhyperspace/hhs-go/object"
)

// Writer writes a CAR of version 1. There is nothing to close: the file ends with its last block.
type Writer struct {
	w    io.Writer
	buf  []byte
	size int64
}

// NewWriter writes the header. roots are the ids that the file is about; their blocks need not be in it.
func NewWriter(w io.Writer, roots []object.ID) (*Writer, error) {
	var h object.Writer
	h.Map(2)
	h.String("roots")
	h.List(len(roots))
	for _, id := range roots {
		h.Link(id)
	}
	h.String("version")
	h.Int(1)
	err := h.Err()
	if err == nil && len(h.Buf) > maxHeader {
		err = &Error{Rule: RuleSize, Detail: fmt.Sprintf("a header with %d roots, at most %d", len(roots), MaxRoots)}
	}
	if err != nil {
		return nil, fmt.Errorf("write car: %w", err)
	}
	c := &Writer{w: w}
	return c, c.section(h.Buf)
}

// Put writes a block, also one that was written before. Its id is checked against it.
func (w *Writer) Put(b Block) error {
	if err := check(b); err != nil {
		return fmt.Errorf("write car: %w", err)
	}
	return w.section(b.ID.Append(make([]byte, 0, idSize)), b.Data)
}

// Size is how many bytes were written.
func (w *Writer) Size() int64 { return w.size }

func (w *Writer) section(pieces ...[]byte) error {
	n := 0
	for _, p := range pieces {
		n += len(p)
	}
	w.buf = binary.AppendUvarint(w.buf[:0], uint64(n))
	for _, p := range pieces {
		w.buf = append(w.buf, p...)
	}
	n, err := w.w.Write(w.buf)
	w.size += int64(n)
	if err != nil {
		return fmt.Errorf("write car: %w", err)
	}
	return nil
}

// idSize is the length of an id in bytes.
const idSize = 36
