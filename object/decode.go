package object

import "unicode/utf8"

// Decode reads a block that holds exactly one value in canonical form. Any other bytes are a *[DecodeError].
// The result shares no memory with block; lists and maps in it are never nil. It allocates at most 32 times
// the block and 400 bytes for each list and map in it, whether it accepts the block or not.
func Decode(block []byte) (any, error) {
	if len(block) > MaxBlock {
		return nil, &DecodeError{Offset: MaxBlock, Reason: ReasonSize}
	}
	d := decoder{walker{b: block}}
	v, reason := d.value(1)
	if reason == "" && d.off != len(block) {
		reason = ReasonTrailing
	}
	if reason != "" {
		return nil, &DecodeError{Offset: d.off, Reason: reason}
	}
	return v, nil
}

// decoder builds values; the walker in it keeps the position, which stays at the offending head on failure.
type decoder struct{ walker }

// emptyList and emptyBytes are boxed once: neither can be changed by whoever receives them.
var (
	emptyList  any = []any{}
	emptyBytes any = []byte{}
)

// value reads one value; depth is the one it has if it is a container.
func (d *decoder) value(depth int) (any, Reason) {
	if d.off >= len(d.b) {
		return nil, ReasonTruncated
	}
	switch c := d.b[d.off]; c >> 5 {
	case majUint, majNeg:
		n, next, reason := readInt(d.b, d.off)
		return take(&d.walker, n, next, reason)
	case majText:
		s, next, reason := readText(d.b, d.off)
		if reason != "" {
			return nil, reason
		}
		d.off = next
		return string(s), ""
	case majBytes:
		s, next, reason := readBytes(d.b, d.off)
		if reason != "" {
			return nil, reason
		}
		d.off = next
		if len(s) == 0 {
			return emptyBytes, ""
		}
		return append(make([]byte, 0, len(s)), s...), ""
	case majList:
		return d.list(depth)
	case majMap:
		return d.mapping(depth)
	case majTag:
		id, reason := readLink(d.b, d.off)
		return take(&d.walker, id, d.off+linkSize, reason)
	default:
		return d.other(c)
	}
}

// take moves to next and boxes v, unless there is a reason not to.
func take[T any](w *walker, v T, next int, reason Reason) (any, Reason) {
	if reason != "" {
		return nil, reason
	}
	w.off = next
	return v, ""
}

func (d *decoder) other(c byte) (any, Reason) {
	switch c {
	case byteFalse, byteTrue:
		d.off++
		return c == byteTrue, ""
	case byteNull:
		d.off++
		return nil, ""
	case byteF64:
		f, reason := readFloat(d.b, d.off)
		return take(&d.walker, f, d.off+9, reason)
	}
	return nil, otherReason(c)
}

func (d *decoder) list(depth int) (any, Reason) {
	n, reason := d.open(depth, majList)
	if reason != "" {
		return nil, reason
	}
	if n == 0 {
		return emptyList, ""
	}
	l := make([]any, n)
	for i := range l {
		d.owed--
		if l[i], reason = d.value(depth + 1); reason != "" {
			return nil, reason
		}
	}
	return l, ""
}

func (d *decoder) mapping(depth int) (any, Reason) {
	n, reason := d.open(depth, majMap)
	if reason != "" {
		return nil, reason
	}
	m := make(map[string]any, n)
	prev := ""
	for i := range n {
		k, reason := d.key(prev, i == 0)
		if reason != "" {
			return nil, reason
		}
		prev = string(k)
		d.owed--
		v, reason := d.value(depth + 1)
		if reason != "" {
			return nil, reason
		}
		m[prev] = v
	}
	return m, ""
}

// readInt reads the integer whose head is at off.
func readInt(b []byte, off int) (int64, int, Reason) {
	major, n, next, reason := readHead(b, off)
	if reason != "" {
		return 0, off, reason
	}
	if n > 1<<63-1 {
		return 0, off, ReasonIntRange
	}
	if major == majNeg {
		return ^int64(n), next, ""
	}
	return int64(n), next, ""
}

// readBytes reads the byte or text string whose head is at off. What it returns aliases b.
func readBytes(b []byte, off int) ([]byte, int, Reason) {
	_, n, next, reason := readHead(b, off)
	if reason != "" {
		return nil, off, reason
	}
	if n > uint64(len(b)-next) {
		return nil, off, ReasonTruncated
	}
	end := next + int(n)
	return b[next:end:end], end, ""
}

func readText(b []byte, off int) ([]byte, int, Reason) {
	s, next, reason := readBytes(b, off)
	if reason == "" && !utf8.Valid(s) {
		return nil, off, ReasonUTF8
	}
	return s, next, reason
}
