package crdttest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/hyperhyperspace/hhs-go/crdt"
	"github.com/hyperhyperspace/hhs-go/identity"
	"github.com/hyperhyperspace/hhs-go/object"
)

// seqGen is the generator of a list or a text.
func seqGen(list bool) Gen {
	g := Gen{Model: modelSeq(list), Keep: true, Long: 1000}
	if list {
		g.Schema = testSchema()
	}
	g.Draft = func(r *rand.Rand, env *crdt.Env, _ identity.PublicKey) (crdt.Draft, bool) {
		return draftSeq(r, env, list)
	}
	g.Follow = func(shown [][]byte, changes []crdt.Change) ([][]byte, error) {
		return followEdits(shown, changes, list)
	}
	g.Read = func(env *crdt.Env) ([]Shown, error) { return readSeq(env, list) }
	g.Check = func(env *crdt.Env, shown []Shown) error { return checkSeq(env, shown, list) }
	g.State = func(env *crdt.Env) (string, error) { return rawSeq(env, list) }
	return g
}

// words are what is typed: one of them is of two UTF-16 units a letter.
var words = []string{"a", "bc", "def", "ghij", "é", "日本", "😀x😀", "klmnopqr"}

// draftSeq edits in up to three places.
func draftSeq(r *rand.Rand, env *crdt.Env, list bool) (crdt.Draft, bool) {
	if r.IntN(10) == 0 {
		return wrapped(env, wildEdits(r, list), true)
	}
	w, err := crdt.NewTextWriter(env, false)
	if list {
		w, err = crdt.NewListWriter(env)
	}
	if err != nil {
		return crdt.Draft{}, false
	}
	if n := w.Len(); list && n > 0 && r.IntN(3) == 0 {
		d, err := crdt.ListSet(env, r.Uint64N(n), value(r))
		return wrapped(env, d, err == nil)
	}
	for range 1 + r.IntN(3) {
		n := w.Len()
		at := r.Uint64N(n + 1)
		if r.IntN(3) == 0 {
			at = min(n, 2) // where others are
		}
		switch {
		case n > at && r.IntN(3) == 0:
			err = w.Delete(at, 1+r.Uint64N(min(n-at, 5)))
		case list:
			err = w.InsertValues(at, someValues(r))
		default:
			err = w.Insert(at, words[r.IntN(len(words))])
		}
		if err != nil {
			return crdt.Draft{}, false
		}
	}
	drafts, err := w.Drafts()
	if err != nil || len(drafts) != 1 {
		return crdt.Draft{}, false
	}
	return drafts[0], true
}

func someValues(r *rand.Rand) []any {
	var values []any
	for range 1 + r.IntN(3) {
		values = append(values, fmt.Sprint("v", r.IntN(9)))
	}
	return values
}

// wildEdits are what a modified client might send: positions anywhere, deletions over each other, nothing that fits.
func wildEdits(r *rand.Rand, list bool) crdt.Draft {
	var b []byte
	var text strings.Builder
	values := []any{}
	for range r.IntN(5) {
		z, n := r.Uint64N(40), 1+r.Uint64N(6)
		if r.IntN(20) == 0 {
			z = r.Uint64()
		}
		b = binary.AppendUvarint(binary.AppendUvarint(b, z), n)
		if z&1 == 0 {
			for range n {
				text.WriteString("w")
				values = append(values, "w")
			}
		}
	}
	content := any(text.String())
	if list {
		content = values
	}
	return crdt.Draft{Action: "edit", Payload: encoded([]any{b, content})}
}

// readSeq reads what is shown, an entry for each element.
func readSeq(env *crdt.Env, list bool) ([]Shown, error) {
	var shown []Shown
	scan := crdt.TextScan
	if list {
		scan = crdt.ListScan
	}
	for e, err := range scan(env, 0, 1<<60) {
		if err != nil {
			return nil, err
		}
		if list {
			shown = append(shown, Shown{Entry: e})
			continue
		}
		for _, c := range decodedText(e.Value) {
			one := e
			one.Value = encoded(string(c))
			shown = append(shown, Shown{Entry: one})
		}
	}
	return shown, nil
}

func decodedText(b []byte) string {
	v, err := object.Decode(b)
	if text, ok := v.(string); err == nil && ok {
		return text
	}
	return ""
}

