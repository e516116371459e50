package crdttest

import (
	"fmt"
	"slices"

	"github.com/hyperhyperspace/hhs-go/crdt"
	"github.com/hyperhyperspace/hhs-go/history"
	"github.com/hyperhyperspace/hhs-go/object"
)

// Book remembers ops, for tests of a type that reads them again.
type Book struct {
	nums map[object.ID]uint64
	ops  map[spot]crdt.Op
}

type spot struct {
	num   uint64
	index uint32
}

var _ crdt.Ops = (*Book)(nil)

// NewBook returns an empty book.
func NewBook() *Book { return &Book{map[object.ID]uint64{}, map[spot]crdt.Op{}} }

// Add writes an op down and returns it with the number of its commit, as it goes to Apply and Flip.
func (b *Book) Add(op crdt.Op) crdt.Op {
	n, ok := b.nums[op.Ref.Commit]
	if !ok {
		n = uint64(len(b.nums))
		b.nums[op.Ref.Commit] = n
	}
	op.Num = n
	b.ops[spot{n, op.Ref.Index}] = op
	return op
}

// Diff is what Diff of a crdt.Past is to give for the commits of the book. before is the order of two different ones.
func (b *Book) Diff(before func(a, b object.ID) bool, left, right []uint64) (onlyLeft, onlyRight []history.Span, err error) {
	ids := make([]object.ID, len(b.nums))
	for id, n := range b.nums {
		ids[n] = id
	}
	within := func(version []uint64, n int) bool {
		return slices.ContainsFunc(version, func(v uint64) bool { return int(v) == n || before(ids[n], ids[v]) })
	}
	for n := range ids {
		one := history.Span{Start: uint64(n), End: uint64(n) + 1}
		switch inLeft, inRight := within(left, n), within(right, n); {
		case inLeft && !inRight:
			onlyLeft = append(onlyLeft, one)
		case inRight && !inLeft:
			onlyRight = append(onlyRight, one)
		}
	}
	return onlyLeft, onlyRight, nil
}

// At implements crdt.Ops.
func (b *Book) At(num uint64, index uint32) (crdt.Op, error) {
	op, ok := b.ops[spot{num, index}]
	if !ok {
		return op, fmt.Errorf("crdttest: the type asks for op %d of commit %d", index, num)
	}
	return op, nil
}

// Find implements crdt.Ops. A commit of which no op is known is at height 1.
func (b *Book) Find(commit object.ID) (num, height uint64, err error) {
	n, ok := b.nums[commit]
	for at, op := range b.ops {
		if ok && at.num == n {
			return n, op.Height, nil
		}
	}
	return n, 1, nil
}

// At implements crdt.Ops.
func (s *sim) At(num uint64, index uint32) (crdt.Op, error) {
	if num >= uint64(len(s.commits)) || int(index) >= len(s.commits[num].ops) {
		return crdt.Op{}, fmt.Errorf("crdttest: the type asks for op %d of commit %d", index, num)
	}
	return s.commits[num].ops[index], nil
}

// Find implements crdt.Ops.
func (s *sim) Find(commit object.ID) (num, height uint64, err error) {
	n, ok := s.number[commit]
	if !ok {
		return 0, 0, fmt.Errorf("crdttest: the type asks for commit %v", history.OpRef{Commit: commit})
	}
	return uint64(n), s.commits[n].height, nil
}
