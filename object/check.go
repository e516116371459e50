package object

// Check reports whether [Decode] would accept block, as the same *[DecodeError], without building values and
// without allocating.
func Check(block []byte) error {
	w := walker{b: block}
	return w.block()
}

// Links lists the links in block in the order in which they stand there, repeated ones as often as they occur.
// It refuses what [Check] refuses.
func Links(block []byte) ([]ID, error) {
	var links []ID
	w := walker{b: block, links: &links}
	if err := w.block(); err != nil {
		return nil, err
	}
	return links, nil
}

// walker goes through bytes and checks them. owed is how many values the containers that are open still have
// to bring: each takes at least one byte, so a claim beyond the bytes at hand is refused when it is made, and
// the sum of all claims never exceeds the input.
type walker struct {
	b          []byte
	off        int
	owed       int
	containers int
	links      *[]ID // where links are collected, or nil
}

func (w *walker) block() error {
	if len(w.b) > MaxBlock {
		return &DecodeError{Offset: MaxBlock, Reason: ReasonSize}
	}
	reason := w.skip(1)
	if reason == "" && w.off != len(w.b) {
		reason = ReasonTrailing
	}
	if reason != "" {
		return &DecodeError{Offset: w.off, Reason: reason}
	}
	return nil
}

// skip passes one value; depth is the one it has if it is a container. It recurses at most MaxDepth deep.
func (w *walker) skip(depth int) Reason {
	if w.off >= len(w.b) {
		return ReasonTruncated
	}
	next := w.off
	var reason Reason
	switch c := w.b[w.off]; c >> 5 {
	case majUint, majNeg:
		_, next, reason = readInt(w.b, w.off)
	case majText:
		_, next, reason = readText(w.b, w.off)
	case majBytes:
		_, next, reason = readBytes(w.b, w.off)
	case majList, majMap:
		return w.skipContainer(depth, c>>5)
	case majTag:
		var id ID
		id, reason = readLink(w.b, w.off)
		next += linkSize
		if reason == "" && w.links != nil {
			*w.links = append(*w.links, id)
		}
	default:
		next, reason = skipOther(w.b, w.off)
	}
	if reason == "" {
		w.off = next
	}
	return reason
}

func skipOther(b []byte, off int) (int, Reason) {
	switch c := b[off]; c {
	case byteFalse, byteTrue, byteNull:
		return off + 1, ""
	case byteF64:
		_, reason := readFloat(b, off)
		return off + 9, reason
	default:
		return off, otherReason(c)
	}
}

func (w *walker) skipContainer(depth int, major byte) Reason {
	n, reason := w.open(depth, major)
	if reason != "" {
		return reason
	}
	prev := ""
	for i := range n {
		if major == majMap {
			k, reason := w.key(prev, i == 0)
			if reason != "" {
				return reason
			}
			prev = alias(k)
		}
		w.owed--
		if reason := w.skip(depth + 1); reason != "" {
			return reason
		}
	}
	return ""
}

// open passes the head of a list or map and returns how many elements or entries follow.
func (w *walker) open(depth int, major byte) (int, Reason) {
	_, n, next, reason := readHead(w.b, w.off)
	if reason != "" {
		return 0, reason
	}
	room := len(w.b) - next - w.owed
	per := 1
	if major == majMap {
		per = 2
	}
	switch {
	case room < 0 || n > uint64(room/per):
		return 0, ReasonTruncated
	case depth > MaxDepth:
		return 0, ReasonDepth
	case w.containers >= MaxContainers:
		return 0, ReasonContainers
	}
	w.containers++
	w.owed += per * int(n)
	w.off = next
	return int(n), ""
}

// key passes a map key, which must come after prev. What it returns aliases the input.
func (w *walker) key(prev string, first bool) ([]byte, Reason) {
	w.owed--
	if w.off >= len(w.b) {
		return nil, ReasonTruncated
	}
	if w.b[w.off]>>5 != majText {
		return nil, ReasonKeyType
	}
	k, next, reason := readText(w.b, w.off)
	if reason != "" {
		return nil, reason
	}
	if !first && !keyLess(prev, alias(k)) {
		return nil, ReasonKeyOrder
	}
	w.off = next
	return k, ""
}
