package object

import "math"

// Kind is the kind of a value.
type Kind uint8

// The kinds. KindInvalid stands for bytes that begin no value, and for the end.
const (
	KindInvalid Kind = iota
	KindNull
	KindBool
	KindInt
	KindFloat
	KindString
	KindBytes
	KindLink
	KindList
	KindMap
)

var kindNames = [...]string{"invalid", "null", "bool", "int", "float", "string", "bytes", "link", "list", "map"}

func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return kindNames[KindInvalid]
}

// Reader reads one value piece by piece, without building it, and is as strict as [Decode]: whoever has read
// to a nil [Reader.End] has read a canonical value. Two things differ. The length and the number of containers
// are not limited, because frames larger than a block are read with it too; their limit is the caller's. And
// what Bytes, Raw and NextKey return aliases the input.
//
// The first error stays: every later call returns it. After List(n) read n values; after Map(n) read n times
// a key and a value. The Reader counts, and refuses keys out of order.
type Reader struct {
	b     []byte
	off   int
	owed  int // as in walker
	err   error
	root  bool // the outermost value has begun
	depth int
	stack [MaxDepth]frame
}

// frame is a container being read. Offsets are 32 bits to keep the Reader small.
type frame struct {
	left             uint32 // items still to come; in a map keys and values count singly
	keyStart, keyEnd uint32 // the last key, in the input; both 0 before the first
	isMap            bool
}

// NewReader reads block.
func NewReader(block []byte) *Reader {
	r := new(Reader)
	r.Reset(block)
	return r
}

// Reset begins anew with block, in the memory that the Reader has.
func (r *Reader) Reset(block []byte) {
	r.b, r.off, r.owed, r.err, r.root, r.depth = block, 0, 0, nil, false, 0
	if len(block) > math.MaxInt32 {
		r.fail(ReasonSize)
	}
}

// fail records the first error, at the current position.
func (r *Reader) fail(reason Reason) error {
	if r.err == nil {
		r.err = &DecodeError{Offset: r.off, Reason: reason}
	}
	return r.err
}

// Offset is the position of the next head.
func (r *Reader) Offset() int { return r.off }

// Err is the first error, or nil.
func (r *Reader) Err() error { return r.err }

// Kind is the kind of the next value, without reading it; KindInvalid where there is none.
func (r *Reader) Kind() Kind {
	if r.err != nil || r.off >= len(r.b) {
		return KindInvalid
	}
	switch c := r.b[r.off]; c >> 5 {
	case majUint, majNeg:
		return KindInt
	case majBytes:
		return KindBytes
	case majText:
		return KindString
	case majList:
		return KindList
	case majMap:
		return KindMap
	case majTag:
		return KindLink
	default:
		switch c {
		case byteFalse, byteTrue:
			return KindBool
		case byteNull:
			return KindNull
		case byteF64:
			return KindFloat
		}
	}
	return KindInvalid
}

// begin leaves the containers that are complete and reports whether a value of the given kind comes next, and
// whether it is a map key.
func (r *Reader) begin(want Kind) (key, ok bool) {
	if r.err != nil {
		return false, false
	}
	r.leave()
	if r.depth == 0 {
		if r.root {
			r.fail(ReasonTrailing)
			return false, false
		}
	} else if f := &r.stack[r.depth-1]; f.isMap && f.left&1 == 0 {
		key = true
	}
	if r.off >= len(r.b) {
		r.fail(ReasonTruncated)
		return key, false
	}
	kind := r.Kind()
	switch {
	case key && kind != KindString:
		r.fail(ReasonKeyType)
	case kind == KindInvalid:
		r.fail(otherReason(r.b[r.off]))
	case want != KindInvalid && kind != want:
		r.fail(ReasonKind)
	default:
		return key, true
	}
	return key, false
}

func (r *Reader) leave() {
	for r.depth > 0 && r.stack[r.depth-1].left == 0 {
		r.depth--
	}
}

// finish counts an item that ended at next.
func (r *Reader) finish(next int) {
	r.off = next
	if r.depth == 0 {
		r.root = true
		return
	}
	r.stack[r.depth-1].left--
	r.owed--
}

// Null reads nil.
func (r *Reader) Null() error {
	if _, ok := r.begin(KindNull); !ok {
		return r.err
	}
	r.finish(r.off + 1)
	return nil
}

// Bool reads a bool.
func (r *Reader) Bool() (bool, error) {
	if _, ok := r.begin(KindBool); !ok {
		return false, r.err
	}
	v := r.b[r.off] == byteTrue
	r.finish(r.off + 1)
	return v, nil
}

// Int reads an integer.
func (r *Reader) Int() (int64, error) {
	if _, ok := r.begin(KindInt); !ok {
		return 0, r.err
	}
	n, next, reason := readInt(r.b, r.off)
	if reason != "" {
		return 0, r.fail(reason)
	}
	r.finish(next)
	return n, nil
}

// Float reads a float.
func (r *Reader) Float() (float64, error) {
	if _, ok := r.begin(KindFloat); !ok {
		return 0, r.err
	}
	f, reason := readFloat(r.b, r.off)
	if reason != "" {
		return 0, r.fail(reason)
	}
	r.finish(r.off + 9)
	return f, nil
}

