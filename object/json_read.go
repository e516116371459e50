package object

import (
	"encoding/base64"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// FromJSON reads one DAG-JSON value: a number without point and exponent is an integer, any other a float;
// {"/":"b..."} is a link and {"/":{"bytes":"..."}} are bytes. It is strict about what could be lost: a key
// twice, an integer outside int64, a float too large, a lone surrogate, invalid UTF-8 and trailing text are
// *[DecodeError]s. White space and the order of keys do not matter. The limits on depth and containers are
// those of a block.
func FromJSON(text []byte) (any, error) {
	if len(text) > MaxJSON {
		return nil, &DecodeError{Offset: MaxJSON, Reason: ReasonSize}
	}
	p := jsonReader{b: text}
	p.space()
	v, reason := p.value(1)
	p.space()
	if reason == "" && p.off != len(text) {
		reason = ReasonTrailing
	}
	if reason != "" {
		return nil, &DecodeError{Offset: p.off, Reason: reason}
	}
	return v, nil
}

type jsonReader struct {
	b          []byte
	off        int
	containers int
}

func (p *jsonReader) space() {
	for p.off < len(p.b) {
		switch p.b[p.off] {
		case ' ', '\t', '\n', '\r':
			p.off++
		default:
			return
		}
	}
}

// next is the byte at the position, 0 at the end.
func (p *jsonReader) next() byte {
	if p.off < len(p.b) {
		return p.b[p.off]
	}
	return 0
}

// accept passes c, and white space after it, if it comes next.
func (p *jsonReader) accept(c byte) bool {
	if p.next() != c {
		return false
	}
	p.off++
	p.space()
	return true
}

func (p *jsonReader) value(depth int) (any, Reason) {
	if p.off >= len(p.b) {
		return nil, ReasonTruncated
	}
	switch c := p.b[p.off]; c {
	case '{':
		return p.mapping(depth)
	case '[':
		return p.list(depth)
	case '"':
		s, reason := p.text()
		if reason != "" {
			return nil, reason
		}
		return s, ""
	case 'n':
		return nil, p.word("null")
	case 't':
		return true, p.word("true")
	case 'f':
		return false, p.word("false")
	}
	return p.number()
}

func (p *jsonReader) word(w string) Reason {
	if len(p.b)-p.off < len(w) || string(p.b[p.off:p.off+len(w)]) != w {
		return ReasonJSON
	}
	p.off += len(w)
	return ""
}

func (p *jsonReader) open(depth int) Reason {
	if depth > MaxDepth {
		return ReasonDepth
	}
	if p.containers++; p.containers > MaxContainers {
		return ReasonContainers
	}
	p.off++
	p.space()
	return ""
}

func (p *jsonReader) list(depth int) (any, Reason) {
	if reason := p.open(depth); reason != "" {
		return nil, reason
	}
	l := []any{}
	if p.accept(']') {
		return l, ""
	}
	for {
		v, reason := p.value(depth + 1)
		if reason != "" {
			return nil, reason
		}
		l = append(l, v)
		p.space()
		if p.accept(',') {
			continue
		}
		if p.next() != ']' {
			return nil, ReasonJSON
		}
		p.off++
		return l, ""
	}
}

func (p *jsonReader) mapping(depth int) (any, Reason) {
	start := p.off
	// The wrappers of links and bytes look like maps but are none: they may stand one and two levels deeper.
	if v, ok, reason := p.wrapped(); ok || reason != "" {
		return v, reason
	}
	p.off = start
	if reason := p.open(depth); reason != "" {
		return nil, reason
	}
	m := map[string]any{}
	if p.accept('}') {
		return m, ""
	}
	for {
		if reason := p.entry(m, depth); reason != "" {
			return nil, reason
		}
		p.space()
		if p.accept(',') {
			continue
		}
		if p.next() != '}' {
			return nil, ReasonJSON
		}
		p.off++
		return m, ""
	}
}

func (p *jsonReader) entry(m map[string]any, depth int) Reason {
	if p.next() != '"' {
		return ReasonJSON
	}
	at := p.off
	k, reason := p.text()
	if reason != "" {
		return reason
	}
	if _, twice := m[k]; twice {
		p.off = at
		return ReasonKeyOrder
	}
	p.space()
	if !p.accept(':') {
		return ReasonJSON
	}
	m[k], reason = p.value(depth + 1)
	return reason
}

// wrapped reads {"/":"..."} and {"/":{"bytes":"..."}}. ok is false where the map is neither.
func (p *jsonReader) wrapped() (v any, ok bool, reason Reason) {
	at := p.off
	if !p.only("/") {
		return nil, false, ""
	}
	isBytes := p.next() == '{'
	if isBytes && !p.only("bytes") || p.next() != '"' {
		return nil, false, ""
	}
	s, reason := p.text()
	if reason != "" {
		return nil, false, reason
	}
	p.space()
	if isBytes && !p.accept('}') || p.next() != '}' {
		return nil, false, ""
	}
	p.off++
	if isBytes {
		b, err := base64.RawStdEncoding.Strict().DecodeString(s)
		if err != nil {
			p.off = at
			return nil, false, ReasonJSON
		}
		return b, true, ""
	}
	id, err := ParseID(s)
	if err != nil {
		p.off = at
		return nil, false, ReasonLink
	}
	return id, true, ""
}

// only passes {"key": if that comes next.
func (p *jsonReader) only(key string) bool {
	if !p.accept('{') || p.next() != '"' {
		return false
	}
	s, reason := p.text()
	p.space()
	return reason == "" && s == key && p.accept(':')
}

func (p *jsonReader) digits() int {
	start := p.off
	for c := p.next(); '0' <= c && c <= '9'; c = p.next() {
		p.off++
	}
	return p.off - start
}

func (p *jsonReader) number() (any, Reason) {
	start := p.off
	fail := func(reason Reason) (any, Reason) {
		p.off = start
		return nil, reason
	}
	if p.next() == '-' {
		p.off++
	}
	zero := p.next() == '0'
	if n := p.digits(); n == 0 || zero && n > 1 {
		return fail(ReasonJSON)
	}
	float := false
	if p.next() == '.' {
		p.off++
		float = true
		if p.digits() == 0 {
			return fail(ReasonJSON)
		}
	}
	if c := p.next(); c == 'e' || c == 'E' {
		p.off++
		float = true
		if c := p.next(); c == '+' || c == '-' {
			p.off++
		}
		if p.digits() == 0 {
			return fail(ReasonJSON)
		}
	}
	s := string(p.b[start:p.off])
	if !float {
		i, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return fail(ReasonIntRange)
		}
		return i, ""
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return fail(ReasonFloat)
	}
	if f == 0 {
		f = 0 // not negative zero
	}
	return f, ""
}

