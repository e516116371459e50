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
	if x != nil && (uint64(x.blocks()) != t.blocks || !bytes.Equal(x.firsts.key(0), t.low)) {
		why = "of another table"
	}
	if why != "" {
		return nil, e.blame(damaged(kindIndex, t.index(), 0, why))
	}
	e.cache.put(t.index(), x, len(x.filter)+len(x.firsts.keys)+x.blocks()*8)
	return x, nil
}

// block returns the block at a position of a table whose index is x. If it has to be read, the ones after it, or in
// reverse before it, are read with it, ahead in all.
func (e *engine) block(t *table, x *index, i, ahead int, reverse bool) (*block, error) {
	if b, ok := e.cache.get(t.first + uint64(i)).(*block); ok {
		return b, nil
	}
	from, count := i, min(max(ahead, 1), x.blocks()-i)
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
	if why == "" && !bytes.Equal(b.startKey(0), x.firsts.key(i)) {
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
	if stop := e.alive(); stop != nil {
		return stop
	}
	if !e.vals.owned() {
		e.lose(errFenced)
		return errFenced
	}
	return err
}

// get looks a key up in a run.
func (e *engine) get(r *run, key []byte, hash uint64) (value []byte, found bool, err error) {
	i := r.find(key)
	if i < 0 || bytes.Compare(key, r.tables[i].high) > 0 {
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
	*bounds
	engine *engine
	run    *run
	began  bool
	tables walk   // over the run
	index  *index // of the table; nil: not read yet
	blocks walk   // over the table
	block  *block // nil: not read yet
	parts  walk   // over the intervals of the block
	ahead  int    // blocks to read at once
}

// walk goes over positions, both ends included, in the direction of a scan.
type walk struct{ at, from, to, step int }

// walk returns one that begins with the first position that the bounds leave, or in reverse with the last.
func (b *bounds) walk(from, to int) walk {
	if b.reverse {
		return walk{to, from, to, -1}
	}
	return walk{from, from, to, 1}
}

// left is how many positions there are from at on.
func (w *walk) left() int {
	if w.step < 0 {
		return w.at - w.from + 1
	}
	return w.to - w.at + 1
}

// positions returns a walk over n things in order. find gives the last that does not begin above a key; the first of
// them that may hold keys within the bounds is the one that lo is in.
func (b *bounds) positions(n int, find func([]byte) int) walk {
	to := n - 1
	if b.hi != nil {
		to = find(b.hi)
	}
	return b.walk(max(find(b.lo), 0), to)
}

func (s *stored) fill(b *batch) error {
	b.reset()
	b.back = s.reverse
	if !s.began {
		s.began = true
		s.tables = s.positions(len(s.run.tables), s.run.find)
	}
	for s.tables.left() > 0 {
		if err := s.load(); err != nil {
			return err
		}
		switch {
		case s.blocks.left() <= 0:
			s.index = nil
			s.tables.at += s.tables.step
		case s.parts.left() <= 0:
			s.block = nil
			s.blocks.at += s.blocks.step
		default:
			s.block.read(s.parts.at, b)
			s.parts.at += s.parts.step
			return nil
		}
	}
	return nil
}

// load reads what the next interval needs.
func (s *stored) load() (err error) {
	t := s.run.tables[s.tables.at]
	if s.index == nil {
		if bytes.Compare(t.high, s.lo) < 0 {
			s.blocks = walk{to: -1, step: 1} // none
			return nil
		}
		if s.index, err = s.engine.index(t); err != nil {
			return err
		}
		s.blocks, s.block = s.positions(s.index.blocks(), s.index.find), nil
	}
	left := s.blocks.left()
	if s.block != nil || left <= 0 {
		return nil
	}
	if s.block, err = s.engine.block(t, s.index, s.blocks.at, min(s.ahead, left), s.reverse); err != nil {
		return err
	}
	s.parts = s.positions(len(s.block.starts), s.block.find)
	s.ahead = min(max(2*s.ahead, 1), readAhead)
	return nil
}
