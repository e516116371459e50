package car

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/hyperhyperspace/hhs-go/object"
)

// Reader reads a CAR once, from its beginning to its end.
type Reader struct {
	in    *bufio.Reader
	at    int64 // how much was read
	end   int64 // of the blocks; 0: where the file ends
	roots []object.ID
}

// NewReader reads the head of a CAR, of version 1 or 2.
func NewReader(r io.Reader) (*Reader, error) {
	c := &Reader{in: bufio.NewReaderSize(r, 64<<10)}
	if err := c.head(); err != nil {
		return nil, fmt.Errorf("read car: %w", err)
	}
	return c, nil
}

// Roots are the ids that the file is about.
func (r *Reader) Roots() []object.ID { return r.roots }

// Offset is how many bytes of the file were read.
func (r *Reader) Offset() int64 { return r.at }

// Next is the next block, checked. io.EOF comes after the last one; a file that ends elsewhere is truncated. Its bytes
// are the caller's.
func (r *Reader) Next() (Block, error) {
	b, err := r.next()
	if err != nil && err != io.EOF {
		err = fmt.Errorf("read car: %w", err)
	}
	return b, err
}

// Blocks are the blocks from here on. It ends after the first error.
func (r *Reader) Blocks() iter.Seq2[Block, error] {
	return func(yield func(Block, error) bool) {
		for {
			b, err := r.Next()
			if err == io.EOF || !yield(b, err) || err != nil {
				return
			}
		}
	}
}

func (r *Reader) next() (b Block, err error) {
	b.Offset = r.at
	if r.end > 0 && r.at >= r.end {
		return b, io.EOF
	}
	n, err := r.length(maxSection)
	if err != nil {
		return b, err
	}
	section, err := r.take(b.Offset, n)
	if err != nil {
		return b, err
	}
	if len(section) < idSize {
		return b, &Error{Offset: b.Offset, Rule: RuleID, Detail: "a section without room for an id"}
	}
	if b.ID, err = object.IDFromBytes(section[:idSize]); err != nil {
		return b, &Error{Offset: b.Offset, Rule: RuleID, Detail: "not a CIDv1 with sha2-256 of a dag-cbor or raw block", Cause: err}
	}
	b.Data = section[idSize:]
	return b, check(b)
}

// pragma is how version 2 begins: a header of version 1 that says 2.
var pragma = "\x0a\xa1\x67version\x02"

// headSize is the length of what follows it.
const headSize = 40

func (r *Reader) head() error {
	if begin, err := r.in.Peek(len(pragma)); err == nil && string(begin) == pragma {
		if err := r.second(); err != nil {
			return err
		}
	}
	at := r.at
	n, err := r.length(maxHeader)
	if err == io.EOF {
		return &Error{Rule: RuleHeader, Detail: "the file is empty"}
	}
	if e := (*Error)(nil); errors.As(err, &e) {
		e.Rule = RuleHeader
	}
	if err != nil {
		return err
	}
	block, err := r.take(at, n)
	if err != nil {
		return err
	}
	if err := r.header(block); err != nil {
		return &Error{Offset: at, Rule: RuleHeader, Cause: err}
	}
	return nil
}

// header reads the header of version 1.
func (r *Reader) header(block []byte) error {
	v, err := object.Decode(block)
	if err != nil {
		return err
	}
	m, _ := v.(map[string]any)
	roots, ok := m["roots"].([]any)
	if version, known := m["version"].(int64); !ok || !known || len(m) != 2 || version != 1 {
		return errHeader
	}
	for _, root := range roots {
		id, ok := root.(object.ID)
		if !ok {
			return errHeader
		}
		r.roots = append(r.roots, id)
	}
	return nil
}

// second reads what version 2 has before its blocks, and goes to them.
func (r *Reader) second() error {
	head, err := r.take(0, len(pragma)+headSize)
	if err != nil {
		return err
	}
	head = head[len(pragma)+16:]
	from, size := binary.LittleEndian.Uint64(head), binary.LittleEndian.Uint64(head[8:])
	if from < uint64(r.at) || from > 1<<40 || size == 0 || size > 1<<56 {
		return &Error{Rule: RuleHeader, Detail: fmt.Sprintf("blocks of %d bytes from byte %d on", size, from)}
	}
	r.end = int64(from + size)
	skip := int64(from) - r.at
	n, err := io.CopyN(io.Discard, r.in, skip)
	r.at += n
	if err != nil {
		return r.cut(0, err)
	}
	return nil
}

// length reads the varint before a section, io.EOF where the file ends instead.
func (r *Reader) length(limit int) (n int, err error) {
	at := r.at
	for shift := 0; shift < 7*maxVarint; shift += 7 {
		c, err := r.in.ReadByte()
		if err == io.EOF && r.at == at && r.end == 0 {
			return 0, io.EOF
		}
		if err != nil {
			return 0, r.cut(at, err)
		}
		r.at++
		n |= int(c&0x7f) << shift
		if c&0x80 != 0 {
			continue
		}
		switch {
		case c == 0 && shift > 0:
			return 0, &Error{Offset: at, Rule: RuleSection, Cause: errVarint}
		case n == 0 || n > limit:
			return 0, &Error{Offset: at, Rule: RuleSection, Detail: fmt.Sprintf("a length of %d bytes, at most %d", n, limit)}
		}
		return n, nil
	}
	return 0, &Error{Offset: at, Rule: RuleSection, Detail: fmt.Sprintf("a length of more than %d bytes", limit)}
}

// take reads the n bytes of what began at an offset.
func (r *Reader) take(at int64, n int) ([]byte, error) {
	if r.end > 0 && r.at+int64(n) > r.end {
		return nil, &Error{Offset: at, Rule: RuleSection, Detail: fmt.Sprintf("%d bytes, beyond the end of the blocks", n)}
	}
	b := make([]byte, n)
	got, err := io.ReadFull(r.in, b)
	r.at += int64(got)
	if err != nil {
		return nil, r.cut(at, err)
	}
	return b, nil
}

// cut is the error for a file that ends too early, or cannot be read.
func (r *Reader) cut(at int64, err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return &Error{Offset: at, Rule: RuleTruncated, Detail: fmt.Sprintf("the file ends at byte %d", r.at)}
	}
	return err
}
