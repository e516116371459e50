package crdt

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"iter"

	"github.com/hyperhyperspace/hhs-go/history"
)

// The roll of a set is its order: for each commit that brought an element, the number of the commit and which of its ops
// did. It is kept by commit, since a transaction may bring thousands.
//
// Value, all numbers uvarints: the commit's number, then for each run of ops, ascending, how many ops lie between it and
// the one before (for the first: its index) and its length.

// spotOf is where an add stands among those of a set, (height, commit id, index), as bytes that compare like it: of the
// id a tag.
func spotOf(op *Op) string {
	return string(appendOrdered(appendStand(make([]byte, 0, 32), op.Height, op.Ref), uint64(op.Ref.Index)))
}

// appendStand is the part of a spot that all ops of a commit share.
func appendStand(b []byte, height uint64, r history.OpRef) []byte {
	d := r.Commit.Digest()
	return append(appendOrdered(b, height), d[:tagSize]...)
}

// parseSpot splits a spot into what its commit shares and the index.
func parseSpot[S ~string | ~[]byte](spot S) (stand S, index uint32, ok bool) {
	if len(spot) == 0 {
		return stand, 0, false
	}
	at := 1 + int(spot[0]) + tagSize
	if at >= len(spot) {
		return stand, 0, false
	}
	i, n := readOrdered([]byte(spot[at:]))
	return spot[:at], uint32(i), n > 0 && at+n == len(spot) && i < 1<<32
}

// run is a stretch of ops of one commit.
type run struct{ from, n uint32 }

func decodeRoll(v []byte) (num uint64, runs []run, ok bool) {
	num, n := binary.Uvarint(v)
	if n <= 0 {
		return 0, nil, false
	}
	at := uint64(0)
	for v = v[n:]; len(v) > 0; {
		gap, n := binary.Uvarint(v)
		if n <= 0 {
			return 0, nil, false
		}
		size, m := binary.Uvarint(v[n:])
		if m <= 0 || size == 0 || gap > 1<<31 || size > 1<<31 || at+gap+size > 1<<32-1 || gap == 0 && at > 0 {
			return 0, nil, false
		}
		runs = append(runs, run{uint32(at + gap), uint32(size)})
		at, v = at+gap+size, v[n+m:]
	}
	return num, runs, len(runs) > 0
}

func encodeRoll(num uint64, runs []run) []byte {
	v := binary.AppendUvarint(make([]byte, 0, binary.MaxVarintLen64+4*len(runs)), num)
	at := uint32(0)
	for _, r := range runs {
		v = binary.AppendUvarint(binary.AppendUvarint(v, uint64(r.from-at)), uint64(r.n))
		at = r.from + r.n
	}
	return v
}

// enroll makes the add at a spot one that brought its element. alone tells that no other op of its commit is on the roll.
func (f *field) enroll(it item, alone bool) error { return f.rollOne(it, alone, withRun) }

// strike takes it out again.
func (f *field) strike(it item) error { return f.rollOne(it, false, withoutRun) }

type runChange func(runs []run, index uint32) ([]run, bool)

func (f *field) rollOne(it item, alone bool, change runChange) error {
	num, ok := liveNum(it.record)
	stand, index, ok2 := parseSpot(it.id)
	if !ok || !ok2 {
		return &Corrupt{Key: []byte(it.id), Reason: "not a live add"}
	}
	return f.inRoll(join(spaceShown, nil, stand), num, index, alone, change)
}

// inRoll changes the entry of a commit.
func (f *field) inRoll(key []byte, num uint64, index uint32, alone bool, change runChange) error {
	var v []byte
	if !alone {
		var err error
		if v, err = f.get(key); err != nil {
			return err
		}
	}
	var runs []run
	if v != nil {
		here, old, ok := decodeRoll(v)
		if runs = old; !ok || here != num {
			return &Corrupt{Key: key, Reason: "not the adds of this commit"}
		}
	}
	runs, ok := change(runs, index)
	if !ok {
		return &Corrupt{Key: key, Reason: "an add is told twice, or was not there"}
	}
	if len(runs) == 0 {
		return f.remove(key)
	}
	return f.put(key, encodeRoll(num, runs))
}