// followEdits applies changes to what was shown before.
func followEdits(shown [][]byte, changes []crdt.Change, list bool) ([][]byte, error) {
	for _, ch := range changes {
		edits := ch.Edits
		if len(edits) == 0 || len(ch.Key)+len(ch.Before)+len(ch.After) > 0 {
			return nil, fmt.Errorf("a change without edits, or with more: %+v", ch)
		}
		was := shown
		shown = slices.Clone(shown)
		for i := len(edits) - 1; i >= 0; i-- {
			e := &edits[i]
			gone, come := elements(e.Deleted), elements(e.Inserted)
			at, end := e.Index, e.Index+uint64(len(gone))
			switch {
			case end > uint64(len(was)) || !slices.EqualFunc(gone, was[at:end], bytes.Equal):
				return nil, fmt.Errorf("at %d, %q is said to have been there", at, gone)
			case i > 0 && edits[i-1].Index+edits[i-1].Deleted.Len() >= at, len(gone)+len(come) == 0:
				return nil, fmt.Errorf("edit %d of %+v touches the one before it, or does nothing", i, edits)
			case e.Units != unitsOf(was[:at], list) || e.Deleted.Units() != unitsOf(gone, list) || e.Inserted.Units() != unitsOf(come, list):
				return nil, fmt.Errorf("at %d, UTF-16 offset %d, it is %d", at, e.Units, unitsOf(was[:at], list))
			}
			shown = slices.Replace(shown, int(at), int(end), come...)
		}
	}
	return shown, nil
}

// unitsOf counts UTF-16 units; an element of a list is one.
func unitsOf(shown [][]byte, list bool) (n uint64) {
	for _, b := range shown {
		if n++; !list && len(utf16.Encode([]rune(decodedText(b)))) > 1 {
			n++
		}
	}
	return n
}

// elements are the elements of content, as values of their own.
func elements(c crdt.Content) (all [][]byte) {
	for _, r := range c.Text {
		all = append(all, encoded(string(r)))
	}
	for _, v := range c.Values {
		all = append(all, encoded(v))
	}
	return all
}

// rawSeq is the state of all elements ever, void and deleted too: how they are put into pages depends on how they came.
func rawSeq(env *crdt.Env, list bool) (string, error) {
	var b strings.Builder
	for e, err := range crdt.SeqRaw(env, list) {
		if err != nil {
			return "", err
		}
		fmt.Fprintln(&b, e)
	}
	return b.String(), nil
}

// checkSeq holds lengths, slices and cursors against the scan.
func checkSeq(env *crdt.Env, shown []Shown, list bool) error {
	n := uint64(len(shown))
	if list {
		if got, err := crdt.ListLen(env); err != nil || got != n {
			return fmt.Errorf("the scan shows %d elements, the length is %d, error %v", n, got, err)
		}
	} else if err := checkText(env, shown); err != nil {
		return err
	}
	var err error
	for i := uint64(0); i <= n && err == nil; i += 1 + n/7 {
		err = errors.Join(checkCursor(env, list, i, false), checkCursor(env, list, i, true))
	}
	return err
}

func checkCursor(env *crdt.Env, list bool, i uint64, before bool) error {
	c, err := crdt.SeqCursor(env, list, i, false, before)
	if err != nil {
		return err
	}
	if at, _, err := crdt.SeqPosition(env, list, c); err != nil || at != i {
		return fmt.Errorf("a cursor at %d (before=%v) is at %d, error %v", i, before, at, err)
	}
	return nil
}

func checkText(env *crdt.Env, shown []Shown) error {
	var text strings.Builder
	for _, s := range shown {
		text.WriteString(decodedText(s.Value))
	}
	all := text.String()
	runes, units := []rune(all), utf16.Encode([]rune(all))
	n, u, err := crdt.TextLen(env)
	if err != nil || n != uint64(len(runes)) || u != uint64(len(units)) || !utf8.ValidString(all) {
		return fmt.Errorf("%q has %d code points and %d units, the length is %d and %d, error %v", all, len(runes), len(units), n, u, err)
	}
	for from := 0; from < len(runes); from += 1 + len(runes)/9 {
		to := min(from+3, len(runes))
		if got, err := crdt.TextSlice(env, uint64(from), uint64(to)); err != nil || got != string(runes[from:to]) {
			return fmt.Errorf("%d to %d of %q is %q, error %v", from, to, all, got, err)
		}
		lo, hi := len(utf16.Encode(runes[:from])), len(utf16.Encode(runes[:to]))
		if got, err := crdt.TextSliceUnits(env, uint64(lo), uint64(hi)); err != nil || got != string(runes[from:to]) {
			return fmt.Errorf("UTF-16 %d to %d of %q is %q, error %v", lo, hi, all, got, err)
		}
	}
	return nil
}
