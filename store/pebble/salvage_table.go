//go:build !js

package pebble

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/sstable/block"
	"github.com/cockroachdb/pebble/v2/sstable/colblk"
)

// addTable takes the range deletions of a table, and its entries as a source.
func (s *salvager) addTable(ctx context.Context, name string) {
	path := s.fs.PathJoin(s.dir, name)
	if info, err := s.fs.Stat(path); err == nil {
		s.step.AllBytes += info.Size()
		s.report.Bytes += info.Size()
	}
	s.step.AllFiles++
	s.report.Tables++
	r, err := openTable(ctx, s.fs, path)
	if err != nil {
		s.damage(err, name)
		return
	}
	if err := errors.Join(s.addRemovals(ctx, r), r.Close()); err != nil {
		s.damage(err, name)
	}
	s.sources = append(s.sources, func(yield func(edition) bool) {
		r, err := openTable(ctx, s.fs, path)
		if err != nil {
			s.damage(err, name)
			return
		}
		t := tableReader{r: r, ctx: ctx}
		size, err := t.read(yield)
		if err = errors.Join(err, r.Close()); err != nil {
			s.damage(err, name)
		}
		s.step.Files, s.step.Bytes = s.step.Files+1, s.step.Bytes+size
	})
}

func (s *salvager) addRemovals(ctx context.Context, r *sstable.Reader) error {
	it, err := r.NewRawRangeDelIter(ctx, sstable.NoFragmentTransforms, sstable.NoReadEnv)
	if err != nil || it == nil {
		return err
	}
	defer it.Close()
	for span, err := it.First(); span != nil || err != nil; span, err = it.Next() {
		if err != nil {
			return err
		}
		for _, k := range span.Keys {
			s.removals = append(s.removals, removal{slices.Clone(span.Start), slices.Clone(span.End), uint64(k.SeqNum())})
		}
	}
	return nil
}

// tableReader reads a table around its damaged blocks.
type tableReader struct {
	r    *sstable.Reader
	ctx  context.Context
	bad  [][]byte // for each damaged block, in order, the key that separates it from the next one
	lost error    // the first damage
}

// read yields what can be read, and returns the size of the blocks and what could not be.
func (t *tableReader) read(yield func(edition) bool) (size int64, err error) {
	size, err = t.findBad()
	if err != nil {
		return size, err
	}
	it, err := t.r.NewPointIter(t.ctx, sstable.IterOptions{Env: sstable.NoReadEnv,
		ReaderProvider: sstable.MakeTrivialReaderProvider(t.r), BlobContext: sstable.AssertNoBlobHandles})
	if err != nil {
		return size, err
	}
	kv := it.First()
	for {
		for ; kv != nil; kv = it.Next() {
			value, _, err := kv.Value(nil)
			if err != nil {
				t.lost = errors.Join(t.lost, err)
				continue
			}
			e := edition{key: slices.Clone(kv.K.UserKey), value: slices.Clone(value), number: uint64(kv.K.SeqNum()),
				deleted: kv.K.Kind() != pebble.InternalKeyKindSet && kv.K.Kind() != pebble.InternalKeyKindSetWithDelete}
			if !yield(e) {
				return size, errors.Join(t.lost, it.Close())
			}
		}
		if it.Error() == nil || len(t.bad) == 0 {
			break
		}
		kv = it.SeekGE(append(t.bad[0], 0), 0) // the block behind the damaged one
		t.bad = t.bad[1:]
	}
	return size, errors.Join(t.lost, it.Error(), it.Close())
}

// findBad checks every block of entries by itself.
func (t *tableReader) findBad() (size int64, err error) {
	layout, err := t.r.Layout()
	if err != nil {
		return 0, err
	}
	if layout.Format < sstable.TableFormatPebblev5 {
		return 0, fmt.Errorf("a table of format %s, which is older than any this program wrote", layout.Format)
	}
	for _, index := range layout.Index {
		data, err := t.block(index)
		if err != nil {
			return size, err
		}
		var it colblk.IndexIter
		if err := it.Init(t.r.Comparer, data, sstable.NoTransforms); err != nil {
			return size, err
		}
		for ok := it.First(); ok; ok = it.Next() {
			h, err := it.BlockHandleWithProperties()
			if err != nil {
				return size, err
			}
			size += int64(h.Length)
			if _, err := t.block(h.Handle); err != nil {
				t.bad = append(t.bad, slices.Clone(it.Separator()))
				t.lost = errors.Join(t.lost, err)
			}
		}
	}
	return size, nil
}

// block reads, checks and unpacks one block.
func (t *tableReader) block(h block.Handle) ([]byte, error) {
	raw := make([]byte, h.Length+block.TrailerLen)
	br := t.r.BlockReader()
	if err := br.Readable().ReadAt(t.ctx, raw, int64(h.Offset)); err != nil {
		return nil, err
	}
	if err := block.ValidateChecksum(br.ChecksumType(), raw, h); err != nil {
		return nil, err
	}
	packing := block.CompressionIndicator(raw[h.Length])
	if packing == block.NoCompressionIndicator {
		return raw[:h.Length], nil
	}
	n, err := block.DecompressedLen(packing, raw[:h.Length])
	if err != nil {
		return nil, err
	}
	data := make([]byte, n)
	return data, block.DecompressInto(packing, raw[:h.Length], data)
}
