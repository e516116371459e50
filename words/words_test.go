package words

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/hyperhyperspace/hhs-go/object"
)

// The list is part of the format: whoever changes it breaks every spoken link.
const listHash = "3c3b6f0c3a41ade11cd33d9652ded1dc9326edcfa97e28e3248a9124a4eb24d4"

func TestListIsTheList(t *testing.T) {
	sum := sha256.Sum256([]byte(text))
	if got := hex.EncodeToString(sum[:]); got != listHash {
		t.Errorf("words.txt has changed: %s", got)
	}
	if len(list()) != 1<<bitsPerWord || !slices.IsSorted(list()) {
		t.Fatalf("%d words, sorted: %v", len(list()), slices.IsSorted(list()))
	}
	for _, w := range list() {
		if len(w) < 4 || len(w) > MaxWord || strings.Trim(w, "abcdefghijklmnopqrstuvwxyz") != "" {
			t.Errorf("%q is not 4 to 7 plain letters", w)
		}
	}
}

// Two words within one slip share a word or a word with a letter removed.
func TestNoTwoWordsWithinOneSlip(t *testing.T) {
	by := map[string][]string{}
	for _, w := range list() {
		by[w] = append(by[w], w)
		for i := range w {
			k := w[:i] + w[i+1:]
			by[k] = append(by[k], w)
		}
	}
	for _, group := range by {
		for i, a := range group {
			for _, b := range group[:i] {
				if a != b && distance(a, b) < 2 {
					t.Errorf("%s and %s are one slip apart", a, b)
				}
			}
		}
	}
}

func TestRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, bits := range append([]uint64{0, 1, 1<<Bits - 1, 1 << 35, 4096}, func() (l []uint64) {
		for range 2000 {
			l = append(l, r.Uint64N(1<<Bits))
		}
		return
	}()...) {
		s := Encode(bits)
		for _, typed := range []string{s, strings.ToUpper(s), strings.ReplaceAll(s, " ", "-"), " " + strings.ReplaceAll(s, " ", ", ") + ".\n"} {
			got, err := Decode(typed)
			if err != nil || got != bits {
				t.Fatalf("Decode(%q) = %d, %v; want %d", typed, got, err, bits)
			}
		}
		if !Look(s) {
			t.Errorf("%q does not look like words", s)
		}
	}
}

func TestDecodeErrors(t *testing.T) {
	for _, c := range []struct {
		typed, want string
	}{
		{"", "words: a space has three words, here are 0"},
		{"zebra zebra", "words: a space has three words, here are 2"},
		{"zebra zebra zebra zebra", "words: a space has three words, here are 4"},
		{"zebar apple apple", `words: the first word, "zebar", is not one of ours; did you mean "zebra"?`},
		{"zebra aple apple", `words: the second word, "aple", is not one of ours; did you mean "apple"?`},
		{"zebra apple xqzvwk", `words: the third word, "xqzvwk", is not one of ours`},
		{"zebra apple q", `words: the third word, "q", is not one of ours`},
		{"zebra äpfel apple", `words: the second word, "äpfel", is not one of ours; did you mean "appeal"?`},
		{"zebra apple " + strings.Repeat("x", 40), `words: the third word, "` + strings.Repeat("x", 40) + `", is not one of ours`},
	} {
		_, err := Decode(c.typed)
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("Decode(%q): %v", c.typed, err)
			continue
		}
		if e.Error() != c.want && !strings.Contains(c.typed, "ä") {
			t.Errorf("Decode(%q):\n%v\nwant\n%s", c.typed, e, c.want)
		}
	}
}

func TestEverySlipIsNamed(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 300 {
		w := list()[r.IntN(len(list()))]
		i := r.IntN(len(w))
		slip := w[:i] + string(rune('a'+r.IntN(26))) + w[i+1:]
		_, err := Decode("apple " + slip + " apple")
		if slip == w {
			continue
		}
		var e *Error
		if !errors.As(err, &e) || e.Position != 2 || e.Suggestion == "" || distance(slip, e.Suggestion) > 1 {
			t.Errorf("%s for %s: %v", slip, w, err)
		}
	}
}

func TestLook(t *testing.T) {
	for typed, want := range map[string]bool{
		"zebra apple tiger": true, "zebra.apple.tiger": true, "hhs:bafy?s=a b": false, "https://a b c": false, "one two": false,
	} {
		if Look(typed) != want {
			t.Errorf("Look(%q) = %v", typed, !want)
		}
	}
}

func TestForID(t *testing.T) {
	id := object.Sum(object.DagCBOR, []byte("a space"))
	bits, err := Decode(ForID(id))
	if err != nil || bits != FromID(id) || bits>>Bits != 0 {
		t.Errorf("ForID: %d, %v", bits, err)
	}
	sum := sha256.Sum256(append([]byte("hhs/words"), id.Bytes()...))
	want := uint64(sum[0])<<28 | uint64(sum[1])<<20 | uint64(sum[2])<<12 | uint64(sum[3])<<4 | uint64(sum[4])>>4
	if bits != want {
		t.Errorf("FromID = %x, want %x", bits, want)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add("zebra apple tiger")
	f.Add("ZEBRA-aple\x00tiger")
	f.Add("äöü ß \xff\xfe x")
	f.Fuzz(func(t *testing.T, typed string) {
		bits, err := Decode(typed)
		if err != nil {
			_ = err.Error()
			return
		}
		if again, err := Decode(Encode(bits)); err != nil || again != bits {
			t.Errorf("%q: %d, then %d, %v", typed, bits, again, err)
		}
	})
}
