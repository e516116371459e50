package crdttest

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"math/big"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/hyperhyperspace/hhs-go/crdt"
	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/object"
)

// The models: the text of docs/spec/values.md as code, over all ops at once and sharing nothing with the types.

// order is (height, commit id, index).
func order(a, b Fact) int {
	return cmp.Or(cmp.Compare(a.Height, b.Height), bytes.Compare(a.Ref.Commit.Bytes(), b.Ref.Commit.Bytes()),
		cmp.Compare(a.Ref.Index, b.Ref.Index))
}

// writes picks the effective ops of one action that carry a valid value, in order.
func writes(facts []Fact, action string, maxRefs int) []Fact {
	var picked []Fact
	for _, f := range facts {
		v, err := object.Decode(f.Payload)
		text, ok := v.(string)
		if f.Effective && f.Action == action && len(f.Refs) <= maxRefs && err == nil && ok && utf8.RuneCountInString(text) <= maxText {
			picked = append(picked, f)
		}
	}
	slices.SortFunc(picked, order)
	return picked
}

func shownOf(f Fact) Shown { return Shown{Entry: crdt.Entry{Value: f.Payload, Ref: f.Ref}} }

func modelRegister(facts []Fact, before func(a, b history.OpRef) bool) []Shown {
	all := writes(facts, "set", 1<<20)
	var last []Fact
	slices.Reverse(all) // what hides an op is most often among the last
	for _, a := range all {
		if !slices.ContainsFunc(all, func(b Fact) bool { return before(a.Ref, b.Ref) }) {
			last = append(last, a)
		}
	}
	if len(last) == 0 {
		return nil
	}
	s := shownOf(last[0])
	for _, f := range last[1:] {
		s.Others = append(s.Others, f.Ref)
	}
	return []Shown{s}
}

// modelOnce tells of each set, from the first on, whether one that is not too late comes before it.
func modelOnce(facts []Fact, before func(a, b history.OpRef) bool) []Shown {
	var visible []Fact
	for _, a := range writes(facts, "set", 0) {
		if !slices.ContainsFunc(visible, func(b Fact) bool { return before(b.Ref, a.Ref) }) {
			visible = append(visible, a)
		}
	}
	slices.SortFunc(visible, func(a, b Fact) int { return bytes.Compare(a.Ref.Commit.Bytes(), b.Ref.Commit.Bytes()) })
	if len(visible) == 0 {
		return nil
	}
	s := shownOf(visible[0])
	for _, f := range visible[1:] {
		s.Others = append(s.Others, f.Ref)
	}
	return []Shown{s}
}

func modelProfile(facts []Fact, before func(a, b history.OpRef) bool) []Shown {
	byPerson := map[string][]Fact{}
	for _, f := range facts {
		byPerson[string(f.Identity.Bytes())] = append(byPerson[string(f.Identity.Bytes())], f)
	}
	var shown []Shown
	for person, own := range byPerson {
		for _, s := range modelRegister(own, before) {
			s.Key = []byte(person)
			shown = append(shown, s)
		}
	}
	slices.SortFunc(shown, func(a, b Shown) int { return bytes.Compare(a.Key, b.Key) })
	return shown
}

func modelLog(action string) func(facts []Fact, before func(a, b history.OpRef) bool) []Shown {
	return func(facts []Fact, _ func(a, b history.OpRef) bool) []Shown {
		var shown []Shown
		for _, f := range writes(facts, action, 0) {
			shown = append(shown, shownOf(f))
		}
		return shown
	}
}

// elementKey is the key of a value in a set, from the specification.
func elementKey(value []byte) []byte {
	if len(value) > 128 {
		h := sha256.Sum256(value)
		return append([]byte{1}, h[:]...)
	}
	return append([]byte{0}, value...)
}

// removals picks the effective removals, by the element they name.
func removals(facts []Fact) map[string][]Fact {
	picked := map[string][]Fact{}
	for _, f := range facts {
		if !f.Effective || f.Action != "remove" {
			continue
		}
		v, err := object.Decode(f.Payload)
		if key, ok := v.([]byte); err == nil && ok {
			picked[string(key)] = append(picked[string(key)], f)
		}
	}
	return picked
}

func modelSet(removable bool) func([]Fact, func(a, b history.OpRef) bool) []Shown {
	return func(facts []Fact, _ func(a, b history.OpRef) bool) []Shown {
		var shown []Shown
		gone := removals(facts)
		for _, add := range writes(facts, "add", 0) { // in order, so that the first live add is met first
			key := elementKey(add.Payload)
			covered := removable && slices.ContainsFunc(gone[string(key)], func(f Fact) bool {
				return slices.Contains(f.Refs, add.Ref) || f.Ref.Commit == add.Ref.Commit && f.Ref.Index > add.Ref.Index
			})
			known := slices.ContainsFunc(shown, func(s Shown) bool { return bytes.Equal(s.Key, key) })
			if !covered && !known {
				s := shownOf(add)
				s.Key = key
				shown = append(shown, s)
			}
		}
		return shown
	}
}

// sumValue is a sum, given as decimal digits, as a counter shows it: an integer if it has 64 bits, else the digits.
func sumValue(digits string) ([]byte, error) {
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		return object.Encode(digits)
	}
	return object.Encode(n)
}

func modelCounter(facts []Fact, _ func(a, b history.OpRef) bool) []Shown {
	sum, adds := new(big.Int), 0
	for _, f := range facts {
		v, err := object.Decode(f.Payload)
		if n, ok := v.(int64); f.Effective && f.Action == "add" && len(f.Refs) == 0 && err == nil && ok {
			sum, adds = sum.Add(sum, big.NewInt(n)), adds+1
		}
	}
	value, err := sumValue(sum.String())
	if adds == 0 || err != nil {
		return nil
	}
	return []Shown{{Entry: crdt.Entry{Value: value}}}
}