// Bytes reads a byte string. The result aliases the input.
func (r *Reader) Bytes() ([]byte, error) {
	if _, ok := r.begin(KindBytes); !ok {
		return nil, r.err
	}
	s, next, reason := readBytes(r.b, r.off)
	if reason != "" {
		return nil, r.fail(reason)
	}
	r.finish(next)
	return s, nil
}

// String reads a text string, into memory of its own.
func (r *Reader) String() (string, error) {
	s, err := r.StringBytes()
	return string(s), err
}

// StringBytes reads a text string as its bytes, which alias the input.
func (r *Reader) StringBytes() ([]byte, error) {
	key, ok := r.begin(KindString)
	if !ok {
		return nil, r.err
	}
	s, next, reason := readText(r.b, r.off)
	if reason == "" && key {
		reason = r.order(s, next)
	}
	if reason != "" {
		return nil, r.fail(reason)
	}
	r.finish(next)
	return s, nil
}

// order checks that key, which ends at next, comes after the one before it in its map.
func (r *Reader) order(key []byte, next int) Reason {
	f := &r.stack[r.depth-1]
	if f.keyEnd != 0 && !keyLess(alias(r.b[f.keyStart:f.keyEnd]), alias(key)) {
		return ReasonKeyOrder
	}
	f.keyStart, f.keyEnd = uint32(next-len(key)), uint32(next)
	return ""
}

// NextKey reads a map key; the result aliases the input, so that `switch string(k)` costs no allocation.
// Where no key comes next it fails with [ReasonKeyType].
func (r *Reader) NextKey() ([]byte, error) {
	if r.err == nil {
		r.leave()
		if r.depth == 0 || !r.stack[r.depth-1].isMap || r.stack[r.depth-1].left&1 != 0 {
			r.fail(ReasonKeyType)
		}
	}
	return r.StringBytes()
}

// Key reads a map key, as [Reader.NextKey] does, into memory of its own. It must come after prev, too, where
// prev is not "".
func (r *Reader) Key(prev string) (string, error) {
	start := r.off
	k, err := r.NextKey()
	if err != nil {
		return "", err
	}
	if prev != "" && !keyLess(prev, alias(k)) {
		r.off = start
		return "", r.fail(ReasonKeyOrder)
	}
	return string(k), nil
}

// Link reads a link.
func (r *Reader) Link() (ID, error) {
	if _, ok := r.begin(KindLink); !ok {
		return ID{}, r.err
	}
	id, reason := readLink(r.b, r.off)
	if reason != "" {
		return ID{}, r.fail(reason)
	}
	r.finish(r.off + linkSize)
	return id, nil
}

// List begins a list and returns how many values follow.
func (r *Reader) List() (int, error) { return r.container(KindList, majList) }

// Map begins a map and returns how many entries follow.
func (r *Reader) Map() (int, error) { return r.container(KindMap, majMap) }

func (r *Reader) container(kind Kind, major byte) (int, error) {
	if _, ok := r.begin(kind); !ok {
		return 0, r.err
	}
	w := r.walker()
	n, reason := w.open(r.depth+1, major)
	if reason != "" {
		return 0, r.fail(reason)
	}
	items := w.owed - r.walker().owed
	r.finish(w.off)
	r.owed += items
	if n > 0 {
		r.stack[r.depth] = frame{left: uint32(items), isMap: major == majMap}
		r.depth++
	}
	return n, nil
}

// walker goes on from here, in the same containers, with the value that comes next no longer owed.
func (r *Reader) walker() walker {
	w := walker{b: r.b, off: r.off, owed: r.owed}
	if r.depth > 0 {
		w.owed--
	}
	return w
}

// Skip passes one value of any kind and checks it.
func (r *Reader) Skip() error {
	_, err := r.Raw()
	return err
}

// Raw passes one value of any kind, checks it, and returns its bytes, which alias the input.
func (r *Reader) Raw() ([]byte, error) {
	key, ok := r.begin(KindInvalid)
	if !ok {
		return nil, r.err
	}
	start := r.off
	if key {
		if _, err := r.StringBytes(); err != nil {
			return nil, err
		}
		return r.b[start:r.off:r.off], nil
	}
	w := r.walker()
	if reason := w.skip(r.depth + 1); reason != "" {
		r.off = w.off
		return nil, r.fail(reason)
	}
	r.finish(w.off)
	return r.b[start:w.off:w.off], nil
}

// Value reads one value of any kind, as [Decode] does.
func (r *Reader) Value() (any, error) {
	key, ok := r.begin(KindInvalid)
	if !ok {
		return nil, r.err
	}
	if key {
		return r.String()
	}
	d := decoder{r.walker()}
	v, reason := d.value(r.depth + 1)
	if reason != "" {
		r.off = d.off
		return nil, r.fail(reason)
	}
	r.finish(d.off)
	return v, nil
}

// End checks that the value is complete and that nothing follows it.
func (r *Reader) End() error {
	if r.err != nil {
		return r.err
	}
	r.leave()
	if !r.root || r.depth > 0 {
		return r.fail(ReasonTruncated)
	}
	if r.off != len(r.b) {
		return r.fail(ReasonTrailing)
	}
	return nil
}