func withRun(runs []run, index uint32) ([]run, bool) {
	at := len(runs) // the first run that begins behind index; ops come in order, so look from the end
	for at > 0 && runs[at-1].from > index {
		at--
	}
	if at > 0 && index-runs[at-1].from < runs[at-1].n {
		return nil, false
	}
	left := at > 0 && runs[at-1].from+runs[at-1].n == index
	right := at < len(runs) && runs[at].from == index+1
	switch {
	case left && right:
		runs[at-1].n += 1 + runs[at].n
		return append(runs[:at], runs[at+1:]...), true
	case left:
		runs[at-1].n++
		return runs, true
	case right:
		runs[at].from, runs[at].n = index, runs[at].n+1
		return runs, true
	}
	runs = append(runs, run{})
	copy(runs[at+1:], runs[at:])
	runs[at] = run{index, 1}
	return runs, true
}

func withoutRun(runs []run, index uint32) ([]run, bool) {
	out := make([]run, 0, len(runs)+1)
	found := false
	for _, r := range runs {
		if index < r.from || index-r.from >= r.n {
			out = append(out, r)
			continue
		}
		found = true
		if index > r.from {
			out = append(out, run{r.from, index - r.from})
		}
		if end := r.from + r.n; index+1 < end {
			out = append(out, run{index + 1, end - index - 1})
		}
	}
	return out, found
}

// listed is one add in the roll.
type listed struct {
	num   uint64
	index uint32
	spot  []byte
}

// roll yields the adds that brought an element, those after one spot and before another; nil is no bound.
func (f *field) roll(from, to []byte, reverse bool) iter.Seq2[listed, error] {
	return func(yield func(listed, error) bool) {
		lo, hi := []byte{spaceShown}, after([]byte{spaceShown})
		if stand, _, ok := parseSpot(from); ok {
			lo = join(spaceShown, nil, stand)
		}
		if stand, _, ok := parseSpot(to); ok {
			hi = append(join(spaceShown, nil, stand), 0)
		}
		for kv, err := range f.State.Scan(lo, hi, reverse) {
			if err != nil {
				yield(listed{}, fmt.Errorf("read state: %w", err))
				return
			}
			num, runs, ok := decodeRoll(kv.Value)
			if !ok || len(kv.Key) < 2+tagSize || len(kv.Key) != 2+tagSize+int(kv.Key[1]) {
				yield(listed{}, &Corrupt{Key: bytes.Clone(kv.Key), Reason: "not the adds of a commit"})
				return
			}
			c := rolled{num: num, runs: runs, stand: kv.Key[1:], from: from, to: to}
			if !c.each(reverse, yield) {
				return
			}
		}
	}
}

// rolled is one commit of a roll as it is read.
type rolled struct {
	num      uint64
	runs     []run
	stand    []byte
	from, to []byte
}

func (c *rolled) each(reverse bool, yield func(listed, error) bool) bool {
	for i := range c.runs {
		r := c.runs[i]
		if reverse {
			r = c.runs[len(c.runs)-1-i]
		}
		for j := range r.n {
			index := r.from + j
			if reverse {
				index = r.from + r.n - 1 - j
			}
			spot := appendOrdered(append(make([]byte, 0, len(c.stand)+5), c.stand...), uint64(index))
			if c.from != nil && bytes.Compare(spot, c.from) <= 0 || c.to != nil && bytes.Compare(spot, c.to) >= 0 {
				continue
			}
			if !yield(listed{c.num, index, spot}, nil) {
				return false
			}
		}
	}
	return true
}

// liveAdd is the entry of an add that is live: the number of its commit.
func liveAdd(num uint64) record { return record{flags: flagBare, rest: binary.AppendUvarint(nil, num)} }

// liveNum reads it.
func liveNum(r record) (num uint64, ok bool) {
	num, n := binary.Uvarint(r.rest)
	return num, n > 0 && n == len(r.rest)
}

// valueTag stands for an element in the state: the beginning of the hash of its value.
func valueTag(value []byte) []byte {
	h := sha256.Sum256(value)
	return h[:tagSize]
}

// elementTag is valueTag from the element's key.
func elementTag(key []byte) []byte {
	if key[0] == keyHashed {
		return key[1 : 1+tagSize]
	}
	return valueTag(key[1:])
}
