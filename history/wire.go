package history

import (
	"encoding/binary"
	"strconv"
)

// wire reads the binary form of batches and run records. The first error sticks and every later read
// returns zero values, so that callers check once.
type wire struct {
	buf []byte
	err error
}

func (w *wire) fail(detail string) {
	if w.err == nil {
		w.err = broken(RuleBatchForm, detail)
	}
	w.buf = nil
}

func (w *wire) byte() byte {
	if len(w.buf) == 0 {
		w.fail("ends too early")
		return 0
	}
	b := w.buf[0]
	w.buf = w.buf[1:]
	return b
}

// uvarint reads a number in its shortest form only (case 4).
func (w *wire) uvarint() uint64 {
	if len(w.buf) > 0 && w.buf[0] < 0x80 {
		v := w.buf[0]
		w.buf = w.buf[1:]
		return uint64(v)
	}
	v, n := binary.Uvarint(w.buf)
	if n <= 0 {
		w.fail("ends inside a number, or a number is over 64 bits")
		return 0
	}
	if w.buf[n-1] == 0 {
		w.fail("a number is not in its shortest form")
		return 0
	}
	w.buf = w.buf[n:]
	return v
}

// count reads how many items follow, each of at least size bytes: what the rest of the input cannot
// hold is refused before anything is allocated (case 5).
func (w *wire) count(size int) int {
	v := w.uvarint()
	if v > uint64(len(w.buf)/size) {
		w.fail("declares more than it holds")
		return 0
	}
	return int(v)
}

// take returns the next n bytes, aliasing the input.
func (w *wire) take(n int) []byte {
	if n < 0 || n > len(w.buf) {
		w.fail("ends too early")
		return nil
	}
	b := w.buf[:n:n]
	w.buf = w.buf[n:]
	return b
}

// bytes reads a length and that many bytes, aliasing the input.
func (w *wire) bytes() []byte { return w.take(w.count(1)) }

// zigzag maps signed numbers of small size to small unsigned ones.
func zigzag(v int64) uint64 { return uint64(v<<1) ^ uint64(v>>63) }

func unzigzag(v uint64) int64 { return int64(v>>1) ^ -int64(v&1) }

func utoa(v uint64) string { return strconv.FormatUint(v, 10) }

func itoa(v int) string { return strconv.Itoa(v) }
