package object

import (
	"fmt"
	"math"
	"sync"
	"unicode/utf8"
)

// Encode is the canonical form of v. Besides the kinds of value it takes int, int32, uint32 and uint64 for
// integers that fit into int64. A value it cannot encode (any other Go type, NaN, an infinity, a string that
// is not UTF-8, the zero ID, too deep or too large, which includes cycles) is a *[ValueError] with its path.
// Negative zero is written as zero.
func Encode(v any) ([]byte, error) {
	scratch := scratchPool.Get().(*[]byte)
	b, err := Append((*scratch)[:0], v)
	var out []byte
	if err == nil {
		out = append(make([]byte, 0, len(b)), b...)
	}
	if cap(b) <= scratchKept {
		*scratch = b[:0]
	}
	scratchPool.Put(scratch)
	return out, err
}

// scratchPool holds buffers to encode into, so that Encode allocates once, and of the right size.
var scratchPool = sync.Pool{New: func() any {
	b := make([]byte, 0, 512)
	return &b
}}

// scratchKept is the largest buffer that goes back, in bytes: one huge value must not pin its memory.
const scratchKept = 64 << 10

// Append appends the canonical form of v to dst, as [Encode] does. On an error it returns dst as it was.
func Append(dst []byte, v any) ([]byte, error) {
	e := encoder{start: len(dst)}
	out, err := e.value(dst, v, 1)
	if err != nil {
		return dst, err
	}
	return out, nil
}

type encoder struct {
	start      int // where the block begins in dst
	containers int
}

func refuse(reason string) error { return &ValueError{Reason: reason} }

const tooLarge = "larger than a block may be (1 MiB); use a blob"

// value appends v; depth is the one v has if it is a container.
func (e *encoder) value(dst []byte, v any, depth int) ([]byte, error) {
	if len(dst)-e.start >= MaxBlock {
		return nil, refuse(tooLarge)
	}
	var err error
	switch v := v.(type) {
	case nil:
		dst = append(dst, byteNull)
	case bool:
		dst = appendBool(dst, v)
	case int64:
		dst = appendInt(dst, v)
	case string:
		dst, err = e.text(dst, v)
	case []byte:
		dst, err = e.bytes(dst, v)
	case map[string]any:
		return e.mapping(dst, v, depth)
	case []any:
		return e.list(dst, v, depth)
	case ID:
		if v.IsZero() {
			return nil, refuse("a link to nothing (the zero ID)")
		}
		dst = appendLink(dst, v)
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, refuse("NaN and infinities cannot be stored")
		}
		dst = appendFloat(dst, v)
	default:
		dst, err = appendOtherInt(dst, v)
	}
	if err == nil && len(dst)-e.start > MaxBlock {
		err = refuse(tooLarge)
	}
	return dst, err
}

func appendBool(dst []byte, b bool) []byte {
	if b {
		return append(dst, byteTrue)
	}
	return append(dst, byteFalse)
}

// appendOtherInt appends the integer types that Encode takes for convenience.
func appendOtherInt(dst []byte, v any) ([]byte, error) {
	switch v := v.(type) {
	case int:
		return appendInt(dst, int64(v)), nil
	case int32:
		return appendInt(dst, int64(v)), nil
	case uint32:
		return appendInt(dst, int64(v)), nil
	case uint64:
		if v > math.MaxInt64 {
			return nil, refuse("an integer larger than int64")
		}
		return appendInt(dst, int64(v)), nil
	}
	return nil, refuse(fmt.Sprintf("a Go %T is not a value", v))
}

func (e *encoder) text(dst []byte, s string) ([]byte, error) {
	if len(s) > MaxBlock {
		return nil, refuse(tooLarge)
	}
	if !utf8.ValidString(s) {
		return nil, refuse("a string that is not valid UTF-8")
	}
	return append(appendHead(dst, majText, uint64(len(s))), s...), nil
}

func (e *encoder) bytes(dst, b []byte) ([]byte, error) {
	if len(b) > MaxBlock {
		return nil, refuse(tooLarge)
	}
	return append(appendHead(dst, majBytes, uint64(len(b))), b...), nil
}

// open counts a list or map at depth.
func (e *encoder) open(depth int) error {
	if depth > MaxDepth {
		return refuse("deeper than 32 lists and maps (or a cycle)")
	}
	if e.containers++; e.containers > MaxContainers {
		return refuse("more than 16384 lists and maps in one block")
	}
	return nil
}

func (e *encoder) list(dst []byte, l []any, depth int) ([]byte, error) {
	if err := e.open(depth); err != nil {
		return nil, err
	}
	dst = appendHead(dst, majList, uint64(len(l)))
	var err error
	for i, v := range l {
		if dst, err = e.value(dst, v, depth+1); err != nil {
			return nil, under(err, PathIndex("", i))
		}
	}
	return dst, nil
}

func (e *encoder) mapping(dst []byte, m map[string]any, depth int) ([]byte, error) {
	if err := e.open(depth); err != nil {
		return nil, err
	}
	var few [fewKeys]string
	keys := few[:0]
	if len(m) > len(few) {
		keys = make([]string, 0, len(m))
	}
	for k := range m {
		keys = append(keys, k)
	}
	sortKeys(keys, CompareKeys)
	dst = appendHead(dst, majMap, uint64(len(keys)))
	var err error
	for _, k := range keys {
		if dst, err = e.text(dst, k); err == nil {
			dst, err = e.value(dst, m[k], depth+1)
		}
		if err != nil {
			return nil, under(err, PathKey("", k))
		}
	}
	return dst, nil
}

// under puts outer before the path of err; it runs only on the way out of a failure.
func under(err error, outer string) error {
	if ve, ok := err.(*ValueError); ok {
		ve.Path = pathUnder(outer, ve.Path)
	}
	return err
}
