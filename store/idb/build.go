package idb

import "github.com/hyperhyperspace/hhs-go/internal/pace"

// builder writes pairs, given in order, as the tables of one run. Blocks go to the database some at a time; nothing of
// them counts before a manifest names the tables.
type builder struct {
	engine  *engine
	alive   func() error // looked at now and then: why to give up
	tables  []*table     // those that are complete, and the one being written
	block   blockWriter
	firsts  blockWriter // first keys of the blocks of the last table
	hashes  []uint64
	last    []byte
	next    uint64   // number of the next record
	pending [][]byte // the records before it that are not written yet
	size    int      // of them
	work    int      // bytes since the last pause
}

// add appends a pair; a nil value is a deletion.
func (b *builder) add(key, value []byte) error {
	if b.block.n == 0 {
		if err := b.begin(key); err != nil {
			return err
		}
	}
	b.block.add(key, value)
	b.hashes = append(b.hashes, hashKey(key))
	b.last = join(b.last[:0], key)
	if b.work += len(key) + len(value) + pairWork; b.work > pauseWork {
		b.work = 0
		pace.Point()
		if err := b.alive(); err != nil {
			return err
		}
	}
	if len(b.block.buf) >= b.engine.o.blockSize {
		return b.endBlock()
	}
	return nil
}

// begin starts a block, and before it a table where that is due.
func (b *builder) begin(key []byte) error {
	if t := b.table(); t == nil || len(b.hashes) >= maxTableKeys || t.size >= uint64(b.engine.o.tableSize) {
		err := b.end()
		if err == nil {
			b.next, err = b.engine.reserve()
		}
		if err != nil {
			return err
		}
		b.tables = append(b.tables, &table{first: b.next, low: clone(key)})
	}
	b.firsts.add(key, []byte{})
	return nil
}

func (b *builder) table() *table {
	if len(b.tables) == 0 {
		return nil
	}
	return b.tables[len(b.tables)-1]
}

func (b *builder) endBlock() error {
	t := b.table()
	t.blocks++
	t.size += uint64(len(b.block.buf))
	err := b.write(kindBlock, b.block.buf)
	b.block.reset()
	return err
}

// write takes a record, and writes those that have gathered when there are enough.
func (b *builder) write(kind byte, payload []byte) error {
	rec := endRecord(join(beginRecord(kind, b.next, 0, len(payload)), payload))
	b.pending = append(b.pending, rec)
	b.next++
	if b.size += len(rec); b.size < b.engine.o.writeSize {
		return nil
	}
	return b.flush()
}

func (b *builder) flush() error {
	if len(b.pending) == 0 {
		return nil
	}
	err := b.engine.vals.apply(&change{first: b.next - uint64(len(b.pending)), blocks: b.pending, strict: true})
	b.pending, b.size = nil, 0
	return err
}

// end completes the table being written, if there is one.
func (b *builder) end() error {
	t := b.table()
	if t == nil {
		return nil
	}
	if b.block.n > 0 {
		if err := b.endBlock(); err != nil {
			return err
		}
	}
	t.high = clone(b.last)
	payload := indexBytes(newFilter(b.hashes), b.firsts.buf)
	b.firsts.reset()
	b.hashes = b.hashes[:0]
	if err := b.write(kindIndex, payload); err != nil {
		return err
	}
	return b.flush()
}

// run returns what was built, with ranges that it deletes from older runs; none if that is nothing.
func (b *builder) run(ranges *tree) []*run {
	if len(b.tables) == 0 && ranges.Len() == 0 {
		return nil
	}
	return []*run{{ranges: ranges, tables: b.tables}}
}

// drop removes what was written of a run that nobody will name.
func (b *builder) drop() {
	var spans []span
	for _, t := range b.tables {
		if t.blocks > 0 {
			spans = append(spans, span{t.first, t.index()})
		}
	}
	b.engine.free(spans)
}