// text reads a JSON string. On failure the position is at what is wrong.
func (p *jsonReader) text() (string, Reason) {
	p.off++
	start := p.off
	for p.off < len(p.b) && p.b[p.off] >= 0x20 && p.b[p.off] != '"' && p.b[p.off] != '\\' {
		p.off++
	}
	out := append([]byte(nil), p.b[start:p.off]...)
	for {
		if p.off >= len(p.b) {
			return "", ReasonTruncated
		}
		switch c := p.b[p.off]; {
		case c == '"':
			if !utf8.Valid(out) {
				return "", ReasonUTF8
			}
			p.off++
			return string(out), ""
		case c < 0x20:
			return "", ReasonJSON
		case c != '\\':
			out = append(out, c)
			p.off++
		default:
			var reason Reason
			if out, reason = p.escape(out); reason != "" {
				return "", reason
			}
		}
	}
}

func (p *jsonReader) escape(out []byte) ([]byte, Reason) {
	if p.off+1 >= len(p.b) {
		return nil, ReasonTruncated
	}
	c := p.b[p.off+1]
	switch c {
	case '"', '\\', '/':
	case 'b':
		c = '\b'
	case 'f':
		c = '\f'
	case 'n':
		c = '\n'
	case 'r':
		c = '\r'
	case 't':
		c = '\t'
	case 'u':
		return p.unicodeEscape(out)
	default:
		return nil, ReasonJSON
	}
	p.off += 2
	return append(out, c), ""
}

func (p *jsonReader) unicodeEscape(out []byte) ([]byte, Reason) {
	r, ok := p.hex4(p.off)
	if !ok {
		return nil, ReasonJSON
	}
	size := 6
	if utf16.IsSurrogate(r) {
		low, ok := p.hex4(p.off + 6)
		if !ok {
			return nil, ReasonUTF8
		}
		if r = utf16.DecodeRune(r, low); r == utf8.RuneError {
			return nil, ReasonUTF8
		}
		size = 12
	}
	p.off += size
	return utf8.AppendRune(out, r), ""
}

// hex4 reads the \uXXXX at off.
func (p *jsonReader) hex4(off int) (rune, bool) {
	if len(p.b)-off < 6 || p.b[off] != '\\' || p.b[off+1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(string(p.b[off+2:off+6]), 16, 16)
	return rune(n), err == nil && p.b[off+2] != '+' && p.b[off+2] != '_'
}
