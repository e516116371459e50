// Package words turns 36 bits into three short English words and back, so that a
// person can say aloud where a space is found.
//
// To start: [FromID] gives the bits of a space, [Encode] their words, [Decode]
// reads what a person typed. Each word stands for 12 bits, the first for the
// highest. The bits of a space are the first 36 of
// SHA-256("hhs/words" followed by the space id's 36 bytes).
//
// Three words only find candidates: 36 bits can be forged in an afternoon.
// Whoever joins by words is shown every candidate with its creator's key and
// chooses; see docs/decisions/0010-words.md.
//
// # The list
//
// words.txt has 4096 words, sorted, one per line; a word's number is its line,
// from 0. The list is part of the format and never changes. It was made from
// SCOWL (Spell Checker Oriented Word Lists, version 2020.12.07, the levels up to
// 40 and a few of 50; notice in LICENSE.scowl): 4 to 7 plain letters, no
// inflected forms where the base form exists, nothing one would not say to a
// stranger, no two words that sound alike, and no two within one typing slip
// (a letter wrong, missing, added, or two swapped) of each other. A slip is
// therefore never another valid word, and Decode can name the one meant.
package words

import (
	"crypto/sha256"
	_ "embed"
	"encoding/binary"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/hyperhyperspace/hhs-go/object"
)

//go:embed words.txt
var text string

// list splits the text on first use: most sessions never need it.
var list = sync.OnceValue(func() []string { return strings.Fields(text) })

// FromID returns the 36 bits of a space id.
func FromID(id object.ID) uint64 {
	h := sha256.New()
	h.Write([]byte("hhs/words"))
	h.Write(id.Bytes())
	sum := h.Sum(nil)
	return binary.BigEndian.Uint64(sum[:8]) >> (64 - Bits)
}

// ForID returns the three words of a space id, as [Encode] writes them.
func ForID(id object.ID) string { return Encode(FromID(id)) }

// Encode returns the three words of the lowest 36 bits, with single spaces.
func Encode(bits uint64) string {
	words := make([]string, Count)
	for i := Count - 1; i >= 0; i-- {
		words[i] = list()[bits&(1<<bitsPerWord-1)]
		bits >>= bitsPerWord
	}
	return strings.Join(words, " ")
}

// Error says what is wrong with words a person typed, in words for that person.
type Error struct {
	Position   int    // which word, from 1; 0 if there are not three
	Word       string // the word that is not in the list
	Suggestion string // the nearest one that is; "" if none is near
	Count      int    // how many words there were, if not three
}

func (e *Error) Error() string {
	if e.Position == 0 {
		return "words: a space has three words, here are " + strconv.Itoa(e.Count)
	}
	s := "words: the " + [...]string{"first", "second", "third"}[e.Position-1] + " word, " + strconv.Quote(e.Word) + ", is not one of ours"
	if e.Suggestion != "" {
		s += "; did you mean " + strconv.Quote(e.Suggestion) + "?"
	}
	return s
}

// Decode returns the 36 bits of three words. Case does not matter, and anything
// that is no letter may stand between the words: spaces, commas, hyphens, dots.
// It returns an *Error that names the first wrong word.
func Decode(typed string) (uint64, error) {
	if len(typed) > maxTyped {
		typed = typed[:maxTyped]
	}
	words := split(typed)
	if len(words) != Count {
		return 0, &Error{Count: len(words)}
	}
	var bits uint64
	for i, w := range words {
		n, ok := slices.BinarySearch(list(), w)
		if !ok {
			return 0, &Error{Position: i + 1, Word: w, Suggestion: nearest(w)}
		}
		bits = bits<<bitsPerWord | uint64(n)
	}
	return bits, nil
}

// Look reports whether typed text has the shape of words rather than of a link or
// an id: three runs of letters and nothing that a link has.
func Look(typed string) bool {
	return len(typed) <= maxTyped && !strings.ContainsAny(typed, ":/?#=") && len(split(typed)) == Count
}

// split lowers the ASCII letters and cuts at everything that is neither a letter
// nor a part of another script, so that a foreign word is named, not cut up.
func split(typed string) []string {
	return strings.FieldsFunc(strings.ToLower(typed), func(r rune) bool {
		return r < 0x80 && (r < 'a' || r > 'z')
	})
}

// nearest returns the word with the smallest edit distance, if that is small
// enough to be a slip: at most 2, and less than half of the typed word.
func nearest(typed string) string {
	if len(typed) > MaxWord+2 {
		return ""
	}
	best, bestAt := "", min(3, (len(typed)+1)/2)
	for _, w := range list() {
		if d := distance(typed, w); d < bestAt {
			best, bestAt = w, d
		}
	}
	return best
}

// distance counts typing slips between two words: letters wrong, missing, added,
// or two neighbours swapped (optimal string alignment).
func distance(a, b string) int {
	var rows [3][MaxWord + 1]int
	before, last, row := &rows[0], &rows[1], &rows[2]
	for j := range len(b) + 1 {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
