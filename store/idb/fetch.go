package idb

import (
	"bytes"
	"fmt"

	"github.com/hyperhyperspace/hhs-go/internal/pace"
)

// index returns the index of a table.
func (e *engine) index(t *table) (*index, error) {
	if x, ok := e.cache.get(t.index()).(*index); ok {
		return x, nil
	}
	recs, err := e.fetch(t.index(), 1)
	if err != nil {
		return nil, err
	}
	payload, err := openRecord(kindIndex, t.index(), 0, recs[0])
	if err != nil {
		return nil, e.blame(err)
	}
	x, why := openIndex(payload)
	if x != nil && (uint64(len(x.keys)) != t.blocks || !bytes.Equal(x.keys[0], t.low)) {
		why = "of another table"
	}
	if why != "" {
		return nil, e.blame(damaged(kindIndex, t.index(), 0, why))
	}
	e.cache.put(t.index(), x, len(payload)+len(x.keys)*sliceSize)
	return x, nil
}

// block returns the block at a position of a table whose index is x. If it has to be read, the ones after it, or in
// reverse before it, are read with it, ahead in all.
func (e *engine) block(t *table, x *index, i, ahead int, reverse bool) (*block, error) {
	if b, ok := e.cache.get(t.first + uint64(i)).(*block); ok {
		return b, nil
	}
	from, count := i, min(max(ahead, 1), len(x.keys)-i)
	if reverse {
		count = min(max(ahead, 1), i+1)
		from = i + 1 - count
	}
	recs, err := e.fetch(t.first+uint64(from), count)
	if err != nil {
		return nil, err
	}
	var want *block
	for n, rec := range recs {
		pace.Point()
		b, err := openTableBlock(t, x, from+n, rec)
		if err != nil {
			return nil, e.blame(err)
		}
		if from+n == i {
			want = b
		}
		e.cache.put(t.first+uint64(from+n), b, len(rec)+4*len(b.starts))
	}
	return want, nil
}

func openTableBlock(t *table, x *index, i int, rec []byte) (*block, error) {
	number := t.first + uint64(i)
	payload, err := openRecord(kindBlock, number, 0, rec)
	if err != nil {
		return nil, err
	}
	b, why := openBlock(payload)
	if why == "" && !bytes.Equal(b.startKey(0), x.keys[i]) {
		why = "of another table"
	}
	if why != "" {
		return nil, damaged(kindBlock, number, 0, why)
	}
	return b, nil
}

// fetch reads consecutive values, all of them.
func (e *engine) fetch(first uint64, count int) ([][]byte, error) {
	recs, err := e.vals.read(blocksPlace, first, count)
	if err == nil && len(recs) < count {
		err = damaged(kindBlock, first, 0, fmt.Sprintf("missing: %d of %d values", count-len(recs), count))
	}
	return recs, e.blame(err)
}

// blame returns the reason for an error of reading: a store that is closed or lost cannot read, and once another opener
// has taken over, what it dropped is no damage.
func (e *engine) blame(err error) error {
	if err == nil {
		return nil
	}
	if e.isClosed() {
		return errClosed
	}
	if e.isLost() == nil && !e.vals.owned() {
		e.lose(errFenced)
	}
	if lost := e.isLost(); lost != nil {
		return lost
	}
	return err
}

// get looks a key up in a run.
func (e *engine) get(r *run, key []byte, hash uint64) (value []byte, found bool, err error) {
	i := r.find(key)
	if i == len(r.tables) || bytes.Compare(key, r.tables[i].low) < 0 {
		return nil, false, nil
	}
	t := r.tables[i]
	x, err := e.index(t)
	if err != nil || !x.filter.may(hash) {
		return nil, false, err
	}
	b, err := e.block(t, x, x.find(key), 1, false)
	if err != nil {
		return nil, false, err
	}
	value, found = b.get(key)
	return value, found, nil
}

// stored is the source of a run.
type stored struct {
	bounds
	engine *engine
	run    *run
	began  bool
	table  int
	index  *index // of the table; nil: not read yet
	block  *block // nil: not read yet
	at     int    // position of the block
	part   int    // interval of the block that comes next
	ahead  int    // blocks to read at once
}

func (s *stored) fill(b *batch) error {
	b.reset()
	b.back = s.reverse
	if !s.began {
		s.began = true
		s.begin()
	}
	for s.table >= 0 && s.table < len(s.run.tables) && !s.done() {
		if err := s.load(); err != nil {
			return err
		}
		if s.block == nil {
			continue // the table has ended, or ends before the bounds
		}
		s.block.read(s.part, b)
		s.part += s.step()
		if s.part < 0 || s.part == len(s.block.starts) {
			s.block = nil
			s.at += s.step()
		}
		return nil
	}
	return nil
}

func (s *stored) step() int {
	if s.reverse {
		return -1
	}
	return 1
}

// begin finds the table to start with.
func (s *stored) begin() {
	switch {
	case !s.reverse:
		s.table = s.run.find(s.lo)
	case s.hi == nil:
		s.table = len(s.run.tables) - 1
	default:
		s.table = min(s.run.find(s.hi), len(s.run.tables)-1)
	}
}

// done reports whether the table, and so every later one, is out of bounds.
func (s *stored) done() bool {
	t := s.run.tables[s.table]
	if s.reverse {
		return bytes.Compare(t.high, s.lo) < 0
	}
	return s.hi != nil && bytes.Compare(t.low, s.hi) >= 0
}

// load reads what the next interval needs. Without a block, the table has been left.
func (s *stored) load() (err error) {
	t := s.run.tables[s.table]
	if s.index == nil {
		if s.index, err = s.engine.index(t); err != nil {
			return err
		}
		s.at, s.block = s.start(), nil
	}
	if s.block != nil {
		return nil
	}
	if s.at < 0 || s.at == len(s.index.keys) || s.beyond() {
		s.index = nil
		s.table += s.step()
		return nil
	}
	if s.block, err = s.engine.block(t, s.index, s.at, min(s.ahead, s.left()), s.reverse); err != nil {
		return err
	}
	s.ahead = min(max(2*s.ahead, 1), readAhead)
	s.part = 0
	if s.reverse {
		s.part = len(s.block.starts) - 1
	}
	if !s.reverse && len(s.lo) > 0 {
		s.part = max(s.block.find(s.lo), 0)
	} else if s.reverse && s.hi != nil {
		s.part = max(s.block.find(s.hi), 0)
	}
	return nil
}

// start returns the block of the table to start with.
func (s *stored) start() int {
	switch {
	case !s.reverse:
		return max(s.index.find(s.lo), 0)
	case s.hi == nil:
		return len(s.index.keys) - 1
	}
	return s.index.find(s.hi) // -1: all are above
}

// left returns how many blocks of the table are within the bounds from s.at on.
func (s *stored) left() int {
	switch {
	case s.reverse:
		return s.at - max(s.index.find(s.lo), 0) + 1
	case s.hi == nil:
		return len(s.index.keys) - s.at
	}
	return s.index.find(s.hi) - s.at + 1
}

// beyond reports whether the block at s.at is past the bounds.
func (s *stored) beyond() bool {
	if s.reverse {
		return s.at+1 < len(s.index.keys) && bytes.Compare(s.index.keys[s.at+1], s.lo) <= 0
	}
	return s.hi != nil && bytes.Compare(s.index.keys[s.at], s.hi) >= 0
}
