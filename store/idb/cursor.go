package idb

import "bytes"

// bounds are those of a scan: lo <= key, key < hi unless hi is nil.
type bounds struct {
	lo, hi  []byte
	reverse bool
}

// batch is some pairs in order.
type batch struct {
	keys   []byte
	ends   []int // of each key in keys
	values [][]byte
	back   bool // read from the end
}

func (b *batch) reset() { b.keys, b.ends, b.values = b.keys[:0], b.ends[:0], b.values[:0] }

// add appends a pair; its key is rest after the first shared bytes of the key before.
func (b *batch) add(shared int, rest, value []byte) {
	if shared > 0 {
		before := b.key(len(b.ends) - 1)
		b.keys = join(b.keys, before[:shared])
	}
	b.keys = join(b.keys, rest)
	b.ends = append(b.ends, len(b.keys))
	b.values = append(b.values, value)
}

func (b *batch) key(i int) []byte {
	begin, end := 0, b.ends[i]
	if i > 0 {
		begin = b.ends[i-1]
	}
	return b.keys[begin:end:end]
}

// source gives the pairs of a memory or a run within bounds, in their direction, deletions included.
type source interface {
	// fill replaces the pairs of b by the next ones. None means that there are no more.
	fill(b *batch) error
}

// cursor stands on one pair of a source.
type cursor struct {
	batch
	*bounds
	source
	ranges *tree // what the layer or run deletes from older ones
	at     int
	valid  bool
}

// next moves on; the first call moves to the first pair.
func (c *cursor) next() error {
	for {
		if c.back {
			c.at--
		} else {
			c.at++
		}
		if c.at < 0 || c.at >= len(c.ends) {
			if err := c.fill(&c.batch); err != nil || len(c.ends) == 0 {
				c.valid = false
				return err
			}
			c.at = 0
			if c.back {
				c.at = len(c.ends) - 1
			}
		}
		k := c.key(c.at)
		before := bytes.Compare(k, c.lo) < 0
		after := c.hi != nil && bytes.Compare(k, c.hi) >= 0
		if c.valid = !before && !after; c.valid || before && c.reverse || after && !c.reverse {
			return nil
		}
	}
}

// memory is the source of a layer.
type memory struct {
	*bounds
	pairs *tree
	last  *string // the last key given
	count int
}

func (m *memory) fill(b *batch) error {
	b.reset()
	m.count = min(max(2*m.count, memoryFirst), memoryMost)
	take := func(k string, v []byte) bool {
		if m.last == nil || *m.last != k {
			b.add(0, []byte(k), v)
			last := k
			m.last = &last
		}
		return len(b.ends) < m.count
	}
	switch {
	case !m.reverse && m.last != nil:
		m.pairs.Ascend(*m.last, take)
	case !m.reverse:
		m.pairs.Ascend(string(m.lo), take)
	case m.last != nil:
		m.pairs.Descend(*m.last, take)
	case m.hi != nil:
		m.pairs.Descend(string(m.hi), take)
	default:
		m.pairs.Reverse(take)
	}
	return nil
}
