package store

import (
	"encoding/binary"
	"fmt"
	"iter"
)

// Op is the kind of one operation in a Batch. The numbers are stored by store/idb and never change.
type Op uint8

const (
	// OpPut sets a key to a value.
	OpPut Op = 1
	// OpDelete removes a key; removing an absent one is no error.
	OpDelete Op = 2
	// OpDeleteRange removes the keys with lo <= key < hi; Each passes hi as the value, nil for "to the end".
	OpDeleteRange Op = 3
	// opDeleteTail is the stored form of OpDeleteRange without an upper bound.
	opDeleteTail Op = 4
)

// Batch is a list of operations that are applied together. The zero value is empty and ready. It copies what it is
// given and is not safe for concurrent use; after Apply it can be Reset and used again.
//
// Its memory is its encoding, one operation after another: kind (1 byte), length of the key (uvarint), key, and except
// for deletions of one key or of a tail the length of the value (uvarint) and the value.
type Batch struct {
	buf []byte
	n   int
	err error
}

// Put sets key to value.
func (b *Batch) Put(key, value []byte) {
	if len(value) > MaxValue {
		b.fail(fmt.Errorf("%w: value of %d bytes, at most %d", ErrTooLarge, len(value), MaxValue))
		return
	}
	if b.checkKey(key) {
		b.add(OpPut, key)
		b.value(value)
	}
}

// Delete removes key, if it is there.
func (b *Batch) Delete(key []byte) {
	if b.checkKey(key) {
		b.add(OpDelete, key)
	}
}

// DeleteRange removes the keys with lo <= key < hi that exist at this point of the batch. A nil lo means from the first
// key, a nil hi to the last. Engine keys are never in the range.
func (b *Batch) DeleteRange(lo, hi []byte) {
	if Reserved(lo) {
		lo = firstKey
	}
	switch {
	case len(lo) > MaxKey || len(hi) > MaxKey:
		b.fail(fmt.Errorf("%w: bound over %d bytes", ErrKey, MaxKey))
	case hi == nil:
		b.add(opDeleteTail, lo)
	case string(lo) < string(hi):
		b.add(OpDeleteRange, lo)
		b.value(hi)
	}
}

// Join adds the operations of o after those of b.
func (b *Batch) Join(o *Batch) {
	b.buf, b.n = append(b.buf, o.buf...), b.n+o.n
	if o.err != nil {
		b.fail(o.err)
	}
}

// Len returns the number of operations.
func (b *Batch) Len() int { return b.n }

// Size returns the length of the encoded batch in bytes.
func (b *Batch) Size() int { return len(b.buf) }

// Reset empties the batch and keeps its memory.
func (b *Batch) Reset() { b.buf, b.n, b.err = b.buf[:0], 0, nil }

// Err returns why the batch cannot be applied: ErrKey or ErrTooLarge. Engines ask it first.
func (b *Batch) Err() error {
	if b.err == nil && len(b.buf) > MaxBatch {
		return fmt.Errorf("%w: batch of %d bytes, at most %d", ErrTooLarge, len(b.buf), MaxBatch)
	}
	return b.err
}

// Each calls f for every operation in order. The slices alias the batch and are valid until it is changed.
func (b *Batch) Each(f func(op Op, key, value []byte)) {
	for rest := b.buf; len(rest) > 0; {
		op, k, v, next, err := cut(rest)
		if err != nil {
			return // unreachable: buf was written by add or checked by DecodeBatch
		}
		f(op, k, v)
		rest = next
	}
}

// Split yields the operations in order in batches of about size bytes, at least one operation each. They alias b.
func (b *Batch) Split(size int) iter.Seq[*Batch] {
	return func(yield func(*Batch) bool) {
		var part Batch
		for start, rest := b.buf, b.buf; len(rest) > 0; {
			_, _, _, next, err := cut(rest)
			if err != nil {
				return // unreachable, as in Each
			}
			rest = next
			part.n++
			part.buf = start[:len(start)-len(rest)]
			if len(part.buf) < size && len(rest) > 0 {
				continue
			}
			if whole := part; !yield(&whole) {
				return
			}
			part, start = Batch{}, rest
		}
	}
}

// Bytes returns the encoding, which aliases the batch. Encodings can be joined: the result is that of a batch with the
// operations of the first and then those of the second.
func (b *Batch) Bytes() []byte { return b.buf }

// DecodeBatch reads what Bytes returned. The batch aliases data, which the caller leaves alone. Anything that Put,
// Delete and DeleteRange would not have written is ErrCorrupt.
func DecodeBatch(data []byte) (*Batch, error) {
	b := &Batch{buf: data}
	for rest := data; len(rest) > 0; b.n++ {
		_, _, _, next, err := cut(rest)
		if err != nil {
			return nil, fmt.Errorf("decode batch at byte %d: %w", len(data)-len(rest), err)
		}
		rest = next
	}
	return b, nil
}

// Reserved reports whether key belongs to the engines, which the empty key does too: it is below every allowed key.
func Reserved(key []byte) bool { return len(key) == 0 || key[0] == 0 }

// firstKey is the lowest key that callers may use.
var firstKey = []byte{1}

// Bounds returns the range of a Scan without the engines' keys: engines call it first. ok is false if nothing is in it.
func Bounds(lo, hi []byte) (l, h []byte, ok bool) {
	if Reserved(lo) {
		lo = firstKey
	}
	return lo, hi, hi == nil || string(lo) < string(hi)
}

func (b *Batch) checkKey(key []byte) bool {
	if Reserved(key) || len(key) > MaxKey {
		b.fail(fmt.Errorf("%w: %d bytes, must be 1 to %d and not begin with 0x00", ErrKey, len(key), MaxKey))
		return false
	}
	return true
}

func (b *Batch) fail(err error) {
	if b.err == nil {
		b.err = err
	}
}

func (b *Batch) add(op Op, key []byte) {
	b.buf = append(b.buf, byte(op))
	b.value(key)
	b.n++
}

func (b *Batch) value(v []byte) {
	b.buf = binary.AppendUvarint(b.buf, uint64(len(v)))
	b.buf = append(b.buf, v...)
}

// cut takes one operation off the front of data and checks it as the methods above would have.
func cut(data []byte) (op Op, k, v, rest []byte, err error) {
	op = Op(data[0])
	if op < OpPut || op > opDeleteTail {
		return 0, nil, nil, nil, fmt.Errorf("%w: operation %d", ErrCorrupt, op)
	}
	if k, rest, err = field(data[1:], MaxKey); err != nil {
		return 0, nil, nil, nil, err
	}
	if Reserved(k) {
		return 0, nil, nil, nil, fmt.Errorf("%w: reserved key", ErrCorrupt)
	}
	switch op {
	case OpPut:
		v, rest, err = field(rest, MaxValue)
	case OpDeleteRange:
		v, rest, err = field(rest, MaxKey)
		if err == nil && string(k) >= string(v) {
			err = fmt.Errorf("%w: empty range", ErrCorrupt)
		}
	case opDeleteTail:
		op = OpDeleteRange
	}
	return op, k, v, rest, err
}

func field(data []byte, limit uint64) (v, rest []byte, err error) {
	n, size := binary.Uvarint(data)
	if size <= 0 || (size > 1 && data[size-1] == 0) {
		return nil, nil, fmt.Errorf("%w: length", ErrCorrupt)
	}
	data = data[size:]
	if n > limit || n > uint64(len(data)) {
		return nil, nil, fmt.Errorf("%w: length %d", ErrCorrupt, n)
	}
	return data[:n:n], data[n:], nil
}
