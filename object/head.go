package object

import "math"

// The major types of CBOR (RFC 8949, section 3.1).
const (
	majUint  = 0
	majNeg   = 1
	majBytes = 2
	majText  = 3
	majList  = 4
	majMap   = 5
	majTag   = 6
	majOther = 7
)

const (
	byteFalse = 0xf4
	byteTrue  = 0xf5
	byteNull  = 0xf6
	byteF16   = 0xf9
	byteF32   = 0xfa
	byteF64   = 0xfb

	linkHead = 5             // d8 2a 58 25 00: tag 42, 37 bytes, the multibase prefix of binary CIDs
	linkSize = linkHead + 36 // a whole link
)

// appendHead appends a major type with its argument, in the shortest form.
func appendHead(dst []byte, major byte, n uint64) []byte {
	m := major << 5
	switch {
	case n < 24:
		return append(dst, m|byte(n))
	case n <= math.MaxUint8:
		return append(dst, m|24, byte(n))
	case n <= math.MaxUint16:
		return append(dst, m|25, byte(n>>8), byte(n))
	case n <= math.MaxUint32:
		return append(dst, m|26, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
	}
	return append(dst, m|27, byte(n>>56), byte(n>>48), byte(n>>40), byte(n>>32), byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
}

func appendInt(dst []byte, i int64) []byte {
	if i < 0 {
		return appendHead(dst, majNeg, uint64(^i))
	}
	return appendHead(dst, majUint, uint64(i))
}

// appendFloat writes negative zero as zero: the two are equal, and equal values have equal ids.
func appendFloat(dst []byte, f float64) []byte {
	u := uint64(0)
	if f != 0 {
		u = math.Float64bits(f)
	}
	return append(dst, byteF64, byte(u>>56), byte(u>>48), byte(u>>40), byte(u>>32), byte(u>>24), byte(u>>16), byte(u>>8), byte(u))
}

func appendLink(dst []byte, id ID) []byte {
	dst = append(dst, 0xd8, 0x2a, 0x58, 0x25, 0x00)
	return id.Append(dst)
}

// readHead reads the head at off, of any major type but 7, and where what follows it begins. It refuses
// arguments that are not in their shortest form. reason is "" when all is well.
func readHead(b []byte, off int) (major byte, n uint64, next int, reason Reason) {
	if off >= len(b) {
		return 0, 0, off, ReasonTruncated
	}
	c := b[off]
	major, info := c>>5, c&31
	if info < 24 {
		return major, uint64(info), off + 1, ""
	}
	if info > 27 {
		if info == 31 {
			return major, 0, off, ReasonIndefinite
		}
		return major, 0, off, ReasonReserved
	}
	return readLongHead(b, off, major, info)
}

// leastFor is the least argument that needs 1, 2, 4 and 8 bytes.
var leastFor = [4]uint64{24, 1 << 8, 1 << 16, 1 << 32}

func readLongHead(b []byte, off int, major, info byte) (byte, uint64, int, Reason) {
	size := 1 << (info - 24)
	end := off + 1 + size
	if end > len(b) {
		return major, 0, off, ReasonTruncated
	}
	n := uint64(0)
	for _, c := range b[off+1 : end] {
		n = n<<8 | uint64(c)
	}
	if n < leastFor[info-24] {
		return major, 0, off, ReasonNotMinimal
	}
	return major, n, end, ""
}

// readFloat reads the float whose head, fb, is at off.
func readFloat(b []byte, off int) (float64, Reason) {
	if len(b)-off < 9 {
		return 0, ReasonTruncated
	}
	p := b[off+1 : off+9]
	u := uint64(p[0])<<56 | uint64(p[1])<<48 | uint64(p[2])<<40 | uint64(p[3])<<32 |
		uint64(p[4])<<24 | uint64(p[5])<<16 | uint64(p[6])<<8 | uint64(p[7])
	if u == 1<<63 || u>>52&0x7ff == 0x7ff {
		return 0, ReasonFloat
	}
	return math.Float64frombits(u), ""
}

// otherReason is why a head of major type 7 that is not false, true, null or a 64-bit float is refused.
func otherReason(c byte) Reason {
	switch c {
	case byteF16, byteF32:
		return ReasonFloat
	case 0xff:
		return ReasonIndefinite
	case 0xfc, 0xfd, 0xfe:
		return ReasonReserved
	}
	return ReasonSimple
}

// readLink reads the link whose tag begins at off.
func readLink(b []byte, off int) (ID, Reason) {
	_, tag, next, reason := readHead(b, off)
	switch {
	case reason != "":
		return ID{}, reason
	case tag != 42:
		return ID{}, ReasonTag
	case next >= len(b):
		return ID{}, ReasonTruncated
	}
	major, n, next, reason := readHead(b, next)
	switch {
	case major == majOther || major != majBytes:
		return ID{}, ReasonLink
	case reason != "":
		return ID{}, reason
	case n > uint64(len(b)-next):
		return ID{}, ReasonTruncated
	case n != idSize+1 || b[next] != 0:
		return ID{}, ReasonLink
	}
	id, ok := parseIDBytes(b[next+1 : next+1+idSize])
	if !ok {
		return ID{}, ReasonLink
	}
	return id, ""
}

// keyLess is the order of map keys: shorter first, then bytewise. It is that of RFC 7049, section 3.9, which
// DAG-CBOR keeps, and not that of RFC 8949.
func keyLess(a, b string) bool {
	if len(a) != len(b) {
		return len(a) < len(b)
	}
	return a < b
}

// CompareKeys is the order of map keys in a block: shorter first, then bytewise. Writers that write maps by
// hand sort by it.
func CompareKeys(a, b string) int {
	switch {
	case a == b:
		return 0
	case keyLess(a, b):
		return -1
	}
	return 1
}
