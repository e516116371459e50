// Package plain makes text that others wrote fit for a terminal: what would
// move the cursor, change colours, turn the reading direction or not be seen at
// all is shown as an escape such as \u001b. To start: [Line] for a name or a
// value, [Text] for what may have several lines, [JSON] for JSON.
package plain

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// indent begins every line of a text but the first, so that none of them looks
// like a line of the program's own.
const indent = "    "

// Line is s on one line, with nothing in it that acts on a terminal. It changes
// nothing in what it returned.
func Line(s string) string { return escape(s, escapeRune) }

// Text is like Line and keeps line ends and tabs. The lines after the first are
// indented.
func Text(s string) string {
	s = strings.TrimRight(strings.ReplaceAll(s, "\r\n", "\n"), "\n")
	return escape(s, func(b *strings.Builder, r rune) {
		switch r {
		case '\n':
			b.WriteString("\n" + indent)
		case '\t':
			b.WriteRune(r)
		default:
			escapeRune(b, r)
		}
	})
}

// JSON is the same JSON with escapes for what acts on a terminal. JSON allows
// these characters in strings only, and white space stays.
func JSON(text []byte) []byte {
	return []byte(escape(string(text), func(b *strings.Builder, r rune) {
		if r == '\n' || r == '\t' || r == '\r' {
			b.WriteRune(r)
			return
		}
		escapeRune(b, r)
	}))
}

// escape copies s, with the characters that are hidden written by write.
func escape(s string, write func(*strings.Builder, rune)) string {
	var b strings.Builder
	before := rune(' ')
	for i, r := range s {
		switch {
		case r == utf8.RuneError:
			b.WriteRune(r) // also in place of bytes that are no UTF-8
		case joiner(r) && joins(before, s[i+utf8.RuneLen(r):]), !hidden(r):
			b.WriteRune(r)
		default:
			write(&b, r)
		}
		before = r
	}
	return b.String()
}

func escapeRune(b *strings.Builder, r rune) {
	switch r {
	case '\n':
		b.WriteString(`\n`)
	case '\r':
		b.WriteString(`\r`)
	case '\t':
		b.WriteString(`\t`)
	default:
		if r > 0xffff { // as JSON does, in two halves
			r -= 0x10000
			unit(b, 0xd800+r>>10)
			r = 0xdc00 + r&0x3ff
		}
		unit(b, r)
	}
}

func unit(b *strings.Builder, r rune) {
	const digits = "0123456789abcdef"
	b.WriteString(`\u`)
	for shift := 12; shift >= 0; shift -= 4 {
		b.WriteByte(digits[r>>shift&15])
	}
}

// hidden holds for control characters (C0, DEL, C1), for those of format, which
// are the bidirectional controls and all of no width, for the separators of lines
// and paragraphs, and for letters that are blank.
func hidden(r rune) bool {
	switch {
	case r < ' ':
		return true
	case r < 0x7f:
		return false
	case r == 0x034f, r == 0x115f, r == 0x1160, r == 0x2028, r == 0x2029, r == 0x2800, r == 0x3164, r == 0xffa0:
		return true
	}
	return unicode.Is(unicode.Cc, r) || unicode.Is(unicode.Cf, r) && !unicode.Is(unicode.Prepended_Concatenation_Mark, r)
}

// joiner holds for U+200C and U+200D, which some scripts and pictures need.
func joiner(r rune) bool { return r == 0x200c || r == 0x200d }

// joins tells whether a joiner between these has something to join: in Latin,
// Greek, Cyrillic or between ideographs it only makes two names look the same.
func joins(before rune, after string) bool {
	next, _ := utf8.DecodeRuneInString(after)
	return shapes(before) && shapes(next)
}

func shapes(r rune) bool {
	return r > 0x7f && r != utf8.RuneError && !hidden(r) && !unicode.IsSpace(r) &&
		!unicode.In(r, unicode.Latin, unicode.Greek, unicode.Cyrillic, unicode.Han)
}
